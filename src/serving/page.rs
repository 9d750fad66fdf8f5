//! Pages: a bounded number of rows of a view in order, and the cursor of the next page.
//!
//! A page is bounded in rows and in bytes. The cursor is the page's last row, which may be long;
//! the form given to clients is bounded: the beginning of the row, and the number of rows before it
//! that begin the same.

use xxhash_rust::xxh3::Xxh3Default;

use super::row::Row;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::limits::{CURSOR_PART_BYTES, HEAD_BYTES_MAX, PAGE_BYTES};
use diptych_row::Columns;

const _: () = assert!(
    // Zero bytes are doubled, and base64 has four letters for three bytes.
    (2 * 2 * CURSOR_PART_BYTES + 64) * 4 / 3 < HEAD_BYTES_MAX / 4,
    "a cursor leaves room for the rest of an address"
);

/// The place of a row; the next page starts after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    key: Vec<u8>,
    value: Vec<u8>,
    /// With this, key and value are only the beginning of the row.
    skip: Option<Skip>,
}

/// Locates a row by its beginning and a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Skip {
    /// The number of rows from the beginning on, up to and with the row itself.
    rows: u64,
    /// A digest of the row: detects that the counted rows have changed.
    digest: u64,
}

impl Cursor {
    /// The place of the row `(key, value)`.
    pub fn after(key: Vec<u8>, value: Vec<u8>) -> Self {
        Cursor { key, value, skip: None }
    }

    /// The key of the row, or its beginning.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// The value of the row, or its beginning.
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// The same place in bounded bytes. `rows` is the page that ends there, which was read after
    /// `from`.
    ///
    /// The place is found by counting, so it is valid in the same range at the same epoch only, and
    /// reading after it first passes the rows that begin alike.
    #[must_use]
    pub fn bounded(self, from: Option<&Cursor>, rows: &[Row]) -> Cursor {
        let Some((key, value)) = self.beginning() else { return self };
        let before = match from.and_then(|from| Some((from, from.skip?))) {
            Some((from, skip)) if (&from.key[..], &from.value[..]) == (key, value) => skip.rows,
            _ => 0,
        };
        // All of them begin alike, because every row between two such rows does.
        let alike = rows.iter().filter(|row| (&row.key[..], &row.value[..]) >= (key, value));
        let rows = before + alike.count() as u64;
        let skip = Some(Skip { rows, digest: digest(&self.key, &self.value) });
        Cursor { key: key.to_vec(), value: value.to_vec(), skip }
    }

    /// Are rows passed before the place is reached?
    pub fn passes_rows(&self) -> bool {
        self.skip.is_some()
    }

    /// The beginning of a row that is too long to be repeated; none for a short row. A part of
    /// exactly the maximum length counts as long, so that all rows that begin alike do.
    fn beginning(&self) -> Option<(&[u8], &[u8])> {
        match (self.key.get(..CURSOR_PART_BYTES), self.value.get(..CURSOR_PART_BYTES)) {
            (Some(key), _) => Some((key, &[])),
            (None, Some(value)) => Some((&self.key, value)),
            (None, None) => None,
        }
    }

    /// Is the cursor at the row `(key, value)` or after it?
    pub fn is_behind(&self, key: &[u8], value: &[u8]) -> bool {
        let own = (&self.key[..], &self.value[..]);
        if self.skip.is_some() { (key, value) < own } else { (key, value) <= own }
    }

    /// Does the row begin with the cursor's key and value?
    fn begins(&self, key: &[u8], value: &[u8]) -> bool {
        if self.key.len() >= CURSOR_PART_BYTES {
            key.starts_with(&self.key)
        } else {
            key == self.key && value.starts_with(&self.value)
        }
    }

    /// An opaque form for clients.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        (self.key.clone(), self.value.clone()).encode(&mut bytes);
        if let Some(skip) = self.skip {
            (skip.rows, skip.digest).encode(&mut bytes);
        }
        bytes
    }

    /// The inverse of [`Cursor::to_bytes`].
    ///
    /// # Errors
    /// When the bytes are not a cursor's.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Self> {
        let (key, value) = <(Vec<u8>, Vec<u8>)>::decode(&mut bytes)?;
        let skip = if bytes.is_empty() {
            None
        } else {
            let (rows, digest) = diptych_row::decode(bytes)?;
            Some(Skip { rows, digest })
        };
        Ok(Cursor { key, value, skip })
    }
}

fn digest(key: &[u8], value: &[u8]) -> u64 {
    let mut digest = Xxh3Default::new();
    digest.update(&(key.len() as u64).to_le_bytes());
    digest.update(key);
    digest.update(value);
    digest.digest()
}

fn elsewhere() -> Error {
    Error::new(Kind::Input, "the cursor is not a place among these rows")
        .remedy("give it with the range it came from, or start again without it")
}

/// The rows of one page, and the cursor of the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The rows, in order of key and value: as many as the limit allows, or fewer when they are
    /// long, but at least one.
    pub rows: Vec<Row>,
    /// The cursor of the next page; none after the last page.
    pub next: Option<Cursor>,
}

/// A page under construction: takes the rows that follow its cursor.
pub struct Filling<'c> {
    cursor: Option<&'c Cursor>,
    /// The number of rows still to be passed.
    skip: u64,
    limit: usize,
    bytes: usize,
    page: Page,
}

