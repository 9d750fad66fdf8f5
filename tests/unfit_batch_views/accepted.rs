//! The file that names the batch view accepted last: whatever it holds, a start passes over it and
//! names it, and no client goes on from answers that may have been replaced.

use std::path::{Path, PathBuf};

use diptych::Error;
use diptych::batch_view::{Identity, set_lineage};
use diptych::io::SimDisk;
use diptych::serving::{Index, Token};
use diptych::sources::append;
use diptych::system::{BatchOptions, FirstAnswers, ServeOptions, Served};

use super::{ROOT, dir, flow, system, transfers};

/// A log of three epochs, with a batch view of the first.
fn prepared() -> SimDisk {
    let disk = SimDisk::new();
    let writer = system(&disk).writer().expect("a writer");
    for epoch in 0..3 {
        append(&writer, "transfers", &transfers(epoch * 5, 3)).expect("appended");
        if epoch == 0 {
            system(&disk).batch(&flow("1"), &BatchOptions::default()).expect("a batch view");
        }
    }
    writer.close().expect("closed");
    disk
}

fn accept(disk: &SimDisk, boundary: u64) -> (PathBuf, Vec<u8>) {
    let identity = Identity::new("bank", "1");
    set_lineage(disk, Path::new(ROOT), &identity, Some(boundary)).expect("written");
    let path = dir("1").join("accepted");
    let content = disk.files().into_iter().find(|(found, _)| *found == path).expect("a file").1;
    (path, content)
}

fn started(disk: &SimDisk) -> (Served, Index) {
    let served = system(disk).serve(&[flow("1")], ServeOptions::default()).expect("served");
    served.wait_beyond("bank", 2).expect("visible");
    let index = served.index("bank").expect("an index");
    assert_eq!(index.boundary(), 1, "what is derived otherwise is used");
    (served, index)
}

fn token(index: &Index) -> Token {
    index.changes(0, 2).expect("changes").token()
}

fn goes_on(index: &Index, token: &Token) -> bool {
    index.resume(0, token).is_ok()
}

#[test]
fn a_file_that_cannot_be_read_is_passed_over_named_and_never_taken_for_none() {
    let disk = prepared();
    let (served, index) = started(&disk);
    assert_eq!(served.passed_over().count(), 0);
    // Of before anything was accepted, and of after that.
    let first = token(&index);
    served.stop().expect("stopped");
    let (path, content) = accept(&disk, 1);
    let (served, index) = started(&disk);
    let second = token(&index);
    assert!(!goes_on(&index, &first) && goes_on(&index, &second));
    served.stop().expect("stopped");
    let flipped = |at: usize| {
        let mut content = content.clone();
        content[at] ^= 4;
        content
    };
    let long = content.repeat(1_000);
    for hurt in [flipped(0), flipped(7), flipped(11), content[..5].to_vec(), Vec::new(), long] {
        let disk = disk.kill();
        disk.tamper(&path, Some(&hurt));
        let (served, index) = started(&disk);
        let named: Vec<_> = served.passed_over().map(Error::to_string).collect();
        let [named] = &named[..] else { panic!("{named:?}") };
        for word in ["views/bank/1/accepted", "begins with a snapshot", "leave it there"] {
            assert!(named.contains(word), "{named}: {word}");
        }
        assert!(!goes_on(&index, &first) && !goes_on(&index, &second), "{hurt:?}");
        // Who follows this process goes on after a restart, and in what is recomputed.
        let third = token(&index);
        served.stop().expect("stopped");
        let (served, index) = started(&disk);
        assert!(goes_on(&index, &third), "{hurt:?}");
        served.stop().expect("stopped");
        let options = ServeOptions::default();
        let early: FirstAnswers =
            system(&disk).first_answers(&[flow("1")], &options).expect("answers");
        let early = early.serving("bank").expect("served").index();
        assert_eq!((early.frontier(), early.generation()), (1, index.generation()));
        // What is accepted next writes it anew.
        accept(&disk, 2);
        let (served, index) = started(&disk);
        assert_eq!(served.passed_over().count(), 0);
        assert!(![&first, &second, &third].iter().any(|token| goes_on(&index, token)));
        served.stop().expect("stopped");
    }
}
