//! How is a view recomputed while people read it? `cargo run --example rebuild_while_reading`

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use diptych::System;
use diptych::dataflow::Definition;
use diptych::prelude::*;
use diptych::serving::Read;
use diptych::sources::append;
use diptych::system::{BatchOptions, Cluster, RebuildOptions, Rebuilt, ServeOptions};

/// Money goes from one account to another.
#[derive(Event, Clone)]
struct Transfer {
    from: i64,
    to: i64,
    cents: i64,
}

/// `balance`: (account) -> cents. The sum of all balances is always zero.
fn bank(df: &mut Dataflow) {
    let moved = df.events::<Transfer>("transfers").flat_map(|t, out| {
        out.extend([(t.from, -t.cents), (t.to, t.cents)]);
    });
    df.view("balance", moved.sum("balance")).columns(&["account", "cents"]);
}

fn main() -> diptych::Result<()> {
    let (system, flows) = (System::in_memory(), [Definition::new("bank", bank)]);
    let writer = system.writer()?;
    let transfer = |n: i64| Transfer { from: n % 7, to: n % 5 + 7, cents: n };
    let history: Vec<_> = (0..10_000).map(transfer).collect();
    let last = append(&writer, "transfers", &history)?;
    let served = system.serve(&flows, ServeOptions::default().writer(&writer))?;
    served.wait_beyond("bank", last)?;
    let views = served.serving("bank")?;

    // Newer batch views are taken up while it serves, from any process.
    let (tell, told) = channel();
    let options = RebuildOptions { look: Duration::from_millis(10), ..RebuildOptions::default() };
    let rebuilds = system.rebuild_under_readers(&served, &flows, options, move |rebuilt| {
        // At the end the receiver is gone.
        tell.send(rebuilt).ok();
    })?;

    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| -> diptych::Result<()> {
        let reader = scope.spawn(|| -> diptych::Result<_> {
            let (mut answers, mut torn) = (0_u64, 0_u64);
            while !stop.load(Ordering::Relaxed) {
                let rows = views.snapshot(Read::Latest)?.rows::<i64, i64>("balance")?;
                answers += 1;
                torn += u64::from(rows.iter().map(|((_, cents), _)| cents).sum::<i64>() != 0);
            }
            Ok((answers, torn))
        });
        for round in 1..=3 {
            append(&writer, "transfers", &[transfer(round)])?;
            // `diptych batch bank` in a process of its own does the same.
            let options = BatchOptions { cluster: Cluster::local(2), ..BatchOptions::default() };
            let made = system.batch(&flows[0], &options)?;
            match told.recv_timeout(Duration::from_mins(1)) {
                Ok(Rebuilt::Swapped { boundary, .. }) => {
                    println!("{} events recomputed, boundary F = {boundary}", made.rows);
                }
                other => println!("not as it should be: {other:?}"),
            }
        }
        stop.store(true, Ordering::Relaxed);
        let (answers, torn) = reader.join().expect("a reader that lives")?;
        println!("read meanwhile: {}, torn answers: {torn}", answers > 0);
        Ok(())
    })?;
    drop(rebuilds);
    served.stop()
}
