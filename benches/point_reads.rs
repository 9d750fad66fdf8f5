//! Point reads per second of cpu time: 1,000,000 keys (u64) over about ten batches, one reader,
//! alone and beside a publisher of 1,000 updates a hundred times a second.
//!
//! `cargo bench --bench point_reads`

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use diptych::row::{self, RowSchema};
use diptych::serving::{Index, IndexOptions, Publish, Read, ViewBatch, ViewInfo, shard_of};

const KEYS: u64 = 1_000_000;
const READS: u64 = 2_000_000;
const SHARDS: usize = 2;

/// Cpu seconds of this thread.
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Publishes epoch `epoch - 1`: all keys in the first one, `size` changes of random keys later.
fn publish(index: &Index, epoch: u64, size: u64, values: &mut [u64], state: &mut u64) {
    let mut shards = vec![Vec::new(); SHARDS];
    for n in 0..size {
        let key = if epoch == 1 { n } else { random(state) % KEYS };
        let bytes = row::encode(&key);
        let shard = &mut shards[shard_of(&bytes, SHARDS)];
        let value = &mut values[key as usize];
        if epoch > 1 {
            shard.push(((bytes.clone(), row::encode(value)), epoch - 1, -1));
        }
        *value = epoch;
        shard.push(((bytes, row::encode(value)), epoch - 1, 1));
    }
    for (shard, updates) in shards.into_iter().enumerate() {
        index.publish(0, shard, ViewBatch::from_updates(epoch - 1, epoch, updates));
    }
}

/// Publishes 1,000 updates every 10 ms until told to stop; gives the longest publication.
fn publish_live(index: &Index, from: u64, values: &mut [u64], stop: &AtomicBool) -> Duration {
    let (mut epoch, mut state) = (from, 99);
    let mut longest = Duration::ZERO;
    while !stop.load(Ordering::Relaxed) {
        epoch += 1;
        let start = Instant::now();
        publish(index, epoch, 500, values, &mut state);
        longest = longest.max(start.elapsed());
        std::thread::sleep(Duration::from_millis(10).saturating_sub(start.elapsed()));
    }
    println!("{} epochs were published meanwhile", epoch - from);
    longest
}

/// A base of all keys, then ever smaller batches that change some of them.
fn fill(index: &Index) -> (u64, Vec<u64>) {
    let mut values = vec![0u64; KEYS as usize];
    let mut state = 88_172_645_463_325_252;
    let (mut epoch, mut size) = (1, KEYS);
    loop {
        publish(index, epoch, size, &mut values, &mut state);
        size /= 4;
        epoch += 1;
        if size < 4 {
            return (epoch - 1, values);
        }
    }
}

fn main() {
    let views = vec![ViewInfo { name: "bench".into(), schema: RowSchema::of::<u64, u64>() }];
    let index = Index::new("1", views, SHARDS, IndexOptions::default()).expect("an index");
    let (epochs, values) = fill(&index);
    assert!(index.settle(Duration::from_mins(1)), "merging does not end");
    let status = index.status();
    let view = &status.views[0];
    println!(
        "{epochs} epochs, {} batches in {SHARDS} shards, {} updates, {} bytes per key",
        view.batches,
        view.updates,
        view.memory_bytes / KEYS as usize
    );
    let snapshot = index.snapshot(Read::Latest).expect("a snapshot");
    let mut state = 1_234_567;
    for run in 0..3 {
        let (wall, cpu) = (Instant::now(), cpu_seconds());
        let mut found = 0u64;
        for _ in 0..READS {
            let key = (random(&mut state) % KEYS).to_be_bytes();
            let visit = |_: &[u8], times: isize| found += times as u64;
            snapshot.get_with(0, &key, visit).expect("a lease");
        }
        assert_eq!(found, READS, "every key has one value");
        let rate = READS as f64 / (cpu_seconds() - cpu);
        let wall = READS as f64 / wall.elapsed().as_secs_f64();
        println!("get, run {run}: {rate:.0} per cpu-second, {wall:.0} per second");
    }
    let cpu = cpu_seconds();
    let mut found = 0;
    let batch = 500;
    for _ in 0..READS / batch {
        let keys: Vec<_> = (0..batch).map(|_| row::encode(&(random(&mut state) % KEYS))).collect();
        found += snapshot.multi_get(0, &keys).expect("a lease").iter().map(Vec::len).sum::<usize>();
    }
    assert_eq!(found as u64, READS);
    println!(
        "multi_get of {batch}: {:.0} keys per cpu-second",
        READS as f64 / (cpu_seconds() - cpu)
    );
    let cpu = cpu_seconds();
    assert_eq!(snapshot.scan(0).count() as u64, KEYS);
    println!("scan: {:.0} rows per cpu-second", KEYS as f64 / (cpu_seconds() - cpu));
    drop(snapshot);
    read_beside_a_publisher(&index, epochs, values, state);
}

/// Reads while another thread publishes.
fn read_beside_a_publisher(index: &Index, epochs: u64, mut values: Vec<u64>, mut state: u64) {
    let stop = Arc::new(AtomicBool::new(false));
    let (publisher, stopped) = (index.clone(), Arc::clone(&stop));
    let thread =
        std::thread::spawn(move || publish_live(&publisher, epochs, &mut values, &stopped));
    let (mut nanos, cpu) = (Vec::with_capacity(READS as usize), cpu_seconds());
    for _ in 0..READS / 100 {
        // A snapshot per hundred reads, as a server would take one per request.
        let snapshot = index.snapshot(Read::Latest).expect("a snapshot");
        for _ in 0..100 {
            let key = (random(&mut state) % KEYS).to_be_bytes();
            let start = Instant::now();
            let mut found = 0;
            snapshot.get_with(0, &key, |_, times| found += times).expect("a lease");
            nanos.push(start.elapsed().as_nanos() as u64);
            assert_eq!(found, 1);
        }
    }
    let rate = READS as f64 / (cpu_seconds() - cpu);
    stop.store(true, Ordering::Relaxed);
    let longest = thread.join().expect("the publisher");
    nanos.sort_unstable();
    let at = |part: f64| nanos[(nanos.len() as f64 * part) as usize];
    println!(
        "get beside a publisher: {rate:.0} per cpu-second, p50 {} ns, p99 {} ns; longest \
         publication {longest:?}, {} batches at the end",
        at(0.5),
        at(0.99),
        index.status().views[0].batches
    );
}
