//! The functions that `PostgreSQL`'s clients call on the catalog.
//!
//! Clients call them on a few rows at a time, so they are computed value by value.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_schema::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    TypeSignature, Volatility,
};

use super::super::settings::{DATABASE as NAME, SERVER_VERSION};
use super::super::{procedures, split_statements};
use super::objects::{OWNER, Objects, USER, quoted};
use super::pg_catalog_rows::definition;
use super::table_schemas::{Cell, field};

/// The computation of a function's value.
type Compute = fn(&Objects, &[ScalarValue]) -> Cell;

/// Name, type (see [`field`]), computation.
type Known = (&'static str, &'static str, Compute);

/// All functions, for one session.
pub(super) fn all(objects: &Arc<Objects>) -> Vec<ScalarUDF> {
    let function = |(name, of, compute): &Known| {
        let any = vec![TypeSignature::Nullary, TypeSignature::VariadicAny];
        let signature = Signature::new(TypeSignature::OneOf(any), Volatility::Stable);
        let objects = Arc::clone(objects);
        let field = Arc::new(field(name, of));
        ScalarUDF::from(Function { name, field, compute: *compute, signature, objects })
    };
    KNOWN.iter().map(function).collect()
}

#[derive(Debug)]
struct Function {
    name: &'static str,
    /// Its type, and the name of that.
    field: FieldRef,
    compute: Compute,
    signature: Signature,
    objects: Arc<Objects>,
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.objects, &other.objects)
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.field.data_type().clone())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::clone(&self.field))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if is_constant { 1 } else { args.number_rows };
        let mut found = Vec::with_capacity(rows);
        for row in 0..rows {
            let value = |arg: &ColumnarValue| match arg {
                ColumnarValue::Scalar(value) => Ok(value.clone()),
                ColumnarValue::Array(values) => ScalarValue::try_from_array(values, row),
            };
            let values = args.args.iter().map(value).collect::<Result<Vec<_>>>()?;
            found.push(self.scalar((self.compute)(&self.objects, &values))?);
        }
        if is_constant && let Some(value) = found.pop() {
            return Ok(ColumnarValue::Scalar(value));
        }
        if found.is_empty() {
            return Ok(ColumnarValue::Array(arrow_array::new_empty_array(self.field.data_type())));
        }
        ScalarValue::iter_to_array(found).map(ColumnarValue::Array)
    }
}

impl Function {
    fn scalar(&self, cell: Cell) -> Result<ScalarValue> {
        let of = self.field.data_type();
        match cell {
            Cell::Bool(value) => Ok(ScalarValue::Boolean(Some(value))),
            Cell::Int(value) => ScalarValue::Int64(Some(value)).cast_to(of),
            Cell::Text(text) => ScalarValue::Utf8(Some(text)).cast_to(of),
            Cell::Texts(texts) => {
                let texts: Vec<_> = texts.into_iter().map(ScalarValue::from).collect();
                Ok(ScalarValue::List(ScalarValue::new_list_nullable(&texts, &DataType::Utf8)))
            }
            Cell::Null | Cell::Ints(_) => ScalarValue::try_from(of),
        }
    }
}

/// An argument as a number.
fn int(values: &[ScalarValue], at: usize) -> Option<i64> {
    match values.get(at)?.cast_to(&DataType::Int64).ok()? {
        ScalarValue::Int64(value) => value,
        _ => None,
    }
}

/// An argument as text.
fn text(values: &[ScalarValue], at: usize) -> Option<String> {
    match values.get(at)?.cast_to(&DataType::Utf8).ok()? {
        ScalarValue::Utf8(text) => text,
        _ => None,
    }
}

fn yes(_: &Objects, _: &[ScalarValue]) -> Cell {
    Cell::Bool(true)
}

fn no(_: &Objects, _: &[ScalarValue]) -> Cell {
    Cell::Bool(false)
}

fn nothing(_: &Objects, _: &[ScalarValue]) -> Cell {
    Cell::Null
}

fn zero(_: &Objects, _: &[ScalarValue]) -> Cell {
    Cell::Int(0)
}

fn user(objects: &Objects, _: &[ScalarValue]) -> Cell {
    objects.user.as_str().into()
}

fn user_by_id(objects: &Objects, values: &[ScalarValue]) -> Cell {
    match int(values, 0) {
        Some(id) if id == i64::from(OWNER) => NAME.into(),
        Some(id) if id == i64::from(USER) => objects.user.as_str().into(),
        Some(id) => format!("unknown (OID={id})").into(),
        None => Cell::Null,
    }
}

