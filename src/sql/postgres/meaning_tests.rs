//! Tests that statements give what a real `PostgreSQL` gave for the same rows.
//!
//! `meaning.txt` holds statements, each with the rows that `psql -At` printed, or the SQLSTATE of
//! its refusal. Lines that begin with `# ` say what differs and why.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int16Array, Int32Array, Int64Array, IntervalMonthDayNanoArray, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt64Array, cast::AsArray,
};
use arrow_buffer::IntervalMonthDayNano;
use arrow_schema::{DataType, Field, Schema};
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast::{Ident, SelectItem, SetExpr, Statement};

use super::{install, text_output, time_arithmetic};
use crate::SqlError;
use crate::df_error;

const MEANING: &str = include_str!("meaning.txt");

/// The configuration that the engine has, too.
fn context() -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(2);
    let options = config.options_mut();
    options.sql_parser.dialect = datafusion::config::Dialect::PostgreSQL;
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.execution.time_zone = Some("+00:00".to_owned());
    let builder = SessionStateBuilder::new().with_config(config).with_default_features();
    let context = SessionContext::new_with_state(install(builder).build());
    context.register_batch("t", table()).expect("a table");
    context
}

fn interval(text: &str) -> Option<IntervalMonthDayNano> {
    let span = super::interval_text::interval(text).expect("an interval");
    Some(time_arithmetic::of_span(span).expect("in range"))
}

fn at(text: &str) -> Option<i64> {
    Some(super::time_text::timestamptz(text).expect("a moment"))
}

fn day(text: &str) -> Option<i32> {
    Some(super::time_text::date(text).expect("a date"))
}

fn numbers() -> Vec<(&'static str, ArrayRef)> {
    let d = [525, 150, -1, 200, 99_999_999_999_999_999_999_999_999_999_999];
    let d = d.into_iter().map(Some).chain([None]).collect::<Decimal128Array>();
    let d = d.with_data_type(DataType::Decimal128(38, 2));
    let n = [Some(i64::MAX), Some(i64::MIN), Some(0), Some(7), Some(-1), None];
    let i4 = [Some(i32::MAX), Some(i32::MIN), Some(0), Some(7), Some(-1), None];
    let i2 = [Some(i16::MAX), Some(i16::MIN), Some(0), Some(7), Some(-1), None];
    let u = [Some(u64::MAX), Some(0), Some(2), Some(3), Some(5), None];
    let f4 = [Some(0.1), Some(-0.0), Some(f32::NAN), Some(1.5), Some(f32::MAX), None];
    let f = [0.300_000_000_000_000_04, -0.0, f64::NAN, 0.25, 1e300, 0.0];
    vec![
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3, 4, 5, 6]))),
        ("i2", Arc::new(Int16Array::from(i2.to_vec()))),
        ("i4", Arc::new(Int32Array::from(i4.to_vec()))),
        ("n", Arc::new(Int64Array::from(n.to_vec()))),
        ("u", Arc::new(UInt64Array::from(u.to_vec()))),
        ("f4", Arc::new(Float32Array::from(f4.to_vec()))),
        ("f", Arc::new(Float64Array::from(f.to_vec()))),
        ("d", Arc::new(d)),
    ]
}

fn others() -> Vec<(&'static str, ArrayRef)> {
    let flag = [Some(true), Some(false), None, Some(true), Some(false), None];
    let opt = [Some("a"), Some("b"), None, Some("a"), Some("B c"), Some("")];
    let raw: [Option<&[u8]>; 6] =
        [Some(&[0, 255]), Some(&[]), None, Some(b"abc"), Some(&[0xde, 0xad, 0xbe, 0xef]), None];
    let days = [
        day("2024-10-14"),
        day("2024-02-29"),
        None,
        day("1969-12-31"),
        day("9999-12-31"),
        day("0001-01-01"),
    ];
    let ts = [
        at("2024-10-14 21:45:15"),
        at("2024-02-29 10:00:00.5"),
        at("9999-12-31 00:00:00"),
        at("0001-01-01 00:00:00"),
        at("1970-01-01 00:00:00"),
        None,
    ];
    let moments = [
        at("2024-10-14 21:45:15"),
        at("2024-02-29 10:00:00.5"),
        at("9999-12-31 00:00:00"),
        at("1969-12-31 23:59:59.999999"),
        at("2000-01-01 12:30:00"),
        None,
    ];
    let iv = [
        interval("1 mon"),
        interval("30 days"),
        interval("-1 day 02:03:04.5"),
        interval("2 years"),
        interval("36:00:00"),
        None,
    ];
    let moments = TimestampMicrosecondArray::from(moments.to_vec()).with_timezone("+00:00");
    vec![
        ("flag", Arc::new(BooleanArray::from(flag.to_vec()))),
        ("opt", Arc::new(StringArray::from(opt.to_vec()))),
        ("raw", Arc::new(BinaryArray::from(raw.to_vec()))),
        ("day", Arc::new(Date32Array::from(days.to_vec()))),
        ("ts", Arc::new(TimestampMicrosecondArray::from(ts.to_vec()))),
        ("at", Arc::new(moments)),
        ("iv", Arc::new(IntervalMonthDayNanoArray::from(iv.to_vec()))),
    ]
}

