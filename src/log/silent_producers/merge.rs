//! Merges several sorted sources of silent producers; the newest record of a digest counts.

use std::collections::btree_map;

use super::file::{SilentProducer, SilentProducers};
use super::{IdDigest, RecentlySilent, SilentRecord};
use diptych_base::error::Result;

/// A source of silent producers.
#[derive(Debug)]
enum Source {
    Recent(btree_map::IntoIter<IdDigest, SilentRecord>),
    File(SilentProducers),
}

impl Iterator for Source {
    type Item = Result<SilentProducer>;

    fn next(&mut self) -> Option<Result<SilentProducer>> {
        match self {
            Source::Recent(entries) => {
                entries.next().map(|(digest, left)| Ok(SilentProducer { digest, left }))
            }
            Source::File(entries) => entries.next(),
        }
    }
}

/// Silent producers of several sources, by digest, each once. Nothing follows an error.
#[derive(Debug)]
pub(crate) struct Merged {
    /// The newest first, each with its next producer; exhausted sources are left out.
    sources: Vec<(SilentProducer, Source)>,
    failed: Option<diptych_base::error::Error>,
}

impl Merged {
    /// Merges the producers in memory, which are the newest, with those in files, the newest first.
    pub(super) fn new(
        recent: RecentlySilent,
        files: impl Iterator<Item = SilentProducers>,
    ) -> Merged {
        let sources = std::iter::once(Source::Recent(recent.into_iter()));
        let mut merged = Merged { sources: Vec::new(), failed: None };
        for mut source in sources.chain(files.map(Source::File)) {
            match source.next() {
                Some(Ok(first)) => merged.sources.push((first, source)),
                Some(Err(error)) => merged.failed = Some(error),
                None => {}
            }
        }
        merged
    }
}

impl Iterator for Merged {
    type Item = Result<SilentProducer>;

    fn next(&mut self) -> Option<Result<SilentProducer>> {
        if let Some(error) = self.failed.take() {
            self.sources.clear();
            return Some(Err(error));
        }
        // The first of equal digests, which is the newest.
        let least =
            self.sources.iter().map(|(entry, _)| *entry).min_by_key(|entry| entry.digest)?;
        let failed = &mut self.failed;
        self.sources.retain_mut(|(entry, source)| {
            if entry.digest != least.digest {
                return true;
            }
            match source.next() {
                Some(Ok(next)) => {
                    *entry = next;
                    true
                }
                Some(Err(error)) => {
                    *failed = Some(error);
                    false
                }
                None => false,
            }
        });
        Some(Ok(least))
    }
}
