//! Point reads: the bytes of a key go to the index, and the rows to the wire, without a plan.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};

use super::backend;
use super::error::Failure;
use super::params::Param;
use super::planner::Planner;
use super::record_batch_encoder::{decimal, null, sized};
use super::types::{PgField, oid};
use super::{binary, text};
use diptych_base::limits::PG_OUTPUT_BYTES;
use diptych_row::{ByteRange, Datum, RowSchema};
use diptych_serving::{Cursor, Row, Snapshot};

/// A query that was recognised as a point read.
#[derive(Clone)]
pub(super) struct Point(Arc<PointPlan>);

/// The plan of a point read.
pub(super) struct PointPlan {
    pub(super) flow: usize,
    pub(super) view: usize,
    /// The view's name, to be checked: another version may have another view at this number.
    pub(super) name: String,
    pub(super) schema: Arc<RowSchema>,
    /// The operands that the first columns of the key must equal.
    pub(super) key: Vec<Operand>,
    pub(super) parameters: Vec<u32>,
    /// The columns of the answer, with their positions in the row.
    pub(super) fields: Vec<PgField>,
    pub(super) columns: Vec<usize>,
    pub(super) limit: Option<u64>,
}

/// The right side of an equality.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    Constant(Param),
    /// A parameter, counted from 0.
    Parameter(usize),
}

/// The rows of a point read, some at a time.
pub(super) struct Scan {
    point: Point,
    snapshot: Arc<Snapshot>,
    range: ByteRange,
    cursor: Option<Cursor>,
    page: VecDeque<Row>,
    is_last_page: bool,
    /// The number of rows that may still come.
    left: u64,
}

/// Rows that are read from the index at once.
const PAGE_ROWS: usize = 1_000;

impl Point {
    /// Recognises `sql` as a point read; none if it is another query.
    pub(super) fn recognise(sql: &str, types: &[u32], planner: &Planner) -> Option<Point> {
        super::point_read_match::recognise(sql, types, planner).map(|plan| Point(Arc::new(plan)))
    }

    pub(super) fn flow(&self) -> usize {
        self.0.flow
    }

    pub(super) fn parameters(&self) -> &[u32] {
        &self.0.parameters
    }

    pub(super) fn fields(&self) -> &[PgField] {
        &self.0.fields
    }

    /// The bytes of the key, or of its start; none when no key can be equal.
    fn key(&self, values: &[Param]) -> Option<Vec<u8>> {
        let mut key = Vec::with_capacity(32);
        for (operand, column) in self.0.key.iter().zip(&self.0.schema.key) {
            let value = match operand {
                Operand::Constant(value) => value,
                Operand::Parameter(at) => values.get(*at)?,
            };
            value.datum(column)?.encode(column, &mut key).ok()?;
        }
        Some(key)
    }

    /// Checks that the view is still the one for which the read was recognised.
    fn check(&self, snapshot: &Snapshot) -> Result<(), Failure> {
        let found = snapshot.views().get(self.0.view);
        if found.is_some_and(|view| view.name == self.0.name && view.schema == *self.0.schema) {
            return Ok(());
        }
        let failure = Failure::new("0A000", "cached plan must not change result type");
        Err(failure.hint("a new version serves: prepare the statement again"))
    }

    /// Writes all rows; none when they are too many to be written at once.
    pub(super) fn read(
        &self,
        snapshot: &Snapshot,
        values: &[Param],
        formats: &[i16],
        out: &mut BytesMut,
    ) -> Result<Option<u64>, Failure> {
        self.check(snapshot)?;
        let plan = &*self.0;
        if plan.key.len() < plan.schema.key.len() {
            return Ok(None);
        }
        let Some(key) = self.key(values) else { return Ok(Some(0)) };
        let start = out.len();
        let mut rows = 0;
        let mut trouble = None;
        let most = plan.limit.unwrap_or(u64::MAX);
        snapshot.get_with(plan.view, &key, |value, times| {
            if trouble.is_some() || out.len() - start > PG_OUTPUT_BYTES {
                return;
            }
            match plan.schema.decode(&key, value) {
                Err(error) => trouble = Some(error),
                Ok(row) => {
                    let times = u64::try_from(times).unwrap_or_default().min(most - rows);
                    for _ in 0..times.min(PG_OUTPUT_BYTES as u64) {
                        self.row(&row, formats, out);
                        rows += 1;
                    }
                }
            }
        })?;
        if let Some(error) = trouble {
            return Err(error.into());
        }
        if out.len() - start > PG_OUTPUT_BYTES {
            out.truncate(start);
            return Ok(None);
        }
        Ok(Some(rows))
    }

