//! The begin of a subscription, with a snapshot of the view, and its continuation at a cutover.

use std::sync::Arc;

use serde_json::json;

use super::feed::{ChangesFeed, FeedEnd, Next};
use diptych_base::error::Result;
use diptych_base::limits::{FEED_BYTES, READ_ROWS_INLINE, SCAN_CHUNK_ROWS};
use diptych_base::time::Epoch;
use diptych_log::Reader;
use diptych_row::ByteRange;
use diptych_serving::{Cursor, Index, Read, Row};

impl ChangesFeed {
    /// Sends all rows at one epoch, a bounded number at a time, and gives the changes from there
    /// on.
    pub(super) async fn snapshot(&mut self, reason: &str) -> Result<Next, FeedEnd> {
        let index = self.served().await?;
        let view = index.view(&self.view)?;
        let snapshot = Arc::new(index.snapshot(Read::Latest)?);
        let epoch = snapshot.epoch();
        let told = json!({
            "dataflow": self.flow().name,
            "view": self.view,
            "version": index.version(),
            "epoch": epoch,
            "reason": reason,
        });
        self.say("reset", None, &told).await?;
        let schema = index.views()[view].schema.clone();
        let mut cursor = None;
        loop {
            snapshot.renew()?;
            // A read short enough for a thread that serves many clients, if the rows are in memory.
            let most = self.chunk_rows(READ_ROWS_INLINE);
            let read = Arc::clone(&snapshot);
            let from = cursor.take();
            let read = move || read.page(view, &ByteRange::all(), from.as_ref(), most);
            let page = if snapshot.is_stored() { self.apart(read).await? } else { read()? };
            if !page.rows.is_empty() {
                self.events.snapshot(&schema, epoch, &page.rows)?;
                self.measure(page.rows.len());
                // Only the text is held while the socket takes its time.
                drop(page.rows);
                self.flush().await?;
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let token = index.token(snapshot.upper());
        self.events.complete(epoch, &token);
        self.flush().await?;
        // The lease of the snapshot has kept these epochs apart until now.
        Ok(Next::Live(index.changes(view, snapshot.upper())?))
    }

    /// The index that answers, once it has all that readers may have seen before the process was
    /// started.
    async fn served(&mut self) -> Result<Arc<Index>, FeedEnd> {
        loop {
            let index = self.flow().serving.index();
            let upper = index.frontier();
            let failed = self.site.control.failure(&self.flow().name).is_some();
            let there = upper > 0 || self.site.read_log(Reader::upper).await? == 0;
            if failed || (there && !index.is_stale()) {
                return Ok(index);
            }
            self.wait_beyond(upper).await?;
        }
    }

    /// Continues after a cutover: sends the difference between both versions at the epoch where the
    /// old one ends. Everything below `seen` was delivered.
    pub(super) async fn cutover(
        &mut self,
        old: &Index,
        view: usize,
        seen: Epoch,
    ) -> Result<Next, FeedEnd> {
        let new = self.flow().serving.index();
        let other = new.view(&self.view)?;
        let from = old.generation();
        let to = new.generation();
        let at = old.frontier();
        if from == to {
            // The same version and the same answers, in another index.
            let next = match new.changes(other, seen) {
                Err(error) if error.is_missing() => self.behind(&new, seen),
                changes => changes.map(Next::Live),
            };
            return Ok(next?);
        }
        let snapshots = at.checked_sub(1).map(|last| {
            let old = old.snapshot(Read::Latest)?;
            Ok((last, Arc::new(old), Arc::new(new.snapshot(Read::AsOf(last))?)))
        });
        let snapshots: Result<Option<_>> = snapshots.transpose();
        let same = old.views()[view].schema == new.views()[other].schema;
        // The changes are taken while the snapshot holds its epoch.
        let (Ok(snapshots), Ok(changes), true) = (snapshots, new.changes(other, at), same) else {
            let reason = if from == to {
                format!("version {to} was recomputed")
            } else {
                format!("version {to} serves instead of {from}")
            };
            return Ok(Next::Snapshot(reason));
        };
        let token = new.token(at);
        let epoch = at.checked_sub(1);
        self.say("version", None, &json!({ "from": from, "to": to, "epoch": epoch })).await?;
        if let Some((last, old, new)) = snapshots {
            let mut cursor = None;
            loop {
                let left = Arc::clone(&old);
                let right = Arc::clone(&new);
                let from = cursor.take();
                let found = self.apart(move || {
                    left.renew()?;
                    right.renew()?;
                    let rows = left.difference_behind(view, &right, other, from.as_ref());
                    let mut bytes = 0;
                    let within = rows.take(SCAN_CHUNK_ROWS).take_while(|row| {
                        let before = bytes;
                        bytes += row.as_ref().map_or(0, |row| row.key.len() + row.value.len());
                        before < FEED_BYTES
                    });
                    within.collect::<Result<Vec<Row>>>()
                });
                let rows = found.await?;
                let Some(row) = rows.last() else { break };
                cursor = Some(Cursor::after(row.key.clone(), row.value.clone()));
                let schema = &new.views()[other].schema;
                self.events.part(schema, last, &rows)?;
                drop(rows);
                self.flush().await?;
            }
        }
        self.events.complete(epoch, &token);
        self.flush().await?;
        Ok(Next::Live(changes))
    }
}
