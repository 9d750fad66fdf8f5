//! Finds where a difference begins, and which events cause it, as far as that is possible.
//!
//! The epochs are bisected: at each, both sides are recomputed and compared. For a function that is
//! not deterministic this finds an epoch at which two runs differ although they do not at the one
//! before it; another run may differ elsewhere. The events shown are those of that epoch that have
//! a differing key in a column, as a whole or as a word of a text. A key that the function makes of
//! several columns is not recognised: then the first events of the epoch are shown, and the output
//! says so.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;

use super::row_printer::counted;
use diptych_base::error::Result;
use diptych_base::escaped_text::escaped;
use diptych_base::time::Epoch;
use diptych_dataflow::{Definition, Description};
use diptych_engine::Cluster;
use diptych_event::cell_text;
use diptych_log::{Chunk, Retraction};
use diptych_serving::{Compared, Read, compare};
use diptych_system::System;

/// The most events that are shown.
const EVENTS_SHOWN: usize = 5;

/// The two sides that differ.
pub(super) enum Sides {
    /// Two recomputations from the events alone.
    Recomputed { one: Cluster, other: Cluster },
    /// A restore from the batch view at `from`, and a recomputation.
    Stored { from: Epoch, cluster: Cluster, others: Cluster },
}

impl Sides {
    /// The first epoch at which the sides can be compared.
    fn first(&self) -> Epoch {
        match self {
            Sides::Recomputed { .. } => 0,
            Sides::Stored { from, .. } => from - 1,
        }
    }

    fn at(&self, system: &System, flow: &Definition, epoch: Epoch) -> Result<Vec<Compared>> {
        let (one, other, stored) = match self {
            Sides::Recomputed { one, other } => (one, other, false),
            Sides::Stored { cluster, others, .. } => (cluster, others, true),
        };
        let left = system.recompute(flow, epoch + 1, one.clone(), !stored)?;
        let right = system.recompute(flow, epoch + 1, other.clone(), true)?;
        compare(&left.snapshot(Read::Latest)?, &right.snapshot(Read::Latest)?)
    }
}

/// Prints the differing rows.
pub(super) fn print(comparisons: &[Compared]) -> Result<()> {
    for view in comparisons {
        for row in view.texts()? {
            println!("  {}", escaped(&row));
        }
    }
    Ok(())
}

/// Finds the first epoch at which both sides differ, and prints it with its rows and events. They
/// differ by `comparisons` at `last`; one recomputation of all took `took`.
pub(super) fn search(
    system: &System,
    flow: &Definition,
    sides: &Sides,
    last: Epoch,
    comparisons: Vec<Compared>,
    took: Duration,
) -> Result<()> {
    let first = sides.first();
    let steps = u64::from((last.saturating_sub(first) + 1).next_power_of_two().trailing_zeros());
    eprintln!(
        "looking for the first epoch that differs, among {}: at most {} two computations, each of \
         at most about {took:.1?} (--no-search leaves this out)",
        counted(last.saturating_sub(first) + 1, "epoch"),
        counted(steps, "time"),
    );
    let begun = Instant::now();
    let mut runs = 0;
    let (epoch, views) = bisect(first, last, comparisons, |epoch| {
        runs += 2;
        sides.at(system, flow, epoch)
    })?;
    let cost = format!("{}, {:.1?}", counted(runs, "computation"), begun.elapsed());
    match sides {
        Sides::Stored { from, .. } if epoch + 1 == *from => {
            println!("the batch view at F = {from} differs already ({cost}):");
        }
        _ if epoch == first => println!("epoch {epoch}, the first, differs already ({cost}):"),
        _ => println!(
            "epoch {epoch} differs, when epoch {} did not ({cost}); the first rows:",
            epoch - 1
        ),
    }
    print(&views)?;
    match sides {
        // Any event below the boundary may be the cause.
        Sides::Stored { from, .. } if epoch + 1 == *from => Ok(()),
        _ => events(system, &flow.describe()?, epoch, &views),
    }
}

/// Finds the least epoch of `[first, last]` at which the sides differ, on the assumption that all
/// later ones differ too, and the difference there. They differ by `found` at `last`.
fn bisect(
    first: Epoch,
    last: Epoch,
    found: Vec<Compared>,
    mut at: impl FnMut(Epoch) -> Result<Vec<Compared>>,
) -> Result<(Epoch, Vec<Compared>)> {
    let mut low = first;
    let mut high = last;
    let mut found = found;
    while low < high {
        let middle = low + (high - low) / 2;
        let compared = at(middle)?;
        if compared.iter().all(Compared::agrees) {
            low = middle + 1;
        } else {
            (high, found) = (middle, compared);
        }
    }
    Ok((high, found))
}

