//! Promise 6: a torn tail is cut, a hole is refused with file and offset. The log is never
//! shortened in silence.
//!
//! Files of a log are cut at every byte, flipped, zeroed, swapped, duplicated, removed and rolled
//! back. After each of these mutations every way to open the log either reports an error that names
//! a file, or gives back exactly what was appended.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod logs;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use diptych::io::{Random, SimDisk, SimRandom};
use diptych::log::{Append, WriterOptions, inspect};
use logs::{Content, DIR, content_of, is_long, open, retract, rows, scaled, steady};

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// A log with segments, two streams, an empty epoch, producers (some of them in a file of silent
/// ones), retractions, and frames behind the segments.
struct Sample {
    files: Files,
    /// The same log some epochs earlier, before the second segment.
    older: Files,
    content: Content,
}

fn sample() -> Sample {
    let disk = SimDisk::new();
    let options = WriterOptions { named_producers: 2, ..steady(1 << 40) };
    let writer = open(&disk, options).unwrap();
    let mut older = Files::new();
    for n in 0..9 {
        let text = format!("text {n}");
        let mut append = Append::rows("a", rows(&[(n, &text), (n + 100, "é")]));
        append = append.by(format!("p{}", n % 2), n as u64 / 2);
        append.offsets.push(("topic/0".into(), n.to_string()));
        if n % 3 == 0 {
            append.batches.push(("b".into(), rows(&[(n, "")])));
        }
        let append = if n == 4 { Append::default() } else { append };
        let append = if n > 4 { Append { producer: None, ..append } } else { append };
        writer.append(append).unwrap().wait().unwrap();
        // One retraction ends up in the second segment, one in the frames.
        if n == 4 {
            retract(&disk, &writer, "a", &[1, 102]).unwrap();
        }
        if n == 2 || n == 5 {
            older = disk.files().into_iter().collect();
            writer.seal().unwrap();
        }
    }
    retract(&disk, &writer, "a", &[3, 8]).unwrap();
    writer.close().unwrap();
    let content = content_of(&disk).unwrap();
    assert_eq!((content.len(), content[4].len(), content[5].len()), (11, 0, 2));
    Sample { files: disk.files().into_iter().collect(), older, content }
}

fn disk_with(files: &Files) -> SimDisk {
    let disk = SimDisk::new();
    for (path, content) in files {
        disk.tamper(path, Some(content));
    }
    disk
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or("?")
}

/// All files but the lock.
fn data_files(disk: &SimDisk) -> Vec<(PathBuf, Vec<u8>)> {
    disk.files().into_iter().filter(|(path, _)| name_of(path) != "LOCK").collect()
}

/// The outcomes of all ways of opening mutated logs.
#[derive(Debug, Default)]
struct Tally {
    same: u64,
    detected: u64,
}

impl Tally {
    /// Checks one outcome: `Ok` must be exactly the content, `Err` must name a file of the log.
    fn judge(&mut self, result: diptych::Result<Content>, expected: &Content, what: &str) {
        match result {
            Ok(content) => {
                assert!(content == *expected, "silent: {what}");
                self.same += 1;
            }
            Err(error) => {
                let text = error.to_string();
                let named =
                    text.contains("log/") && (text.contains("at byte") || !error.is_damaged());
                assert!(named, "{what}: {text}");
                assert!(error.is_damaged() || error.is_newer() || error.is_missing(), "{error}");
                self.detected += 1;
            }
        }
    }
}

/// Opens the mutated log in all ways.
fn judge(files: &Files, expected: &Content, tally: &mut Tally, what: &str) {
    let disk = disk_with(files);
    let read = content_of(&disk);
    let unread = read.is_err();
    tally.judge(read, expected, &format!("{what}, read"));
    // `check` must see whatever a reader sees.
    let check = inspect::check(Arc::new(disk.clone()), DIR);
    let clean = check.is_ok_and(|check| check.damage.is_empty());
    assert!(!(unread && clean), "{what}: check found nothing");
    let before = data_files(&disk);
    let writer = open(&disk, steady(1 << 40));
    if writer.is_err() {
        assert!(data_files(&disk) == before, "{what}: refused, and yet files were changed");
    }
    let written = writer.and_then(|writer| {
        writer.close()?;
        content_of(&disk)
    });
    tally.judge(written, expected, &format!("{what}, recovered"));
}

