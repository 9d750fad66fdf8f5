//! The collection of concerns: a thread checks everything twice a second, and every channel that
//! reports concerns reads its list.
//!
//! A new kind is detected in [`look`] and then shows in every channel.

use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::operator_concern::{Concern, ConcernKind};
use super::site::Site;
use diptych_base::error::{Error, Result};
use diptych_base::io::{Clock, RealClock};
use diptych_base::limits;
use diptych_base::lock_mutex::lock;
use diptych_base::time::Epoch;

/// The concerns of a site, and the thread that detects them.
#[derive(Debug, Default)]
pub struct Concerns {
    now: ArcSwap<Vec<Concern>>,
    watch: Mutex<Option<Watch>>,
}

/// The running thread, which ends when this is dropped.
#[derive(Debug)]
struct Watch {
    stop: Sender<()>,
    done: Receiver<()>,
}

impl Site {
    /// The current concerns, the longest-lasting first. The list is updated twice a second while
    /// servers answer from this site, or [`routes`](super::routes) of it do.
    pub fn concerns(&self) -> Arc<Vec<Concern>> {
        self.concerns.now.load_full()
    }

    /// Starts the thread that detects concerns; readers may be behind the log for `lag` at most.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn watch(self: &Arc<Site>, lag: Duration) -> Result<()> {
        let mut watch = lock(&self.concerns.watch);
        if watch.is_some() {
            return Ok(());
        }
        let (stop, stopped) = bounded(0);
        let (ended, done) = bounded(0);
        let site = Arc::downgrade(self);
        let run = move || {
            run(&site, &stopped, lag);
            drop(ended);
        };
        let thread = std::thread::Builder::new().name("concerns".into()).spawn(run);
        thread.map_err(|error| Error::io("starting the thread that looks for concerns", error))?;
        *watch = Some(Watch { stop, done });
        Ok(())
    }

    /// Stops the thread, which then holds no reference to the site any more.
    pub fn unwatch(&self) {
        let watch = lock(&self.concerns.watch).take();
        if let Some(Watch { stop, done }) = watch {
            drop(stop);
            // The thread looks at a disk, which may not answer.
            let _ = done.recv_timeout(limits::CONCERNS_LOOK * 4);
        }
    }
}

