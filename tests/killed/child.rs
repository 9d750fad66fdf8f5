//! The process that is killed: it recovers, appends, checkpoints, swaps, seals and concludes, and
//! reports on standard output what it sends and what is acknowledged.

use std::fmt::Display;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use dataflows::Transfer;
use diptych::dataflow::{Definition, PairsExt};
use diptych::io::RealClock;
use diptych::log::{Append, Writer, WriterOptions};
use diptych::serving::IndexOptions;
use diptych::system::{BatchOptions, Cluster, RebuildOptions, Rebuilt, ServeOptions};
use diptych::time::Epoch;
use diptych::{Event, System};

use super::disk::KillDisk;

/// The environment variable with a child's orders.
pub(super) const ORDERS: &str = "DIPTYCH_TEST_CHILD";
pub(crate) const FLOW: &str = "ledger";
pub(crate) const VERSION: &str = "1";
pub(crate) const STREAM: &str = "transfers";
/// The number of producers, which take turns with the epochs.
pub(crate) const PRODUCERS: i64 = 3;
const PATIENCE: Duration = Duration::from_secs(30);

/// The orders of a child.
#[derive(Clone, Debug)]
pub(crate) struct Orders {
    pub(crate) dir: PathBuf,
    /// The number of its first transfer.
    pub(crate) first: i64,
    /// Selects a variation of its work: one worker or two, earlier or later rotation.
    pub(crate) script: u64,
    /// The call at which to die, if any, and whether in the middle of it.
    pub(crate) at: Option<u64>,
    pub(crate) torn: bool,
    /// Whether state stays in files, and history is read in the smallest steps.
    pub(crate) in_files: bool,
}

impl Orders {
    pub(super) fn text(&self) -> String {
        let at = self.at.map_or("-".to_owned(), |at| at.to_string());
        let Orders { dir, first, script, torn, in_files, .. } = self;
        format!("{first} {script} {at} {torn} {in_files} {}", dir.display())
    }

    fn parse(text: &str) -> Orders {
        let words: Vec<&str> = text.splitn(6, ' ').collect();
        let [first, script, at, torn, in_files, dir] = words[..] else { panic!("orders {text:?}") };
        Orders {
            dir: dir.into(),
            first: first.parse().expect("a number"),
            script: script.parse().expect("a number"),
            at: at.parse().ok(),
            torn: torn == "true",
            in_files: in_files == "true",
        }
    }
}

/// Prints one line, in one write, so that a kill leaves the whole line or nothing.
fn say(line: impl Display) {
    std::io::stdout().write_all(format!("\n{line}\n").as_bytes()).expect("the pipe");
}

/// The dataflow: sums by account, and their sum; computed from the events where the state is to
/// stay in files.
pub(crate) fn flow(in_files: bool) -> Definition {
    Definition::new(FLOW, move |df| {
        df.version(VERSION);
        let transfers = df.events::<Transfer>(STREAM);
        let credits = transfers.clone().map(|t| (t.to_account, t.amount)).sum("credits");
        let total = if in_files {
            transfers.map(|t| ((), t.amount)).sum("total")
        } else {
            credits.clone().map(|(_, sum)| ((), sum)).sum_values()
        };
        df.view("credits", credits).columns(&["account", "sum"]);
        df.view("total", total).columns(&["sum"]);
    })
}

/// The transfer of that number. Amounts are positive, so each account keeps its row.
pub(crate) fn transfer(id: i64) -> Transfer {
    let to_account = id * 7 % 23;
    Transfer { id, from_account: id % 17, to_account, amount: 1 + id % 100, ts: 0 }
}

/// Runs a child's orders, if this process is one; does not return then.
pub(crate) fn work_if_child() {
    let Ok(text) = std::env::var(ORDERS) else { return };
    let orders = Orders::parse(&text);
    let disk = KillDisk::new(orders.at, orders.torn);
    work(&System::with_disk(Arc::new(disk.clone()), &orders.dir), &orders);
    let made = disk.made();
    let writes: Vec<_> = made.writes.iter().map(u64::to_string).collect();
    say(format!("writes {}", writes.join(" ")));
    say(format!("calls {} {}", made.calls, made.locks));
    std::process::exit(0);
}

