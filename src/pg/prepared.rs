//! Prepared statements, and portals that run them.

use diptych_sql as sql;
use std::borrow::Cow;
use std::sync::Arc;

use arrow_schema::DataType;

use super::classify_statement::PgCommand;
use super::copy_command::CopyOptions;
use super::cursor::{ForwardRows, ScrollRows};
use super::cursor_command::Declare;
use super::params::Param;
use super::planner::Planned;
use super::point_read::Point;
use super::portal::RowSource;
use super::sql_prepare::{ExecuteCommand, PrepareCommand};
use super::types::{self, PgField, oid};
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
    Declare(sql::Prepared, Declare),
    Prepare(PrepareCommand),
    Execute(ExecuteCommand),
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
    pub(super) hold: Hold,
}

/// Whether a portal outlives its transaction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Hold {
    No,
    /// It does if the transaction that declared it commits.
    New,
    Kept,
}

/// The progress of a portal.
pub(super) enum PortalState {
    Fresh,
    Running(RowSource),
    /// A cursor that only goes forward.
    Forward(ForwardRows),
    /// A cursor that goes backward, too.
    Scroll(ScrollRows),
    Done,
}

/// The result of a command.
pub(super) enum CommandOutcome {
    Tag(String),
    Table(Vec<PgField>, RowSource),
}

impl PgPrepared {
    /// The tag of `CommandComplete`.
    pub(super) fn tag(&self) -> &'static str {
        match &self.plan {
            PgPlan::Query(planned) => planned.tag,
            PgPlan::Command(_) => "SHOW",
            PgPlan::Declare(..) => "FETCH",
            _ => "SELECT",
        }
    }

    /// A statement without parameters.
    pub(super) fn simple(plan: PgPlan, fields: Option<Vec<PgField>>) -> PgPrepared {
        PgPrepared {
            plan,
            parameters: Vec::new(),
            wanted: Vec::new(),
            fields,
            bytes: 0,
            _claim: None,
        }
    }

    /// A statement of the planner, with the parameter types that the client states.
    pub(super) fn planned(
        planned: Planned,
        types: &[u32],
        plan: impl FnOnce(sql::Prepared) -> PgPlan,
    ) -> PgPrepared {
        let Planned { statement, wanted } = planned;
        let parameter = |(at, wanted): (usize, &Option<DataType>)| {
            let stated = types.get(at).copied().filter(|oid| !matches!(*oid, 0 | oid::UNKNOWN));
            stated.unwrap_or_else(|| {
                wanted.as_ref().map_or(oid::TEXT, |ty| types::PgType::of(ty).oid)
            })
        };
        let parameters = wanted.iter().enumerate().map(parameter).collect();
        let fields = types::named_fields(&statement);
        PgPrepared { plan: plan(statement), parameters, wanted, fields, bytes: 0, _claim: None }
    }

    /// The columns of the rows that a cursor on this statement gives.
    pub(super) fn columns(&self) -> Option<Cow<'_, [PgField]>> {
        match &self.plan {
            PgPlan::Declare(planned, _) => types::named_fields(planned).map(Cow::Owned),
            _ => self.fields.as_deref().map(Cow::Borrowed),
        }
    }
}
