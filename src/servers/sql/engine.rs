//! Sessions over the index.

use std::sync::Arc;

use arrow_schema::{DataType, SchemaRef};

use super::{Answer, ScalarValue, SqlError};
use crate::servers::site::Site;

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

    /// Never set.
    pub(in crate::servers) fn as_of(&self) -> Option<String> {
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
    SqlError::new("0A000", "SQL does not answer yet")
}
