//! The two images of a simulated disk: what programs see, and what a power failure leaves.
//!
//! Fault model. A file's *live* content is what reads return. Its *durable* content is what the
//! last successful sync made of it; the changes since are kept as a list. At a power failure each
//! of those changes is kept, dropped, or torn (only some of its 512-byte sectors arrive),
//! independently of the others and whatever their order. Directory changes (link, unlink, rename, a
//! new directory) since the last sync of the directory they are in are kept or dropped one by one,
//! in order. A directory whose entry is dropped is lost with everything below it, synced or not. A
//! failed sync leaves the live content as it is and forgets the changes, as Linux does when it
//! marks the pages clean: only writing them again brings them to the disk.
//!
//! Not modelled: bits that rot (tests flip them by hand), renamed and removed directories (nothing
//! here does either), writes torn inside a sector.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use crate::io::{Random, SimRandom};

const SECTOR: usize = 512;

/// An unsynced change of a file's content.
#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Change::Write(offset, bytes) => write(content, *offset, bytes),
            Change::Truncate(len) => content.resize(*len, 0),
        }
    }

    /// Applies the parts of the change that survive the power failure.
    fn apply_some(&self, content: &mut Vec<u8>, random: &SimRandom) {
        match (random.below(3), self) {
            (0, _) => {}
            (1, Change::Write(offset, bytes)) => {
                let mut at = 0;
                while at < bytes.len() {
                    let sector_end = (offset + at) / SECTOR * SECTOR + SECTOR - offset;
                    let end = sector_end.min(bytes.len());
                    if random.below(2) == 0 {
                        write(content, offset + at, &bytes[at..end]);
                    }
                    at = end;
                }
            }
            _ => self.apply(content),
        }
    }
}

fn write(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(bytes);
}

/// A file's content, live and durable.
#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    pub(super) live: Vec<u8>,
    durable: Vec<u8>,
    changes: Vec<Change>,
}

impl Inode {
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.change(Change::Write(offset, bytes.to_vec()));
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.change(Change::Truncate(len));
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.live);
        self.changes.push(change);
    }

    pub(super) fn sync(&mut self) {
        for change in self.changes.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    /// Drops the changes of a failed sync: they are neither durable nor pending any more.
    pub(super) fn lose(&mut self) {
        self.changes.clear();
    }
}

/// An unsynced change of a directory.
#[derive(Clone, Debug)]
enum Entry {
    Link { unlink: Option<PathBuf>, link: Option<(PathBuf, u64)> },
    Dir(PathBuf),
}

impl Entry {
    fn apply(&self, names: &mut Names) {
        match self {
            Entry::Dir(path) => {
                names.dirs.insert(path.clone());
            }
            Entry::Link { unlink, link } => {
                if let Some(path) = unlink {
                    names.files.remove(path);
                }
                if let Some((path, inode)) = link {
                    names.files.insert(path.clone(), *inode);
                }
            }
        }
    }

    fn is_in(&self, dir: &Path) -> bool {
        let path = match self {
            Entry::Dir(path) => Some(path),
            Entry::Link { unlink, link } => unlink.as_ref().or(link.as_ref().map(|(path, _)| path)),
        };
        path.is_some_and(|path| path.parent() == Some(dir))
    }
}

/// The names of files and directories.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) files: BTreeMap<PathBuf, u64>,
    /// All directories but those that exist on every disk: the starts of paths.
    pub(super) dirs: BTreeSet<PathBuf>,
}

impl Names {
    /// Whether the directory exists.
    pub(super) fn has_dir(&self, dir: &Path) -> bool {
        dir.parent().is_none() || self.dirs.contains(dir)
    }

    /// Removes entries whose directory does not exist.
    fn prune(&mut self) {
        let dirs = self.dirs.clone();
        let within = |path: &Path| {
            path.ancestors().skip(1).all(|dir| dir.parent().is_none() || dirs.contains(dir))
        };
        self.dirs.retain(|dir| within(dir));
        self.files.retain(|file, _| within(file));
    }
}

/// All files and names, live and durable.
#[derive(Clone, Debug, Default)]
pub(super) struct SimState {
    pub(super) inodes: HashMap<u64, Inode>,
    pub(super) names: Names,
    durable: Names,
    entries: Vec<Entry>,
    next_inode: u64,
}

impl SimState {
    pub(super) fn make_dir(&mut self, dir: &Path) {
        self.enter(Entry::Dir(dir.to_owned()));
    }

    pub(super) fn create(&mut self, path: &Path) -> u64 {
        let inode = self.next_inode;
        self.next_inode += 1;
        self.inodes.insert(inode, Inode::default());
        self.enter(Entry::Link { unlink: None, link: Some((path.to_owned(), inode)) });
        inode
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path, inode: u64) {
        let link = Some((to.to_owned(), inode));
        self.enter(Entry::Link { unlink: Some(from.to_owned()), link });
    }

    pub(super) fn link(&mut self, path: &Path, inode: u64) {
        self.enter(Entry::Link { unlink: None, link: Some((path.to_owned(), inode)) });
    }

    pub(super) fn unlink(&mut self, path: &Path) {
        self.enter(Entry::Link { unlink: Some(path.to_owned()), link: None });
    }

    fn enter(&mut self, entry: Entry) {
        entry.apply(&mut self.names);
        self.entries.push(entry);
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) {
        let (synced, rest) = self.entries.drain(..).partition::<Vec<_>, _>(|e| e.is_in(dir));
        for entry in synced {
            entry.apply(&mut self.durable);
        }
        self.entries = rest;
    }

    /// Bytes in all files that have a name.
    pub(super) fn used(&self) -> u64 {
        let inodes: BTreeSet<u64> = self.names.files.values().copied().collect();
        inodes.iter().map(|inode| self.inodes[inode].live.len() as u64).sum()
    }

    /// The files after the power failure described by `seed`.
    pub(super) fn crash(&self, seed: u64) -> SimState {
        let random = SimRandom::new(seed);
        let mut names = self.durable.clone();
        for entry in &self.entries {
            if random.below(2) == 0 {
                entry.apply(&mut names);
            }
        }
        names.prune();
        let mut inodes = HashMap::new();
        for &inode in names.files.values() {
            let file = &self.inodes[&inode];
            let mut content = file.durable.clone();
            for change in &file.changes {
                change.apply_some(&mut content, &random);
            }
            let after = Inode { live: content.clone(), durable: content, changes: Vec::new() };
            inodes.insert(inode, after);
        }
        let durable = names.clone();
        SimState { inodes, names, durable, entries: Vec::new(), next_inode: self.next_inode }
    }
}
