//! The same interface in a binary without SQL: every statement is refused, with the remedy.

use std::sync::Arc;

use arrow_schema::{DataType, SchemaRef};

use super::SqlError;
use super::answer::Answer;
use diptych_serving::Snapshot;
use diptych_site::site::Site;

/// A parameter of a statement; the part of DataFusion's type that clients send.
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
    TimestampMicrosecond(Option<i64>, Option<Arc<str>>),
    Decimal128(Option<i128>, u8, i8),
}

/// Refuses.
#[derive(Clone)]
pub struct Engine;

impl Engine {
    /// Of any site.
    pub fn new(_site: Arc<Site>) -> Engine {
        Engine
    }

    /// A session that refuses.
    pub fn session(&self) -> Session {
        Session
    }
}

/// Refuses.
#[derive(Clone)]
pub struct Session;

impl Session {
    /// Always an error.
    pub async fn prepare(&self, _sql: &str) -> Result<Prepared, SqlError> {
        Err(refusal())
    }

    /// Always an error.
    pub fn set(&self, _name: &str, _value: &str) -> Result<(), SqlError> {
        Err(refusal())
    }

    /// There is nothing that would read.
    pub fn begin(&self) {}

    /// There is nothing that would read.
    pub fn end(&self) {}

    /// Always an error.
    pub async fn snapshot(&self, _: usize) -> Result<Arc<Snapshot>, SqlError> {
        Err(refusal())
    }

    /// None is set.
    pub fn setting(&self, _name: &str) -> Option<String> {
        None
    }
}

/// There is none.
#[derive(Clone)]
pub struct Prepared {
    /// See the module of the same name with the feature.
    pub parameter_types: Vec<Option<DataType>>,
    /// The columns of the answer.
    pub schema: Option<SchemaRef>,
    /// The command's tag.
    pub tag: &'static str,
}

impl Prepared {
    /// Always an error.
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
