//! Where the next page starts, as clients see it: text that fits a URL.
//!
//! The text names the view, its version and the epoch, because a place means nothing elsewhere:
//! the pages of one reading are all of one epoch. Its length is bounded, however long the row is
//! where the page ends ([`Cursor::bounded`]). It is not signed: a forged one is a place, too,
//! and reads what the client may read anyway.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Kind, Result};
use crate::serving::{Cursor, Page, Snapshot};
use crate::time::Epoch;

/// A place in a view at an epoch.
#[derive(Debug, PartialEq)]
pub(super) struct Place {
    /// Tells the view and its version from others.
    owner: u64,
    /// The epoch of all pages.
    pub(super) epoch: Epoch,
    /// Reading goes on behind it.
    pub(super) cursor: Cursor,
}

impl Place {
    /// Where a page of a view of `snapshot` ends that was read behind `from`, unless it is the
    /// last.
    pub(super) fn behind(
        flow: &str,
        view: &str,
        snapshot: &Snapshot,
        from: Option<&Cursor>,
        page: &mut Page,
    ) -> Option<Place> {
        let cursor = page.next.take()?.bounded(from, &page.rows);
        let owner = owner(flow, view, snapshot.generation());
        Some(Place { owner, epoch: snapshot.epoch().unwrap_or_default(), cursor })
    }

    pub(super) fn to_text(&self) -> String {
        let mut bytes = vec![1];
        bytes.extend_from_slice(&self.owner.to_be_bytes());
        bytes.extend_from_slice(&self.epoch.to_be_bytes());
        bytes.extend(self.cursor.to_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The place that `text` names.
    ///
    /// # Errors
    /// When it names none.
    pub(super) fn from_text(text: &str) -> Result<Place> {
        let refuse = || {
            let shown: String = text.chars().take(100).collect();
            Error::new(Kind::Input, format!("{shown:?} is no cursor"))
                .remedy("give the cursor of an answer unchanged, or none to start again")
        };
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| refuse())?;
        let Some(([1], rest)) = bytes.split_first_chunk::<1>() else { return Err(refuse()) };
        let Some((owner, rest)) = rest.split_first_chunk::<8>() else { return Err(refuse()) };
        let Some((epoch, rest)) = rest.split_first_chunk::<8>() else { return Err(refuse()) };
        let cursor = Cursor::from_bytes(rest).map_err(|_| refuse())?;
        let (owner, epoch) = (u64::from_be_bytes(*owner), u64::from_be_bytes(*epoch));
        Ok(Place { owner, epoch, cursor })
    }

    /// Is it a place in this view of this snapshot?
    ///
    /// # Errors
    /// When it is one of another view, version or epoch; says which.
    pub(super) fn check(&self, flow: &str, view: &str, snapshot: &Snapshot) -> Result<()> {
        if self.owner != owner(flow, view, snapshot.generation()) {
            let version = snapshot.generation();
            let message = format!("the cursor is not one of view {view} in version {version}");
            return Err(Error::new(Kind::Input, message)
                .remedy("give the cursor to the view it came from, or start again without it"));
        }
        if snapshot.epoch() != Some(self.epoch) {
            let (own, asked) = (self.epoch, snapshot.epoch().unwrap_or_default());
            let message = format!("the cursor is of epoch {own}, and epoch {asked} is asked for");
            return Err(Error::new(Kind::Input, message)
                .remedy(format!("go on with as_of={own}, or start again without the cursor")));
        }
        Ok(())
    }
}

fn owner(flow: &str, view: &str, version: &str) -> u64 {
    xxh3_64([flow, view, version].join("\0").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_place_comes_back(
            owner: u64, epoch: u64, key: Vec<u8>, value: Vec<u8>, noise: String,
        ) {
            let place = Place { owner, epoch, cursor: Cursor::after(key, value) };
            let text = place.to_text();
            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            prop_assert_eq!(Place::from_text(&text).expect("a place"), place);
            // Whatever it is, it is no panic.
            let _ = Place::from_text(&noise);
            let _ = Place::from_text(&text[..text.len() / 2]);
        }
    }
}