/// Every user may read, and nothing else.
fn may(_: &Objects, values: &[ScalarValue]) -> Cell {
    let Some(right) = text(values, values.len().saturating_sub(1)) else { return Cell::Null };
    let reads = ["select", "usage", "connect", "execute", "member", "set"];
    let mut rights = right.split(',').map(|right| right.trim().to_ascii_lowercase());
    rights.any(|right| reads.contains(&right.as_str())).into()
}

fn is_visible(objects: &Objects, values: &[ScalarValue]) -> Cell {
    let oid = int(values, 0);
    let relation = oid.and_then(|oid| objects.relation(oid).or_else(|| objects.indexed(oid)));
    relation.is_some_and(|relation| relation.is_visible).into()
}

fn format_type(objects: &Objects, values: &[ScalarValue]) -> Cell {
    let Some(oid) = int(values, 0) else { return Cell::Null };
    let Some(of) = objects.type_of(oid) else { return "???".into() };
    match int(values, 1) {
        Some(modifier) if modifier >= 4 && of.name() == "numeric" => {
            let precision = (modifier - 4) >> 16;
            let scale = (modifier - 4) & 0xffff;
            format!("numeric({precision},{scale})").into()
        }
        _ => of.long_name().into(),
    }
}

/// The name of a type by its number; a name stays.
fn type_name(objects: &Objects, values: &[ScalarValue]) -> Cell {
    match int(values, 0) {
        Some(_) => format_type(objects, &values[..1]),
        None => text(values, 0).into(),
    }
}

/// The number of an object, as it is.
fn object_number(_: &Objects, values: &[ScalarValue]) -> Cell {
    int(values, 0).map_or(Cell::Null, Cell::Int)
}

fn index_definition(objects: &Objects, values: &[ScalarValue]) -> Cell {
    let relation = int(values, 0).and_then(|oid| objects.indexed(oid));
    let Some(relation) = relation else { return Cell::Null };
    match int(values, 1) {
        None | Some(0) => relation.index_definition().into(),
        Some(at) => {
            let at = usize::try_from(at - 1).unwrap_or(usize::MAX);
            let column = relation.columns[..relation.key].get(at);
            column.map_or(String::new(), |column| quoted(&column.name)).into()
        }
    }
}

fn view_definition(objects: &Objects, values: &[ScalarValue]) -> Cell {
    let by_number = int(values, 0).and_then(|oid| objects.relation(oid));
    let found = by_number.or_else(|| text(values, 0).and_then(|name| objects.named(&name)));
    found.filter(|found| !found.is_stream).map(definition).into()
}

fn relation_name(objects: &Objects, values: &[ScalarValue]) -> Cell {
    let Some(oid) = int(values, 0) else { return Cell::Null };
    match (objects.relation(oid), objects.indexed(oid)) {
        (Some(relation), _) => relation.written().into(),
        (None, Some(relation)) => relation.index_name().into(),
        (None, None) => oid.to_string().into(),
    }
}

fn relation_number(objects: &Objects, values: &[ScalarValue]) -> Cell {
    text(values, 0).and_then(|name| objects.named(&name)).map(|found| found.oid).into()
}

fn type_number(objects: &Objects, values: &[ScalarValue]) -> Cell {
    text(values, 0).and_then(|name| objects.type_named(&name)).map(|found| found.oid).into()
}

fn schema_number(objects: &Objects, values: &[ScalarValue]) -> Cell {
    let name = text(values, 0);
    let found = objects.schemas.iter().find(|known| Some(&known.name) == name.as_ref());
    found.map(|found| found.oid).into()
}

fn role_number(objects: &Objects, values: &[ScalarValue]) -> Cell {
    match text(values, 0) {
        Some(name) if name == NAME => OWNER.into(),
        Some(name) if name == objects.user => USER.into(),
        _ => Cell::Null,
    }
}

fn procedure_number(_: &Objects, values: &[ScalarValue]) -> Cell {
    text(values, 0).and_then(|name| procedures::number(&name)).into()
}

fn procedure_name(_: &Objects, values: &[ScalarValue]) -> Cell {
    int(values, 0).map(procedures::shown).into()
}

/// The parts of a name between points.
fn parse_ident(_: &Objects, values: &[ScalarValue]) -> Cell {
    let Some(written) = text(values, 0) else { return Cell::Null };
    let words: Vec<&str> = split_statements::words(&written).filter(|word| *word != ".").collect();
    Cell::Texts(words.into_iter().map(split_statements::name).collect())
}

