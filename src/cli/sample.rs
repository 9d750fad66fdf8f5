//! `sample`: appends made-up events of a built-in dataflow to the log.

use std::process::ExitCode;

use clap::Args;

use super::args::{DataArgs, count};
use super::row_printer::{counted, grouped};
use crate::made_up_events::{MadeUp, made_up};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::SAMPLE_EVENTS_MAX;
use diptych_log::Append;

/// The arguments of `sample`.
#[derive(Args, Debug)]
pub(super) struct SampleArgs {
    /// A built-in dataflow; `nexmark` for all of its queries
    dataflow: String,
    #[command(flatten)]
    data: DataArgs,
    /// How many events, of all its streams together, give or take a few
    #[arg(long, value_name = "COUNT", default_value = "100_000", value_parser = count)]
    events: u64,
    /// In how many epochs
    #[arg(long, value_name = "COUNT", default_value = "100", value_parser = count)]
    epochs: u64,
    /// Which of all such histories
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
}

/// Generates a history and appends it to the log.
pub(super) fn run(args: &SampleArgs, given: Option<&MadeUp>) -> Result<ExitCode> {
    let MadeUp { sampled, sample, .. } = made_up(given)?;
    let name = &args.dataflow;
    let most = SAMPLE_EVENTS_MAX;
    if args.events > most || args.epochs > args.events {
        let events = grouped(args.events);
        let epochs = grouped(args.epochs);
        return Err(Error::new(Kind::Input, format!("{events} events in {epochs} epochs"))
            .remedy(format!("at most {} events, and not more epochs than events", grouped(most))));
    }
    let Some(story) = sample(name, args.seed, args.events as usize, args.epochs as usize) else {
        return Err(Error::new(Kind::Missing, format!("dataflow {name:?} has no made-up events"))
            .remedy(format!("these have: {}", sampled.join(", "))));
    };
    let writer = args.data.system().writer()?;
    let mut streams = Vec::<(String, u64)>::new();
    let mut first = None;
    let mut last = 0;
    for batches in story.parts() {
        for (stream, rows) in batches {
            let rows = rows.num_rows() as u64;
            match streams.iter_mut().find(|(known, _)| *known == **stream) {
                Some((_, count)) => *count += rows,
                None => streams.push((stream.to_string(), rows)),
            }
        }
        let append = Append { batches: batches.clone(), ..Append::default() };
        last = writer.append(append)?.wait()?.epoch;
        first.get_or_insert(last);
    }
    writer.close()?;
    for (stream, count) in &streams {
        eprintln!("{} in stream {stream}", counted(*count, "made-up event"));
    }
    eprintln!("epochs {} to {last}", first.unwrap_or(last));
    Ok(ExitCode::SUCCESS)
}
