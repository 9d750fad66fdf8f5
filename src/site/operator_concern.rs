//! Concerns: states that need an operator, because appends, freshness or checkpoints have stopped
//! or soon will.

use serde::Serialize;
use utoipa::ToSchema;

/// The kind of a concern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConcernKind {
    /// Nothing is appended any more before the process is started again: a sync has failed, or
    /// files were taken away.
    LogStopped,
    /// Nothing was ever appended by this process: the disk was full or read-only at its start.
    AppendsRefused,
    /// Appends wait for the disk.
    AppendsStand,
    /// The log cannot be read.
    LogUnreadable,
    /// A dataflow has stopped; readers stay where it was.
    DataflowFailed,
    /// A dataflow stays at its epoch until it has been recomputed.
    DataflowStands,
    /// Readers of a dataflow are behind the log for longer than they should.
    DataflowLags,
    /// No batch view could be made: a restart takes longer and longer.
    CheckpointsFail,
    /// The disk has little room left, or is read-only.
    DiskNearlyFull,
}

impl ConcernKind {
    /// All kinds.
    pub const ALL: [ConcernKind; 9] = [
        ConcernKind::LogStopped,
        ConcernKind::AppendsRefused,
        ConcernKind::AppendsStand,
        ConcernKind::LogUnreadable,
        ConcernKind::DataflowFailed,
        ConcernKind::DataflowStands,
        ConcernKind::DataflowLags,
        ConcernKind::CheckpointsFail,
        ConcernKind::DiskNearlyFull,
    ];

    /// The name of the kind in metrics, in `status` and on standard error.
    pub fn name(self) -> &'static str {
        match self {
            ConcernKind::LogStopped => "log_stopped",
            ConcernKind::AppendsRefused => "appends_refused",
            ConcernKind::AppendsStand => "appends_stand",
            ConcernKind::LogUnreadable => "log_unreadable",
            ConcernKind::DataflowFailed => "dataflow_failed",
            ConcernKind::DataflowStands => "dataflow_stands",
            ConcernKind::DataflowLags => "dataflow_lags",
            ConcernKind::CheckpointsFail => "checkpoints_fail",
            ConcernKind::DiskNearlyFull => "disk_nearly_full",
        }
    }
}

/// A state that needs an operator. It is reported everywhere at once: `/readyz`, `/v1/status`,
/// `/metrics`, the page, and a line on standard error when it begins and when it ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Concern {
    /// The kind of the state.
    pub kind: ConcernKind,
    /// The dataflow that the state concerns; null when it concerns the whole process.
    #[schema(required)]
    pub dataflow: Option<String>,
    /// When it was first seen, by the machine's clock: microseconds since 1970.
    pub since_us: i64,
    /// What is wrong, and where.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
}

impl Concern {
    /// Whether `other` is the same state, seen again.
    pub fn is_same(&self, other: &Concern) -> bool {
        self.kind == other.kind && self.dataflow == other.dataflow
    }
}

impl std::fmt::Display for Concern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.reason)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(f, " ({})", self.remedy) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_json_says() {
        for kind in ConcernKind::ALL {
            let json = serde_json::to_string(&kind).expect("JSON");
            assert_eq!(json, format!("{:?}", kind.name()));
        }
    }
}
