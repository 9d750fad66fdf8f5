//! `query`: prints rows of a view at one epoch.

use std::process::ExitCode;

use super::args::FormatArgs;
use super::data_dir_or_server::OpenTarget;
use super::dataflow_catalog::Dataflows;
use super::key_args;
use super::remote;
use super::row_printer::{Sheet, counted};
use super::view_read_args::QueryArgs;
use diptych_base::error::Result;
use diptych_base::time::Epoch;
use diptych_batch_view::BatchView;
use diptych_row::{ByteRange, Datum, RowSchema};
use diptych_serving::{Index, Read, Row};
use diptych_system::{AnsweredBy, Past, System};

/// Prints the rows of a range, each as often as it is there.
pub(super) struct RowPrinter<'s> {
    sheet: Sheet,
    schema: &'s RowSchema,
    left: usize,
    /// The number of rows with a negative multiplicity.
    negative: u64,
}

impl<'s> RowPrinter<'s> {
    pub(super) fn new(
        format: FormatArgs,
        schema: &'s RowSchema,
        limit: Option<usize>,
    ) -> Result<Self> {
        let sheet = Sheet::of_view(format.format, &[], schema, &[])?;
        Ok(RowPrinter { sheet, schema, left: limit.unwrap_or(usize::MAX), negative: 0 })
    }

    /// Prints a row; false when no more rows are wanted.
    pub(super) fn row(&mut self, row: &Row) -> Result<bool> {
        let cells = self.schema.decode(&row.key, &row.value)?;
        self.cells(cells, row.multiplicity)
    }

    /// As `row`, for a row whose cells are decoded already.
    pub(super) fn cells(&mut self, cells: Vec<Datum>, times: isize) -> Result<bool> {
        self.negative += u64::from(times < 0);
        for _ in 0..times {
            if self.left == 0 || self.sheet.is_closed() {
                return Ok(false);
            }
            self.left -= 1;
            self.sheet.row(cells.clone())?;
        }
        Ok(self.left > 0)
    }

    pub(super) fn finish(self) -> Result<()> {
        if self.negative > 0 {
            eprintln!(
                "warning: {} rows are there fewer than zero times and were left out: the dataflow \
                 retracts what it has not stated",
                self.negative
            );
        }
        self.sheet.finish()
    }
}

/// Prints the rows of a range in an index, at `epoch` or at its latest.
pub(super) fn print(
    index: &Index,
    view: usize,
    range: ByteRange,
    epoch: Option<Epoch>,
    mut out: RowPrinter<'_>,
) -> Result<()> {
    let snapshot = index.snapshot(epoch.map_or(Read::Latest, Read::AsOf))?;
    for row in snapshot.range(view, range) {
        if !out.row(&row?)? {
            break;
        }
    }
    out.finish()
}

/// Answers from a data directory, or asks a server.
pub(super) fn run(args: &QueryArgs, catalog: &Dataflows) -> Result<ExitCode> {
    match args.place.place()? {
        OpenTarget::Data(system) => local(args, catalog, &system),
        OpenTarget::Server(server) => remote::query(args, &server),
    }
}

/// Answers from the batch view when it is exact, else from a computation up to the epoch. A
/// recomputation for an epoch that was asked for is kept as a batch view.
fn local(args: &QueryArgs, catalog: &Dataflows, system: &System) -> Result<ExitCode> {
    let definition = catalog.get(&args.dataflow)?;
    let description = definition.describe()?;
    let view = description.view(&args.view)?;
    let schema = &description.views[view].schema;
    let range = key_args::range(&args.keys, schema)?;
    let reader = system.reader()?;
    let printer = || RowPrinter::new(args.format, schema, args.limit);
    let cluster = args.workers.cluster();
    if let Some(as_of) = args.as_of {
        let epoch = as_of.epoch(&reader)?;
        let Past { index, how, passed_over } = system.as_of(definition, epoch, cluster)?;
        passed_over.iter().for_each(|error| eprintln!("warning: {error}"));
        let upper = epoch + 1;
        eprintln!("epoch {epoch}, {}", told(how, upper, "kept for who asks again"));
        print(&index, view, range, Some(epoch), printer()?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = printer()?;
    let upper = reader.upper()?;
    let Some(epoch) = upper.checked_sub(1) else {
        eprintln!("the log is empty: no epoch is complete");
        out.finish()?;
        return Ok(ExitCode::SUCCESS);
    };
    let (found, damaged) = system.fitting(definition, upper, upper)?;
    for error in &damaged {
        eprintln!("warning: {error}");
    }
    let found = found.filter(|view| System::is_of(view, &reader));
    let how = match found.as_ref().map(BatchView::boundary) {
        Some(boundary) if boundary == upper => AnsweredBy::Found,
        Some(boundary) => AnsweredBy::Continued(boundary),
        None => AnsweredBy::Recomputed,
    };
    let hint = "`batch` leaves a batch view that is read instead";
    eprintln!("epoch {epoch}, {}", told(how, upper, hint));
    if let (AnsweredBy::Found, Some(files)) = (how, found) {
        let limit = args.limit.unwrap_or(usize::MAX);
        for row in files.range(&args.view, &range, limit)? {
            if !out.row(&row)? {
                break;
            }
        }
        out.finish()?;
    } else {
        let index = system.recompute(definition, upper, cluster, false)?;
        print(&index, view, range, Some(epoch), out)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Describes where an answer comes from; for a recomputation, with a hint.
fn told(how: AnsweredBy, upper: Epoch, hint: &str) -> String {
    match how {
        AnsweredBy::Found => format!("boundary F = {upper}: read from the batch view"),
        AnsweredBy::Continued(boundary) => {
            let epochs = counted(upper - boundary, "epoch");
            format!("boundary F = {boundary}: restored at F and replayed {epochs}")
        }
        AnsweredBy::Recomputed => {
            format!("boundary F = {upper}: recomputed from the events ({hint})")
        }
    }
}