    fn row(&self, row: &[Datum], formats: &[i16], out: &mut BytesMut) {
        backend::message(b'D', out, |out| {
            out.put_u16(self.0.columns.len() as u16);
            for (at, column) in self.0.columns.iter().enumerate() {
                let is_binary = backend::format_of(formats, at) == 1;
                field(&row[*column], self.0.fields[at].kind.oid, is_binary, out);
            }
        });
    }
}

impl Scan {
    /// The scan of `point` in `snapshot`.
    ///
    /// # Errors
    /// When the view has changed.
    pub(super) fn new(
        point: &Point,
        snapshot: Arc<Snapshot>,
        values: &[Param],
    ) -> Result<Scan, Failure> {
        point.check(&snapshot)?;
        let plan = &*point.0;
        let (range, is_last_page) = match point.key(values) {
            // No key can be equal, so there is no page.
            None => (ByteRange::all(), true),
            Some(key) if plan.key.len() == plan.schema.key.len() => {
                (ByteRange::between(key.clone()..=key), false)
            }
            Some(start) => (ByteRange::prefix(&start), false),
        };
        let left = plan.limit.unwrap_or(u64::MAX);
        let cursor = None;
        let page = VecDeque::new();
        let point = point.clone();
        Ok(Scan { point, snapshot, range, cursor, page, is_last_page, left })
    }

    /// Writes at most `most` rows, fewer when they become many bytes; none when there are no more.
    pub(super) fn write(
        &mut self,
        most: u64,
        formats: &[i16],
        out: &mut BytesMut,
    ) -> Result<Option<u64>, Failure> {
        let start = out.len();
        let mut rows = 0;
        while rows < most && self.left > 0 && out.len() - start < PG_OUTPUT_BYTES {
            let Some(row) = self.page.front_mut() else {
                if self.is_last_page {
                    break;
                }
                self.turn()?;
                continue;
            };
            if row.multiplicity <= 0 {
                self.page.pop_front();
                continue;
            }
            row.multiplicity -= 1;
            let values = self.point.0.schema.decode(&row.key, &row.value)?;
            self.point.row(&values, formats, out);
            rows += 1;
            self.left -= 1;
        }
        Ok((rows > 0).then_some(rows))
    }

    fn turn(&mut self) -> Result<(), Failure> {
        let view = self.point.0.view;
        let page = self.snapshot.page(view, &self.range, self.cursor.as_ref(), PAGE_ROWS)?;
        self.is_last_page = page.next.is_none();
        self.cursor = page.next;
        self.page = page.rows.into();
        Ok(())
    }
}

/// Appends a value of a view as a column of the row.
fn field(datum: &Datum, of: u32, is_binary: bool, out: &mut BytesMut) {
    if matches!(datum, Datum::Null) {
        return null(out);
    }
    sized(out, |out| if is_binary { in_binary(datum, of, out) } else { in_text(datum, out) });
}

fn in_text(datum: &Datum, out: &mut BytesMut) {
    match datum {
        Datum::Bool(value) => text::boolean(*value, out),
        Datum::Int(value) => text::integer(*value, out),
        Datum::UInt(value) => text::unsigned(*value, out),
        Datum::F32(value) => text::single(*value, out),
        Datum::F64(value) => text::double(*value, out),
        Datum::Decimal { units, scale } => text::numeric(*units, *scale as i8, out),
        Datum::String(text) => out.put_slice(text.as_bytes()),
        Datum::Bytes(bytes) => text::bytea(bytes, out),
        Datum::Timestamp(at) => text::timestamp(at.micros(), true, out),
        Datum::Date(day) => text::date(day.days().into(), out),
        Datum::Null => {}
    }
}

fn in_binary(datum: &Datum, of: u32, out: &mut BytesMut) {
    let integer = |value: i64, out: &mut BytesMut| match of {
        oid::INT2 => out.put_i16(value as i16),
        oid::INT4 => out.put_i32(value as i32),
        _ => out.put_i64(value),
    };
    match datum {
        Datum::Bool(value) => out.put_u8((*value).into()),
        Datum::Int(value) => integer(*value, out),
        Datum::UInt(value) if of == oid::NUMERIC => binary::numeric(&value.to_string(), out),
        Datum::UInt(value) => integer(*value as i64, out),
        Datum::F32(value) => out.put_f32(*value),
        Datum::F64(value) => out.put_f64(*value),
        Datum::Decimal { units, scale } => decimal(*units, *scale as i8, true, out),
        Datum::String(text) => out.put_slice(text.as_bytes()),
        Datum::Bytes(bytes) => out.put_slice(bytes),
        Datum::Timestamp(at) => binary::timestamp(at.micros(), out),
        Datum::Date(day) => binary::date(day.days().into(), out),
        Datum::Null => {}
    }
}
