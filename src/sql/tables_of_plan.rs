//! Which tables a plan reads.

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::source_as_provider;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;

use super::statement_epochs::TablesRead;
use super::stream_table::StreamTable;
use super::view_table::ViewTable;

/// The tables that a plan reads, of a site that serves so many dataflows.
pub(super) fn tables(plan: &LogicalPlan, flows: usize) -> Result<TablesRead, DataFusionError> {
    let mut read = TablesRead { flows: vec![false; flows], streams: false };
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let table = source_as_provider(&scan.source)?;
            if let Some(view) = table.downcast_ref::<ViewTable>() {
                read.flows[view.flow] = true;
            }
            read.streams |= table.is::<StreamTable>();
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(read)
}
