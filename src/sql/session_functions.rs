//! The functions that read and set what belongs to a session: `current_setting`, `set_config`,
//! `current_schema` and `current_schemas`.
//!
//! They are volatile, so that they are computed while the statement runs, in the order in which it
//! names them, and not when it is planned.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex};

use arrow_array::ArrayRef;
use arrow_schema::{DataType, Field, FieldRef};
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    TypeSignature, Volatility,
};

use super::SqlError;
use super::engine::Engine;
use super::settings::{SettingScope, Settings};
use diptych_base::lock_mutex::lock;

/// The functions of a session with these settings.
pub(super) fn all(settings: &Arc<Mutex<Settings>>, engine: &Engine) -> Vec<Arc<ScalarUDF>> {
    let all = [
        SessionCall::CurrentSetting,
        SessionCall::SetConfig,
        SessionCall::CurrentSchema,
        SessionCall::CurrentSchemas,
    ];
    let function = |call: SessionCall| {
        let signature = Signature::new(call.arguments(), Volatility::Volatile);
        let settings = Arc::clone(settings);
        let engine = engine.clone();
        Arc::new(ScalarUDF::from(SessionFunction { call, signature, settings, engine }))
    };
    all.into_iter().map(function).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum SessionCall {
    CurrentSetting,
    SetConfig,
    CurrentSchema,
    CurrentSchemas,
}

struct SessionFunction {
    call: SessionCall,
    signature: Signature,
    settings: Arc<Mutex<Settings>>,
    engine: Engine,
}

impl SessionCall {
    fn arguments(self) -> TypeSignature {
        use DataType::{Boolean, Utf8};
        let exact = TypeSignature::Exact;
        match self {
            SessionCall::CurrentSetting => {
                TypeSignature::OneOf(vec![exact(vec![Utf8]), exact(vec![Utf8, Boolean])])
            }
            SessionCall::SetConfig => exact(vec![Utf8, Utf8, Boolean]),
            SessionCall::CurrentSchema => TypeSignature::Nullary,
            SessionCall::CurrentSchemas => exact(vec![Boolean]),
        }
    }
}

fn texts() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))
}

fn text_at(row: &[ScalarValue], at: usize) -> Option<&str> {
    row.get(at)?.try_as_str()?
}

fn truth_at(row: &[ScalarValue], at: usize) -> Option<bool> {
    match row.get(at) {
        Some(ScalarValue::Boolean(value)) => *value,
        _ => None,
    }
}

impl SessionFunction {
    /// The value for one row of arguments.
    fn value(&self, row: &[ScalarValue]) -> Result<ScalarValue, SqlError> {
        Ok(match self.call {
            SessionCall::CurrentSetting => ScalarValue::Utf8(self.current_setting(row)?),
            SessionCall::SetConfig => ScalarValue::Utf8(self.set_config(row)?),
            SessionCall::CurrentSchema => ScalarValue::Utf8(self.schemas(false).into_iter().next()),
            SessionCall::CurrentSchemas => self.current_schemas(row)?,
        })
    }

    fn current_schemas(&self, row: &[ScalarValue]) -> Result<ScalarValue, SqlError> {
        let Some(implicit) = truth_at(row, 0) else {
            let none = ScalarValue::try_from(&texts());
            return none.map_err(|error| super::df_error::of("", &error));
        };
        let names = self.schemas(implicit).into_iter();
        let names: Vec<_> = names.map(|name| ScalarValue::Utf8(Some(name))).collect();
        Ok(ScalarValue::List(ScalarValue::new_list(&names, &DataType::Utf8, true)))
    }

    fn current_setting(&self, row: &[ScalarValue]) -> Result<Option<String>, SqlError> {
        let Some(name) = text_at(row, 0) else { return Ok(None) };
        if row.len() > 1 && truth_at(row, 1).is_none() {
            return Ok(None);
        }
        let settings = lock(&self.settings);
        match settings.show(name) {
            Ok((_, value)) => Ok(Some(value)),
            Err(_) if truth_at(row, 1) == Some(true) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn set_config(&self, row: &[ScalarValue]) -> Result<Option<String>, SqlError> {
        let Some(name) = text_at(row, 0) else {
            let message = "SET requires parameter name (it is NULL here)";
            return Err(SqlError::new("22004", message));
        };
        let scope = match truth_at(row, 2) {
            Some(true) => SettingScope::Transaction,
            _ => SettingScope::Session,
        };
        let mut settings = lock(&self.settings);
        settings.set(name, text_at(row, 1), scope)?;
        Ok(settings.get(name).map(str::to_owned))
    }

    /// The schemas of the search path that are there; with those that are always searched first
    /// when `implicit`.
    fn schemas(&self, implicit: bool) -> Vec<String> {
        let path = lock(&self.settings).schemas();
        let tables = self.engine.tables();
        let own = ["public", "pg_catalog", "information_schema"];
        let there = |name: &String| own.contains(&name.as_str()) || tables.has_schema(name);
        let mut found: Vec<String> = Vec::new();
        if implicit && !path.iter().any(|name| name == "pg_catalog") {
            found.push("pg_catalog".to_owned());
        }
        for name in path.into_iter().filter(there) {
            if !found.contains(&name) {
                found.push(name);
            }
        }
        found
    }
}

impl fmt::Debug for SessionFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionFunction").field(&self.call).finish()
    }
}

impl PartialEq for SessionFunction {
    fn eq(&self, other: &Self) -> bool {
        self.call == other.call && Arc::ptr_eq(&self.settings, &other.settings)
    }
}

impl Eq for SessionFunction {}

impl Hash for SessionFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.call.hash(state);
    }
}

impl ScalarUDFImpl for SessionFunction {
    fn name(&self) -> &'static str {
        match self.call {
            SessionCall::CurrentSetting => "current_setting",
            SessionCall::SetConfig => "set_config",
            SessionCall::CurrentSchema => "current_schema",
            SessionCall::CurrentSchemas => "current_schemas",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(match self.call {
            SessionCall::CurrentSchemas => texts(),
            _ => DataType::Utf8,
        })
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs) -> PlanResult<FieldRef> {
        let field = Field::new(self.name(), self.return_type(&[])?, true);
        let of = match self.call {
            SessionCall::CurrentSchema => "name",
            SessionCall::CurrentSchemas => "names",
            SessionCall::CurrentSetting | SessionCall::SetConfig => return Ok(Arc::new(field)),
        };
        let metadata = HashMap::from([(super::TYPE_KEY.to_owned(), of.to_owned())]);
        Ok(Arc::new(field.with_metadata(metadata)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let external = |error: SqlError| DataFusionError::External(Box::new(error));
        let is_constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        // A value that is the same for all rows is set once.
        let rows = if is_constant { args.number_rows.min(1) } else { args.number_rows };
        let mut found = Vec::with_capacity(rows);
        for row in 0..rows {
            let value = |arg: &ColumnarValue| match arg {
                ColumnarValue::Scalar(value) => Ok(value.clone()),
                ColumnarValue::Array(values) => ScalarValue::try_from_array(values, row),
            };
            let values = args.args.iter().map(value).collect::<PlanResult<Vec<_>>>()?;
            found.push(self.value(&values).map_err(external)?);
        }
        if is_constant && let Some(value) = found.pop() {
            return Ok(ColumnarValue::Scalar(value));
        }
        let array: ArrayRef = if found.is_empty() {
            arrow_array::new_empty_array(args.return_field.data_type())
        } else {
            ScalarValue::iter_to_array(found)?
        };
        Ok(ColumnarValue::Array(array))
    }
}
