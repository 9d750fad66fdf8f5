//! A view as a table of `DataFusion`.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result as PlanResult;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::SqlError;
use super::access_path::{self, Access};
use super::columnar_snapshot::Image;
use super::df_error::external;
use super::index_rows::negative;
use super::statement_epochs::{StatementEpochs, reading};
use super::view_scan::{ScanSource, ViewScan};
use diptych_base::limits::{SQL_COLUMNS_BYTES, SQL_INDEX_ROWS_MAX};
use diptych_row::{ByteRange, RowSchema, arrow_schema};
use diptych_serving::{Snapshot, ViewBatch};

/// A view of a served dataflow. It holds no rows: each statement has its own snapshot.
#[derive(Debug)]
pub(super) struct ViewTable {
    /// The dataflow's number.
    pub(super) flow: usize,
    /// The view's number.
    pub(super) view: usize,
    /// `dataflow.view`
    pub(super) name: String,
    pub(super) rows: RowSchema,
    schema: SchemaRef,
}

impl ViewTable {
    /// View number `view`, called `name`, of dataflow number `flow`.
    pub(super) fn new(flow: usize, view: usize, name: String, rows: RowSchema) -> ViewTable {
        let schema = arrow_schema(&rows);
        ViewTable { flow, view, name, rows, schema }
    }
}

#[async_trait]
impl TableProvider for ViewTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> PlanResult<Vec<TableProviderFilterPushDown>> {
        let support = |filter: &&Expr| {
            if access_path::narrows(&self.rows, filter) {
                // The rows read are a superset: `DataFusion` checks the conditions again.
                TableProviderFilterPushDown::Inexact
            } else {
                TableProviderFilterPushDown::Unsupported
            }
        };
        Ok(filters.iter().map(support).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let reading = reading(state)?;
        let Some(snapshot) = reading.snapshot(self.flow) else {
            let message = format!("{} is scanned without a snapshot", self.name);
            return Err(DataFusionError::Internal(message));
        };
        self.check(snapshot)?;
        let wanted: Vec<usize> = match projection {
            Some(wanted) => wanted.clone(),
            None => (0..self.schema.fields().len()).collect(),
        };
        let schema = Arc::new(self.schema.project(&wanted)?);
        let access = access_path::access(&self.rows, filters);
        let source = self.source(&reading, snapshot, &access, &wanted, limit).map_err(external)?;
        let partitions = state.config().target_partitions();
        Ok(Arc::new(ViewScan::new(
            self.name.clone(),
            (self.view, self.rows.clone()),
            (Arc::clone(&reading), Arc::clone(snapshot)),
            (access, source),
            (wanted, schema),
            limit,
            partitions,
        )))
    }
}

impl ViewTable {
    /// Checks that the view is still the one for which the statement was planned.
    fn check(&self, snapshot: &Snapshot) -> PlanResult<()> {
        let found = snapshot.views().get(self.view);
        let named =
            |name: &str| self.name.strip_suffix(name).is_some_and(|flow| flow.ends_with('.'));
        if found.is_some_and(|info| named(&info.name) && info.schema == self.rows) {
            return Ok(());
        }
        let message = "cached plan must not change result type (another version serves: prepare \
                       the statement again, or begin another transaction)";
        Err(DataFusionError::External(Box::new(SqlError::new("0A000", message))))
    }

    /// Chooses the source: the index for few rows, columns for many.
    fn source(
        &self,
        reading: &StatementEpochs,
        snapshot: &Snapshot,
        access: &Access,
        wanted: &[usize],
        limit: Option<usize>,
    ) -> diptych_base::error::Result<ScanSource> {
        let ranges: Option<&[ByteRange]> = match access {
            Access::Keys(_) => return Ok(ScanSource::Index),
            Access::Ranges(ranges) => Some(ranges),
            Access::Whole => None,
        };
        if snapshot.is_stored() {
            return Ok(ScanSource::Index);
        }
        let few = limit.is_some_and(|limit| limit <= SQL_INDEX_ROWS_MAX);
        let shards = snapshot.batches(self.view)?;
        let batches = || shards.iter().flatten();
        let bytes: usize = batches().map(ViewBatch::memory_bytes).sum();
        if few || bytes > SQL_COLUMNS_BYTES || ranges.is_some_and(|some| are_few(&shards, some)) {
            return Ok(ScanSource::Index);
        }
        reading.columns.sweep();
        let columns = &reading.columns;
        let upper = snapshot.upper();
        let image = Image::of(columns, &shards, upper, ranges, &self.rows, wanted)?;
        if image.negative() > 0 {
            reading.notices.add(negative(&self.name, image.negative()));
        }
        Ok(ScanSource::Columns(Arc::new(image)))
    }
}

fn are_few(shards: &[Vec<ViewBatch>], ranges: &[ByteRange]) -> bool {
    let mut rows = 0;
    shards.iter().flatten().all(|batch| {
        rows += ranges.iter().map(|range| batch.rows_in(range).len()).sum::<usize>();
        rows <= SQL_INDEX_ROWS_MAX
    })
}
