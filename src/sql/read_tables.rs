//! Which tables a plan reads.

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::source_as_provider;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;

use super::stream_table::StreamTable;
use super::view_table::ViewTable;

/// The dataflows that a plan reads, by number, and whether it reads raw streams.
pub(super) fn tables(
    plan: &LogicalPlan,
    flows: usize,
) -> Result<(Vec<bool>, bool), DataFusionError> {
    let (mut read, mut streams) = (vec![false; flows], false);
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let table = source_as_provider(&scan.source)?;
            if let Some(view) = table.downcast_ref::<ViewTable>() {
                read[view.flow] = true;
            }
            streams |= table.is::<StreamTable>();
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok((read, streams))
}
