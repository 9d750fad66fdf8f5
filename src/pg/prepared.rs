//! Prepared statements, and portals that run them.

use diptych_sql as sql;
use std::sync::Arc;

use arrow_schema::DataType;

use super::command::{CopyOptions, PgCommand};
use super::params::Param;
use super::point_read::Point;
use super::portal::RowSource;
use super::types::PgField;
use diptych_site::budget::Claim;

/// A prepared statement.
pub(super) struct PgPrepared {
    pub(super) plan: PgPlan,
    /// The types of the parameters as the client sends them.
    pub(super) parameters: Vec<u32>,
    /// The types of the parameters as the planner wants them.
    pub(super) wanted: Vec<Option<DataType>>,
    /// The columns; none for a statement without rows.
    pub(super) fields: Option<Vec<PgField>>,
    /// The length of its text in bytes.
    pub(super) bytes: usize,
    /// The claim on the budget of requests for the text.
    pub(super) _claim: Option<Claim>,
}

/// The way in which a statement is run.
pub(super) enum PgPlan {
    Empty,
    Command(PgCommand),
    Query(sql::Prepared),
    Copy(sql::Prepared, CopyOptions),
    Point(Point),
}

/// A statement bound to its parameters.
pub(super) struct Portal {
    pub(super) prepared: Arc<PgPrepared>,
    pub(super) values: Vec<Param>,
    pub(super) formats: Vec<i16>,
    pub(super) progress: PortalState,
    /// The claim on the budget of requests for long values.
    pub(super) _claim: Option<Claim>,
}

/// The progress of a portal.
pub(super) enum PortalState {
    Fresh,
    Running(RowSource),
    Done,
}

/// The result of a command.
pub(super) enum CommandOutcome {
    Tag(String),
    Table(Vec<PgField>, RowSource),
}
