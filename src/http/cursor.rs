//! Cursors as clients see them: the place where the next page starts, as text that fits a URL.
//!
//! The text names the view, its version, the epoch and its branch, because a place is valid only
//! there: all pages of one read are of one epoch of one history. Its length is bounded, however
//! long the row at the end of the page is ([`Cursor::bounded`]). It is not signed: a forged cursor
//! is a place, too, and reads only what the client may read anyway.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use xxhash_rust::xxh3::xxh3_64;

use diptych_base::error::{Error, Kind, Result};
use diptych_base::time::{At, Branch, Epoch};
use diptych_serving::{Cursor, Page, Snapshot};

/// The first byte of a cursor, which gives its form.
const FORM: u8 = 2;
/// The form of older releases, without a branch.
const FORM_WITHOUT_BRANCH: u8 = 1;

/// A place in a view at an epoch.
#[derive(Debug, PartialEq)]
pub(super) struct ReadPlace {
    /// A hash of the view and its version.
    owner: u64,
    /// The epoch of all pages.
    pub(super) epoch: Epoch,
    /// The branch of the epoch; 0 without a log.
    branch: u64,
    /// The row behind which reading goes on.
    pub(super) cursor: Cursor,
}

impl ReadPlace {
    /// The place at the end of a page that was read of a view of `snapshot` behind `from`; none if
    /// it is the last page.
    pub(super) fn behind(
        flow: &str,
        view: &str,
        snapshot: &Snapshot,
        from: Option<&Cursor>,
        page: &mut Page,
    ) -> Option<ReadPlace> {
        let cursor = page.next.take()?.bounded(from, &page.rows);
        let owner = owner(flow, view, snapshot.generation());
        let epoch = snapshot.epoch().unwrap_or_default();
        let branch = snapshot.branch().map_or(0, |branch| branch.0);
        Some(ReadPlace { owner, epoch, branch, cursor })
    }

    pub(super) fn to_text(&self) -> String {
        let mut bytes = vec![FORM];
        bytes.extend_from_slice(&self.owner.to_be_bytes());
        bytes.extend_from_slice(&self.epoch.to_be_bytes());
        bytes.extend_from_slice(&self.branch.to_be_bytes());
        bytes.extend(self.cursor.to_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Parses the place in `text`.
    ///
    /// # Errors
    /// When the text is not a cursor.
    pub(super) fn from_text(text: &str) -> Result<ReadPlace> {
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
        Ok(ReadPlace { owner, epoch, branch, cursor })
    }

    /// The epoch of the place, with its branch.
    pub(super) fn at(&self) -> At {
        let branch = Some(Branch(self.branch)).filter(|_| self.branch != 0);
        At { epoch: self.epoch, branch }
    }

    /// Checks that this is a place in this view of this snapshot.
    ///
    /// # Errors
    /// When it is of another view, version or epoch; the error says which.
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
            let place = ReadPlace { owner, epoch, branch, cursor: Cursor::after(key, value) };
            let text = place.to_text();
            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            prop_assert_eq!(ReadPlace::from_text(&text).expect("a place"), place);
            // Noise may be refused, but must not panic.
            let _ = ReadPlace::from_text(&noise);
            let _ = ReadPlace::from_text(&text[..text.len() / 2]);
        }
    }
}
