//! Several processes: those started by hand or by `-n`, and followers of another process's log.

use std::process::Child;
use std::time::{Duration, Instant};

use super::binary::{Place, Ran};

fn halves() -> Place {
    let place = Place::new();
    place.lines("a.ndjson", 10_000, |n| format!("w{} all", n % 500));
    place.lines("b.ndjson", 10_000, |n| format!("w{} all", n % 501));
    place.ok("ingest lines a.ndjson --data D");
    place
}

fn terminate(child: &Child) {
    let id = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("signalled");
}

/// Waits until the file contains `word`: `serve` writes its standard error there.
fn wait_for(place: &Place, name: &str, word: &str) {
    let begun = Instant::now();
    loop {
        let text = std::fs::read_to_string(place.path().join(name)).unwrap_or_default();
        if text.contains(word) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "{word:?} is not in {text}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Starts `serve`, whose standard error goes to the file `serve.err`.
fn serve(place: &Place, line: &str) -> Child {
    let errors = std::fs::File::create(place.path().join("serve.err")).expect("a file");
    let mut command = place.command(line);
    command.stdout(std::process::Stdio::piped()).stderr(errors);
    let child = command.spawn().expect("the binary starts");
    wait_for(place, "serve.err", "caught up");
    child
}

fn ended(child: Child) -> Ran {
    Ran::of(child.wait_with_output().expect("it ends"))
}

#[test]
fn a_served_view_follows_what_another_process_ingests() {
    for options in ["-w 2", "-w 1 -n 2"] {
        let place = halves();
        place.ok(&format!("batch word_count --data D {options}"));
        let line = format!("serve word_count --data D {options} --print counts --format json");
        let child = serve(&place, &line);
        place.ok("ingest lines b.ndjson --data D");
        wait_for(&place, "serve.err", "frontier 2, 0 epochs behind");
        terminate(&child);
        let ran = ended(child);
        assert_eq!(ran.code, 0, "{ran:?}");
        let served: Vec<_> = ran.out.lines().map(str::to_owned).collect();
        assert_eq!(served, place.counts(), "{options}");
        assert!(served.contains(&"{\"word\":\"all\",\"n\":20000}".to_owned()));
    }
}

#[test]
fn two_processes_leave_the_same_batch_view_as_one() {
    let place = halves();
    let expected = place.counts();
    let ran = place.ok("batch word_count --data D -w 2 -n 2");
    assert!(ran.err.contains("[0] word_count: batch view at F = 1"), "{}", ran.err);
    let read = place.ok("query word_count counts --data D --format json");
    assert!(read.err.contains("read from the batch view"), "{}", read.err);
    assert_eq!(read.out.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn processes_can_be_started_by_hand() {
    let place = halves();
    let ports: Vec<_> =
        (0..2).map(|_| std::net::TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
    let addresses = ports.iter().map(|port| port.local_addr().expect("its address").to_string());
    place.file("hosts", &addresses.collect::<Vec<_>>().join("\n"));
    drop(ports);
    let line = "batch word_count --data D -n 2 --hostfile hosts --upto 1 -p";
    let children: Vec<_> =
        ["0", "1"].iter().map(|number| place.start(&format!("{line} {number}"))).collect();
    for child in children {
        let ran = ended(child);
        assert_eq!(ran.code, 0, "{ran:?}");
        // Answers only: timely's own chatter is kept off standard output.
        assert_eq!(ran.out, "");
    }
    place.refused("batch word_count --data D -n 3 --hostfile hosts -p 0", 2, &["hosts", "2 of 3"]);
}

#[test]
fn bench_measures_all_of_its_processes() {
    let place = halves();
    let bench = "bench word_count --data D --epochs 3 --epoch-size 10,100 --format json";
    let rows = place.ok(&format!("{bench} -w 2 -n 2")).json();
    assert_eq!(rows.len(), 2);
    for row in &rows {
        assert_eq!((&row["processes"], &row["workers"]), (&2.into(), &2.into()), "{row}");
        assert_eq!(row["events"], 10_000 - 330);
        for column in ["batch_s", "batch_cpu_s", "epoch_p50_ms", "epoch_cpu_ms"] {
            assert!(row[column].as_f64() > Some(0.0), "{column}: {row}");
        }
    }
    // A process that cannot go on ends all of them, and says why.
    let bench = "bench word_count --data D --format json";
    place.refused(&format!("{bench} -n 2 --epochs 9000"), 2, &["too few", "--epochs"]);
    place.file("hosts", "127.0.0.1:1\n127.0.0.1:2\n");
    let by_hand = format!("{bench} -n 2 -p 1 --hostfile hosts");
    place.refused(&by_hand, 2, &["-p and --hostfile", "leave them out"]);
}

/// The processes that `parent` has started.
fn children(parent: &Child) -> Vec<i32> {
    let id = parent.id();
    let list = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
    list.unwrap_or_default().split_whitespace().filter_map(|id| id.parse().ok()).collect()
}

fn kill(id: i32) {
    let id = rustix::process::Pid::from_raw(id).expect("a process id");
    rustix::process::kill_process(id, rustix::process::Signal::KILL).expect("killed");
}

fn alive(id: i32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // Behind the name in brackets; a zombie has ended.
    state.rsplit(')').next().and_then(|rest| rest.trim().chars().next()).is_some_and(|s| s != 'Z')
}

#[test]
fn when_one_process_dies_the_others_are_ended() {
    let place = halves();
    let child = serve(&place, "serve word_count --data D -n 2");
    let started = children(&child);
    assert_eq!(started.len(), 2, "{started:?}");
    kill(started[1]);
    let ran = ended(child);
    assert_ne!(ran.code, 0);
    wait_for(&place, "serve.err", "the others were ended");
    assert!(started.iter().all(|id| !alive(*id)));
}

#[test]
fn when_the_first_is_killed_nothing_is_left_behind() {
    let place = halves();
    let mut child = serve(&place, "serve word_count --data D -n 2");
    let started = children(&child);
    child.kill().expect("killed");
    child.wait().expect("a status");
    let begun = Instant::now();
    while started.iter().any(|id| alive(*id)) {
        assert!(begun.elapsed() < Duration::from_secs(20), "{started:?} are left");
        std::thread::sleep(Duration::from_millis(20));
    }
}
