//! Compressed files and standard input: read like plain files, and refused with their names.

use diptych::event::Event;
use diptych::sources::{IngestOptions, ingest};
use std::io::Write;
use std::path::Path;

use super::naive_log::{NaiveLog, dir, file, one};
use super::{Pair, long, pair, refused};

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

pub(super) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("in memory")
}

#[test]
fn compressed_files_are_read_and_refused_like_plain_ones() {
    let dir = dir();
    let good = "\u{feff}n,text\n1,\"a\nb\"\n2,c\n".as_bytes();
    let bad = b"n,text\n1,\"a\nb\"\nx,c\n";
    for (name, pack) in [("a.csv.gz", gzip as fn(&[u8]) -> Vec<u8>), ("a.csv.zst", zstd)] {
        let log = NaiveLog::default();
        one::<Pair>(&log, &file(&dir, name, pack(good))).expect("a good file");
        assert_eq!(log.events::<Pair>(), [pair(1, "a\nb"), pair(2, "c")]);
        refused::<Pair>(&file(&dir, name, pack(bad)), "line 4: column `n`: `x` is not");
        let torn = pack(good);
        let path = file(&dir, name, &torn[..torn.len() - 3]);
        let error = one::<Pair>(&NaiveLog::default(), &path).expect_err("torn");
        assert!(error.is_damaged(), "{error:?}");
        assert!(error.to_string().contains("data is not whole"), "{error}");
    }
}

/// A skippable frame of these bytes.
fn skippable(nibble: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).expect("a short frame");
    [&[0x50 + nibble, 0x2a, 0x4d, 0x18], &length.to_le_bytes()[..], content].concat()
}

#[test]
fn frames_and_members_of_all_kinds_are_one_text() {
    let dir = dir();
    let (head, tail) = (&b"n,text\n1,"[..], &b"a\n2,b\n"[..]);
    let zeros = &[0; 10_000][..];
    for (name, bytes) in [
        ("pzstd.csv.zst", [skippable(0, &[9, 0, 0, 0]), zstd(head), zstd(tail)].concat()),
        ("seekable.csv.zst", [zstd(head), zstd(tail), skippable(14, &[1; 17])].concat()),
        ("nothing.csv.zst", [skippable(15, b""), zstd(b""), zstd(head), zstd(tail)].concat()),
        ("no_name", [skippable(3, b"x"), zstd(head), skippable(4, b"y"), zstd(tail)].concat()),
        ("members.csv.gz", [gzip(head), gzip(b""), gzip(tail)].concat()),
        ("tape.csv.gz", [gzip(head), gzip(tail), zeros.to_vec()].concat()),
        ("blocks.csv.gz", [gzip(head), zeros.to_vec(), gzip(tail), zeros.to_vec()].concat()),
        ("lies.csv.gz", [head, tail].concat()),
        ("lies.csv.zst", gzip(&[head, tail].concat())),
    ] {
        let log = NaiveLog::default();
        one::<Pair>(&log, &file(&dir, name, bytes)).expect(name);
        assert_eq!(log.events::<Pair>(), [pair(1, "a"), pair(2, "b")], "{name}");
    }
}

#[test]
fn what_is_cut_off_is_never_the_end() {
    let dir = dir();
    let text = b"n,text\n1,a\n2,b\n";
    let last = zstd(b"3,c\n");
    let whole = [skippable(0, &[1; 40]), zstd(text), skippable(1, &[1; 40]), last.clone()].concat();
    let between = [48, 48 + zstd(text).len(), whole.len() - last.len()];
    for end in (4..whole.len()).filter(|end| !between.contains(end)) {
        let path = file(&dir, "a.csv.zst", &whole[..end]);
        let error = one::<Pair>(&NaiveLog::default(), &path).expect_err("torn");
        assert!(error.is_damaged(), "{end}: {error:?}");
    }
    let packed = gzip(text);
    for garbage in [&b"x"[..], b"\0\0x", b"\x1f", b"\0\x1f\x8b"] {
        let path = file(&dir, "a.csv.gz", [&packed, garbage].concat());
        let error = one::<Pair>(&NaiveLog::default(), &path).expect_err("garbage");
        assert!(error.is_damaged(), "{garbage:?}: {error:?}");
    }
}