fn table() -> RecordBatch {
    let columns: Vec<_> = numbers().into_iter().chain(others()).collect();
    let field = |(name, column): &(&str, ArrayRef)| {
        Field::new(*name, column.data_type().clone(), *name != "id")
    };
    let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    RecordBatch::try_new(schema, columns).expect("columns of one length")
}

/// Gives columns names, because the planner refuses two of one name.
fn told_apart(parsed: &mut Parsed) {
    let Parsed::Statement(statement) = parsed else { return };
    let Statement::Query(query) = statement.as_mut() else { return };
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    if select.projection.len() < 2 || query.order_by.is_some() {
        return;
    }
    for (at, item) in select.projection.iter_mut().enumerate() {
        let name = crate::column_names::name_of(item);
        let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
            continue;
        };
        let number = Ident::new(format!("c{at}"));
        let alias =
            name.map_or(number.clone(), |name| Ident::with_quote('"', format!("{name} {number}")));
        *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
    }
}

/// The rows of a statement as `psql -At` prints them.
async fn rows(context: &SessionContext, sql: &str) -> Result<Vec<String>, SqlError> {
    let of = |error| df_error::of(sql, &error);
    let statement = crate::statement_parser::read(sql)?;
    let crate::statement_parser::Statement::Query(mut parsed, _) = statement else {
        panic!("only queries are in the file");
    };
    told_apart(&mut parsed);
    let state = context.state();
    let plan = state.statement_to_plan(*parsed).await.map_err(of)?;
    let plan = super::narrowed(plan).map_err(of)?;
    let analyzed = state
        .analyzer()
        .execute_and_check(plan.clone(), &state.config_options().clone(), |_, _| {})
        .map_err(of)?;
    let frame = context.execute_logical_plan(plan).await.map_err(of)?;
    let batches = frame.collect().await.map_err(of)?;
    let mut rows = Vec::new();
    for batch in batches {
        let types = |schema: &Schema| {
            schema.fields().iter().map(|field| field.data_type().clone()).collect::<Vec<_>>()
        };
        assert_eq!(types(&batch.schema()), types(analyzed.schema().as_arrow()), "{sql}");
        let columns = batch.columns().iter().map(text_output::parts);
        let columns = columns.collect::<Result<Vec<_>, _>>().map_err(of)?;
        for row in 0..batch.num_rows() {
            let cell = |column: &ArrayRef| {
                let texts = column.as_string::<i32>();
                if text_output::is_absent(column, row) { "" } else { texts.value(row) }.to_owned()
            };
            let row = columns.iter().map(cell).collect::<Vec<_>>().join("|");
            rows.push(if row.is_empty() { "(empty)".to_owned() } else { row });
        }
    }
    Ok(rows)
}

/// Work on a chain of operators grows with its length, and not with a power of it.
#[test]
fn long_chains_are_planned_quickly() {
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let ask = |sql: String| runtime.block_on(rows(&context(), &sql));
        let literals = ask(format!("select 1{}", " + 1".repeat(900)));
        assert_eq!(literals.expect("rows"), ["901"]);
        let columns = ask(format!("select n{} from t where id = 4", " + n".repeat(100)));
        assert_eq!(columns.expect("rows"), ["707"]);
        let long = ask(format!("select n{} from t where id = 4", " + n".repeat(900)));
        assert_eq!(long.expect_err("too long").sqlstate, "54001");
    };
    let thread = std::thread::Builder::new().stack_size(diptych_base::limits::SQL_STACK_BYTES);
    let start = std::time::Instant::now();
    thread.spawn(work).expect("a thread").join().expect("no panic");
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

#[tokio::test]
async fn statements_mean_what_postgres_means() {
    let context = context();
    let mut wrong = Vec::new();
    let mut count = 0;
    for case in MEANING.split("\n\n").map(str::trim).filter(|case| !case.is_empty()) {
        let lines: Vec<&str> = case.lines().filter(|line| !line.starts_with("# ")).collect();
        let Some((sql, expected)) = lines.split_first() else { continue };
        count += 1;
        let found = match rows(&context, sql).await {
            Ok(rows) => rows,
            Err(error) => vec![format!("ERROR {}", error.sqlstate)],
        };
        if found != *expected {
            let why = rows(&context, sql).await.err().map(|error| error.message);
            wrong.push(format!("{sql}\n  expected {expected:?}\n  found    {found:?} {why:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
}
