//! Room in the table: which producers are reduced to a digest, and which get their names back.

use super::super::producer_mark::{ProducerMark, Trimmed};
use super::super::silent_producers::SilentRecord;
use super::{ProducerTable, Window};
use diptych_base::limits;

/// The bounds of the table of named producers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Appends over all of them.
    pub(super) appends: usize,
    pub(super) producers: usize,
    /// Bytes of their names.
    pub(super) name_bytes: usize,
}

impl Default for Room {
    fn default() -> Room {
        Room {
            appends: limits::REMEMBERED_MAX,
            producers: limits::PRODUCERS_MAX,
            name_bytes: limits::PRODUCER_NAMES_BYTES_MAX,
        }
    }
}

impl Room {
    /// Room for so many producers, within the limits.
    pub(crate) fn of(producers: usize) -> Room {
        let most = Room::default();
        Room { producers: producers.min(most.producers), ..most }
    }

    pub(super) fn has(self, held: Room) -> bool {
        held.appends <= self.appends
            && held.producers <= self.producers
            && held.name_bytes <= self.name_bytes
    }

    /// The part that may be held so that there is room for `more`, and a quarter is free.
    fn before(self, more: Room) -> Room {
        let of = |max: usize, more: usize| (max / 4 * 3).min(max.saturating_sub(more));
        Room {
            appends: of(self.appends, more.appends),
            producers: of(self.producers, more.producers),
            name_bytes: of(self.name_bytes, more.name_bytes),
        }
    }
}

impl ProducerTable {
    /// The producers to trim before the appends of `more` are added: none, unless the table is
    /// full; then those silent longest, until a quarter of the room is free. They stay known by
    /// digest.
    ///
    /// A table of an earlier release may be far larger. The names in one frame have at most the
    /// bytes of the room, and one name more, so that they fit it; the next frames name the others.
    pub(crate) fn make_room(&self, more: &[ProducerMark], max: Room) -> Vec<Trimmed> {
        let name_bytes = more.iter().map(|mark| mark.id.len()).sum();
        let more = Room { appends: more.len(), producers: more.len(), name_bytes };
        let mut left = self.held();
        let whole = Room {
            appends: left.appends + more.appends,
            producers: left.producers + more.producers,
            name_bytes: left.name_bytes + more.name_bytes,
        };
        if max.has(whole) {
            return Vec::new();
        }
        let mut silent: Vec<_> = self.producers.iter().collect();
        silent.sort_by_key(|(id, window)| {
            (window.appends.back().map(|last| last.epoch), id.as_str())
        });
        let before = max.before(more);
        let mut named = 0;
        let mut trimmed = Vec::new();
        for (id, window) in silent {
            if before.has(left) || named > max.name_bytes {
                break;
            }
            named += id.len();
            left.appends -= window.appends.len();
            left.producers -= 1;
            left.name_bytes -= id.len();
            trimmed.push(Trimmed { id: id.clone(), kept_from: window.next - 1 });
        }
        trimmed
    }

    pub(super) fn held(&self) -> Room {
        let appends = self.remembered;
        let producers = self.producers.len();
        Room { appends, producers, name_bytes: self.name_bytes }
    }

    /// Trims one producer to its digest; it stays known.
    ///
    /// Earlier releases kept the names of producers with one append left, and did not name them
    /// again. Here they may be either: in a table that such a release stored they have their names,
    /// in one that was replayed from its frames they are silent. Both answer alike, so a frame may
    /// name a producer that is silent already.
    ///
    /// # Errors
    /// When the producer is unknown.
    pub(super) fn silence(&mut self, one: &Trimmed) -> Result<(), String> {
        let Some(window) = self.producers.get_mut(&one.id) else {
            let known = self.silent.get(&one.id).map(|_| ());
            return known.ok_or_else(|| format!("producer {:?} is trimmed but unknown", one.id));
        };
        self.remembered -= window.keep_from(one.kept_from);
        if let (1, Some(last)) = (window.appends.len(), window.appends.back().copied()) {
            let next = window.next;
            self.producers.remove(&one.id);
            self.remembered -= 1;
            self.name_bytes -= one.id.len();
            self.silent.insert(&one.id, SilentRecord { next, last });
        }
        Ok(())
    }

    /// Records that a silent producer appends: it is known by its name from now on.
    pub(super) fn wake(&mut self, id: &str) {
        if self.producers.contains_key(id) {
            return;
        }
        let mut window = Window::default();
        if let Some(SilentRecord { next, last }) = self.silent.remove(id) {
            window = Window { next, appends: [last].into() };
            self.remembered += 1;
        }
        self.name_bytes += id.len();
        self.producers.insert(id.to_owned(), window);
    }
}
