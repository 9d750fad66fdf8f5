//! The scan of a view inside a plan: few rows come from the index, many from decoded columns.

use std::fmt;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result as PlanResult, Statistics};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{
    Boundedness, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use futures::stream;

use super::access_path::Access;
use super::columnar_snapshot::{Image, Piece};
use super::index_rows::IndexRows;
use super::make_record_batch::batch;
use super::statement_epochs::StatementEpochs;
use diptych_row::RowSchema;
use diptych_serving::Snapshot;

/// The source of the rows.
pub(super) enum ScanSource {
    /// Looked up in the index while the plan runs.
    Index,
    /// Columns that were combined when the statement was planned.
    Columns(Arc<Image>),
}

/// The scan of a view at one epoch.
pub(super) struct ViewScan {
    name: String,
    view: (usize, RowSchema),
    reading: (Arc<StatementEpochs>, Arc<Snapshot>),
    access: Access,
    source: ScanSource,
    /// The pieces of each partition, when the rows come from columns.
    partitions: Vec<Vec<Piece>>,
    wanted: Vec<usize>,
    schema: SchemaRef,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
}

impl ViewScan {
    pub(super) fn new(
        name: String,
        view: (usize, RowSchema),
        reading: (Arc<StatementEpochs>, Arc<Snapshot>),
        (access, source): (Access, ScanSource),
        (wanted, schema): (Vec<usize>, SchemaRef),
        limit: Option<usize>,
        partitions: usize,
    ) -> ViewScan {
        let partitions = match &source {
            ScanSource::Index => vec![Vec::new()],
            ScanSource::Columns(image) => {
                let pieces = image.pieces();
                let each = pieces.len().div_ceil(partitions.max(1)).max(1);
                let mut split: Vec<Vec<Piece>> = pieces.chunks(each).map(<[_]>::to_vec).collect();
                if split.is_empty() {
                    split.push(Vec::new());
                }
                split
            }
        };
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(partitions.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        ));
        ViewScan {
            name,
            view,
            reading,
            access,
            source,
            partitions,
            wanted,
            schema,
            limit,
            properties,
        }
    }
}

impl DisplayAs for ViewScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let epoch = self.reading.1.epoch();
        write!(f, "ViewScan: {}, epoch=", self.name)?;
        match epoch {
            Some(epoch) => write!(f, "{epoch}")?,
            None => f.write_str("none")?,
        }
        match &self.access {
            Access::Whole => f.write_str(", all keys")?,
            Access::Keys(keys) => write!(f, ", {} keys", keys.len())?,
            Access::Ranges(ranges) => write!(f, ", {} key ranges", ranges.len())?,
        }
        match &self.source {
            ScanSource::Index => f.write_str(" from the index")?,
            ScanSource::Columns(image) => write!(f, " as columns, {} rows", image.rows())?,
        }
        let names: Vec<_> =
            self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        write!(f, ", projection=[{}]", names.join(", "))?;
        self.limit.map_or(Ok(()), |limit| write!(f, ", limit={limit}"))
    }
}

impl fmt::Debug for ViewScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_as(DisplayFormatType::Default, f)
    }
}

impl ExecutionPlan for ViewScan {
    fn name(&self) -> &'static str {
        "ViewScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> PlanResult<TreeNodeRecursion>,
    ) -> PlanResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(
        &self,
        partition: usize,
        _: Arc<TaskContext>,
    ) -> PlanResult<SendableRecordBatchStream> {
        let schema = Arc::clone(&self.schema);
        match &self.source {
            ScanSource::Index => {
                let reading = &self.reading.0;
                let snapshot = &self.reading.1;
                let rows = IndexRows::new(
                    self.name.clone(),
                    self.view.clone(),
                    (Arc::clone(reading), Arc::clone(snapshot)),
                    &self.access,
                    (self.wanted.clone(), Arc::clone(&schema)),
                    self.limit,
                );
                Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream::iter(rows))))
            }
            ScanSource::Columns(image) => {
                let image = Arc::clone(image);
                let wanted = self.wanted.clone();
                let mut pieces = self.partitions[partition].clone().into_iter();
                let mut rest: Option<Piece> = None;
                let of = Arc::clone(&schema);
                let batches = std::iter::from_fn(move || {
                    if rest.is_none() {
                        rest = Some(pieces.next()?);
                    }
                    let arrays = image.arrays(&mut rest, &wanted);
                    Some(arrays.map_err(Into::into).and_then(|(arrays, n)| batch(&of, arrays, n)))
                });
                Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream::iter(batches))))
            }
        }
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> PlanResult<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema);
        if let (ScanSource::Columns(image), None) = (&self.source, args.partition()) {
            statistics.num_rows = Precision::Exact(image.rows());
        } else if let (ScanSource::Index, Access::Keys(keys)) = (&self.source, &self.access) {
            statistics.num_rows = Precision::Inexact(keys.len());
        }
        Ok(Arc::new(statistics))
    }
}
