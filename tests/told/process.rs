//! Processes whose log stops, or whose disk takes nothing from the start.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::channels::Channels;

const PATIENCE: Duration = Duration::from_mins(1);
/// The exit code of a process whose log has stopped.
const LOG_STOPPED: i32 = 11;

/// A `diptych serve` process, with all its messages.
struct Process {
    child: Child,
    said: Arc<Mutex<String>>,
    channels: Channels,
}

impl Process {
    /// Starts it, if need be through the program in `before`.
    fn start(before: &[&str], data: &Path) -> Process {
        let serve = [env!("CARGO_BIN_EXE_diptych"), "serve", "word_count", "--data"];
        let all: Vec<&str> = before.iter().chain(&serve).copied().collect();
        let mut child = Command::new(all[0])
            .args(&all[1..])
            .arg(data)
            .args(["--listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::<Mutex<String>>::default();
        let (heard, stderr) = (Arc::clone(&said), child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut heard = heard.lock().unwrap();
                heard.push_str(&line);
                heard.push('\n');
            }
        });
        let begun = Instant::now();
        let url = loop {
            let text = said.lock().unwrap().clone();
            let line = text.lines().find_map(|line| line.strip_prefix("HTTP at "));
            if let Some(url) = line {
                break url.trim_end_matches('/').to_owned();
            }
            assert!(begun.elapsed() < PATIENCE, "{text}");
            std::thread::sleep(Duration::from_millis(10));
        };
        let heard = Arc::clone(&said);
        let channels = Channels::new(url.clone(), move || heard.lock().unwrap().clone());
        Process { child, said, channels }
    }

    /// Posts a line.
    fn say(&self, text: &str) -> (u16, String) {
        let body = format!("{{\"text\": \"{text}\"}}");
        self.channels.post("/v1/streams/lines?wait=visible", &body)
    }

    /// Waits for its end; returns its exit code.
    fn end(&mut self) -> Option<i32> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            let said = self.said.lock().unwrap().clone();
            assert!(begun.elapsed() < PATIENCE * 2, "it goes on: {said}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn counts(&self) -> String {
        let (status, rows) = self.channels.get("/v1/dataflows/word_count/views/counts");
        assert_eq!(status, 200, "{rows}");
        rows
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Checks that acknowledged events are there after the next start, and that readers are told
/// meanwhile.
fn check_end(mut process: Process, data: &Path, word: &str) {
    let begun = Instant::now();
    process.channels.tell("log_stopped", word);
    let refused = process.say("refused");
    assert_eq!(refused.0, 503, "{refused:?}");
    assert!(process.counts().contains("kept"));
    let code = process.end();
    println!("{word}: the process ended after {:.1?}", begun.elapsed());
    let said = process.said.lock().unwrap().clone();
    assert_eq!(code, Some(LOG_STOPPED), "{said}");
    assert!(said.contains("this process ends in"), "{said}");
    let again = Process::start(&[], data);
    again.channels.are_quiet();
    let rows = again.counts();
    assert!(rows.contains("kept") && !rows.contains("refused"), "{rows}");
    assert_eq!(again.say("more").0, 200);
}

#[test]
fn a_frame_file_that_is_removed_ends_the_process_after_its_readers_were_told() {
    let place = tempfile::tempdir().unwrap();
    let process = Process::start(&[], place.path());
    assert_eq!(process.say("kept").0, 200);
    process.channels.are_quiet();
    std::fs::remove_file(place.path().join("log/00000000000000000000.frames")).unwrap();
    check_end(process, place.path(), "00000000000000000000.frames");
}

#[test]
fn a_sync_that_fails_ends_the_process_after_its_readers_were_told() {
    let strace = Command::new("strace").arg("-V").output();
    if !strace.is_ok_and(|output| output.status.success()) {
        println!("skipped: there is no strace here");
        return;
    }
    let place = tempfile::tempdir().unwrap();
    // The log is there, and the first appends of a start are synced.
    let first = Process::start(&[], place.path());
    assert_eq!(first.say("kept").0, 200);
    drop(first);
    let inject = "inject=fdatasync:error=EIO:when=8+";
    let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", inject];
    let process = Process::start(&strace, place.path());
    process.channels.are_quiet();
    let begun = Instant::now();
    while process.say("kept").0 == 200 {
        assert!(begun.elapsed() < PATIENCE, "no sync fails");
    }
    check_end(process, place.path(), "disk failed");
}

/// A file system of its own, where the machine allows a mount.
struct Mount(std::path::PathBuf);

impl Mount {
    fn new(place: &Path, options: &str) -> Option<Mount> {
        let at = place.join("mounted");
        std::fs::create_dir_all(&at).unwrap();
        let mount = ["-t", "tmpfs", "-o", options, "tmpfs"];
        let mounted = Command::new("mount").args(mount).arg(&at).output();
        let mounted = mounted.is_ok_and(|output| output.status.success());
        if !mounted {
            println!("skipped: cannot mount a tmpfs here");
        }
        mounted.then_some(Mount(at))
    }

    fn again(&self, options: &str) {
        let options = format!("remount,{options}");
        let status = Command::new("mount").args(["-o", &options]).arg(&self.0).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_start_on_a_disk_that_takes_nothing_answers_reads_and_refuses_appends_with_the_reason() {
    let place = tempfile::tempdir().unwrap();
    let Some(mount) = Mount::new(place.path(), "size=16m") else { return };
    let data = mount.0.join("data");
    let mut process = Process::start(&[], &data);
    assert_eq!(process.say("kept").0, 200);
    process.channels.are_quiet();
    process.child.kill().unwrap();
    drop(process);
    let ballast = mount.0.join("ballast");
    let mut rest = std::fs::File::create(&ballast).unwrap();
    let piece = vec![0; 4096];
    while std::io::Write::write_all(&mut rest, &piece).is_ok() {}
    drop(rest);
    check_refusal(&data, 507, "left");
    std::fs::remove_file(&ballast).unwrap();
    mount.again("ro");
    check_refusal(&data, 500, "read-only");
    mount.again("rw");
    let process = Process::start(&[], &data);
    process.channels.are_quiet();
    assert_eq!(process.say("more").0, 200);
}

fn check_refusal(data: &Path, status: u16, word: &str) {
    let process = Process::start(&[], data);
    process.channels.tell("appends_refused", "since its start");
    process.channels.tell("disk_nearly_full", word);
    assert!(process.counts().contains("kept"));
    let refused = process.say("refused");
    assert_eq!(refused.0, status, "{refused:?}");
    assert!(refused.1.contains("since its start"), "{refused:?}");
}
