//! `changes --server`: prints the changes of a view from a server, with those that follow.

use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError};

use super::super::view_read_args::ChangesArgs;
use super::sse_reader::{self, SseEvent};
use super::{Remote, cells};
use crate::args::OutputFormat;
use crate::row_printer::Sheet;
use crate::signal;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::escaped_text::escaped;
use diptych_base::limits::PROGRESS_INTERVAL;
use diptych_base::time::Epoch;
use diptych_row::{Datum, RowSchema};

/// How often signals are checked.
const LOOK: Duration = Duration::from_millis(50);

/// The printer of changes that a server sends.
struct Follower<'s> {
    schema: &'s RowSchema,
    sheet: Sheet,
    /// Rows of an epoch that is not complete yet.
    pending: Vec<Vec<Datum>>,
    /// The token below which everything has been printed.
    token: Option<String>,
    /// The epoch before which to stop; none to go on for ever.
    upper: Option<Epoch>,
}

/// Prints changes up to the log's end, or until interrupted.
pub(crate) fn run(args: &ChangesArgs, remote: &Remote) -> Result<ExitCode> {
    let schema = remote.schema(&args.dataflow, &args.view)?;
    let path = format!("{}/changes", Remote::view_path(&args.dataflow, &args.view));
    let from = args.from.as_deref();
    let upper = if args.follow { None } else { Some(upper(args, remote)?) };
    if args.follow {
        signal::watch()?;
    }
    let format = match args.format.format {
        // The column widths of a table depend on all its rows.
        OutputFormat::Table if args.follow => OutputFormat::Json,
        format => format,
    };
    let mut events = sse_reader::open(remote, &path, from)?;
    let sheet = Sheet::of_view(format, &["epoch"], &schema, &["diff"])?;
    let token = from.map(str::to_owned);
    let mut follower = Follower { schema: &schema, sheet, pending: Vec::new(), token, upper };
    while !signal::stopped() && !follower.sheet.is_closed() {
        match events.recv_timeout(LOOK) {
            Ok(Ok(event)) => {
                if follower.take(&event)? {
                    break;
                }
            }
            Ok(Err(error)) if args.follow && comes_back(&error) => {
                eprintln!("warning: {error}; connecting again");
                follower.pending.clear();
                match again(remote, &path, follower.token.as_deref())? {
                    Some(other) => events = other,
                    None => break,
                }
            }
            Ok(Err(error)) => return Err(error),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Error::new(Kind::Stopped, "the reader of the events has ended"));
            }
        }
    }
    if let Some(token) = follower.token.filter(|_| args.follow) {
        eprintln!("go on with --from {token}");
    }
    follower.sheet.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// The end of the epochs that were asked for, checked against the log.
fn upper(args: &ChangesArgs, remote: &Remote) -> Result<Epoch> {
    let status = remote.get("/v1/status", &[])?;
    let end = status["log"]["upper"].as_u64().unwrap_or(0);
    let from = args.first()?;
    let upper = args.to.unwrap_or(end);
    if upper > end || from >= upper {
        return Err(super::super::changes::not_sealed(from, upper, end));
    }
    eprintln!("epochs {from} to {}: read from {}", upper - 1, remote.base());
    Ok(upper)
}

/// Whether the same request may succeed later.
fn comes_back(error: &Error) -> bool {
    error.is_io() || error.is_stopped() || error.is_retryable()
}

/// Connects until that succeeds; none when told to stop meanwhile.
fn again(
    remote: &Remote,
    path: &str,
    token: Option<&str>,
) -> Result<Option<Receiver<Result<SseEvent>>>> {
    loop {
        let begun = Instant::now();
        while begun.elapsed() < PROGRESS_INTERVAL {
            if signal::stopped() {
                return Ok(None);
            }
            sleep(LOOK);
        }
        match sse_reader::open(remote, path, token) {
            Ok(events) => return Ok(Some(events)),
            Err(error) if comes_back(&error) => {}
            Err(error) => return Err(error),
        }
    }
}

impl Follower<'_> {
    /// Takes an event, and prints the rows that it completes. True at the end of the epochs asked
    /// for.
    fn take(&mut self, event: &SseEvent) -> Result<bool> {
        let reason = event.data["reason"].as_str().unwrap_or("no reason is given");
        match event.name.as_str() {
            "reset" if self.upper.is_some() => {
                return Err(Error::new(Kind::Conflict, format!("nothing goes on here: {reason}"))
                    .remedy("ask for epochs by their numbers, or follow"));
            }
            "reset" => {
                self.pending.clear();
                if self.token.is_some() {
                    let reason = escaped(reason);
                    eprintln!("warning: {reason}: all rows follow, forget those before");
                }
            }
            "replay" => {
                let said = event.data.to_string();
                eprintln!("the server replays its log first: {}", escaped(&said));
            }
            "version" => {
                let said = event.data.to_string();
                eprintln!("warning: another version takes over: {}", escaped(&said));
            }
            _ => self.rows(event)?,
        }
        let Some(token) = &event.id else { return Ok(false) };
        for cells in self.pending.drain(..) {
            self.sheet.row(cells)?;
        }
        self.sheet.flush()?;
        self.token = Some(token.clone());
        let next = super::super::view_read_args::epoch_of(token).unwrap_or(0);
        Ok(self.upper.is_some_and(|upper| next >= upper))
    }

    fn rows(&mut self, event: &SseEvent) -> Result<()> {
        let epoch = event.data["epoch"].as_u64();
        let beyond = |epoch: Epoch| self.upper.is_some_and(|upper| epoch >= upper);
        let Some(epoch) = epoch.filter(|epoch| !beyond(*epoch)) else { return Ok(()) };
        for list in [&event.data["rows"], &event.data["changes"]] {
            for item in list.as_array().map(Vec::as_slice).unwrap_or_default() {
                let mut cells = cells(self.schema, &item["row"])?;
                cells.insert(0, Datum::UInt(epoch));
                cells.push(Datum::Int(item["diff"].as_i64().unwrap_or(0)));
                self.pending.push(cells);
            }
        }
        Ok(())
    }
}
