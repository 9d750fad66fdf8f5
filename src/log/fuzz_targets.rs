//! The decoders of the log, for [`diptych_base::fuzz_target`].

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, ListArray, RecordBatch, StringArray};
use arrow_buffer::Buffer;
use arrow_schema::SchemaRef;

use super::arrow_ipc_message::decode_message;
use super::checksummed_file::{
    Envelope, FORMAT, FORMAT_FINGERPRINTS, FORMAT_RETRACTIONS, FORMAT_SILENT, FORMAT_WITH_PARTS,
    decode, encode, u64_at,
};
use super::durable_mark::{Mark, MarkWriter, read_slots};
use super::erase::Erasure;
use super::event_position::{Position, Retracted};
use super::frame::{FrameHead, HEAD, Header, Section, encode_frame};
use super::layout::{Dir, MANIFEST, MARK};
use super::listed_file::FileChecksum;
use super::manifest::{Manifest, RetractionsEntry, RowsEntry, SegmentEntry};
use super::manifest_parts;
use super::producer_mark::{ProducerMark, Remembered, Trimmed};
use super::producer_table::ProducerTable;
use super::retraction::RetractedEvents;
use super::schemas::Schemas;
use super::segment::{EpochRecord, EpochTable, SegmentBlock};
use super::silent_producers::{
    IdDigest, RecentlySilent, SilentEntry, SilentFiles, SilentRecord, from_bytes as silent_list,
    reseal,
};
use diptych_base::fuzz_target::Decoder;
use diptych_base::io::{SimDisk, replace};
use diptych_base::time::Branch;

const SALT: u64 = 7;
const PLACE: &str = "log";

/// The decoders of frames, messages, tables and marks.
pub fn hostile() -> Vec<Decoder> {
    let frame = frame();
    let head = FrameHead::parse(&frame, SALT).map_or(0, |head| head.header_len as usize);
    let header = frame[HEAD..HEAD + head].to_vec();
    let corrections = correction();
    let mut manifest_2 = manifest();
    manifest_2.retractions =
        vec![RetractionsEntry { lower: 0, sum: FileChecksum::of(b"y"), rewritten: 0 }];
    vec![
        Decoder::new("log: head of a frame", vec![frame[..HEAD].to_vec()], run_head),
        Decoder::new("log: header of a frame", vec![header], run_header),
        Decoder::new("log: rows of a frame", vec![message()], run_message),
        Decoder::new("log: manifest", vec![sample(&manifest())], run_manifest),
        Decoder::new("log: manifest of format 3", vec![erased()], run_parts),
        Decoder::new("log: mark", vec![mark()], run_mark),
        Decoder::new("log: epochs of a segment", vec![sample(&table())], run_table),
        Decoder::new("log: state", vec![state()], run_state),
        Decoder::new("log: state of format 3", vec![state_3()], run_state_3),
        Decoder::new("log: file of silent producers", vec![silent()], run_silent),
        Decoder::new("log: header of a frame of format 2", vec![header_2()], run_header_2),
        Decoder::new("log: header of a frame of format 3", vec![header_3()], run_header_3),
        Decoder::new("log: retractions", vec![corrections], run_retractions),
        Decoder::new(
            "log: manifest of format 2",
            vec![sample(&(&manifest_2, &manifest_2.retractions))],
            run_manifest_2,
        ),
    ]
}

/// The body of a small file: its author controls it, so the checksum protects nothing.
fn sample<T: serde::Serialize>(value: &T) -> Vec<u8> {
    encode(value).unwrap_or_else(|error| panic!("a sample: {error}"))
}

fn rows() -> RecordBatch {
    let text: ArrayRef = Arc::new(StringArray::from(vec![Some("to be"), None, Some("or not")]));
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let lists = ListArray::from_iter_primitive::<arrow_array::types::Int32Type, _, _>([
        Some(vec![Some(1), None]),
        None,
        Some(vec![]),
    ]);
    let columns = [("text", text), ("n", numbers), ("list", Arc::new(lists))];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))
        .unwrap_or_else(|error| panic!("sample rows: {error}"))
}

fn schemas() -> (Schemas, SchemaRef) {
    let mut schemas = Schemas::default();
    let schema = rows().schema();
    schemas.number("lines", &schema).unwrap_or_else(|error| panic!("a sample: {error}"));
    (schemas, schema)
}

fn header() -> Header {
    Header {
        clock_us: 1,
        schemas: schemas().0.stored(0),
        producers: vec![mark_of_a()],
        trimmed: vec![Trimmed { id: "b".into(), kept_from: 1 }],
        offsets: vec![("source".into(), "17".into())],
        payloads: Vec::new(),
        section: None,
    }
}

fn mark_of_a() -> ProducerMark {
    let fingerprint = std::num::NonZeroU64::new(7);
    ProducerMark { id: "a".into(), sequence: 0, kept_from: 0, fingerprint }
}

fn header_3() -> Vec<u8> {
    let section = Some(Section { offset: 64, len: 9, crc: 1 });
    sample(&(header(), section, vec![7u64]))
}

