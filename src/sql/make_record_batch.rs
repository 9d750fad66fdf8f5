//! Record batches of the columns that a query asks for.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use datafusion::common::Result as PlanResult;

/// Builds a record batch of arrays, or of rows without any column.
pub(super) fn batch(
    schema: &SchemaRef,
    arrays: Vec<arrow_array::ArrayRef>,
    rows: usize,
) -> PlanResult<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)?)
}
