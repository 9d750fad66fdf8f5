//! What a batch view gives to who starts at it: accumulations for the workers, views for readers.

use std::sync::Arc;

use super::served::Entry;
use diptych_base::error::Result;
use diptych_batch_view::BatchView;
use diptych_dataflow::Description;
use diptych_engine::{Blocks, Feed, History};

/// Bases that workers may wait for. If they do not come, by an error or a panic, nobody waits.
pub(super) struct Expected<'e>(&'e [Entry]);

impl Expected<'_> {
    /// By these.
    pub(super) fn by(entries: &[Entry]) -> Expected<'_> {
        Expected(entries)
    }

    /// They have come.
    pub(super) fn there(mut self) {
        self.0 = &[];
    }
}

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        self.0.iter().for_each(|entry| entry.index.give_up_base());
    }
}

/// Puts the views of a batch view into the index that expects them: readers have answers.
pub(super) fn install_base(entry: &Entry, view: &BatchView) -> Result<()> {
    let names: Vec<_> = entry.description.views.iter().map(|view| &view.name).collect();
    let base = view.base(&names, entry.index.shards())?;
    entry.index.install_base(view.boundary(), base)
}

/// The accumulations of a batch view, to be shared out among workers.
pub(super) fn blocks(view: BatchView, description: &Description) -> Blocks {
    let names: Vec<_> = description.accumulations.iter().map(|(name, _)| name.clone()).collect();
    Arc::new(move |index, peers| {
        let view = view.clone();
        let names = names.clone();
        Box::new(names.into_iter().flat_map(move |name| -> History {
            match view.accumulation(&name, index, peers) {
                Err(error) => Box::new(std::iter::once(Err(error))),
                Ok(blocks) => {
                    Box::new(blocks.map(move |block| Ok(Feed::Block(name.clone(), block?))))
                }
            }
        }))
    })
}