#[test]
fn what_is_no_text_is_refused_by_its_name() {
    let dir = dir();
    let utf16: Vec<u8> = "\u{feff}n,text\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (bytes, message) in [
        (
            &b"BZh91AY&SY\x00\x01"[..],
            "this is bzip2 data, which is not read (convert it first: bzip2",
        ),
        (b"\xfd7zXZ\0\0\x04", "this is xz data"),
        (&[0x04, 0x22, 0x4d, 0x18, 0x64], "this is lz4 data"),
        (b"PK\x03\x04\x14\0", "this is a zip archive"),
        (&utf16, "this is text in UTF-16, which is not read (convert it first: iconv"),
        (&gzip(&utf16), "this is text in UTF-16"),
        (&gzip(&zstd(b"n,text\n")), "the data is compressed twice"),
    ] {
        refused::<Pair>(&file(&dir, "plain", bytes), message);
    }
    refused::<Pair>(&file(&dir, "a.csv.zst", b"\0\0\0\0"), "the name ends in .zst, but this is no");
    refused::<Pair>(&file(&dir, "a.csv.gz", b"\x1f\x01"), "the name ends in .gz, but this is no");
}

/// A window of 2 GiB would be memory that the file asks for, not the user.
#[test]
fn a_window_without_bound_is_refused_with_the_remedy() {
    let pack = |log| {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("an encoder");
        encoder.window_log(log).expect("a window");
        encoder.long_distance_matching(true).expect("as --long does");
        encoder.write_all(b"n,text\n1,a\n").expect("in memory");
        encoder.finish().expect("in memory")
    };
    let dir = dir();
    let log = NaiveLog::default();
    one::<Pair>(&log, &file(&dir, "a.csv.zst", pack(27))).expect("as zstd --long");
    assert_eq!(log.events::<Pair>(), [pair(1, "a")]);
    let path = file(&dir, "b.csv.zst", pack(30));
    let error = one::<Pair>(&NaiveLog::default(), &path).expect_err("too much memory");
    let text = error.to_string();
    assert!(error.is_input() && !text.contains("whole"), "{text}");
    assert!(text.contains("a window of more than 128 MiB") && text.contains("--long=31"), "{text}");
}

#[test]
fn progress_ends_at_the_whole_file() {
    let (log, dir) = (NaiveLog::default(), dir());
    let path = file(&dir, "a.csv.gz", gzip(long(false).0.as_bytes()));
    let mut last = (0, 0, 0);
    let progress =
        &mut |p: &diptych::sources::IngestProgress<'_>| last = (p.bytes, p.bytes_total, p.rows);
    let paths = [path.clone()];
    ingest(&log, "things", &Pair::schema(), &paths, &IngestOptions::default(), progress)
        .expect("a good file");
    let size = std::fs::metadata(&path).expect("there").len();
    assert_eq!(last, (size, size, 40_000));
}

#[test]
fn standard_input_is_read_like_a_file() {
    const CHILD: &str = "DIPTYCH_TEST_INGEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        let log = NaiveLog::default();
        let report = one::<Pair>(&log, Path::new("-")).expect("a good file");
        assert_eq!((report.rows, log.events::<Pair>()), (2, vec![pair(1, "a\nb"), pair(2, "c")]));
        return;
    }
    let mut child = std::process::Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "compressed::standard_input_is_read_like_a_file", "--nocapture"])
        .env(CHILD, "1")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("this test again");
    let text = gzip(b"text,n\n\"a\nb\",1\nc,2\n");
    child.stdin.take().expect("piped").write_all(&text).expect("read by the child");
    assert!(child.wait().expect("a child").success());
}
