//! Promise 8: one frontier across all views of a dataflow.
//!
//! Transfers stream in, out of order, while readers take snapshots as fast as they can. Money is
//! only moved, so in every snapshot the balances sum to zero and the views agree row by row with
//! one another; a reader that saw one view later than another would see money appear.

mod naive;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use dataflows::{self, Transfer};
use diptych::System;
use diptych::dataflow::Definition;
use diptych::log::{Append, Pending, Writer};
use diptych::serving::{Index, Read, Snapshot};
use diptych::system::{Cluster, ServeOptions};

use naive::{Fact, batches, bytes_of, is_long, twins};

/// The transfers of one append.
const TOGETHER: usize = 100;
/// The appends that wait for the disk at once.
const WAITING: usize = 8;
const ACCOUNTS: u64 = 500;

/// Transfer `number` of `count`, in an order that has nothing to do with their times. Some accounts
/// only ever give, some only take; some transfers are reversals.
fn transfer(number: u64, count: u64) -> Transfer {
    // Odd, and so a permutation of the numbers below a power of two; elsewhere almost one.
    let ts = number.wrapping_mul(0x9E37_79B9) % count;
    let chance = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
    Transfer {
        id: number as i64,
        from_account: (chance % (ACCOUNTS - 20)) as i64,
        to_account: (chance / ACCOUNTS % (ACCOUNTS - 20) + 20) as i64,
        amount: (chance / ACCOUNTS / ACCOUNTS % 1000) as i64 - 100,
        ts: ts as i64,
    }
}

/// A view of (account) -> amount, each account at most once.
fn accounts(snapshot: &Snapshot, view: &str) -> BTreeMap<i64, i64> {
    let rows = snapshot.rows::<i64, i64>(view).expect("rows of (account, amount)");
    let count = rows.len();
    let accounts: BTreeMap<i64, i64> = rows
        .into_iter()
        .map(|((account, amount), times)| {
            assert_eq!(times, 1, "{view}: account {account} at {:?}", snapshot.epoch());
            (account, amount)
        })
        .collect();
    assert_eq!(accounts.len(), count, "{view} has an account twice at {:?}", snapshot.epoch());
    accounts
}

/// Checks everything that must hold among the views of one snapshot; returns the number of
/// accounts.
fn check(snapshot: &Snapshot) -> usize {
    let epoch = snapshot.epoch();
    let [credits, debits, balance, outer] =
        ["credits", "debits", "balance", "balance_outer"].map(|view| accounts(snapshot, view));
    let total = snapshot.rows::<(), i64>("total").expect("rows of one column");
    let expected: Vec<(((), i64), isize)> =
        if outer.is_empty() { vec![] } else { vec![(((), 0), 1)] };
    assert_eq!(total, expected, "the total at {epoch:?}");
    assert_eq!(outer.values().sum::<i64>(), 0, "the sum of all balances at {epoch:?}");
    let (given, taken) = (credits.values().sum::<i64>(), debits.values().sum::<i64>());
    assert_eq!(given, taken, "credits and debits at {epoch:?}");

    let either: BTreeSet<_> = credits.keys().chain(debits.keys()).collect();
    assert_eq!(either, outer.keys().collect(), "the accounts of balance_outer at {epoch:?}");
    for (account, sum) in &outer {
        let (credit, debit) = (credits.get(account), debits.get(account));
        let expected = credit.unwrap_or(&0) - debit.unwrap_or(&0);
        assert_eq!(*sum, expected, "balance_outer of {account} at {epoch:?}");
        let both = credit.and(debit).map(|_| sum);
        assert_eq!(balance.get(account), both, "balance of {account} at {epoch:?}");
    }
    assert!(balance.keys().all(|account| outer.contains_key(account)), "balance at {epoch:?}");
    outer.len()
}

/// Takes snapshots until told to stop, and checks that frontiers never go back; returns their
/// number.
fn read(index: &Index, stop: &AtomicBool) -> u64 {
    let (mut snapshots, mut last) = (0, 0);
    loop {
        // Once more after the end, so that the last epoch is seen.
        let ended = stop.load(Ordering::Acquire);
        let snapshot = index.snapshot(Read::Latest).expect("a snapshot");
        assert!(snapshot.upper() >= last, "from {last} back to {}", snapshot.upper());
        last = snapshot.upper();
        check(&snapshot);
        snapshots += 1;
        if ended {
            return snapshots;
        }
    }
}

/// Appends all transfers, several requests at a time. Returns the last epoch.
fn write(writer: &Writer, count: u64) -> u64 {
    let mut waiting: Vec<Pending> = Vec::new();
    let mut last = 0;
    let mut settle = |pending: Pending| last = pending.wait().expect("an ack").epoch.max(last);
    for first in (0..count).step_by(TOGETHER) {
        let numbers = first..count.min(first + TOGETHER as u64);
        let facts: Vec<Fact> = numbers.map(|number| transfer(number, count).into()).collect();
        let append = Append { batches: batches(&facts), ..Append::default() };
        waiting.push(writer.append(append).expect("the log takes it"));
        if waiting.len() == WAITING {
            settle(waiting.remove(0));
        }
    }
    waiting.into_iter().for_each(settle);
    last
}

#[test]
fn no_snapshot_sees_money_appear() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (count, system) = if is_long() {
        (10_000_000, System::open(directory.path()))
    } else {
        (200_000, System::in_memory())
    };
    let writer = system.writer().expect("a log");
    let bank = Definition::new("bank", dataflows::bank);
    let options = ServeOptions::default().cluster(Cluster::local(2)).writer(&writer);
    let served = system.serve(&[bank], options).expect("the bank is served");
    let index = served.index("bank").expect("the bank is served");
    let (stop, epochs) = (AtomicBool::new(false), AtomicU64::new(0));
    let snapshots = thread::scope(|scope| {
        let readers = [(); 2].map(|()| scope.spawn(|| read(&index, &stop)));
        let last = write(&writer, count);
        served.wait_beyond("bank", last).expect("the dataflow keeps up");
        epochs.store(last + 1, Ordering::Relaxed);
        stop.store(true, Ordering::Release);
        readers.map(|reader| reader.join().expect("no reader saw anything wrong"))
    });
    let epochs = epochs.into_inner();
    println!("{count} transfers in {epochs} epochs, snapshots checked: {snapshots:?}");
    assert!(
        snapshots.iter().all(|snapshots| *snapshots > 10),
        "readers were starved: {snapshots:?}"
    );

    let expected = twins::bank((0..count).map(|number| transfer(number, count)));
    let snapshot = index.snapshot(Read::AsOf(epochs - 1)).expect("the last epoch");
    assert_eq!(check(&snapshot), expected["balance_outer"].len());
    for (id, view) in index.views().iter().enumerate() {
        let rows = snapshot.scan(id).map(|row| {
            let row = row.expect("a row");
            ([&row.key[..], &row.value[..]].concat(), row.multiplicity as i64)
        });
        let rows: naive::ByteRows = rows.collect();
        assert!(rows == bytes_of(&expected[&view.name]), "{} is wrong at the end", view.name);
    }
    served.stop().expect("it stops");
}
