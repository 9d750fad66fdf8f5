//! The index answers with the rows that a dataflow computes, on any number of workers.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use differential_dataflow::input::InputSession;
use diptych::row::{self, RowSchema};
use diptych::serving::{
    Digest, Index, IndexOptions, Publish, Read, ViewBatch, ViewInfo, probe_published, publish_view,
};
use timely::dataflow::ProbeHandle;

const EPOCHS: u64 = 40;

/// The events of an epoch: `(word, diff)`.
fn events(epoch: u64) -> Vec<(String, isize)> {
    (0..epoch % 7).map(|n| (format!("w{}", (epoch * 13 + n * 5) % 11), 1)).collect()
}

fn counts(at: u64) -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::new();
    for (word, diff) in (0..=at).flat_map(events) {
        *counts.entry(word).or_default() += diff as i64;
    }
    counts
}

fn index(shards: usize) -> Index {
    let schema = RowSchema::of::<String, i64>();
    let views =
        ["counts", "words"].map(|name| ViewInfo { name: name.into(), schema: schema.clone() });
    Index::new("1", views.to_vec(), shards, IndexOptions::default()).unwrap()
}

/// Publishes the word counts, and the words themselves, for epochs `[from, EPOCHS)`; history
/// before `from` is fed at `from - 1`.
fn run(index: &Index, workers: usize, shards: usize, from: u64) {
    let index = index.clone();
    timely::execute(timely::Config::process(workers), move |worker| {
        let publisher: Arc<dyn Publish> = Arc::new(index.clone());
        let mut input = InputSession::<u64, String, isize>::new();
        let probe = ProbeHandle::new();
        worker.dataflow(|scope| {
            let words = input.to_collection(scope);
            let counts = words.clone().count().map(|(word, count): (String, isize)| {
                (row::encode(&word), row::encode(&(count as i64)))
            });
            let words = words.map(|word| (row::encode(&word), Vec::new()));
            let stream = publish_view(counts, 0, "counts", shards, Arc::clone(&publisher));
            probe_published(stream, &probe);
            probe_published(publish_view(words, 1, "words", shards, publisher), &probe);
        });
        let (me, peers) = (worker.index(), worker.peers());
        let mine = |word: &String| word.len() % peers == me;
        if from > 0 {
            input.advance_to(from - 1);
            for (word, diff) in (0..from).flat_map(events).filter(|(word, _)| mine(word)) {
                input.update(word, diff);
            }
            input.advance_to(from);
            input.flush();
            worker.step_while(|| probe.less_than(&from));
        }
        for epoch in from..EPOCHS {
            for (word, diff) in events(epoch).into_iter().filter(|(word, _)| mine(word)) {
                input.update(word, diff);
            }
            input.advance_to(epoch + 1);
            input.flush();
            if epoch % 5 == 0 {
                worker.step_while(|| probe.less_than(&(epoch + 1)));
                // The probe is behind the operator: published by every worker.
                assert!(index.frontier() > epoch, "{} at {epoch}", index.frontier());
            }
        }
        worker.step_while(|| probe.less_than(&EPOCHS));
    })
    .unwrap();
}

fn check(index: &Index, from: u64) {
    assert_eq!(index.frontier(), EPOCHS);
    for at in from..EPOCHS {
        let snapshot = index.snapshot(Read::AsOf(at)).unwrap();
        let rows = snapshot.scan(0).map(|row| {
            let row = row.unwrap();
            assert_eq!(row.multiplicity, 1);
            (row::decode::<String>(&row.key).unwrap(), row::decode::<i64>(&row.value).unwrap())
        });
        assert_eq!(rows.collect::<BTreeMap<_, _>>(), counts(at), "counts at {at}");
        for row in snapshot.scan(1).map(Result::unwrap) {
            let word: String = row::decode(&row.key).unwrap();
            assert_eq!(row.multiplicity as i64, counts(at)[&word], "{word} at {at}");
        }
    }
}

#[test]
fn every_epoch_is_served() {
    for (workers, shards) in [(1, 1), (2, 2), (3, 3), (3, 1)] {
        let index = index(shards);
        run(&index, workers, shards, 0);
        check(&index, 0);
    }
}