#[test]
fn a_file_cut_at_any_byte_is_detected() {
    let sample = sample();
    let mut tally = Tally::default();
    let all = is_long();
    let mut cuts = 0;
    for (path, content) in &sample.files {
        // MARK is mostly padding, the Arrow files are one check of their length: some of their
        // bytes stand for all in the short run.
        let stride = match name_of(path) {
            name if all || name == "MANIFEST" || name.ends_with(".frames") => 1,
            "MARK" => 13,
            _ => 3,
        };
        for len in (0..content.len()).step_by(stride) {
            let mut files = sample.files.clone();
            files.insert(path.clone(), content[..len].to_vec());
            judge(&files, &sample.content, &mut tally, &format!("{} cut at {len}", path.display()));
            cuts += 1;
        }
    }
    println!("{cuts} cuts: {tally:?}");
    assert!(cuts > 3_000 && tally.detected > cuts, "{tally:?}");
}

#[test]
fn any_flipped_bit_is_detected_or_changes_nothing() {
    let sample = sample();
    let random = SimRandom::new(11);
    let mut tally = Tally::default();
    let count = scaled(13_000, 300_000);
    let paths: Vec<_> = sample.files.keys().collect();
    for case in 0..count {
        let path = paths[random.below(paths.len() as u64) as usize];
        let mut files = sample.files.clone();
        let content = files.get_mut(path).unwrap();
        if content.is_empty() {
            continue;
        }
        let at = random.below(content.len() as u64) as usize;
        let what = match random.below(20) {
            0 => {
                let end = (at + 1 + random.below(64) as usize).min(content.len());
                content[at..end].fill(0);
                format!("{} zeroed {at}..{end}", path.display())
            }
            1 => {
                let garbage = (0..random.below(100)).map(|_| random.next() as u8);
                content.extend(garbage);
                format!("{} made longer", path.display())
            }
            _ => {
                let bit = random.below(8);
                content[at] ^= 1 << bit;
                format!("{} byte {at} bit {bit} flipped", path.display())
            }
        };
        judge(&files, &sample.content, &mut tally, &format!("case {case}: {what}"));
    }
    println!("{count} flips: {tally:?}");
    assert!(tally.detected > count / 2, "{tally:?}");
}

#[test]
fn swapped_duplicated_removed_and_rolled_back_files_are_detected() {
    let sample = sample();
    let mut tally = Tally::default();
    let paths: Vec<_> = sample.files.keys().cloned().collect();
    for one in &paths {
        let mut files = sample.files.clone();
        files.remove(one);
        judge(&files, &sample.content, &mut tally, &format!("{} removed", one.display()));
        if let Some(old) = sample.older.get(one)
            && name_of(one) != "MARK"
        {
            let mut files = sample.files.clone();
            files.insert(one.clone(), old.clone());
            judge(&files, &sample.content, &mut tally, &format!("{} rolled back", one.display()));
        }
        for other in &paths {
            let mut files = sample.files.clone();
            files.insert(one.clone(), sample.files[other].clone());
            let what = format!("{} holds {}", one.display(), other.display());
            judge(&files, &sample.content, &mut tally, &what);
            files.insert(other.clone(), sample.files[one].clone());
            let what = format!("{} and {} swapped", one.display(), other.display());
            judge(&files, &sample.content, &mut tally, &what);
        }
        // A copy under the name of another epoch.
        for first in [0u64, 1, 3, 5, 7, 8, 9, 11, 14] {
            let rest = name_of(one).split_once('.').map_or("frames", |(_, rest)| rest);
            let copy = Path::new(DIR).join(format!("{first:020}.{rest}"));
            let mut files = sample.files.clone();
            files.entry(copy.clone()).or_insert_with(|| sample.files[one].clone());
            let what = format!("{} copied to {}", one.display(), copy.display());
            judge(&files, &sample.content, &mut tally, &what);
        }
    }
    println!("{tally:?}");
    assert!(tally.detected > 200, "{tally:?}");
}

