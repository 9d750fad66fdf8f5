//! Check whether retracted events reach an accumulation that cannot undo them.
//!
//! `count`, `sum`, `distinct`, `keyed` and `collect` have an inverse: a retracted event runs
//! through the front again, with weight -1. `latest`, `distinct_by` and `fold` keep the winning
//! value, not the values that lost to it: when a retracted event gets through the front to one of
//! them, only the whole history can tell the remaining value.

use diptych_base::error::{Error, Kind, Result};
use diptych_base::panics::caught;
use diptych_dataflow::{Barrier, Definition, Pass};
use diptych_log::Chunk;

/// The first of `barriers` that has no inverse and is reached by an event of `chunk`.
///
/// Errors when the columns do not fit, or the user's code panics.
pub(super) fn reached(barriers: &mut [Box<dyn Barrier>], chunk: &Chunk) -> Result<Option<String>> {
    for (index, barrier) in barriers.iter_mut().enumerate() {
        if barrier.has_inverse() {
            continue;
        }
        let pass = Pass::taking_back(chunk, 0..chunk.len());
        let outcome = caught(|| {
            pass.begin(index);
            barrier.drive(&pass);
        });
        if let Err(panic) = outcome {
            return Err(Error::new(Kind::Panic, format!("{}: {panic}", pass.place()))
                .remedy("mend the function; the log is intact"));
        }
        let reached = pass.has_reached();
        pass.finish()?;
        if reached {
            return Ok(Some(barrier.name().to_owned()));
        }
    }
    Ok(None)
}

/// The first chunk with an event that reaches an accumulation of `definition` without an inverse,
/// and the name of that accumulation.
///
/// # Errors
/// When the function draws something impossible, the columns do not fit, or its code panics.
pub fn reach(definition: &Definition, chunks: &[Chunk]) -> Result<Option<(usize, String)>> {
    if chunks.is_empty() {
        return Ok(None);
    }
    let outcome = caught(|| reach_alone(definition, chunks));
    outcome.unwrap_or_else(|panic| Err(definition.panicked(&panic)))
}

fn reach_alone(definition: &Definition, chunks: &[Chunk]) -> Result<Option<(usize, String)>> {
    let definition = definition.clone();
    let chunks = chunks.to_vec();
    timely::execute_directly(move |worker| {
        let index = worker.next_dataflow_index();
        let found = worker.dataflow(|scope| {
            let mut barriers = definition.draw(scope)?.barriers;
            for (number, chunk) in chunks.iter().enumerate() {
                if let Some(name) = reached(&mut barriers, chunk)? {
                    return Ok(Some((number, name)));
                }
            }
            Ok(None)
        });
        worker.drop_dataflow(index);
        found
    })
}