fn header_2() -> Vec<u8> {
    let section = Some(Section { offset: 64, len: 9, crc: 1 });
    sample(&(header(), section))
}

fn correction() -> Vec<u8> {
    let positions = (0..3).map(|place| Position { epoch: 1, place }).collect();
    let taken = RetractedEvents::new("wrong", 0, positions, &rows());
    sample(&vec![(3u64, taken.unwrap_or_else(|error| panic!("a sample: {error}")))])
}

fn frame() -> Vec<u8> {
    encode_frame(3, FORMAT, SALT, &mut header(), &[(0, rows())], &[])
        .unwrap_or_else(|error| panic!("a sample: {error}"))
}

fn manifest() -> Manifest {
    let sum = FileChecksum::of(b"x");
    let rows = vec![RowsEntry { schema: 0, rows: 3, sum, rewritten: 0 }];
    let segment =
        SegmentEntry { lower: 0, upper: 2, clock_max: 1, epochs: sum, rows, rewritten: 0 };
    let mut manifest = Manifest::empty(5);
    (manifest.segments, manifest.upper) = (vec![segment], 2);
    (manifest.schemas, manifest.state) = (schemas().0.stored(0), Some((0, sum)));
    manifest
}

/// The body of a manifest after an erasure.
fn erased() -> Vec<u8> {
    let mut manifest = manifest();
    manifest.erasures.push(Erasure::sample());
    let segment = &mut manifest.segments[0];
    (segment.rewritten, segment.rows[0].rewritten) = (2, 1);
    manifest.branches = vec![(0, Branch(5)), (1, Branch(6))];
    let sum = FileChecksum { len: 8192, crc: 1 };
    manifest.silent = vec![SilentEntry { lower: 0, count: 3, sum }];
    let parts =
        manifest_parts::bytes(&manifest).unwrap_or_else(|error| panic!("a sample: {error}"));
    [sample(&(&manifest, &manifest.retractions)), parts].concat()
}

fn table() -> EpochTable {
    let Header { producers, trimmed, offsets, .. } = header();
    let record = EpochRecord { clock_us: 1, producers, trimmed, offsets };
    let block =
        SegmentBlock { offset: 0, meta_len: 8, len: 64, rows: 3, crc: 0, first: 0, last: 1 };
    EpochTable { lower: 0, epochs: vec![record.clone(), record], blocks: vec![(0, vec![block])] }
}

fn state() -> Vec<u8> {
    state_after(&[Header { trimmed: Vec::new(), ..header() }])
}

/// A state file body of format 3 with one silent producer and one named.
fn state_3() -> Vec<u8> {
    let trimmed = vec![Trimmed { id: "a".into(), kept_from: 0 }];
    let producers = vec![ProducerMark { id: "b".into(), ..mark_of_a() }];
    let second = Header { producers, trimmed, ..Header::default() };
    state_after(&[Header { trimmed: Vec::new(), ..header() }, second])
}

/// A file of silent producers with three blocks.
fn silent() -> Vec<u8> {
    let dir = dir();
    let last = Remembered { epoch: 1, fingerprint: None };
    let one = |n: u8| (IdDigest::of(&n.to_string()), SilentRecord { next: 1, last });
    let files = SilentFiles::default().with(&dir, 0, &(0..250).map(one).collect());
    let files = files.unwrap_or_else(|error| panic!("a sample: {error}"));
    read(&dir, &files.listed()[0].name())
}

/// The body of the state file after these epochs.
fn state_after(headers: &[Header]) -> Vec<u8> {
    let mut state = ProducerTable::default();
    for (epoch, header) in (0..).zip(headers) {
        let applied = state.apply(epoch, header);
        applied.unwrap_or_else(|error| panic!("a sample: {error}"));
    }
    let wrapped = state.wrap().unwrap_or_else(|error| panic!("a sample: {error}"));
    wrapped[24..].to_vec()
}

fn message() -> Vec<u8> {
    let frame = frame();
    let Some(head) = FrameHead::parse(&frame, SALT) else { panic!("a sample that is no frame") };
    let header: Header = decode(&frame[HEAD..HEAD + head.header_len as usize])
        .unwrap_or_else(|error| panic!("a sample: {error}"));
    let payload = header.payloads[0];
    let start = head.payload_base() as usize + payload.offset as usize;
    let mut bytes = payload.meta_len.to_le_bytes().to_vec();
    bytes.extend_from_slice(&frame[start..start + payload.len as usize]);
    bytes
}

fn mark() -> Vec<u8> {
    let dir = dir();
    let written = MarkWriter::create(&dir, Mark { upper: 3, file: 0, offset: 4096 });
    drop(written.unwrap_or_else(|error| panic!("a sample: {error}")));
    read(&dir, MARK)
}

fn dir() -> Dir {
    let dir = Dir::new(Arc::new(SimDisk::new()), Path::new(PLACE));
    dir.disk.create_dir(&dir.path).unwrap_or_else(|error| panic!("a disk in memory: {error}"));
    dir
}

