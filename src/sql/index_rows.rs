//! Record batches from rows of the index: keys and ranges, a bounded number of rows at a time.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use datafusion::common::Result as PlanResult;

use super::access_path::Access;
use super::df_error::external;
use super::make_record_batch::batch;
use super::statement_epochs::StatementEpochs;
use diptych_base::error::Result;
use diptych_base::limits::{SCAN_CHUNK_ROWS, SQL_BLOCK_ROWS};
use diptych_row::{ByteRange, RowArrays, RowSchema};
use diptych_serving::{Cursor, Row, Snapshot};

/// A stream of the rows of some keys or ranges of a view, each as often as it is there.
pub(super) struct IndexRows {
    name: String,
    view: (usize, RowSchema),
    reading: (Arc<StatementEpochs>, Arc<Snapshot>),
    keys: std::vec::IntoIter<Vec<u8>>,
    ranges: std::vec::IntoIter<ByteRange>,
    /// The range being read, with the cursor at which it goes on.
    range: Option<(ByteRange, Option<Cursor>)>,
    rows: std::vec::IntoIter<Row>,
    /// A row whose repetitions did not all fit into the last batch.
    again: Option<Row>,
    wanted: Vec<usize>,
    schema: SchemaRef,
    /// The number of rows still wanted.
    limit: usize,
    negative: usize,
    failed: bool,
}

impl IndexRows {
    pub(super) fn new(
        name: String,
        view: (usize, RowSchema),
        reading: (Arc<StatementEpochs>, Arc<Snapshot>),
        access: &Access,
        (wanted, schema): (Vec<usize>, SchemaRef),
        limit: Option<usize>,
    ) -> IndexRows {
        let (keys, ranges) = match access {
            Access::Whole => (Vec::new(), vec![ByteRange::all()]),
            Access::Keys(keys) => (keys.clone(), Vec::new()),
            Access::Ranges(ranges) => (Vec::new(), ranges.clone()),
        };
        IndexRows {
            name,
            view,
            reading,
            keys: keys.into_iter(),
            ranges: ranges.into_iter(),
            range: None,
            rows: Vec::new().into_iter(),
            again: None,
            wanted,
            schema,
            limit: limit.unwrap_or(usize::MAX),
            negative: 0,
            failed: false,
        }
    }

    /// The next row of the index.
    fn row(&mut self) -> Result<Option<Row>> {
        loop {
            if let Some(row) = self.again.take().or_else(|| self.rows.next()) {
                return Ok(Some(row));
            }
            let view = self.view.0;
            let snapshot = &self.reading.1;
            if let Some((range, cursor)) = self.range.take() {
                let most = SCAN_CHUNK_ROWS.min(self.limit.max(1));
                let page = snapshot.page(view, &range, cursor.as_ref(), most)?;
                self.rows = page.rows.into_iter();
                self.range = page.next.map(|next| (range, Some(next)));
            } else if let Some(range) = self.ranges.next() {
                self.range = Some((range, None));
            } else {
                let keys: Vec<Vec<u8>> = self.keys.by_ref().take(SCAN_CHUNK_ROWS).collect();
                if keys.is_empty() {
                    return Ok(None);
                }
                let found = snapshot.multi_get(view, &keys)?;
                let mut rows = Vec::new();
                for (key, values) in keys.iter().zip(found) {
                    rows.extend(values.into_iter().map(|(value, multiplicity)| Row {
                        key: key.clone(),
                        value,
                        multiplicity,
                    }));
                }
                self.rows = rows.into_iter();
            }
        }
    }

    fn block(&mut self) -> Result<Option<(Vec<arrow_array::ArrayRef>, usize)>> {
        let most = SQL_BLOCK_ROWS.min(self.limit);
        let mut arrays = RowArrays::new(&self.view.1, &self.wanted, most.min(SCAN_CHUNK_ROWS));
        while arrays.rows() < most {
            let Some(mut row) = self.row()? else { break };
            self.negative += usize::from(row.multiplicity < 0);
            while row.multiplicity > 0 && arrays.rows() < most {
                arrays.push(&row.key, &row.value)?;
                row.multiplicity -= 1;
            }
            self.again = (row.multiplicity > 0).then_some(row);
        }
        let rows = arrays.rows();
        self.limit -= rows;
        if rows == 0 {
            return Ok(None);
        }
        arrays.finish().map(|arrays| Some((arrays, rows)))
    }
}

impl Iterator for IndexRows {
    type Item = PlanResult<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        match self.block() {
            Ok(Some((arrays, rows))) => Some(batch(&self.schema, arrays, rows)),
            Ok(None) => {
                if self.negative > 0 {
                    self.reading.0.notices.add(negative(&self.name, self.negative));
                }
                None
            }
            Err(error) => {
                self.failed = true;
                Some(Err(external(error)))
            }
        }
    }
}

/// The notice about rows that are retracted more often than they were stated.
pub(super) fn negative(name: &str, rows: usize) -> String {
    format!(
        "{name}: {rows} rows of negative multiplicity are left out (the dataflow retracts what it \
         has not stated)"
    )
}
