//! A stub with the same interface, for a binary without SQL: it refuses every statement, with the
//! remedy.

use std::sync::{Arc, Mutex, MutexGuard};

use arrow_schema::{DataType, SchemaRef};

use super::SqlError;
use super::answer::Answer;
use super::settings::Settings;
use diptych_base::lock_mutex::lock;
use diptych_serving::Snapshot;
use diptych_site::site::Site;

/// A parameter of a statement: the part of DataFusion's type that clients send.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "as in DataFusion")]
pub enum ScalarValue {
    Null,
    Boolean(Option<bool>),
    Int16(Option<i16>),
    Int32(Option<i32>),
    Int64(Option<i64>),
    UInt32(Option<u32>),
    UInt64(Option<u64>),
    Float32(Option<f32>),
    Float64(Option<f64>),
    Utf8(Option<String>),
    Binary(Option<Vec<u8>>),
    Date32(Option<i32>),
    Time64Microsecond(Option<i64>),
    TimestampMicrosecond(Option<i64>, Option<Arc<str>>),
    Decimal128(Option<i128>, u8, i8),
}

/// An engine that refuses every statement.
#[derive(Clone)]
pub struct NoEngine;

impl NoEngine {
    /// The stub for any site.
    pub fn new(_site: Arc<Site>) -> NoEngine {
        NoEngine
    }

    /// A session that refuses.
    pub fn session(&self) -> NoSession {
        self.session_with(Settings::default())
    }

    /// A session that refuses, with these settings.
    pub fn session_with(&self, settings: Settings) -> NoSession {
        NoSession { settings: Arc::new(Mutex::new(settings)) }
    }
}

/// A session that refuses every statement.
#[derive(Clone)]
pub struct NoSession {
    settings: Arc<Mutex<Settings>>,
}

impl NoSession {
    /// Refuses the statement.
    pub async fn prepare(&self, _sql: &str) -> Result<NoPrepared, SqlError> {
        Err(refusal())
    }

    /// Refuses the setting.
    pub fn set(&self, _name: &str, _value: &str) -> Result<(), SqlError> {
        Err(refusal())
    }

    /// Has no effect, because nothing reads.
    pub fn begin(&self) {}

    /// Has no effect, because nothing reads.
    pub fn end(&self) {}

    /// Refuses to take a snapshot.
    pub async fn snapshot(&self, _: usize) -> Result<Arc<Snapshot>, SqlError> {
        Err(refusal())
    }

    /// The settings, which can be set and shown although nothing reads.
    pub fn settings(&self) -> MutexGuard<'_, Settings> {
        lock(&self.settings)
    }
}

/// A prepared statement, of which there is none.
#[derive(Clone)]
pub struct NoPrepared {
    /// The types of the parameters; see `prepared.rs`, which the feature compiles in.
    pub parameter_types: Vec<Option<DataType>>,
    /// The columns of the answer.
    pub schema: Option<SchemaRef>,
    /// The names of the columns.
    pub column_names: Vec<String>,
    /// The command's tag.
    pub tag: &'static str,
}

impl NoPrepared {
    /// Cannot be called, because there is no prepared statement.
    pub async fn execute(&self, _parameters: Vec<ScalarValue>) -> Result<Answer, SqlError> {
        Err(refusal())
    }
}

fn refusal() -> SqlError {
    SqlError::new(
        "0A000",
        "this binary was built without SQL (build it with `--features sql`, or read views with \
         GET /v1/dataflows/{dataflow}/views/{view})",
    )
}
