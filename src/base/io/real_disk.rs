//! The [`Disk`] of the machine: its file system.
//!
//! This file holds the crate's only memory maps, hence its `unsafe`: a map is sound as long as no
//! process shortens or rewrites the mapped file, which the callers of [`Disk::map`] promise
//! (sealed files are never changed, and are unlinked rather than truncated). A disk error under a
//! map kills the process with SIGBUS; that is accepted, a restart reads the same checksummed files.
#![expect(unsafe_code, reason = "memory maps; see the module's documentation")]

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::Arc;

use arrow_buffer::Buffer;

use super::real_lock::{RealLock, is_at};
use super::{Disk, File, Lock, Open, Space, short};
use crate::error::{Error, Result};

/// The files of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

#[derive(Debug)]
struct RealFile {
    file: fs::File,
    path: PathBuf,
}

pub(super) fn failed(doing: &str, path: &Path, error: std::io::Error) -> Error {
    Error::io(format!("{doing} {}", path.display()), error)
}

impl Disk for RealDisk {
    fn make_dir(&self, dir: &Path) -> Result<bool> {
        if dir.is_dir() {
            return Ok(false);
        }
        match fs::create_dir(dir) {
            Ok(()) => Ok(true),
            // Another process created it first.
            Err(_) if dir.is_dir() => Ok(false),
            Err(error) => Err(failed("create", dir, error)),
        }
    }

    fn open(&self, path: &Path, how: Open) -> Result<Box<dyn File>> {
        let mut options = OpenOptions::new();
        options.read(true).write(how != Open::Read);
        options.create(how == Open::Create).truncate(how == Open::Create);
        let file = options.open(path).map_err(|e| failed("open", path, e))?;
        Ok(Box::new(RealFile { file, path: path.to_owned() }))
    }

    fn map(&self, path: &Path) -> Result<Buffer> {
        let file = fs::File::open(path).map_err(|e| failed("open", path, e))?;
        let len = file.metadata().map_err(|e| failed("stat", path, e))?.len();
        if len == 0 {
            return Ok(Buffer::from(&[] as &[u8]));
        }
        // SAFETY: no process shortens or rewrites a mapped file, as `Disk::map` demands.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(|e| failed("map", path, e))?;
        let start = NonNull::from(&map[..]).cast::<u8>();
        let len = map.len();
        // SAFETY: `start` and `len` describe the map, which the buffer keeps alive.
        Ok(unsafe { Buffer::from_custom_allocation(start, len, Arc::new(map)) })
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        fs::rename(from, to).map_err(|e| failed("rename", from, e))
    }

    fn link(&self, from: &Path, to: &Path) -> Result<bool> {
        use std::io::ErrorKind::{CrossesDevices, PermissionDenied, TooManyLinks, Unsupported};
        match fs::hard_link(from, to) {
            Ok(()) => Ok(true),
            // Linux refuses as "not permitted" where a file system has one name for a file.
            Err(error)
                if [CrossesDevices, PermissionDenied, TooManyLinks, Unsupported]
                    .contains(&error.kind()) =>
            {
                Ok(false)
            }
            Err(error) => Err(failed("link", from, error)),
        }
    }

    fn remove(&self, path: &Path) -> Result<()> {
        fs::remove_file(path).map_err(|e| failed("remove", path, e))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        names(dir, false)
    }

    fn dirs(&self, dir: &Path) -> Result<Vec<String>> {
        names(dir, true)
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        let file = fs::File::open(dir).map_err(|e| failed("open", dir, e))?;
        file.sync_all().map_err(|e| failed("sync", dir, e))
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Lock>> {
        Ok(Box::new(RealLock::take(path)?))
    }

    fn space(&self, dir: &Path) -> Result<Option<Space>> {
        let found =
            rustix::fs::statvfs(dir).map_err(|e| failed("ask for the room at", dir, e.into()))?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Ok(Some(Space {
            available: bytes(found.f_bavail),
            total: bytes(found.f_blocks),
            files_available: found.f_favail,
            files: found.f_files,
            read_only: found.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY),
        }))
    }
}

/// The names in `dir`, sorted: those of directories, or of everything else.
fn names(dir: &Path, dirs: bool) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(|e| failed("list", dir, e))? {
        let entry = entry.map_err(|e| failed("list", dir, e))?;
        let kind = entry.file_type().map_err(|e| failed("stat", &entry.path(), e))?;
        // A name that is not UTF-8 was not written by this crate.
        if let (true, Ok(name)) = (kind.is_dir() == dirs, entry.file_name().into_string()) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

impl File for RealFile {
    fn len(&self) -> Result<u64> {
        let data = self.file.metadata().map_err(|e| failed("stat", &self.path, e))?;
        Ok(data.len())
    }

    fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>> {
        let has = self.len()?;
        if offset.checked_add(len as u64).is_none_or(|end| end > has) {
            return Err(short(&self.path, offset, len, has));
        }
        let mut bytes = vec![0; len];
        match self.file.read_exact_at(&mut bytes, offset) {
            Ok(()) => Ok(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(short(&self.path, offset, len, self.len()?))
            }
            Err(error) => Err(failed("read", &self.path, error)),
        }
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.file.write_all_at(bytes, offset).map_err(|e| failed("write", &self.path, e))
    }

    fn truncate(&self, len: u64) -> Result<()> {
        self.file.set_len(len).map_err(|e| failed("truncate", &self.path, e))
    }

    fn sync_data(&self) -> Result<()> {
        self.file.sync_data().map_err(|e| failed("sync", &self.path, e))
    }

    fn is_at(&self, path: &Path) -> Result<bool> {
        is_at(&self.file, path)
    }
}
