//! The same interface in a binary without SQL: every statement is refused, with the remedy.

use std::sync::Arc;

use arrow_schema::{DataType, SchemaRef};

use super::SqlError;
use super::answer::Answer;
use crate::servers::site::Site;
use crate::serving::Snapshot;

/// A parameter of a statement; the part of DataFusion's type that clients send.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::servers) enum ScalarValue {
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

/// Nothing to share.
#[derive(Default)]
pub(crate) struct Shared {}

/// Refuses.
#[derive(Clone)]
pub(in crate::servers) struct Engine;

impl Engine {
    /// Of any site.
    pub(in crate::servers) fn new(_site: Arc<Site>) -> Engine {
        Engine
    }

    /// A session that refuses.
    pub(in crate::servers) fn session(&self) -> Session {
        Session
    }
}

/// Refuses.
#[derive(Clone)]
pub(in crate::servers) struct Session;

impl Session {
    /// Always an error.
    pub(in crate::servers) async fn prepare(&self, _sql: &str) -> Result<Prepared, SqlError> {
        Err(refusal())
    }

    /// Always an error.
    pub(in crate::servers) fn set(&self, _name: &str, _value: &str) -> Result<(), SqlError> {
        Err(refusal())
    }

    /// There is nothing that would read.
    pub(in crate::servers) fn begin(&self) {}

    /// There is nothing that would read.
    pub(in crate::servers) fn end(&self) {}

    /// Always an error.
    pub(in crate::servers) async fn snapshot(&self, _: usize) -> Result<Arc<Snapshot>, SqlError> {
        Err(refusal())
    }

    /// None is set.
    pub(in crate::servers) fn setting(&self, _name: &str) -> Option<String> {
        None
    }
}

/// There is none.
#[derive(Clone)]
pub(in crate::servers) struct Prepared {
    /// See the module of the same name with the feature.
    pub(in crate::servers) parameter_types: Vec<Option<DataType>>,
    /// The columns of the answer.
    pub(in crate::servers) schema: Option<SchemaRef>,
    /// The command's tag.
    pub(in crate::servers) tag: &'static str,
}

impl Prepared {
    /// Always an error.
    pub(in crate::servers) async fn execute(
        &self,
        _parameters: Vec<ScalarValue>,
    ) -> Result<Answer, SqlError> {
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