impl<'c> Filling<'c> {
    /// An empty page of at most `limit` rows after `cursor`.
    pub fn new(cursor: Option<&'c Cursor>, limit: usize) -> Self {
        let skip = cursor.and_then(|cursor| cursor.skip).map_or(0, |skip| skip.rows);
        Filling { cursor, skip, limit, bytes: 0, page: Page::default() }
    }

    /// Has the page reached its bound in rows or bytes?
    pub fn is_full(&self) -> bool {
        self.skip == 0 && (self.page.rows.len() >= self.limit || self.bytes >= PAGE_BYTES)
    }

    /// Takes the next row, unless its multiplicity is zero or it is to be passed.
    ///
    /// # Errors
    /// When the cursor is not a place among these rows.
    pub fn push(&mut self, key: &[u8], value: &[u8], multiplicity: isize) -> Result<()> {
        if multiplicity == 0 {
            return Ok(());
        }
        if self.skip > 0 {
            return self.pass(key, value);
        }
        self.bytes += size_of::<Row>() + key.len() + value.len();
        self.page.rows.push(Row { key: key.to_vec(), value: value.to_vec(), multiplicity });
        Ok(())
    }

    fn pass(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let begins = self.cursor.is_some_and(|cursor| cursor.begins(key, value));
        self.skip -= 1;
        let is_last = self.skip == 0;
        let expected = self.cursor.and_then(|cursor| cursor.skip).map(|skip| skip.digest);
        if !begins || is_last && expected != Some(digest(key, value)) {
            return Err(elsewhere());
        }
        Ok(())
    }

    /// The finished page; `more` tells whether another row follows.
    ///
    /// # Errors
    /// As [`Filling::push`].
    pub fn end(self, more: bool) -> Result<Page> {
        if self.skip > 0 {
            return Err(elsewhere());
        }
        let mut page = self.page;
        let last = page.rows.last().filter(|_| more);
        page.next = last.map(|row| Cursor::after(row.key.clone(), row.value.clone()));
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Pages over sorted rows, the way an index makes them.
    fn page(rows: &[(Vec<u8>, Vec<u8>)], cursor: Option<&Cursor>, limit: usize) -> Result<Page> {
        let mut filling = Filling::new(cursor, limit);
        for (key, value) in rows {
            if cursor.is_some_and(|cursor| cursor.is_behind(key, value)) {
                continue;
            }
            if filling.is_full() {
                return filling.end(true);
            }
            filling.push(key, value, 1)?;
        }
        filling.end(false)
    }

    fn part() -> impl Strategy<Value = Vec<u8>> {
        let end = prop::collection::vec(0_u8..3, 0..3);
        let long = (0_u8..2, 0_usize..4, end.clone()).prop_map(|(byte, less, end)| {
            let mut part = vec![byte; CURSOR_PART_BYTES + 1 - less];
            part.extend(end);
            part
        });
        prop_oneof![end, long]
    }

    proptest! {
        #[test]
        fn bounded_places_are_the_places(
            rows in prop::collection::btree_set((part(), part()), 0..60), limit in 1_usize..5,
        ) {
            let rows: Vec<_> = rows.into_iter().collect();
            let mut seen = Vec::new();
            let mut cursor = None::<Cursor>;
            loop {
                let page = page(&rows, cursor.as_ref(), limit).expect("a page");
                let next = page.next.map(|next| next.bounded(cursor.as_ref(), &page.rows));
                seen.extend(page.rows.into_iter().map(|row| (row.key, row.value)));
                let Some(next) = next else { break };
                let bytes = next.to_bytes();
                prop_assert!(bytes.len() <= 2 * 2 * CURSOR_PART_BYTES + 64, "{}", bytes.len());
                cursor = Some(Cursor::from_bytes(&bytes).expect("a cursor"));
            }
            prop_assert_eq!(seen, rows);
        }
    }

    #[test]
    fn a_place_among_other_rows_is_refused() {
        let row = |last: u8| ([vec![7; 2_000], vec![last]].concat(), Vec::new());
        let rows: Vec<_> = (0..5).map(row).collect();
        let first = page(&rows, None, 2).expect("a page");
        let cursor = first.next.expect("more rows").bounded(None, &first.rows);
        assert_eq!(page(&rows, Some(&cursor), 9).expect("a page").rows.len(), 3);
        for other in [&rows[1..], &rows[..1], &[(vec![8; 2_000], Vec::new())]] {
            let error = page(other, Some(&cursor), 9).expect_err("other rows").to_string();
            assert!(error.contains("not a place among these rows"), "{error}");
        }
        // A forged cursor does not pass more rows than begin alike.
        let skip = Some(Skip { rows: u64::MAX, digest: 0 });
        let forged = Cursor { key: Vec::new(), value: Vec::new(), skip };
        assert!(page(&rows, Some(&forged), 9).is_err());
    }

    #[test]
    fn long_rows_close_a_page() {
        let rows: Vec<_> = (0..5).map(|n| (vec![n; PAGE_BYTES / 2], Vec::new())).collect();
        let first = page(&rows, None, 100).expect("a page");
        assert_eq!((first.rows.len(), first.next.is_some()), (2, true));
    }
}
