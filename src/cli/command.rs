//! The command line: all commands, and the exit codes.

use clap::{Parser, Subcommand};

use super::args::{
    BatchArgs, BenchArgs, ConfigArgs, CopyArgs, DemoArgs, DiffArgs, FlowsArgs, ServeArgs,
};
use super::deploy::DeployArgs;
use super::log::LogArgs;
use super::new::NewArgs;
use super::sample::SampleArgs;
use super::token_command_args::TokenArgs;
use super::verify::VerifyArgs;
use super::view_read_args::{ChangesArgs, QueryArgs, TopArgs};

pub(super) const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 the layers disagree; 2 wrong input or usage; 3 something asked for is \
missing; 4 conflict (a second writer, another version); 5 damage on disk; 6 data of a newer \
format; 7 disk full; 8 operating system; 9 panic in user code; 10 stopped, busy, timed out or \
cancelled; 11 the log of a serving process has stopped (a failed sync, a file that was taken \
away): start it again.";

/// The Lambda Architecture in one Rust function: batch, speed and serving layers that agree at
/// every epoch.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES, max_term_width = 100)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a project with a dataflow of your own, its tests, a bench and what it takes to ship it
    New(NewArgs),
    /// List the dataflows: versions, streams and views with their columns
    Flows(FlowsArgs),
    /// Append files (CSV, NDJSON; also .gz, .zst) to a stream, all or nothing, exactly once
    Ingest(super::ingest::IngestArgs),
    /// Append made-up events of a built-in dataflow, to try it on: the same for the same seed
    Sample(SampleArgs),
    /// Run dataflows over all of history and leave batch views on disk
    Batch(BatchArgs),
    /// Restore dataflows (or feed history) and keep them live, epoch by epoch
    Serve(ServeArgs),
    /// Print rows of a view at one epoch
    Query(QueryArgs),
    /// Print how a view changed, epoch by epoch
    Changes(ChangesArgs),
    /// Watch a server or a data directory: epochs, lag, rates, memory, operators
    Top(TopArgs),
    /// Check all files, and what is restored from them against a fresh recomputation
    ///
    /// Names damaged files, batch views that are wrong, and functions that are not deterministic.
    /// It runs the same function on the same engine: a bug that does the same every time is not
    /// found by it (`diff` compares two functions).
    Verify(VerifyArgs),
    /// Compare two versions of a dataflow over this log, row by row (exit code 1 when they differ)
    Diff(DiffArgs),
    /// Take over from a running server with this binary, no connection refused, after a look at
    /// what changes
    Deploy(Box<DeployArgs>),
    /// Copy log and batch views to a new directory, while they are written; ends at one epoch
    Backup(CopyArgs),
    /// Check a backup, and copy it to a new data directory
    Restore(CopyArgs),
    /// Look into the log
    Log(LogArgs),
    /// Make tokens and passwords for the credentials file
    Token(TokenArgs),
    /// See which settings are in force, and why
    Config(ConfigArgs),
    /// Measure recomputing against incremental work on this log
    Bench(BenchArgs),
    /// See it work: a million events through the batch layer, live ones behind them, one answer
    Demo(DemoArgs),
}