#[test]
fn a_restored_index_hears_its_base_once_more_and_checks_it() {
    let from = 17;
    let first = index(2);
    run(&first, 2, 2, 0);
    let base = |wrong: bool| {
        let snapshot = first.snapshot(Read::AsOf(from - 1)).unwrap();
        let mut base = Vec::new();
        for view in 0..2 {
            let mut shards = vec![Vec::new(); 2];
            for row in snapshot.scan(view).map(Result::unwrap) {
                let times = row.multiplicity + isize::from(wrong && view == 1);
                let shard = diptych::serving::shard_of(&row.key, 2);
                shards[shard].push(((row.key, row.value), from - 1, times));
            }
            for (shard, rows) in shards.into_iter().enumerate() {
                base.push((view, shard, ViewBatch::from_updates(0, from, rows)));
            }
        }
        base
    };

    let restored = index(2);
    restored.install_base(from, base(false)).unwrap();
    assert_eq!((restored.frontier(), restored.boundary()), (from, from));
    let snapshot = restored.snapshot(Read::Latest).unwrap();
    assert_eq!(snapshot.digest(0).unwrap(), {
        first.snapshot(Read::AsOf(from - 1)).unwrap().digest(0).unwrap()
    });
    assert!(!restored.base_checked().unwrap(), "nothing was repeated yet");
    let (asked, patience) = (Instant::now(), Duration::from_millis(50));
    assert!(!restored.wait_checked(patience).unwrap() && asked.elapsed() >= patience);
    assert!(restored.install_base(from, base(false)).unwrap_err().is_conflict());
    let waiting = restored.clone();
    let waiting = std::thread::spawn(move || waiting.wait_checked(Duration::from_mins(1)).unwrap());
    run(&restored, 2, 2, from);
    assert!(waiting.join().unwrap(), "whoever waits is told");
    assert!(restored.base_checked().unwrap());
    check(&restored, from - 1);
    let error = restored.snapshot(Read::AsOf(from - 2)).err().unwrap().to_string();
    assert!(error.contains("[since, upper) = [16, 40)"), "{error}");

    // The same, with a base that comes when the dataflow is under way, or done with history.
    for late in [0, 50] {
        let restored = index(2);
        restored.expect_base(from);
        std::thread::scope(|scope| {
            let other = restored.clone();
            let running = scope.spawn(move || run(&other, 2, 2, from));
            std::thread::sleep(Duration::from_millis(late));
            assert_eq!(restored.frontier(), 0);
            assert!(!restored.base_checked().unwrap());
            restored.install_base(from, base(false)).unwrap();
            running.join().unwrap();
        });
        assert!(restored.base_checked().unwrap());
        check(&restored, from - 1);
    }

    let damaged = index(2);
    damaged.install_base(from, base(true)).unwrap();
    run(&damaged, 2, 2, from);
    let error = damaged.base_checked().unwrap_err();
    assert!(error.is_damaged() && error.to_string().contains("\"words\""), "{error}");
}

#[test]
fn nobody_waits_for_a_base_that_was_given_up() {
    let index = index(1);
    index.expect_base(5);
    let other = index.clone();
    let waiting = std::thread::spawn(move || {
        let row = ((b"k".to_vec(), b"v".to_vec()), 6, 1);
        other.repeat(0, 0, 0..5, Digest::default());
        other.publish(0, 0, ViewBatch::from_updates(5, 8, vec![row]));
    });
    std::thread::sleep(Duration::from_millis(30));
    assert!(!waiting.is_finished(), "it does not wait for the base");
    index.give_up_base();
    waiting.join().unwrap();
    assert_eq!(index.frontier(), 0);
}

#[test]
fn a_reader_waits_for_its_write() {
    let index = index(1);
    let reader = index.clone();
    let thread = std::thread::spawn(move || {
        let snapshot = reader.snapshot(Read::AtLeast(30, Duration::from_mins(1))).unwrap();
        assert!(snapshot.epoch().unwrap() >= 30);
    });
    let late = index.snapshot(Read::AtLeast(30, Duration::from_millis(5))).err().unwrap();
    assert!(late.is_timed_out() && late.to_string().contains("epoch 30"), "{late}");
    run(&index, 1, 1, 0);
    thread.join().unwrap();
}

/// Batches of views are batches of differential: a spine holds them, and its cursor reads them.
#[test]
fn a_spine_of_view_batches_holds_the_same_rows() {
    use differential_dataflow::operators::arrange::arrangement::arrange_core;
    use differential_dataflow::trace::cursor::cursor_list;
    use differential_dataflow::trace::implementations::ContainerChunker;
    use differential_dataflow::trace::implementations::merge_batcher::{
        MergeBatcher, vec::VecMerger,
    };
    use differential_dataflow::trace::implementations::spine_fueled::Spine;
    use differential_dataflow::trace::{Cursor, TraceReader};
    use diptych::serving::{SharedUpdates, ViewBuilder, ViewUpdate};
    use timely::dataflow::channels::pact::Pipeline;
    use timely::progress::Antichain;

    type Chunker = ContainerChunker<Vec<ViewUpdate>>;
    type Rows = VecMerger<(Vec<u8>, Vec<u8>), u64, isize>;
    type Batcher = MergeBatcher<Chunker, Rows, ViewBuilder>;
    timely::execute_directly(|worker| {
        let mut input = InputSession::<u64, String, isize>::new();
        let (mut trace, probe) = worker.dataflow(|scope| {
            let words = input.to_collection(scope);
            let rows = words.map(|word: String| (row::encode(&word), vec![7]));
            let arranged = arrange_core::<_, _, Batcher, Spine<SharedUpdates>>(
                rows.inner,
                Pipeline,
                "Rows",
                Batcher::new,
            );
            let probe = ProbeHandle::new();
            timely::dataflow::operators::Probe::probe_with(arranged.stream, &probe);
            (arranged.trace, probe)
        });
        for epoch in 0..EPOCHS {
            for (word, diff) in events(epoch) {
                input.update(word, diff);
            }
            input.advance_to(epoch + 1);
            input.flush();
            worker.step_while(|| probe.less_than(&(epoch + 1)));
        }
        let batches = trace.batches_through(Antichain::new().borrow()).unwrap();
        let (mut cursor, storage) = cursor_list(batches);
        let all = cursor.to_vec(&storage, <[u8]>::to_vec, <[u8]>::to_vec);
        let found: BTreeMap<String, i64> = all
            .into_iter()
            .map(|((key, value), times)| {
                assert_eq!(value, [7]);
                let sum = times.iter().map(|(_, diff)| *diff as i64).sum();
                (row::decode(&key).unwrap(), sum)
            })
            .collect();
        assert_eq!(found, counts(EPOCHS - 1));
    });
}
