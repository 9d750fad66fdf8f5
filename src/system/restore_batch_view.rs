//! Restoring from a batch view: its accumulations for the workers, its views for readers.

use std::sync::Arc;

use super::served_dataflows::StartedDataflow;
use diptych_base::error::Result;
use diptych_batch_view::BatchView;
use diptych_dataflow::{Description, StoredAccumulation};
use diptych_engine::{AccumulationBlocks, History, HistoryPiece, StoredState};
use diptych_serving::{Digest, StoredBase, StoredView, ViewInfo};

/// The bases that workers may wait for. If an error or a panic prevents them, dropping this ends
/// the waiting.
pub(super) struct Expected<'e>(&'e [StartedDataflow]);

impl Expected<'_> {
    /// Announces the bases of the restored entries.
    pub(super) fn by(entries: &[StartedDataflow]) -> Expected<'_> {
        Expected(entries)
    }

    /// Records that all bases are installed.
    pub(super) fn there(mut self) {
        self.0 = &[];
    }
}

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        self.0.iter().for_each(|entry| entry.index.give_up_base());
    }
}

/// Installs the views of a batch view as the base of the index that expects them, in memory or in
/// place. `repeated` tells whether the dataflow publishes them again, to be compared.
pub(super) fn install_base(
    entry: &StartedDataflow,
    view: &BatchView,
    repeated: bool,
) -> Result<()> {
    if entry.index.keeps_views_in_files() {
        let base = if repeated { stored_base } else { unrepeated_base };
        let stored = base(&entry.description, view)?;
        return entry.index.install_stored_base(view.boundary(), stored);
    }
    let names: Vec<_> = entry.description.views.iter().map(|view| &view.name).collect();
    let base = view.base(&names, entry.index.shards())?;
    entry.index.install_base(view.boundary(), base)
}

/// The views of a batch view in their files, with the digests that its manifest states.
pub(super) fn stored_base(description: &Description, view: &BatchView) -> Result<StoredBase> {
    let digests = description.views.iter().map(|info| view.view_size(&info.name));
    let digests = digests.map(|size| size.map(|(_, digest)| digest));
    let views = mapped_views(description, view)?.into_iter();
    views.zip(digests).map(|(view, digest)| Ok((view, digest?))).collect()
}

/// The views of a batch view in their files, under a dataflow that repeats nothing of them, because
/// its accumulations are not loaded.
pub(super) fn unrepeated_base(description: &Description, view: &BatchView) -> Result<StoredBase> {
    let views = mapped_views(description, view)?.into_iter();
    Ok(views.map(|view| (view, Digest::default())).collect())
}

/// The views of a batch view, in their files.
pub(super) fn mapped_views(
    description: &Description,
    view: &BatchView,
) -> Result<Vec<Arc<dyn StoredView>>> {
    let mapped = |info: &ViewInfo| Ok(Arc::new(view.mapped(&info.name)?) as Arc<dyn StoredView>);
    description.views.iter().map(mapped).collect()
}

/// The accumulations of a batch view in their files; none when they have to be loaded: the dataflow
/// keeps other state, or an older release wrote them.
pub(super) fn stored_state(
    description: &Description,
    view: &BatchView,
) -> Result<Option<StoredState>> {
    if !description.state_in_files {
        return Ok(None);
    }
    let mut accumulations = Vec::new();
    for (name, _) in &description.accumulations {
        let Some(mapped) = view.mapped_accumulation(name)? else { return Ok(None) };
        let mapped: Arc<dyn StoredAccumulation> = Arc::new(mapped);
        accumulations.push((name.clone(), mapped));
    }
    Ok(Some(StoredState::new(view.boundary(), accumulations)))
}

/// No blocks, for accumulations that stay in their files.
pub(super) fn nothing_to_load() -> AccumulationBlocks {
    Arc::new(|_, _| Box::new(std::iter::empty()))
}

/// The blocks of a batch view's accumulations, shared out among workers.
pub(super) fn blocks(view: BatchView, description: &Description) -> AccumulationBlocks {
    let names: Vec<_> = description.accumulations.iter().map(|(name, _)| name.clone()).collect();
    Arc::new(move |index, peers| {
        let view = view.clone();
        let names = names.clone();
        Box::new(names.into_iter().flat_map(move |name| -> History {
            match view.accumulation(&name, index, peers) {
                Err(error) => Box::new(std::iter::once(Err(error))),
                Ok(blocks) => {
                    Box::new(blocks.map(move |block| Ok(HistoryPiece::Block(name.clone(), block?))))
                }
            }
        }))
    })
}
