//! The seam: a batch view on disk, restored by another worker count, continues exactly.

use dataflows::{self, Transfer};
use diptych::System;
use diptych::dataflow::Definition;
use diptych::serving::{Index, Read};
use diptych::sources::append;
use diptych::system::{BatchOptions, Boundary, Cluster, ServeOptions};
use diptych::time::Epoch;

const VIEWS: [&str; 4] = ["credits", "debits", "balance", "balance_outer"];

fn transfers(epoch: u64) -> Vec<Transfer> {
    (0..epoch % 7 * 20)
        .map(|i| Transfer {
            id: (epoch * 1000 + i) as i64,
            from_account: (i * 31 % 17) as i64,
            to_account: (i * 7 % 23 + epoch) as i64,
            amount: (i % 13) as i64 - 3,
            ts: 0,
        })
        .collect()
}

fn rows(index: &Index, at: Epoch) -> Vec<Vec<((i64, i64), isize)>> {
    let snapshot = index.snapshot(Read::AsOf(at)).expect("the epoch is in the index");
    VIEWS.iter().map(|view| snapshot.rows(view).expect("the rows decode")).collect()
}

fn filled(system: &System, epochs: u64) -> diptych::Result<()> {
    let writer = system.writer()?;
    for epoch in 0..epochs {
        append(&writer, "transfers", &transfers(epoch))?;
    }
    Ok(())
}

#[test]
fn a_restored_dataflow_continues_as_if_it_had_never_stopped() -> diptych::Result<()> {
    let bank = Definition::new("bank", dataflows::bank);
    let upper = 24;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let system = System::open(dir.path());
    filled(&system, upper)?;
    let whole = system.recompute(&bank, upper, Cluster::local(1), true)?;
    let whole = rows(&whole, upper - 1);
    for (boundary, wrote, reads) in [(5, 1, 2), (11, 2, 1), (16, 3, 4), (24, 4, 3)] {
        let options = BatchOptions {
            cluster: Cluster::local(wrote),
            upto: Some(boundary),
            ..BatchOptions::default()
        };
        let report = system.batch(&bank, &options)?;
        assert_eq!(report.boundary, boundary);
        let options = ServeOptions::default()
            .cluster(Cluster::local(reads))
            .boundary(Boundary::Restore(boundary))
            .until(upper);
        let served = system.serve(std::slice::from_ref(&bank), options)?;
        served.wait_beyond("bank", upper - 1)?;
        let index = served.index("bank")?;
        assert_eq!(rows(&index, upper - 1), whole, "{wrote} workers wrote [0, {boundary})");
        for at in boundary - 1..upper {
            let here = system.recompute(&bank, at + 1, Cluster::local(1), true)?;
            assert_eq!(rows(&index, at), rows(&here, at), "boundary {boundary}, epoch {at}");
        }
    }
    Ok(())
}

#[test]
fn a_second_batch_view_at_one_epoch_is_refused() -> diptych::Result<()> {
    let bank = Definition::new("bank", dataflows::bank);
    let system = System::in_memory();
    filled(&system, 9)?;
    system.batch(&bank, &BatchOptions::default())?;
    let error = system.batch(&bank, &BatchOptions::default()).expect_err("there is one already");
    assert!(error.is_conflict(), "{error}");
    Ok(())
}

#[test]
fn accumulations_of_other_types_are_refused_by_name() -> diptych::Result<()> {
    let system = System::in_memory();
    filled(&system, 9)?;
    let first = Definition::new("flow", |df| {
        df.version("1");
        let sums = df.events::<Transfer>("transfers").map(|t| (t.to_account, t.amount)).sum("sums");
        df.view("sums", sums);
    });
    let changed = Definition::new("flow", |df| {
        df.version("1");
        let sums = df.events::<Transfer>("transfers").map(|t| (t.ts, t.id, t.amount)).count("sums");
        df.view("sums", sums);
    });
    system.batch(&first, &BatchOptions::default())?;
    let Err(error) = system.serve(&[changed], ServeOptions::default()) else {
        panic!("a changed function was restored")
    };
    assert!(error.is_conflict() && error.to_string().contains("sums"), "{error}");
    Ok(())
}
