//! Takes the snapshot that a statement reads of one dataflow, and refuses where there is none: a
//! dataflow that has stopped, or has no complete epoch yet, is never an empty table.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{SqlError, df_error};
use diptych_base::error::Error;
use diptych_base::limits::READ_WAIT;
use diptych_log::Reader;
use diptych_serving::Snapshot;
use diptych_site::read_mode::{Mode, why_stopped};
use diptych_site::site::{Flow, Site};

/// How often a statement that waits for a first epoch looks whether the dataflow has stopped.
const LOOK: Duration = Duration::from_millis(20);

/// Takes the snapshot of `flow` at the epoch that `mode` names.
///
/// # Errors
/// When the epoch is not there, when the dataflow has stopped before it, or has no complete epoch
/// although the log has events.
pub(super) async fn take(site: &Site, flow: &Flow, mode: Mode) -> Result<Arc<Snapshot>, SqlError> {
    let failure = || site.control.failure(&flow.name);
    // An epoch that cannot come is not waited for.
    if matches!(mode, Mode::AtLeast(..))
        && let Some(why) = failure()
    {
        return Err(stopped(flow, &why));
    }
    let taken = site.snapshot(flow, mode).await;
    match (taken, failure()) {
        (Ok(snapshot), Some(why)) => {
            let reaches = reaches(site, &snapshot, mode).await?;
            if reaches { Ok(snapshot) } else { Err(stopped(flow, &why)) }
        }
        (Ok(snapshot), None) if snapshot.epoch().is_none() => first_epoch(site, flow, mode).await,
        (Ok(snapshot), None) => Ok(snapshot),
        // It stopped before its first epoch.
        (Err(error), Some(why)) if error.is_stopped() => Err(stopped(flow, &why)),
        (Err(error), Some(why)) if error.is_missing() && is_ahead(site, flow, mode).await? => {
            Err(stopped(flow, &why))
        }
        (Err(error), _) => Err(df_error::of_own(&error)),
    }
}

/// Whether the snapshot of a dataflow that has stopped answers what was asked for.
async fn reaches(site: &Site, snapshot: &Snapshot, mode: Mode) -> Result<bool, SqlError> {
    let at = match mode {
        Mode::Latest | Mode::AtLeast(..) => return Ok(false),
        Mode::AsOfTime(at) => at,
        Mode::Stale | Mode::AsOf(_) | Mode::Verified => return Ok(snapshot.epoch().is_some()),
    };
    let meant = site.read_log(move |log| log.at_time(at, log.upper()?)).await;
    let meant = meant.map_err(|error| df_error::of_own(&error))?;
    // A later epoch was meant, which the dataflow has not computed.
    Ok(meant.epoch <= snapshot.epoch())
}

/// Whether `mode` asks for an epoch of the log that a dataflow that has stopped has not computed.
async fn is_ahead(site: &Site, flow: &Flow, mode: Mode) -> Result<bool, SqlError> {
    let computed = flow.serving.index().frontier();
    let upper = site.read_log(Reader::upper).await.map_err(|error| df_error::of_own(&error))?;
    Ok(match mode {
        Mode::AsOf(at) => (computed..upper).contains(&at.epoch),
        Mode::AsOfTime(_) => computed < upper,
        _ => computed == 0,
    })
}

/// Waits for the first epoch of a dataflow, unless the log has none either.
async fn first_epoch(site: &Site, flow: &Flow, mode: Mode) -> Result<Arc<Snapshot>, SqlError> {
    let upper = site.read_log(Reader::upper).await.map_err(|error| df_error::of_own(&error))?;
    let begun = Instant::now();
    loop {
        let failure = site.control.failure(&flow.name);
        if let Some(why) = failure {
            return Err(stopped(flow, &why));
        }
        let left = READ_WAIT.saturating_sub(begun.elapsed());
        let there = upper == 0 || flow.serving.index().frontier() > 0;
        if there {
            let taken = site.snapshot(flow, mode).await;
            return taken.map_err(|error| df_error::of_own(&error));
        }
        if left.is_zero() {
            let message = format!(
                "dataflow {:?} has no complete epoch yet: it computes the first {upper} of the log \
                 (ask again in a moment)",
                flow.name
            );
            return Err(SqlError::new("55000", message));
        }
        // A failure signals nothing, so it is looked for now and then.
        tokio::time::sleep(left.min(LOOK)).await;
    }
}

/// The error of a statement that reads a dataflow which has stopped.
fn stopped(flow: &Flow, why: &Error) -> SqlError {
    let earlier = match flow.serving.index().frontier().checked_sub(1) {
        Some(last) => format!("SET diptych.as_of = '{last}' reads what it had computed before"),
        None => "it has computed no epoch".to_owned(),
    };
    let (reason, remedy) = why_stopped(&flow.name, why);
    let name = &flow.name;
    let message = format!("dataflow {name:?} has stopped: {reason} ({remedy}; {earlier})");
    SqlError::new("55000", message)
}
