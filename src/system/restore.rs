//! What a batch view must be to be continued from, and what it gives to each worker.

use std::sync::Arc;

use crate::batch_view::BatchView;
use crate::dataflow::Description;
use crate::engine::{Feed, History};
use crate::error::{Error, Kind, Result};
use crate::log::Reader;

/// Refuses a batch view whose accumulations are not of the function's types.
pub(super) fn check_types(description: &Description, view: &BatchView) -> Result<()> {
    for barrier in view.barriers() {
        let ours = description.accumulations.iter().find(|(name, _)| *name == barrier.name);
        let change = match ours {
            None => "is not in the function any more".to_owned(),
            Some((_, types)) if *types != barrier.types => {
                format!("was {}, and is {types}", barrier.types)
            }
            Some(_) => continue,
        };
        let (dataflow, version) = (&description.name, &description.version);
        return Err(Error::new(
            Kind::Conflict,
            format!(
                "dataflow {dataflow:?} version {version}: accumulation {:?} {change}",
                barrier.name
            ),
        )
        .remedy("a changed function needs a new version: change `df.version`"));
    }
    if description.accumulations.len() > view.barriers().len() {
        return Err(Error::new(
            Kind::Conflict,
            format!(
                "dataflow {:?} version {} has accumulations its batch view lacks",
                description.name, description.version
            ),
        )
        .remedy("a changed function needs a new version: change `df.version`"));
    }
    Ok(())
}

/// Refuses a batch view of another log.
pub(super) fn check_log(view: &BatchView, reader: &Reader) -> Result<()> {
    let (stated, found) = (view.log_identity(), reader.identity());
    if stated == found {
        return Ok(());
    }
    let boundary = view.boundary();
    Err(Error::new(
        Kind::Conflict,
        format!(
            "the batch view at epoch {boundary} is of log {stated}, this directory has {found}"
        ),
    )
    .remedy("the log was replaced: remove the directory `views` and run `batch` again"))
}

/// The accumulations of a batch view, to be shared out among workers.
pub(super) fn blocks(
    view: BatchView,
    description: &Description,
) -> Arc<dyn Fn(usize, usize) -> History + Send + Sync> {
    let names: Vec<_> = description.accumulations.iter().map(|(name, _)| name.clone()).collect();
    Arc::new(move |index, peers| {
        let (view, names) = (view.clone(), names.clone());
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
