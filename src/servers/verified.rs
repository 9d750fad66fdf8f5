//! Is what is served what the events say? Recomputed from them alone, and compared.

use std::sync::{Arc, Weak};

use super::mode::blocking;
use super::replays::Span;
use super::site::{Flow, Site};
use crate::error::{Error, Kind, Result};
use crate::limits::{DIFFERING_ROWS, LEASE_LENGTH};
use crate::serving::{Digest, Read, Row, Snapshot};
use crate::time::Epoch;

/// What became of one view.
pub(super) struct Compared {
    pub(super) served: Digest,
    pub(super) recomputed: Digest,
    /// Rows that are in the view.
    pub(super) rows: u64,
    /// The first rows that differ: how many more of each the recomputation has.
    pub(super) differing: Vec<Row>,
}

impl Compared {
    pub(super) fn agrees(&self) -> bool {
        self.served == self.recomputed && self.differing.is_empty()
    }
}

/// What a verification found.
pub(super) struct Verdict {
    pub(super) epoch: Epoch,
    pub(super) version: String,
    /// The views, by id.
    pub(super) views: Vec<Compared>,
}

impl Site {
    /// Recomputes all views of `flow` from the events alone, by other workers, and compares them
    /// with what is served at the same epoch. When they agree, reads that ask for what is verified
    /// are answered from the recomputation from now on: it is at one epoch, so that keeping it
    /// costs one copy of the views and does not hold back what the live index may let go.
    ///
    /// # Errors
    /// When nothing is complete yet, too many recomputations wait, or this one fails.
    pub(super) async fn verify(self: &Arc<Self>, flow: &Flow) -> Result<Verdict> {
        let served = Arc::new(flow.serving.snapshot(Read::Latest)?);
        let Some(epoch) = served.epoch() else {
            let message = format!("dataflow {:?} has no epoch yet", flow.name);
            return Err(Error::new(Kind::Missing, message).remedy("append events first"));
        };
        let span = Span::Scratch(served.upper());
        let asked = self.load.replays.ask(&self.history, &flow.name, span, served.since());
        let mut pending = asked?;
        let index = loop {
            // It waits in a queue: the lease must outlive that.
            match tokio::time::timeout(LEASE_LENGTH / 4, pending.wait()).await {
                Ok(replayed) => break replayed?.index.clone(),
                Err(_) => served.renew()?,
            }
        };
        let version = served.version().to_owned();
        if index.version() != version {
            let message = format!("version {} took over meanwhile", index.version());
            return Err(Error::new(Kind::Stopped, message).remedy("verify again"));
        }
        let fresh = Arc::new(index.snapshot(Read::AsOf(epoch))?);
        let other = Arc::clone(&fresh);
        let compare = move || {
            let views = 0..served.views().len();
            views.map(|view| compare(&served, &other, view)).collect::<Result<Vec<_>>>()
        };
        let views = blocking(compare).await?;
        if views.iter().all(Compared::agrees) {
            self.keep(flow, fresh);
        }
        Ok(Verdict { epoch, version, views })
    }

    /// Answers from `snapshot` what asks for the verified epoch, until a later one replaces it.
    fn keep(self: &Arc<Self>, flow: &Flow, snapshot: Arc<Snapshot>) {
        let earlier =
            flow.verified.load().as_ref().is_some_and(|one| one.upper() > snapshot.upper());
        if earlier {
            return;
        }
        flow.verified.store(Some(Arc::clone(&snapshot)));
        let place = self.flows.iter().position(|one| std::ptr::eq(one, flow));
        tokio::spawn(renew(Arc::downgrade(self), place.unwrap_or_default(), snapshot));
    }
}

/// Renews the lease of what is verified as long as it is the latest.
async fn renew(site: Weak<Site>, flow: usize, snapshot: Arc<Snapshot>) {
    let snapshot = Arc::downgrade(&snapshot);
    loop {
        tokio::time::sleep(LEASE_LENGTH / 4).await;
        let (Some(site), Some(mine)) = (site.upgrade(), snapshot.upgrade()) else { return };
        let current = site.flows[flow].verified.load_full();
        if !current.is_some_and(|current| Arc::ptr_eq(&current, &mine)) || mine.renew().is_err() {
            return;
        }
    }
}

fn compare(served: &Snapshot, fresh: &Snapshot, view: usize) -> Result<Compared> {
    let mut rows = 0;
    let mut digest = Digest::default();
    for (place, row) in served.scan(view).enumerate() {
        let row = row?;
        digest.add(&row.key, &row.value, row.multiplicity);
        rows += row.multiplicity.unsigned_abs() as u64;
        if place.is_multiple_of(1 << 16) {
            served.renew()?;
            fresh.renew()?;
        }
    }
    let recomputed = fresh.digest(view)?;
    let mut differing = Vec::new();
    if digest != recomputed {
        let difference = served.difference(view, fresh, view);
        differing = difference.take(DIFFERING_ROWS).collect::<Result<_>>()?;
    }
    Ok(Compared { served: digest, recomputed, rows, differing })
}
