//! The epochs at which a statement reads: one snapshot of each dataflow, all at one epoch if
//! possible.

use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::common::Result as PlanResult;
use datafusion::error::DataFusionError;

use super::SqlError;
use super::answer::{Notices, ReadAt};
use super::column_cache::ColumnCache;
use super::df_error;
use super::flow_snapshot;
use super::tx_snapshots::{self, Pins};
use diptych_base::error::{Error, Kind};
use diptych_base::time::{At, Epoch};
use diptych_log::AtTime;
use diptych_serving::Snapshot;
use diptych_site::read_mode::Mode;
use diptych_site::site::Site;

/// The snapshots that a statement reads; its tables get them with the session's configuration.
pub(super) struct StatementEpochs {
    /// By dataflow number; none where the statement does not read the dataflow.
    snapshots: Vec<Option<Arc<Snapshot>>>,
    /// The first epoch of raw streams that is not read.
    pub(super) streams_upper: Epoch,
    pub(super) notices: Notices,
    pub(super) columns: Arc<ColumnCache>,
}

/// The tables that a statement reads.
pub(super) struct TablesRead {
    /// By number of the dataflow: whether one of its views is read.
    pub(super) flows: Vec<bool>,
    /// Whether raw streams are read.
    pub(super) streams: bool,
}

impl StatementEpochs {
    /// Takes snapshots of the tables in `read` at the epoch that `mode` names.
    ///
    /// # Errors
    /// When the epoch is not there; the error names the valid range.
    pub(super) async fn of(
        site: &Site,
        read: TablesRead,
        mode: Mode,
        columns: Arc<ColumnCache>,
        pins: &Pins,
    ) -> Result<(StatementEpochs, Vec<ReadAt>), SqlError> {
        let pinned = pins.held(site, mode).await;
        let mut snapshots = Vec::new();
        for (number, (flow, wanted)) in site.flows.iter().zip(read.flows).enumerate() {
            if let Some(pinned) = pinned.as_ref().filter(|_| wanted) {
                snapshots.push(Some(tx_snapshots::of(pinned, number)?));
                continue;
            }
            snapshots.push(if wanted {
                Some(flow_snapshot::take(site, flow, mode).await?)
            } else {
                None
            });
        }
        align(&mut snapshots);
        let least = match &pinned {
            Some(pinned) => pinned.iter().flatten().map(|snapshot| snapshot.upper()).min(),
            None => snapshots.iter().flatten().map(|snapshot| snapshot.upper()).min(),
        };
        let mut epochs: Vec<ReadAt> = site
            .flows
            .iter()
            .zip(&snapshots)
            .filter_map(|(flow, snapshot)| {
                let snapshot = snapshot.as_ref()?;
                let version = snapshot.version().to_owned();
                let epoch = snapshot.epoch();
                let branch = snapshot.branch();
                Some(ReadAt { dataflow: flow.name.clone(), version, epoch, branch })
            })
            .collect();
        let notices = Notices::default();
        for snapshot in snapshots.iter().flatten() {
            let epoch = snapshot.epoch();
            let jumped = snapshot.jumped();
            AtTime { epoch, jumped }.warning().into_iter().for_each(|w| notices.add(w));
        }
        let mut streams_upper = 0;
        if read.streams {
            streams_upper = match least {
                Some(upper) => upper,
                None => log_upper(site, mode, &notices).await?,
            };
            let version = site.read_log(|log| Ok(log.identity())).await;
            let version = version.map_err(|error| df_error::of_own(&error))?;
            epochs.push(ReadAt {
                dataflow: "streams".into(),
                version,
                epoch: streams_upper.checked_sub(1),
                branch: site.reader.branches().before(streams_upper),
            });
        }
        Ok((StatementEpochs { snapshots, streams_upper, notices, columns }, epochs))
    }

    /// The snapshot of a dataflow that the statement reads.
    pub(super) fn snapshot(&self, flow: usize) -> Option<&Arc<Snapshot>> {
        self.snapshots.get(flow)?.as_ref()
    }

    /// Renews the leases, because the statement is still under way.
    pub(super) fn renew(&self) {
        for snapshot in self.snapshots.iter().flatten() {
            // An expired one causes an error when it is read.
            let _ = snapshot.renew();
        }
    }
}

/// Moves all snapshots to the epoch of the one furthest behind, where they reach back to it.
pub(super) fn align(snapshots: &mut [Option<Arc<Snapshot>>]) {
    let least = snapshots.iter().flatten().map(|snapshot| snapshot.upper()).min();
    let Some(epoch) = least.and_then(|upper| upper.checked_sub(1)) else { return };
    for snapshot in snapshots.iter_mut().flatten().filter(|one| one.upper() > epoch + 1) {
        if let Ok(earlier) = snapshot.at(epoch) {
            *snapshot = Arc::new(earlier);
        }
    }
}

/// The first epoch that a statement about raw streams alone does not read.
async fn log_upper(site: &Site, mode: Mode, notices: &Notices) -> Result<Epoch, SqlError> {
    if let Mode::AsOf(at) | Mode::AtLeast(at, _) = mode {
        site.check_history(at).await.map_err(|error| df_error::of_own(&error))?;
    }
    let upper = site.read_log(move |reader| {
        let upper = reader.upper()?;
        Ok(match mode {
            Mode::AsOf(At { epoch, .. }) if epoch >= upper || epoch < reader.lower() => {
                let lower = reader.lower();
                let message =
                    format!("epoch {epoch} is not in the log, which has [{lower}, {upper})");
                return Err(Error::new(Kind::Missing, message)
                    .remedy("ask for a sealed epoch, or for the latest"));
            }
            Mode::AsOf(At { epoch, .. }) => (epoch + 1, None),
            Mode::AsOfTime(at) => {
                let found = reader.at_time(at, upper)?;
                let Some(epoch) = found.epoch else {
                    return Err(Error::new(Kind::Missing, "no epoch is as old as that time")
                        .remedy("ask for a later time, or for an epoch by its number"));
                };
                (epoch + 1, found.warning())
            }
            _ => (upper, None),
        })
    });
    let (upper, warning) = upper.await.map_err(|error| df_error::of_own(&error))?;
    warning.into_iter().for_each(|warning| notices.add(warning));
    Ok(upper)
}

/// The snapshots that the statement reads.
pub(super) fn reading(state: &dyn Session) -> PlanResult<Arc<StatementEpochs>> {
    state.config().get_extension::<StatementEpochs>().ok_or_else(|| {
        DataFusionError::Internal("a table is scanned outside a statement".to_owned())
    })
}
