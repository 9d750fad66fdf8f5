//! Where the next page starts, as clients see it: text that fits a URL.
//!
//! The text names the view, its version, the epoch and who wrote that, because a place means
//! nothing elsewhere: the pages of one reading are all of one epoch of one history. Its length is
//! bounded, however long the row is where the page ends ([`Cursor::bounded`]). It is not signed: a
//! forged one is a place, too, and reads what the client may read anyway.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use xxhash_rust::xxh3::xxh3_64;

use diptych_base::error::{Error, Kind, Result};
use diptych_base::time::{At, Branch, Epoch};
use diptych_serving::{Cursor, Page, Snapshot};

/// What a text begins with, which tells its form.
const FORM: u8 = 2;
/// That of releases that did not say which history a place is of.
const FORM_WITHOUT_BRANCH: u8 = 1;

/// A place in a view at an epoch.
#[derive(Debug, PartialEq)]
pub(super) struct Place {
    /// Tells the view and its version from others.
    owner: u64,
    /// The epoch of all pages.
    pub(super) epoch: Epoch,
    /// Who wrote it; 0 without a log.
    branch: u64,
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
        let epoch = snapshot.epoch().unwrap_or_default();
        let branch = snapshot.branch().map_or(0, |branch| branch.0);
        Some(Place { owner, epoch, branch, cursor })
    }

    pub(super) fn to_text(&self) -> String {
        let mut bytes = vec![FORM];
        bytes.extend_from_slice(&self.owner.to_be_bytes());
        bytes.extend_from_slice(&self.epoch.to_be_bytes());
        bytes.extend_from_slice(&self.branch.to_be_bytes());
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
        let rest = match bytes.split_first() {
            Some((&FORM, rest)) => rest,
            Some((&FORM_WITHOUT_BRANCH, rest)) if rest.len() >= 16 => return Err(without_branch()),
            _ => return Err(refuse()),
        };
        let Some((owner, rest)) = rest.split_first_chunk::<8>() else { return Err(refuse()) };
        let Some((epoch, rest)) = rest.split_first_chunk::<8>() else { return Err(refuse()) };
        let Some((branch, rest)) = rest.split_first_chunk::<8>() else { return Err(refuse()) };
        let cursor = Cursor::from_bytes(rest).map_err(|_| refuse())?;
        let [owner, epoch, branch] = [owner, epoch, branch].map(|bytes| u64::from_be_bytes(*bytes));
        Ok(Place { owner, epoch, branch, cursor })
    }

    /// Its epoch, and who wrote that.
    pub(super) fn at(&self) -> At {
        let branch = Some(Branch(self.branch)).filter(|_| self.branch != 0);
        At { epoch: self.epoch, branch }
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
            let own = self.epoch;
            let asked = snapshot.epoch().unwrap_or_default();
            let message = format!("the cursor is of epoch {own}, and epoch {asked} is asked for");
            return Err(Error::new(Kind::Input, message)
                .remedy(format!("go on with as_of={own}, or start again without the cursor")));
        }
        if snapshot.branch().map_or(0, |branch| branch.0) != self.branch {
            let message =
                format!("the cursor's epoch {} is of another history of the log", self.epoch);
            return Err(Error::new(Kind::Conflict, message).remedy("start again without it"));
        }
        Ok(())
    }
}

fn without_branch() -> Error {
    let message = "the cursor is of an older release, which does not say of which history it is";
    Error::new(Kind::Conflict, message).remedy("start again without it")
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
            owner: u64, epoch: u64, branch: u64, key: Vec<u8>, value: Vec<u8>, noise: String,
        ) {
            let place = Place { owner, epoch, branch, cursor: Cursor::after(key, value) };
            let text = place.to_text();
            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            prop_assert_eq!(Place::from_text(&text).expect("a place"), place);
            // Whatever it is, it is no panic.
            let _ = Place::from_text(&noise);
            let _ = Place::from_text(&text[..text.len() / 2]);
        }
    }
}