/// Frames behind the mark: the last one may be torn, a hole may not be.
#[test]
fn above_the_mark_a_torn_tail_is_cut_and_a_hole_is_refused() {
    let disk = SimDisk::new();
    let writer = open(&disk, steady(1 << 40)).unwrap();
    let mark_path = Path::new(DIR).join("MARK");
    let frames_path = Path::new(DIR).join(format!("{:020}.frames", 0));
    let mut mark = Vec::new();
    let mut ends = Vec::new();
    for n in 0..6 {
        writer.append(logs::one("s", n)).unwrap().wait().unwrap();
        let files: Files = disk.files().into_iter().collect();
        ends.push(files[&frames_path].len());
        if n == 2 {
            mark = files[&mark_path].clone();
        }
    }
    let expected = content_of(&disk).unwrap();
    let mut files: Files = disk.files().into_iter().collect();
    files.insert(mark_path, mark);
    let frames = files[&frames_path].clone();
    let recover = |frames: Vec<u8>| {
        let mut files = files.clone();
        files.insert(frames_path.clone(), frames);
        let disk = disk_with(&files);
        let read = content_of(&disk).unwrap();
        assert_eq!(read[..], expected[..3], "a reader sees what the mark says");
        let writer = open(&disk, steady(1 << 40))?;
        // What recovery gave out must last, and the log must go on.
        let epoch = writer.append(logs::one("s", 99))?.wait()?.epoch;
        let mut content = content_of(&disk)?;
        assert_eq!(content.len() as u64, epoch + 1);
        content.pop();
        Ok::<_, diptych::Error>(content)
    };
    // Cut at every byte: the complete frames stay.
    for len in ends[2]..=frames.len() {
        let content =
            recover(frames[..len].to_vec()).unwrap_or_else(|e| panic!("cut at {len}: {e}"));
        let complete = ends.iter().filter(|end| **end <= len).count();
        assert_eq!(content[..], expected[..complete], "cut at {len}");
    }
    // Flip a bit of every byte: in the last frame it is a torn tail, before it a hole.
    let (mut cut, mut refused, mut same) = (0, 0, 0);
    for at in ends[2]..frames.len() {
        let mut flipped = frames.clone();
        flipped[at] ^= 1 << (at % 8);
        let last = at >= ends[4];
        match recover(flipped) {
            Ok(content) if content == expected => same += 1,
            Ok(content) => {
                assert!(last && content[..] == expected[..5], "byte {at} was cut silently");
                cut += 1;
            }
            Err(error) => {
                assert!(!last && error.is_damaged(), "byte {at}: {error}");
                let text = error.to_string();
                assert!(text.contains("frames at byte") && text.contains("hole"), "{text}");
                refused += 1;
            }
        }
    }
    println!("{cut} cut, {refused} refused, {same} in padding");
    assert!(cut > 100 && refused > 200, "{cut} cut, {refused} refused, {same} the same");
}

#[test]
fn a_log_of_a_newer_format_is_refused_with_a_remedy() {
    let sample = sample();
    for (path, content) in &sample.files {
        if matches!(name_of(path), "MARK" | "LOCK")
            || path.extension().is_some_and(|e| e == "arrow")
        {
            continue;
        }
        let mut files = sample.files.clone();
        let mut newer = content.clone();
        newer[8..12].copy_from_slice(&9u32.to_le_bytes());
        files.insert(path.clone(), newer);
        let error =
            open(&disk_with(&files), steady(1 << 20)).and_then(|_| content_of(&disk_with(&files)));
        let error = error.expect_err("newer");
        let text = error.to_string();
        // Listed files are caught by their checksum first.
        assert!(error.is_newer() && text.contains("release") || error.is_damaged(), "{text}");
        if name_of(path) == "MANIFEST" {
            assert!(error.is_newer(), "{text}");
        }
    }
}