fn run(site: &Weak<Site>, stopped: &Receiver<()>, lag: Duration) {
    let mut lags = Lags { bound: lag, seen: Vec::new() };
    loop {
        let Some(site) = site.upgrade() else { return };
        update(&site, look(&site, &mut lags));
        drop(site);
        if stopped.recv_timeout(limits::CONCERNS_LOOK) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

/// Replaces the list by `found`, and logs the concerns that have begun and ended.
fn update(site: &Site, mut found: Vec<Concern>) {
    let before = site.concerns();
    for concern in &mut found {
        if let Some(old) = before.iter().find(|old| old.is_same(concern)) {
            concern.since_us = old.since_us;
        } else {
            tracing::warn!("{concern}");
        }
    }
    for old in before.iter().filter(|old| !found.iter().any(|concern| concern.is_same(old))) {
        let seconds = RealClock.now_us().saturating_sub(old.since_us).max(0) / 1_000_000;
        let kind = old.kind.name();
        let of = old.dataflow.as_deref().unwrap_or("all");
        tracing::info!("{kind} of {of} is over, after {seconds} s");
    }
    found.sort_by_key(|concern| (concern.since_us, concern.kind));
    site.concerns.now.store(Arc::new(found));
}

/// Detects everything that is wrong now.
fn look(site: &Site, lags: &mut Lags) -> Vec<Concern> {
    let mut found = Found(Vec::new());
    log(site, &mut found);
    let end = match (&site.writer, site.reader.upper()) {
        (_, Ok(end)) => Some(end),
        (writer, Err(error)) => {
            found.error(ConcernKind::LogUnreadable, &error);
            writer.as_ref().map(|writer| writer.upper())
        }
    };
    dataflows(site, end, lags, &mut found);
    disk(site, &mut found);
    found.0
}

struct Found(Vec<Concern>);

impl Found {
    fn add(&mut self, kind: ConcernKind, dataflow: Option<&str>, reason: String, remedy: &str) {
        let dataflow = dataflow.map(str::to_owned);
        let remedy = remedy.to_owned();
        let since_us = RealClock.now_us();
        self.0.push(Concern { kind, dataflow, since_us, reason, remedy });
    }

    /// Adds a concern from an error, whose message has the remedy.
    fn error(&mut self, kind: ConcernKind, error: &Error) {
        self.add(kind, None, error.reason(), error.what_to_do());
    }
}

fn log(site: &Site, found: &mut Found) {
    if let Some(refusal) = site.refusal() {
        found.error(ConcernKind::AppendsRefused, &refusal);
    }
    let Some(writer) = &site.writer else { return };
    if let Some(error) = writer.failure() {
        return found.error(ConcernKind::LogStopped, &error);
    }
    if let Some(stands) = writer.stands_for().filter(|time| *time > limits::APPENDS_STAND) {
        let seconds = stands.as_secs();
        let reason = format!("appends wait since {seconds} s: the disk does not answer a sync");
        let remedy = "look at the disk";
        found.add(ConcernKind::AppendsStand, None, reason, remedy);
    }
}

fn dataflows(site: &Site, end: Option<Epoch>, lags: &mut Lags, found: &mut Found) {
    let now = Instant::now();
    lags.note(now, end);
    for flow in site.flows.iter() {
        let name = Some(&*flow.name);
        if let Some(error) = site.control.checkpoint_failure(&flow.name) {
            let reason = format!("no batch view of dataflow {:?} can be made: {error}", flow.name);
            let remedy = "it is tried again; a restart replays what is behind the last one";
            found.add(ConcernKind::CheckpointsFail, name, reason, remedy);
        }
        if let Some(error) = site.control.failure(&flow.name) {
            let reason = format!("dataflow {} stops, the others go on: {error}", flow.name);
            let remedy = "mend the function, or retract the event, and restart";
            found.add(ConcernKind::DataflowFailed, name, reason, remedy);
            continue;
        }
        if let Some(because) = site.control.rebuilding(&flow.name) {
            let reason = format!("dataflow {:?} stands still: {because}", flow.name);
            let remedy = "it is recomputed from the log if there is room for that";
            found.add(ConcernKind::DataflowStands, name, reason, remedy);
            continue;
        }
        let index = flow.serving.index();
        // A dataflow that still catches up after the start is reported by its own state.
        let lag = if index.is_stale() { None } else { lags.of(now, index.frontier()) };
        if let Some(lag) = lag.filter(|lag| *lag > lags.bound) {
            let upper = index.frontier();
            let seconds = lag.as_secs();
            let reason = format!(
                "dataflow {:?} is behind the log for {seconds} s: readers see the epochs below \
                 {upper}",
                flow.name
            );
            let remedy =
                "look at its operators (`top`, the page): it takes longer than events come";
            found.add(ConcernKind::DataflowLags, name, reason, remedy);
        }
    }
    let frontiers = site.flows.iter().map(|flow| flow.serving.index().frontier());
    lags.forget(frontiers.min().unwrap_or(Epoch::MAX));
}

fn disk(site: &Site, found: &mut Found) {
    // When the disk cannot be asked, the next write reports it.
    let Ok(Some(space)) = site.control.space() else { return };
    let percent = |part: u64, whole: u64| part as f64 * 100.0 / whole.max(1) as f64;
    let reason = if space.read_only {
        "the data directory's disk is read-only".to_owned()
    } else if space.available < space.total.div_ceil(20).min(limits::DISK_ROOM_BYTES) {
        let left = space.available >> 20;
        let total = space.total >> 20;
        let part = percent(space.available, space.total);
        format!("the data directory's disk has {left} MiB left of {total} MiB ({part:.1} %)")
    } else if space.files_available < space.files.div_ceil(20).min(limits::DISK_ROOM_FILES) {
        let left = space.files_available;
        format!("the data directory's disk has room for {left} more files")
    } else {
        return;
    };
    let remedy = "make room: a full disk refuses appends and checkpoints; reads go on";
    found.add(ConcernKind::DiskNearlyFull, None, reason, remedy);
}

/// How long readers have been behind, by this process's steady clock.
struct Lags {
    bound: Duration,
    /// Ends of the log with the time at which each was first seen, oldest first.
    seen: Vec<(Epoch, Instant)>,
}

impl Lags {
    fn note(&mut self, now: Instant, end: Option<Epoch>) {
        let Some(end) = end else { return };
        let is_new = self.seen.last().is_none_or(|(last, _)| *last < end);
        // When the list is full, its older entries still give the age of the lag.
        if is_new && self.seen.len() < limits::LAGS_SEEN {
            self.seen.push((end, now));
        }
    }

    /// How long there have been epochs at or beyond `upper`; none when there are none.
    fn of(&self, now: Instant, upper: Epoch) -> Option<Duration> {
        let first = self.seen.iter().find(|(end, _)| *end > upper);
        first.map(|(_, since)| now.duration_since(*since))
    }

    fn forget(&mut self, upper: Epoch) {
        self.seen.retain(|(end, _)| *end > upper);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lag_is_as_old_as_the_first_epoch_that_is_not_seen() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut lags = Lags { bound: second, seen: Vec::new() };
        lags.note(start, Some(4));
        lags.note(start + second, Some(4));
        lags.note(start + second * 2, Some(9));
        let now = start + second * 3;
        assert_eq!(lags.of(now, 3), Some(second * 3));
        assert_eq!(lags.of(now, 4), Some(second));
        assert_eq!(lags.of(now, 9), None);
        lags.forget(4);
        assert_eq!((lags.of(now, 0), lags.seen.len()), (Some(second), 1));
        for end in 10..10 + 2 * limits::LAGS_SEEN as u64 {
            lags.note(now, Some(end));
        }
        assert_eq!(lags.seen.len(), limits::LAGS_SEEN);
        assert_eq!(lags.of(now, 8), Some(second));
    }
}
