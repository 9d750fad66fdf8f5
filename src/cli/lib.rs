//! The command line: every subcommand, for any binary made with the library.
//!
//! A user's whole `main.rs`:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use diptych::prelude::*;
//!
//! #[derive(Event, Clone)]
//! struct Line {
//!     text: String,
//! }
//!
//! fn lines(df: &mut Dataflow) {
//!     let lines = df.events::<Line>("lines").map(|line| line.text.to_owned()).count("lines");
//!     df.view("counts", lines).columns(&["line", "n"]);
//! }
//!
//! fn main() -> ExitCode {
//!     diptych::main([("lines", lines)])
//! }
//! ```
//!
//! Answers go to standard output; progress, warnings and errors go to standard error, an error as
//! `error: what and where (remedy)`. Exit codes are those of [`Error::exit_code`], 1 when the
//! layers were found to disagree, and 0 otherwise.

mod args;
mod as_of;
mod backup;
mod batch;
mod bench;
mod bench_processes;
mod bisect_difference;
mod changes;
mod command;
mod config;
mod data_dir_or_server;
mod dataflow_catalog;
mod demo;
mod deploy;
mod diff;
mod erase;
mod exit_code;
mod flows;
mod ingest;
mod key_args;
mod launch_processes;
mod log;
mod logging;
mod made_up_events;
mod new;
mod percentile;
mod progress_bar;
mod query;
mod remote;
mod retract;
mod row_printer;
mod sample;
mod serve;
mod serve_loop;
mod signal;
mod starting_dataflows;
mod stdin_appender;
mod stopped_log;
mod token;
mod token_command_args;
mod top;
mod usage_errors;
mod verify;
mod view_read_args;

use std::process::ExitCode;

use diptych_base::error::Result;
use diptych_base::io::give_back_soon;
use diptych_base::panics;
use diptych_dataflow::Definition;
pub use made_up_events::{EventSource, MadeUp};

use args::{ConfigArgs, ConfigCommand};
use command::Command;
pub use config::hostile;
use config::{ConfigRefusal, Setting};
use dataflow_catalog::Dataflows;
use exit_code::failed;

/// Runs the command line of a binary whose dataflows are `definitions`: pairs of a name and a
/// function, [`Definition`]s, or [`flows!`](diptych_dataflow::flows) for several functions at once.
///
/// ```no_run
/// # use dataflows::{bank, word_count};
/// # fn one() -> std::process::ExitCode {
/// diptych::main([("word_count", word_count)])
/// # }
/// # fn several() -> std::process::ExitCode {
/// diptych::main(diptych::flows![word_count, bank])
/// # }
/// ```
pub fn main<D>(definitions: D) -> ExitCode
where
    D: IntoIterator,
    D::Item: Into<Definition>,
{
    main_with(definitions, None)
}

/// [`main`] with made-up events, for `sample` and `demo`.
pub fn main_with<D>(definitions: D, made_up: Option<MadeUp>) -> ExitCode
where
    D: IntoIterator,
    D::Item: Into<Definition>,
{
    give_back_soon();
    panics::tell_in_lines();
    let (cli, settings) = match config::parse(std::env::args_os().collect()) {
        Ok(parsed) => parsed,
        Err(ConfigRefusal::Usage(error)) => {
            usage_errors::print(&error);
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
        Err(ConfigRefusal::File(error)) => return failed(&error),
    };
    let catalog = Dataflows::new(definitions.into_iter().map(Into::into).collect(), made_up);
    run(cli.command, &catalog, &settings).unwrap_or_else(|error| failed(&error))
}

fn run(command: Command, catalog: &Dataflows, settings: &[Setting]) -> Result<ExitCode> {
    match command {
        Command::New(args) => new::run(&args),
        Command::Flows(args) => flows::run(&args, catalog),
        Command::Ingest(args) => ingest::run(&args, catalog),
        Command::Sample(args) => sample::run(&args, catalog.made_up()),
        Command::Batch(args) => batch::run(&args, catalog),
        Command::Serve(args) => serve::run(&args, catalog),
        Command::Query(args) => query::run(&args, catalog),
        Command::Changes(args) => changes::run(&args, catalog),
        Command::Top(args) => top::run(&args, catalog),
        Command::Verify(args) => verify::run(&args, catalog),
        Command::Diff(args) => diff::run(&args, catalog),
        Command::Deploy(args) => deploy::run(&args, catalog),
        Command::Backup(args) => backup::run(&args, catalog, "backup"),
        Command::Restore(args) => backup::run(&args, catalog, "restored"),
        Command::Log(args) => log::run(&args, catalog),
        Command::Token(args) => token::run(&args),
        Command::Config(ConfigArgs { what: ConfigCommand::Show(_) }) => {
            config::show(settings);
            Ok(ExitCode::SUCCESS)
        }
        Command::Bench(args) => bench::run(&args, catalog),
        Command::Demo(args) => demo::run(&args, catalog.made_up()),
    }
}
