//! Promise 28: an operator is told. Every state in which appends, freshness or checkpoints stop,
//! and a disk that is nearly full, shows in `/readyz`, `/v1/status`, `/metrics` and on standard
//! error; a process that cannot append any more ends after its readers were told.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "told/channels.rs"]
mod channels;
#[path = "told/hanging.rs"]
mod hanging;
#[path = "told/process.rs"]
mod process;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use arrow_array::BooleanArray;
use channels::{Channels, hear};
use dataflows::Line;
use diptych::dataflow::Definition;
use diptych::io::{Disk, Fault, SimDisk};
use diptych::log::{Append, Writer};
use diptych::servers::{Servers, ServersOptions, Site};
use diptych::sources::append;
use diptych::system::{Checkpoints, RebuildOptions, ServeOptions, Served};
use diptych::{Dataflow, System};
use hanging::Hanging;

/// Dataflows that are served over a disk in memory.
struct House {
    system: System,
    writer: Arc<Writer>,
    served: Served,
    site: Arc<Site>,
    /// Kept alive, so that they answer.
    _servers: Servers,
    channels: Channels,
}

impl House {
    fn open(disk: Arc<dyn Disk>, flows: &[Definition]) -> House {
        hear();
        let system = System::with_disk(disk, "data");
        let writer = Arc::new(system.writer().unwrap());
        let served = system.serve(flows, ServeOptions::default().writer(&writer)).unwrap();
        let site = Site::of(&system, &served, flows, Some(Arc::clone(&writer))).unwrap();
        let listen = Some("127.0.0.1:0".parse().unwrap());
        let options = ServersOptions { listen, ..ServersOptions::default() };
        let servers = Servers::start(Arc::clone(&site), &options).unwrap();
        let url = format!("http://{}", servers.http().unwrap());
        let channels = Channels::new(url, channels::heard);
        House { system, writer, served, site, _servers: servers, channels }
    }

    fn say(&self, text: &str) -> diptych::Result<u64> {
        append(&self.writer, "lines", &[Line { text: text.to_owned() }])
    }
}

/// Counts lines under a name of its own; `front` is called with each line.
fn counted(name: &str, front: fn(&str)) -> Definition {
    let flow = move |df: &mut Dataflow<'_>| {
        let lines = df.events::<Line>("lines").map(move |line| {
            front(line.text);
            line.text.to_owned()
        });
        df.view("lines", lines.count("lines")).columns(&["line", "n"]);
        df.version("1");
    };
    Definition::new(name, flow)
}

#[test]
fn a_failed_sync_is_told_by_a_library_that_goes_on() {
    let disk = SimDisk::new();
    let house = House::open(Arc::new(disk.clone()), &[counted("synced", |_| ())]);
    house.say("one").unwrap();
    house.served.wait_beyond("synced", 0).unwrap();
    house.channels.are_quiet();
    // The frame is written; its sync fails.
    disk.fail_at(disk.calls() + 1, Fault::Broken);
    assert!(house.say("two").is_err());
    house.channels.tell("log_stopped", "disk failed");
    house.channels.top_shows("log_stopped", "disk failed", "check the disk, then restart");
    let status = house.channels.status();
    assert_eq!(status["log"]["appends"], false, "{status}");
    // It goes on answering what it has: this process is not the library's to end.
    let rows = house.channels.get("/v1/dataflows/synced/views/lines");
    assert!(rows.0 == 200 && rows.1.contains("one") && !rows.1.contains("two"), "{rows:?}");
    assert_eq!(house.site.concerns().len(), 1);
}

#[test]
fn appends_that_wait_for_a_disk_that_does_not_answer_are_told() {
    let hangs = Arc::new(AtomicBool::new(false));
    let disk = Hanging::new(SimDisk::new(), &hangs, &Arc::default());
    let house = House::open(Arc::new(disk), &[counted("hanging", |_| ())]);
    house.say("one").unwrap();
    house.channels.are_quiet();
    hangs.store(true, SeqCst);
    let writer = Arc::clone(&house.writer);
    let waits =
        std::thread::spawn(move || append(&writer, "lines", &[Line { text: "two".into() }]));
    house.channels.tell("appends_stand", "does not answer");
    hangs.store(false, SeqCst);
    waits.join().unwrap().unwrap();
    house.channels.tell_the_end_of("appends_stand");
}