/// The last subscript of a list; vectors of the catalog count from 0.
fn array_upper(_: &Objects, values: &[ScalarValue]) -> Cell {
    length(values).map(|length| length as i64).into()
}

fn array_lower(_: &Objects, values: &[ScalarValue]) -> Cell {
    length(values).map(|_| 1i64).into()
}

/// The number of elements of a list that has any.
fn length(values: &[ScalarValue]) -> Option<usize> {
    use arrow_array::Array;
    if int(values, 1) != Some(1) {
        return None;
    }
    let length = match values.first()? {
        ScalarValue::List(list) if list.is_valid(0) => list.value(0).len(),
        ScalarValue::LargeList(list) if list.is_valid(0) => list.value(0).len(),
        ScalarValue::FixedSizeList(list) if list.is_valid(0) => list.value(0).len(),
        _ => return None,
    };
    (length > 0).then_some(length)
}

/// The moment at which the first session asked.
fn start_time(_: &Objects, _: &[ScalarValue]) -> Cell {
    use diptych_base::io::{Clock, RealClock};
    use std::sync::OnceLock;
    static START: OnceLock<i64> = OnceLock::new();
    (*START.get_or_init(|| RealClock.now_us())).into()
}

fn schema_name(objects: &Objects, values: &[ScalarValue]) -> Cell {
    let schema = int(values, 0).and_then(|oid| objects.schema(oid));
    schema.map(|schema| schema.name.as_str()).into()
}

fn encoding(_: &Objects, values: &[ScalarValue]) -> Cell {
    if int(values, 0) == Some(6) { "UTF8".into() } else { "".into() }
}

fn like_pattern(_: &Objects, values: &[ScalarValue]) -> Cell {
    let (Some(pattern), Some(escape)) = (text(values, 0), text(values, 1)) else {
        return Cell::Null;
    };
    let escape = escape.chars().next();
    let mut written = String::new();
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        if Some(c) == escape {
            written.push('\\');
            written.extend(rest.next());
        } else {
            if c == '\\' {
                written.push('\\');
            }
            written.push(c);
        }
    }
    written.into()
}

fn pretty_size(_: &Objects, values: &[ScalarValue]) -> Cell {
    int(values, 0).map(|bytes| format!("{bytes} bytes")).into()
}