fn work(system: &System, orders: &Orders) {
    let rotate_bytes = 1_500 + 700 * (orders.script / 2);
    // Each append silences the producers of the others, which return from the table's files.
    let (background, named_producers) = (false, 1);
    let options =
        WriterOptions { rotate_bytes, background, named_producers, ..WriterOptions::default() };
    say("phase recover");
    let writer = system.writer_with(Arc::new(RealClock), options);
    let writer = writer.expect("the log opens after any kill");
    let (in_files, cluster) = (orders.in_files, Cluster::local(1 + orders.script as usize % 2));
    let flow = flow(in_files);
    let flows = std::slice::from_ref(&flow);
    let index = IndexOptions { views_in_files: in_files, ..IndexOptions::default() };
    let memory = in_files.then_some(1);
    let options = ServeOptions::default().writer(&writer).cluster(cluster.clone());
    let options = options.index(index).memory(memory);
    let served = system.serve(flows, options).expect("restored after any kill");
    let visible = |writer: &Writer| {
        if let Some(last) = writer.upper().checked_sub(1) {
            served.wait_beyond(FLOW, last).expect("visible");
        }
    };
    visible(&writer);
    let mut ids = orders.first..;
    say("phase append");
    append_some(&writer, &mut ids);
    visible(&writer);
    say("phase checkpoint");
    let incremental = !orders.script.is_multiple_of(3);
    let options = BatchOptions { cluster, incremental, memory, ..BatchOptions::default() };
    let report = system.batch(&flow, &options).expect("a batch view");
    say("phase swap");
    let (tell, told) = mpsc::channel();
    let options = RebuildOptions { look: Duration::from_millis(1), ..RebuildOptions::default() };
    let rebuilds = system.rebuild_under_readers(&served, flows, options, move |outcome| {
        // Nobody listens when one was heard.
        let _ = tell.send(outcome);
    });
    let rebuilds = rebuilds.expect("a thread");
    match told.recv_timeout(PATIENCE) {
        Ok(Rebuilt::Swapped { boundary, .. }) => assert_eq!(boundary, report.boundary),
        other => panic!("{other:?}"),
    }
    drop(rebuilds);
    say("phase append");
    append_some(&writer, &mut ids);
    say("phase seal");
    writer.seal().expect("sealed");
    append_some(&writer, &mut ids);
    visible(&writer);
    say("phase conclude");
    system.conclude(served).expect("concluded");
    writer.close().expect("closed");
}

/// The producer of the epoch that begins with this transfer.
pub(crate) fn producer(first: i64) -> String {
    format!("p{}", first % PRODUCERS)
}

/// Appends an epoch as the producer whose turn it is.
pub(crate) fn append_by_producer(writer: &Writer, some: &[Transfer]) -> diptych::Result<Epoch> {
    use diptych::event::EventAppender as _;
    let mut rows = <Transfer as Event>::Appender::default();
    some.iter().for_each(|transfer| rows.push(transfer));
    let id = producer(some[0].id);
    let due = writer.next_sequence(&id)?;
    let ack = writer.append(Append::rows(STREAM, rows.finish()).by(id, due))?.wait()?;
    assert!(!ack.repeated, "{due} was due");
    Ok(ack.epoch)
}

/// Three epochs of one to three transfers, one after another.
fn append_some(writer: &Writer, ids: &mut impl Iterator<Item = i64>) {
    for count in 1..=3 {
        let some: Vec<_> = ids.by_ref().take(count).map(transfer).collect();
        for transfer in &some {
            say(format!("sent {}", transfer.id));
        }
        let epoch = append_by_producer(writer, &some).expect("acknowledged");
        for transfer in &some {
            say(format!("ack {} {epoch}", transfer.id));
        }
    }
}
