//! The decoders of batch views, for [`diptych_base::fuzz_target`].

use std::path::Path;
use std::sync::Arc;

use super::block::{FRAME, MAGIC, MAGIC_FINGERPRINTS, MAGIC_LEVELS};
use super::block_index::{LeafForm, LevelForm, fingerprint};
use super::manifest::{
    BarrierInfo, BatchViewManifest, FORMAT, FORMAT_OF_RUNS, Meta, PartFile, codec, seal,
};
use super::paths::{Identity, PartKind};
use super::reader::BatchView;
use super::row_codec::{put_row, visit_rows};
use diptych_base::fuzz_target::Decoder;
use diptych_base::io::{Disk, SimDisk, replace};
use diptych_row::{ByteRange, Digest, RowSchema, StoredAccumulation, ViewInfo, encode};

const ROOT: &str = "data";
const VIEW: &str = "counts";

/// The decoders of manifests, rows of blocks, and the index of a view's blocks.
pub fn hostile() -> Vec<Decoder> {
    vec![
        Decoder::new("batch view: manifest", vec![manifest_body(FORMAT_OF_RUNS - 1)], |bytes| {
            run_manifest(FORMAT_OF_RUNS - 1, bytes);
        }),
        Decoder::new("batch view: manifest with runs", vec![manifest_body(FORMAT)], |bytes| {
            run_manifest(FORMAT, bytes);
        }),
        Decoder::new("batch view: rows of a block", vec![block()], run_rows),
        Decoder::new("batch view: a part", vec![part()], |bytes| run_part(MAGIC, bytes)),
        Decoder::new("batch view: a part with levels", vec![leveled()], |bytes| {
            run_part(MAGIC_LEVELS, bytes);
        }),
        Decoder::new("batch view: a part with fingerprints", vec![with_fingerprints()], |bytes| {
            run_part(MAGIC_FINGERPRINTS, bytes);
        }),
    ]
}

fn block() -> Vec<u8> {
    let mut block = Vec::new();
    for (word, count) in [("be", 2_i64), ("or", 1), ("to", 2)] {
        put_row(&encode(&word.to_owned()), &encode(&count), 1, &mut block);
    }
    block
}

/// Two framed blocks, the second of which is the index of the first.
fn part() -> Vec<u8> {
    let index = vec![(8_u64, encode(&"be".to_owned()))];
    framed(&[block(), coded(&index)])
}

/// A block of rows, a block of the index, and the root above it.
fn leveled() -> Vec<u8> {
    let rows = block();
    let leaf = coded(&LevelForm { level: 1, entries: vec![first_at(MAGIC.len())] });
    let offset = MAGIC.len() + FRAME + rows.len();
    let root = coded(&LevelForm { level: 2, entries: vec![first_at(offset)] });
    framed(&[rows, leaf, root])
}

/// As [`leveled`], with fingerprints before the block of the index.
fn with_fingerprints() -> Vec<u8> {
    let rows = block();
    let words = ["be", "or", "to"].map(|word| fingerprint(&encode(&word.to_owned())));
    let prints = words.map(u16::to_le_bytes).concat();
    let fingerprints = MAGIC.len() + FRAME + rows.len();
    let entries = vec![first_at(MAGIC.len())];
    let leaf = LeafForm { level: 1, entries, fingerprints: fingerprints as u64, keys: vec![3] };
    let offset = fingerprints + FRAME + prints.len();
    let root = coded(&LevelForm { level: 2, entries: vec![first_at(offset)] });
    framed(&[rows, prints, coded(&leaf), root])
}

/// The entry of a block that begins with the least word.
fn first_at(offset: usize) -> (u64, Vec<u8>) {
    (offset as u64, encode(&"be".to_owned()))
}

fn coded(block: &impl serde::Serialize) -> Vec<u8> {
    let bytes = bincode::Options::serialize(codec(u64::MAX), block);
    bytes.unwrap_or_else(|error| panic!("a sample: {error}"))
}

fn framed(blocks: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for block in blocks {
        bytes.extend_from_slice(&(block.len() as u32).to_le_bytes());
        bytes.extend_from_slice(block);
    }
    bytes
}