#[test]
fn a_dataflow_that_fails_is_told_and_the_others_go_on() {
    let flows = [
        counted("failing", |text| assert!(text != "planted", "a planted panic")),
        counted("going_on", |_| ()),
    ];
    let house = House::open(Arc::new(SimDisk::new()), &flows);
    house.say("one").unwrap();
    house.channels.are_quiet();
    house.say("planted").unwrap();
    house.channels.tell("dataflow_failed", "failing");
    let remedy = "mend the function, or retract the event, and restart";
    house.channels.top_shows("dataflow_failed", "a planted panic", remedy);
    house.say("three").unwrap();
    house.served.wait_beyond("going_on", 2).unwrap();
    let rows = house.channels.get("/v1/dataflows/going_on/views/lines");
    assert!(rows.0 == 200 && rows.1.contains("three"), "{rows:?}");
    // Named is the dataflow that it is about.
    let status = house.channels.status();
    assert_eq!(status["concerns"][0]["dataflow"], "failing", "{status}");
}

/// Whether the front of a dataflow waits.
static WAITS: AtomicBool = AtomicBool::new(false);

#[test]
fn a_dataflow_that_is_behind_the_log_is_told_until_it_has_caught_up() {
    let wait = |_: &str| {
        while WAITS.load(SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let house = House::open(Arc::new(SimDisk::new()), &[counted("slow", wait)]);
    house.say("one").unwrap();
    house.served.wait_beyond("slow", 0).unwrap();
    house.channels.are_quiet();
    WAITS.store(true, SeqCst);
    house.say("two").unwrap();
    house.channels.tell("dataflow_lags", "slow");
    WAITS.store(false, SeqCst);
    house.channels.tell_the_end_of("dataflow_lags");
}

#[test]
fn a_dataflow_that_stands_still_is_told() {
    let flow = Definition::new("standing", |df: &mut Dataflow<'_>| {
        let lines = df.events::<Line>("lines");
        let lines = lines.map(|line| (0_u64, (line.text.len() as u64, line.text.to_owned())));
        let longest = lines.latest("longest", |(length, _)| *length);
        df.view("longest", longest.map(|(key, (_, text))| (key, text))).columns(&["key", "line"]);
        df.version("1");
    });
    let house = House::open(Arc::new(SimDisk::new()), &[flow]);
    house.say("one").unwrap();
    house.served.wait_beyond("standing", 0).unwrap();
    house.channels.are_quiet();
    let reader = house.system.reader().unwrap();
    let all =
        |chunk: &diptych::log::Chunk| Ok(BooleanArray::from(vec![true; chunk.rows.num_rows()]));
    let found = reader.find("lines", 0..reader.upper().unwrap(), all).unwrap();
    let taken = house.writer.retract(&found, "a mistake", Append::default());
    taken.unwrap().wait().unwrap();
    house.channels.tell("dataflow_stands", "a mistake");
}

#[test]
fn checkpoints_that_fail_and_a_disk_that_is_nearly_full_are_told_until_there_is_room() {
    let disk = SimDisk::new();
    let flows = [counted("kept", |_| ())];
    let house = House::open(Arc::new(disk.clone()), &flows);
    house.say("one").unwrap();
    house.served.wait_beyond("kept", 0).unwrap();
    house.channels.are_quiet();
    disk.set_capacity(Some(disk.used() + 200));
    let checkpoints = Checkpoints::Every(Duration::from_millis(50));
    let options = RebuildOptions { checkpoints, ..RebuildOptions::default() };
    let system = &house.system;
    let _keeper = system.rebuild_under_readers(&house.served, &flows, options, |_| ()).unwrap();
    house.channels.tell("checkpoints_fail", "kept");
    house.channels.tell("disk_nearly_full", "left");
    disk.set_capacity(None);
    house.channels.tell_the_end_of("disk_nearly_full");
    house.channels.tell_the_end_of("checkpoints_fail");
    house.channels.are_quiet();
}

#[test]
fn a_mark_that_is_taken_away_is_told_while_nothing_is_appended() {
    let disk = SimDisk::new();
    let house = House::open(Arc::new(disk.clone()), &[counted("unreadable", |_| ())]);
    house.say("one").unwrap();
    house.channels.are_quiet();
    disk.tamper(std::path::Path::new("data/log/MARK"), None);
    house.channels.tell("log_stopped", "MARK");
}