const KNOWN: &[Known] = &[
    ("version", "text", |_, _| format!("PostgreSQL {SERVER_VERSION}").into()),
    ("current_database", "name", |_, _| NAME.into()),
    ("current_catalog", "name", |_, _| NAME.into()),
    ("current_user", "name", user),
    ("session_user", "name", user),
    ("user", "name", user),
    ("current_role", "name", user),
    ("format_type", "text", format_type),
    ("obj_description", "text", nothing),
    ("col_description", "text", nothing),
    ("shobj_description", "text", nothing),
    ("getdatabaseencoding", "name", |_, _| "UTF8".into()),
    ("has_table_privilege", "bool", may),
    ("has_any_column_privilege", "bool", may),
    ("has_column_privilege", "bool", may),
    ("has_schema_privilege", "bool", may),
    ("has_database_privilege", "bool", may),
    ("has_function_privilege", "bool", may),
    ("has_type_privilege", "bool", may),
    ("pg_has_role", "bool", may),
    ("inet_server_addr", "text", nothing),
    ("inet_client_addr", "text", nothing),
    ("pg_advisory_unlock_all", "text", nothing),
    ("pg_backend_pid", "int4", |objects, _| i64::from(objects.pid).into()),
    ("pg_char_to_encoding", "int4", |_, _| Cell::Int(6)),
    ("pg_client_encoding", "name", |_, _| "UTF8".into()),
    ("pg_encoding_to_char", "name", encoding),
    ("pg_function_is_visible", "bool", yes),
    ("pg_collation_is_visible", "bool", yes),
    ("pg_get_constraintdef", "text", nothing),
    ("pg_get_expr", "text", nothing),
    ("pg_get_function_arguments", "text", nothing),
    ("pg_get_function_identity_arguments", "text", nothing),
    ("pg_get_function_result", "text", nothing),
    ("pg_get_functiondef", "text", nothing),
    ("pg_get_indexdef", "text", index_definition),
    ("pg_get_partition_constraintdef", "text", nothing),
    ("pg_get_partkeydef", "text", nothing),
    ("pg_get_ruledef", "text", nothing),
    ("pg_get_serial_sequence", "text", nothing),
    ("pg_get_statisticsobjdef_columns", "text", nothing),
    ("pg_get_triggerdef", "text", nothing),
    ("pg_get_userbyid", "name", user_by_id),
    ("pg_get_viewdef", "text", view_definition),
    ("pg_indexes_size", "int8", zero),
    ("pg_is_in_recovery", "bool", no),
    ("pg_is_other_temp_schema", "bool", no),
    ("pg_my_temp_schema", "int8", zero),
    ("pg_opclass_is_visible", "bool", yes),
    ("pg_operator_is_visible", "bool", yes),
    ("pg_opfamily_is_visible", "bool", yes),
    ("pg_conversion_is_visible", "bool", yes),
    ("pg_ts_config_is_visible", "bool", yes),
    ("pg_ts_dict_is_visible", "bool", yes),
    ("pg_ts_parser_is_visible", "bool", yes),
    ("pg_ts_template_is_visible", "bool", yes),
    ("pg_relation_filenode", "int8", nothing),
    ("pg_relation_is_publishable", "bool", no),
    ("pg_relation_is_updatable", "int4", zero),
    ("pg_relation_size", "int8", zero),
    ("pg_size_pretty", "text", pretty_size),
    ("pg_statistics_obj_is_visible", "bool", yes),
    ("pg_table_is_visible", "bool", is_visible),
    ("pg_table_size", "int8", zero),
    ("pg_tablespace_location", "text", nothing),
    ("pg_total_relation_size", "int8", zero),
    ("pg_database_size", "int8", zero),
    ("pg_type_is_visible", "bool", yes),
    ("to_regnamespace", "int8", schema_number),
    ("to_regproc", "int8", procedure_number),
    ("to_regrole", "int8", role_number),
    ("parse_ident", "texts", parse_ident),
    ("array_upper", "int4", array_upper),
    ("array_lower", "int4", array_lower),
    ("pg_encoding_max_length", "int4", |_, _| Cell::Int(4)),
    ("pg_get_rule_def", "text", nothing),
    ("pg_get_statisticsobjdef", "text", nothing),
    ("pg_get_function_sqlbody", "text", nothing),
    ("pg_get_function_arg_default", "text", nothing),
    ("pg_postmaster_start_time", "timestamptz", start_time),
    ("pg_conf_load_time", "timestamptz", start_time),
    ("pg_is_wal_replay_paused", "bool", no),
    ("pg_last_wal_receive_lsn", "text", nothing),
    ("pg_last_wal_replay_lsn", "text", nothing),
    ("pg_last_xact_replay_timestamp", "timestamptz", nothing),
    ("pg_current_wal_lsn", "text", nothing),
    ("pg_current_xact_id", "int8", zero),
    ("pg_trigger_depth", "int4", zero),
    ("pg_jit_available", "bool", no),
    ("pg_has_any_role", "bool", may),
    ("pg_describe_object", "text", nothing),
    ("pg_stat_get_numscans", "int8", zero),
    ("pg_stat_get_live_tuples", "int8", zero),
    ("pg_stat_get_dead_tuples", "int8", zero),
    ("pg_sequence_last_value", "int8", nothing),
    ("pg_blocking_pids", "int4s", nothing),
    ("row_security_active", "bool", no),
    ("has_sequence_privilege", "bool", no),
    ("has_language_privilege", "bool", may),
    ("has_tablespace_privilege", "bool", may),
    ("has_foreign_data_wrapper_privilege", "bool", no),
    ("has_server_privilege", "bool", no),
    ("inet_server_port", "int4", nothing),
    ("inet_client_port", "int4", nothing),
    ("acldefault", "texts", nothing),
    ("to_regclass", "int8", relation_number),
    ("to_regtype", "int8", type_number),
    ("txid_current", "int8", zero),
    // The functions to which casts are rewritten; see `rewrite`.
    (super::rewrite::RELATION_NAME, "text", relation_name),
    (super::rewrite::SCHEMA_NAME, "text", schema_name),
    (super::rewrite::TYPE_NAME, "regtype", type_name),
    (super::rewrite::OBJECT_NUMBER, "oid", object_number),
    (super::rewrite::PROCEDURE_NAME, "text", procedure_name),
    (super::rewrite::LIKE_PATTERN, "text", like_pattern),
];