fn read(dir: &Dir, name: &str) -> Vec<u8> {
    diptych_base::io::read_all(dir.disk.as_ref(), &dir.file(name), u64::MAX)
        .unwrap_or_else(|error| panic!("a sample: {error}"))
}

fn put(name: &str, bytes: &[u8]) -> Dir {
    let dir = dir();
    replace(dir.disk.as_ref(), &dir.file(name), bytes)
        .unwrap_or_else(|error| panic!("a disk in memory: {error}"));
    dir
}

fn run_head(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    let _ = FrameHead::parse(&bytes, SALT);
    if bytes.len() >= HEAD {
        super::frame::reseal(&mut bytes, SALT);
        let _ = FrameHead::parse(&bytes, SALT);
    }
}

fn run_header(bytes: &[u8]) {
    let Ok(header) = decode::<Header>(bytes) else { return };
    drop(ProducerTable::default().apply(1, &header));
    drop(Schemas::default().load(&header.schemas));
}

fn run_header_2(bytes: &[u8]) {
    let Ok(header) = Header::decode(FORMAT_RETRACTIONS, bytes) else { return };
    drop(ProducerTable::default().apply(1, &header));
}

fn run_header_3(bytes: &[u8]) {
    let Ok(header) = Header::decode(FORMAT_FINGERPRINTS, bytes) else { return };
    let mut state = ProducerTable::default();
    if state.apply(1, &header).is_ok() {
        let wrapped = state.wrap().unwrap_or_else(|error| panic!("a table: {error}"));
        drop(ProducerTable::unwrap(Path::new("0.state"), &wrapped));
    }
}

fn run_retractions(bytes: &[u8]) {
    let sealed = Envelope::Retractions.seal(bytes);
    let entry = RetractionsEntry { lower: 0, sum: FileChecksum::of(&sealed), rewritten: 0 };
    let dir = put(&entry.name(), &sealed);
    let Ok(found) = super::retraction_files::load(&dir, entry) else { return };
    let mut retracted = Retracted::default();
    for corrections in found {
        drop(corrections.apply(&mut retracted));
        drop(corrections.decode(&schemas().0));
    }
}

fn run_manifest_2(bytes: &[u8]) {
    let sealed = Envelope::Manifest.seal_as(FORMAT_RETRACTIONS, bytes);
    let Ok(manifest) = Manifest::load(&put(MANIFEST, &sealed)) else { return };
    let Ok(schemas) = manifest.schemas(&dir()) else { return };
    drop(manifest.files(&schemas));
}

fn run_message(bytes: &[u8]) {
    let Some((meta_len, message)) = bytes.split_first_chunk() else { return };
    let meta_len = u32::from_le_bytes(*meta_len);
    drop(decode_message(&Buffer::from(message), meta_len, &rows().schema()));
}

fn run_manifest(bytes: &[u8]) {
    let dir = put(MANIFEST, &Envelope::Manifest.seal(bytes));
    let Ok(manifest) = Manifest::load(&dir) else { return };
    let Ok(schemas) = manifest.schemas(&dir) else { return };
    drop(manifest.files(&schemas));
}

fn run_parts(bytes: &[u8]) {
    let sealed = Envelope::Manifest.seal_as(FORMAT_WITH_PARTS, bytes);
    let dir = put(MANIFEST, &sealed);
    let Ok(manifest) = Manifest::load(&dir) else { return };
    let Ok(schemas) = manifest.schemas(&dir) else { return };
    drop(manifest.files(&schemas));
    drop(manifest_parts::bytes(&manifest));
}

fn run_mark(bytes: &[u8]) {
    drop(read_slots(&put(MARK, bytes)));
}

fn run_table(bytes: &[u8]) {
    let sealed = Envelope::Epochs.seal(bytes);
    let mut segment = manifest().segments.remove(0);
    segment.epochs = FileChecksum::of(&sealed);
    let dir = put(&super::layout::epochs_name(0, 0), &sealed);
    drop(EpochTable::load(&dir, &segment));
}

fn run_silent(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    reseal(&mut bytes);
    let Some((lower, count)) = bytes.get(..32).map(|head| (u64_at(head, 16), u64_at(head, 24)))
    else {
        return;
    };
    let entry = SilentEntry { lower, count, sum: FileChecksum::of(&bytes) };
    // A manifest that lists another length or checksum is refused.
    let Ok(listed) = silent_list(&sample(&vec![entry])) else { return };
    let Ok(files) = SilentFiles::open(&put(&entry.name(), &bytes), &listed) else { return };
    drop(files.get(IdDigest::of("7")));
    files.merged(RecentlySilent::new()).for_each(drop);
}

fn run_state(bytes: &[u8]) {
    drop(ProducerTable::unwrap(Path::new(PLACE), &Envelope::State.seal(bytes)));
}

fn run_state_3(bytes: &[u8]) {
    let sealed = Envelope::State.seal_as(FORMAT_SILENT, bytes);
    let Ok(mut state) = ProducerTable::unwrap(Path::new(PLACE), &sealed) else { return };
    state.list().for_each(drop);
    drop(state.apply(9, &header()));
    drop(state.wrap());
}
