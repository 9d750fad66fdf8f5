//! Cancellation of a statement: its client has gone, or its time is up.
//!
//! A task ends where it waits, and DataFusion's operators wait where they hand rows on. Joins may
//! go on for minutes without that: where no row meets their condition, and where a cross join's
//! rows are only counted. So conditions of joins check, each time they are evaluated, whether the
//! statement still lives; and every join yields after some batches.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use arrow_array::RecordBatch;
use arrow_schema::{FieldRef, Schema};
use datafusion::common::Result as PlanResult;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, NestedLoopJoinExecBuilder,
};

use super::SqlError;
use diptych_base::limits;

/// Whether a statement should go on, with its deadline.
#[derive(Debug)]
pub(super) struct StatementState {
    ended: AtomicBool,
    pub(super) until: Instant,
}

/// Ends a statement when it is dropped.
pub(super) struct EndOnDrop(pub(super) Arc<StatementState>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Relaxed);
    }
}

/// The error of a statement that has taken too long.
pub(super) fn too_long() -> SqlError {
    let most = limits::SQL_STATEMENT_TIME.as_secs();
    SqlError::new("57014", format!("the statement took longer than {most} s (read less at once)"))
}

impl StatementState {
    /// A life that begins now and lasts as long as a statement may take.
    pub(super) fn new() -> Arc<StatementState> {
        let until = Instant::now() + limits::SQL_STATEMENT_TIME;
        Arc::new(StatementState { ended: AtomicBool::new(false), until })
    }

    fn check(&self) -> PlanResult<()> {
        let over = if self.ended.load(Ordering::Relaxed) {
            SqlError::new("57014", "the client has gone")
        } else if Instant::now() >= self.until {
            too_long()
        } else {
            return Ok(());
        };
        Err(DataFusionError::External(Box::new(over)))
    }
}

/// Rewrites the plan so that its joins end with `life`.
///
/// # Errors
/// When `DataFusion` refuses to build a join again.
pub(super) fn bind(
    plan: Arc<dyn ExecutionPlan>,
    life: &Arc<StatementState>,
) -> PlanResult<Arc<dyn ExecutionPlan>> {
    let bound = plan.transform_up(|node| {
        let asking = |filter: &JoinFilter| {
            let inner = Arc::clone(filter.expression());
            let asking = Arc::new(Asking { inner, life: Arc::clone(life) });
            let columns = filter.column_indices().to_vec();
            JoinFilter::new(asking, columns, Arc::clone(filter.schema()))
        };
        if let Some(join) = node.downcast_ref::<HashJoinExec>() {
            let Some(filter) = join.filter() else { return Ok(give_way(node)) };
            let join = join.builder().with_filter(Some(asking(filter))).build()?;
            return Ok(give_way(Arc::new(join)));
        }
        let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() else {
            let joins = node.is::<CrossJoinExec>();
            return Ok(if joins { give_way(node) } else { Transformed::no(node) });
        };
        let filter = join.filter().map(asking);
        let left = Arc::clone(join.left());
        let right = Arc::clone(join.right());
        let join = NestedLoopJoinExecBuilder::new(left, right, *join.join_type())
            .with_projection_ref(join.projection().clone())
            .with_filter(filter)
            .build()?;
        Ok(give_way(Arc::new(join)))
    })?;
    Ok(bound.data)
}

fn give_way(join: Arc<dyn ExecutionPlan>) -> Transformed<Arc<dyn ExecutionPlan>> {
    Transformed::yes(Arc::new(CooperativeExec::new(join)))
}

/// A join condition that fails once its statement has ended.
#[derive(Debug)]
struct Asking {
    inner: Arc<dyn PhysicalExpr>,
    life: Arc<StatementState>,
}

impl PartialEq for Asking {
    fn eq(&self, other: &Self) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Eq for Asking {}

impl Hash for Asking {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl fmt::Display for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl PhysicalExpr for Asking {
    fn return_field(&self, input_schema: &Schema) -> PlanResult<FieldRef> {
        self.inner.return_field(input_schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> PlanResult<ColumnarValue> {
        self.life.check()?;
        self.inner.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> PlanResult<Arc<dyn PhysicalExpr>> {
        let inner = children.pop().unwrap_or_else(|| Arc::clone(&self.inner));
        Ok(Arc::new(Asking { inner, life: Arc::clone(&self.life) }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}