/// Prints the events of an epoch that contain a differing key; if there are none, its first events.
fn events(system: &System, flow: &Description, epoch: Epoch, views: &[Compared]) -> Result<()> {
    let keys = keys(views)?;
    let mut all = 0;
    let mut mentioning = Vec::new();
    let mut others = Vec::new();
    let mut retracted = Vec::new();
    for sealed in system.reader()?.epochs(epoch, epoch + 1)? {
        let sealed = sealed?;
        retracted.extend(sealed.retractions);
        for chunk in sealed.chunks {
            if flow.streams.iter().any(|stream| *stream.name == *chunk.stream) {
                all += chunk.len();
                sort_out(&chunk, &keys, &mut mentioning, &mut others);
            }
        }
    }
    let (stated, events) = if mentioning.is_empty() {
        ("none has a differing key in a column, the first are", others)
    } else {
        ("those with a differing key in a column, at most the first few, are", mentioning)
    };
    println!("the epoch has {}; {stated}:", counted(all as u64, "event"));
    for event in events {
        println!("  {}", escaped(&event));
    }
    retracted.retain(|one| flow.streams.iter().any(|stream| *stream.name == *one.events.stream));
    for Retraction { reason, events, .. } in &retracted {
        let mut mentioning = Vec::new();
        let mut others = Vec::new();
        sort_out(events, &keys, &mut mentioning, &mut others);
        let count = counted(events.len() as u64, "earlier event");
        println!("it retracts {count} ({reason}), at most the first few are:");
        for event in mentioning.iter().chain(&others).take(EVENTS_SHOWN) {
            println!("  {}", escaped(event));
        }
    }
    Ok(())
}

/// The cells of the differing keys.
fn keys(views: &[Compared]) -> Result<BTreeSet<String>> {
    let mut keys = BTreeSet::new();
    for view in views {
        for row in &view.differing {
            let cells = view.view.schema.decode(&row.key, &row.value)?;
            let cells = cells.iter().take(view.view.schema.key.len()).map(ToString::to_string);
            keys.extend(cells.filter(|cell| !cell.is_empty()));
        }
    }
    Ok(keys)
}

/// Sorts the events of a chunk into those that mention a key and the others, up to a bound.
fn sort_out(
    chunk: &Chunk,
    keys: &BTreeSet<String>,
    mentioning: &mut Vec<String>,
    others: &mut Vec<String>,
) {
    for row in 0..chunk.len() {
        if mentioning.len() >= EVENTS_SHOWN {
            break;
        }
        let texts = cells(&chunk.rows, row);
        let named = |text: &String| {
            keys.contains(text) || text.split_whitespace().any(|word| keys.contains(word))
        };
        let place = if texts.iter().any(named) { &mut *mentioning } else { &mut *others };
        if place.len() < EVENTS_SHOWN {
            let schema = chunk.rows.schema_ref();
            let names = schema.fields().iter().map(|field| field.name());
            let texts = names.zip(&texts).map(|(name, text)| format!("{name} = {text}"));
            place.push(format!("{}: {}", chunk.stream, texts.collect::<Vec<_>>().join(", ")));
        }
    }
}

/// The cells of a row as texts.
fn cells(rows: &RecordBatch, row: usize) -> Vec<String> {
    // A cell that cannot be shown cannot equal a key.
    let cells = rows.columns().iter().map(|column| cell_text(column, row, "null"));
    cells.map(Result::unwrap_or_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use diptych_row::RowSchema;
    use diptych_serving::{Differing, Digest, ViewInfo};

    fn compared(differs: bool) -> Vec<Compared> {
        let view = ViewInfo { name: "v".into(), schema: RowSchema::of::<u64, u64>() };
        let row = Differing { key: vec![0; 8], value: vec![0; 8], left: 1, right: 0 };
        let differing = if differs { vec![row] } else { Vec::new() };
        let left = Digest::default();
        let right = Digest::default();
        vec![Compared { view, rows: 0, left, right, differing }]
    }

    #[test]
    fn the_first_that_differs_is_found_in_few_steps() {
        for last in 0..40 {
            for first in 0..=last {
                for culprit in first..=last {
                    let mut steps = 0;
                    let found = bisect(first, last, compared(true), |epoch| {
                        steps += 1;
                        Ok(compared(epoch >= culprit))
                    });
                    let (epoch, views) = found.expect("no error");
                    assert_eq!(epoch, culprit);
                    assert!(!views[0].agrees() && steps <= 6, "{steps} steps to {last}");
                }
            }
        }
    }
}