fn manifest() -> BatchViewManifest {
    let schema = RowSchema::of::<String, i64>();
    let meta = Meta {
        log_identity: "1".into(),
        barriers: Vec::new(),
        views: vec![ViewInfo { name: VIEW.into(), schema }],
        sealed_us: None,
        branch: None,
    };
    let part = PartFile {
        file: "part".into(),
        kind: PartKind::View,
        name: VIEW.into(),
        worker: 0,
        bytes: 0,
        crc: 0,
        blocks: 1,
        rows: 3,
        digest: Digest::default(),
        footer: 0,
        run: 0,
        added: 3,
    };
    let dataflow = "word_count".into();
    let version = "1".into();
    BatchViewManifest {
        dataflow,
        version,
        boundary: 1,
        workers: 1,
        meta,
        parts: vec![part],
        format: FORMAT,
    }
}

fn manifest_body(format: u32) -> Vec<u8> {
    let bytes = BatchViewManifest { format, ..manifest() }
        .to_bytes()
        .unwrap_or_else(|error| panic!("a sample: {error}"));
    bytes[20..].to_vec()
}

fn put(name: &str, bytes: &[u8]) -> Arc<dyn Disk> {
    let disk = SimDisk::new();
    let path = Identity::new("word_count", "1").dir(Path::new(ROOT)).join(name);
    let dir = path.parent().unwrap_or(Path::new(ROOT));
    disk.create_dir(dir).unwrap_or_else(|error| panic!("a disk in memory: {error}"));
    replace(&disk, &path, bytes).unwrap_or_else(|error| panic!("a disk in memory: {error}"));
    Arc::new(disk)
}

fn run_manifest(format: u32, bytes: &[u8]) {
    let identity = Identity::new("word_count", "1");
    let disk = put(&super::paths::manifest(1), &seal(format, bytes));
    let Ok(view) = BatchView::open(disk, Path::new(ROOT), &identity, 1) else { return };
    drop(view.verify());
    drop(view.view_size(VIEW));
    drop(view.get(VIEW, &encode(&"to".to_owned())));
}

fn run_rows(bytes: &[u8]) {
    drop(visit_rows(Path::new(ROOT), 0, bytes, |_, _, _| true));
}

/// Decodes a part of blocks with right checksums; the last block is read as the index.
fn run_part(magic: [u8; 8], bytes: &[u8]) {
    let mut file = magic.to_vec();
    let mut rest = bytes;
    let mut footer = 0;
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        let len = (u32::from_le_bytes(*length) as usize).min(tail.len());
        footer = file.len() as u64;
        file.extend_from_slice(length);
        let crc = crc32c::crc32c_append(crc32c::crc32c(length), &tail[..len]);
        file.extend_from_slice(&crc.to_le_bytes());
        file.extend_from_slice(&tail[..len]);
        rest = &tail[len..];
    }
    let disk = put("part", &file);
    let mut manifest = manifest();
    manifest.parts[0].bytes = file.len() as u64;
    manifest.parts[0].footer = footer;
    for (run, added) in [(0, 3), (1, i64::MIN), (u64::MAX, i64::MAX)] {
        (manifest.parts[0].run, manifest.parts[0].added) = (run, added);
        read_part(&disk, manifest.clone());
    }
}

/// Reads the one part of a batch view as one of a view, and as one of an accumulation.
fn read_part(disk: &Arc<dyn Disk>, mut manifest: BatchViewManifest) {
    let dir = Identity::new("word_count", "1").dir(Path::new(ROOT));
    let view = BatchView::of(Arc::clone(disk), dir.clone(), manifest.clone());
    drop(view.get(VIEW, &encode(&"to".to_owned())));
    drop(view.range(VIEW, &ByteRange::all(), 100));
    drop(view.range(VIEW, &ByteRange::prefix(b"t"), 1));
    drop(view.for_each_row(VIEW, |_, _, _| ()));
    manifest.parts[0].kind = PartKind::Accumulation;
    manifest.meta.barriers = vec![BarrierInfo { name: VIEW.into(), types: "count".into() }];
    let view = BatchView::of(Arc::clone(disk), dir, manifest);
    if let Ok(Some(mapped)) = view.mapped_accumulation(VIEW) {
        drop(mapped.get(b"12345678to", &mut |_| Ok(())));
        drop(mapped.for_each(&ByteRange::all(), &mut |_, _| Ok(())));
    }
    if let Ok(blocks) = view.accumulation(VIEW, 0, 64) {
        blocks.for_each(drop);
    }
}
