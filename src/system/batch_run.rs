//! One run of the batch layer, from the events alone or from an earlier batch view.

use std::path::Path;
use std::sync::Arc;

use super::batch_view_metadata::{identity, meta};
use super::restore_batch_view::{blocks, stored_state, unrepeated_base};
use super::retraction_recovery::overtaken;
use super::{BatchOptions, System, rows};
use diptych_base::error::Result;
use diptych_base::time::Epoch;
use diptych_batch::{self as batch, BatchReport, Earlier, Job};
use diptych_batch_view::{BatchView, BatchViewWriter, FileCheck};
use diptych_dataflow::{Definition, Description};
use diptych_engine::Cluster;
use diptych_log::Reader;
use diptych_serving::{Index, IndexOptions};

/// Where a batch run begins and ends: at `earlier`, or else with the first event; at `boundary`.
pub(super) struct BatchSpan {
    pub(super) boundary: Epoch,
    pub(super) earlier: Option<BatchView>,
}

impl System {
    /// Leaves a batch view at the end of `span` below `root`.
    pub(super) fn run_batch(
        &self,
        definition: &Definition,
        description: Description,
        reader: Arc<Reader>,
        span: BatchSpan,
        root: &Path,
        options: &BatchOptions,
    ) -> Result<BatchReport> {
        let BatchSpan { boundary, earlier } = span;
        if earlier.is_none() {
            options.progress.expect(rows(&reader, &description));
        }
        let cluster = options.cluster.clone();
        let disk = Arc::clone(&self.disk);
        let identity = identity(&description);
        let mut writer = if cluster.is_first() {
            BatchViewWriter::create(disk, root, identity, boundary, cluster.peers())?
        } else {
            BatchViewWriter::assist(disk, root, identity, boundary, cluster.peers())
        };
        let continued = earlier.clone();
        let earlier = earlier_state(earlier, &description, &cluster)?;
        if let (Some(view), Earlier::Files(..)) = (continued, &earlier) {
            writer.continues(&view)?;
        }
        let meta = meta(&description, &reader, boundary)?;
        batch::run(Job {
            definition: definition.clone(),
            description,
            reader,
            boundary,
            earlier,
            cluster,
            progress: Arc::clone(&options.progress),
            meta,
            writer,
            stop: Arc::clone(&options.stop),
        })
    }

    /// The batch view that an incremental batch run continues.
    pub(super) fn earlier(
        &self,
        definition: &Definition,
        description: &Description,
        reader: &Reader,
        boundary: Epoch,
        check: FileCheck,
    ) -> Result<Option<BatchView>> {
        let Some(last) = boundary.checked_sub(1) else { return Ok(None) };
        let newest = self.newest_of(description, reader, last, check)?;
        let Some(view) = newest.0 else { return Ok(None) };
        // Events that came and went since are not fed at all.
        let from = view.boundary();
        let overtaken = overtaken(definition, description, reader, from..boundary, from)?;
        Ok(overtaken.is_none().then_some(view))
    }
}

/// What a run continues, in files where that is possible.
fn earlier_state(
    earlier: Option<BatchView>,
    description: &Description,
    cluster: &Cluster,
) -> Result<Earlier> {
    let Some(view) = earlier else { return Ok(Earlier::Nothing) };
    let boundary = view.boundary();
    let stored = match cluster.processes() {
        1 => stored_state(description, &view)?,
        _ => None,
    };
    let Some(stored) = stored else {
        return Ok(Earlier::Blocks(boundary, blocks(view, description)));
    };
    let views = description.views.clone();
    let options = IndexOptions { views_in_files: true, ..IndexOptions::default() };
    let index = Index::new(&description.version, views, cluster.workers, options)?;
    index.install_stored_base(boundary, unrepeated_base(description, &view)?)?;
    Ok(Earlier::Files(Arc::new(stored), index))
}
