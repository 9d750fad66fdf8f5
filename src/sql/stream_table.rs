//! A raw stream as a table: every event of the log, with the epoch it was sealed in.
//!
//! Events come as they were appended, parts of the log at a time, under the columns that the served
//! dataflows read: a column that an older schema lacks is absent, an extra one is left out, and one
//! of another type is converted, or the scan fails and names it.

use std::fmt;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, UInt64Array, new_null_array};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{
    BinaryExpr, Expr, Operator, TableProviderFilterPushDown, TableType,
};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{
    Boundedness, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};

use super::df_error::external;
use super::make_record_batch::batch;
use super::statement_epochs::reading;
use diptych_base::limits::SQL_BLOCK_ROWS;
use diptych_base::time::Epoch;
use diptych_log::{Chunk, Epochs, Part, Reader};
use diptych_site::blocking::blocking;
use diptych_system::Stream;

/// The column of epochs, which follows the event's own columns.
pub(super) const EPOCH: &str = "_epoch";

/// A stream of the log.
#[derive(Debug)]
pub(super) struct StreamTable {
    name: String,
    reader: Arc<Reader>,
    schema: SchemaRef,
}

impl StreamTable {
    /// The table of `stream`.
    pub(super) fn new(stream: &Stream, reader: &Arc<Reader>) -> StreamTable {
        let columns = stream.schema.fields().iter();
        let mut fields: Vec<Field> =
            columns.map(|field| field.as_ref().clone().with_nullable(true)).collect();
        fields.push(Field::new(EPOCH, DataType::UInt64, false));
        let schema = Arc::new(Schema::new(fields));
        StreamTable { name: stream.name.clone(), reader: Arc::clone(reader), schema }
    }
}

#[async_trait]
impl TableProvider for StreamTable {
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
        let support = |filter: &&Expr| match epochs(filter) {
            Some(_) => TableProviderFilterPushDown::Inexact,
            None => TableProviderFilterPushDown::Unsupported,
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
        let upper = reading(state)?.streams_upper;
        let mut lower = 0;
        let mut end = upper;
        for (least, most) in filters.iter().filter_map(epochs) {
            lower = lower.max(least);
            end = end.min(most.saturating_add(1));
        }
        let reader = Arc::clone(&self.reader);
        let found = blocking(move || {
            let lower = lower.max(reader.lower());
            let empty = lower >= end;
            let parts = if empty { Vec::new() } else { reader.standing(lower, end, upper)? };
            Ok((lower, parts))
        });
        let (lower, mut parts) = found.await.map_err(external)?;
        parts.retain(|part| **part.stream() == *self.name);
        let wanted: Vec<usize> = match projection {
            Some(wanted) => wanted.clone(),
            None => (0..self.schema.fields().len()).collect(),
        };
        let schema = Arc::new(self.schema.project(&wanted)?);
        let count = state.config().target_partitions().min(parts.len()).max(1);
        let mut partitions = vec![Vec::new(); count];
        for (at, part) in parts.into_iter().enumerate() {
            partitions[at % count].push(part);
        }
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(count),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Arc::new(StreamScan {
            name: self.name.clone(),
            epochs: (lower, end),
            partitions,
            schema,
            limit,
            properties: Arc::new(properties),
        }))
    }
}

/// The least and the greatest epoch that a condition allows.
fn epochs(filter: &Expr) -> Option<(Epoch, Epoch)> {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            match (epochs(left), epochs(right)) {
                (Some(one), Some(other)) => Some((one.0.max(other.0), one.1.min(other.1))),
                (one, other) => one.or(other),
            }
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let (op, value) = match (&**left, &**right) {
                (Expr::Column(column), Expr::Literal(value, _)) if column.name == EPOCH => {
                    (*op, value)
                }
                (Expr::Literal(value, _), Expr::Column(column)) if column.name == EPOCH => {
                    (op.swap()?, value)
                }
                _ => return None,
            };
            let ScalarValue::UInt64(Some(epoch)) = value else { return None };
            match op {
                Operator::Eq => Some((*epoch, *epoch)),
                Operator::Gt => Some((epoch.saturating_add(1), Epoch::MAX)),
                Operator::GtEq => Some((*epoch, Epoch::MAX)),
                // At zero this is one epoch too many; the condition drops it.
                Operator::Lt => Some((0, epoch.saturating_sub(1))),
                Operator::LtEq => Some((0, *epoch)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The scan of a stream.
struct StreamScan {
    name: String,
    epochs: (Epoch, Epoch),
    partitions: Vec<Vec<Part>>,
    schema: SchemaRef,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
}

impl DisplayAs for StreamScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (lower, upper) = self.epochs;
        let parts: usize = self.partitions.iter().map(Vec::len).sum();
        let names: Vec<_> =
            self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        let name = &self.name;
        write!(f, "StreamScan: streams.{name}, epochs=[{lower}, {upper}), {parts} parts")?;
        write!(f, ", projection=[{}]", names.join(", "))?;
        self.limit.map_or(Ok(()), |limit| write!(f, ", limit={limit}"))
    }
}

impl fmt::Debug for StreamScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_as(DisplayFormatType::Default, f)
    }
}

impl ExecutionPlan for StreamScan {
    fn name(&self) -> &'static str {
        "StreamScan"
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
        let mut out = RecordBatchReceiverStream::builder(Arc::clone(&self.schema), 2);
        let sender = out.tx();
        let schema = Arc::clone(&self.schema);
        let parts = self.partitions[partition].clone();
        let mut wanted = self.limit.unwrap_or(usize::MAX);
        // This reads the disk, so it runs on a blocking thread. It ends when the receiver is
        // dropped.
        out.spawn_blocking(move || {
            for chunk in parts.iter().flat_map(Part::chunks) {
                let chunk = chunk.map_err(external)?;
                for start in (0..chunk.len()).step_by(SQL_BLOCK_ROWS) {
                    if wanted == 0 {
                        return Ok(());
                    }
                    let len = (chunk.len() - start).min(SQL_BLOCK_ROWS).min(wanted);
                    wanted -= len;
                    let batch = conform(&schema, &chunk.slice(start, len));
                    if sender.blocking_send(batch).is_err() {
                        return Ok(());
                    }
                }
            }
            Ok(())
        });
        Ok(out.build())
    }
}

/// Converts the rows of a chunk to the columns of the table.
fn conform(schema: &SchemaRef, chunk: &Chunk) -> PlanResult<RecordBatch> {
    let rows = chunk.len();
    let column = |field: &Arc<Field>| -> PlanResult<ArrayRef> {
        if field.name() == EPOCH {
            return Ok(match &chunk.epochs {
                Epochs::One(epoch) => Arc::new(UInt64Array::from_value(*epoch, rows)),
                Epochs::Each(each) => Arc::new(each.clone()),
            });
        }
        let Some(array) = chunk.rows.column_by_name(field.name()) else {
            return Ok(new_null_array(field.data_type(), rows));
        };
        if array.data_type() == field.data_type() {
            return Ok(Arc::clone(array));
        }
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let cast = cast_with_options(array, field.data_type(), &options);
        cast.map_err(|error| {
            let name = field.name();
            let stream = &chunk.stream;
            let message = format!("column {name} of older events of stream {stream}: {error}");
            ArrowError::CastError(message).into()
        })
    };
    let arrays = schema.fields().iter().map(column).collect::<PlanResult<Vec<_>>>()?;
    batch(schema, arrays, rows)
}
