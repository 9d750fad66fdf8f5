//! What a batch view states of its dataflow and log.

use diptych_base::error::Result;
use diptych_base::time::Epoch;
use diptych_batch_view::{BarrierInfo, Identity, Meta};
use diptych_dataflow::Description;
use diptych_log::Reader;

pub(super) fn identity(description: &Description) -> Identity {
    Identity::new(&description.name, &description.version)
}

/// The metadata of a batch view of the dataflow at `boundary`.
pub(super) fn meta(description: &Description, reader: &Reader, boundary: Epoch) -> Result<Meta> {
    let barriers = description.accumulations.iter();
    let last = boundary.checked_sub(1);
    Ok(Meta {
        sealed_us: last.map(|last| reader.clock(last)).transpose()?,
        branch: reader.branches().before(boundary),
        log_identity: reader.identity(),
        barriers: barriers
            .map(|(name, types)| BarrierInfo { name: name.clone(), types: types.clone() })
            .collect(),
        views: description.views.clone(),
    })
}
