//! A new binary takes over from a running server: clients that append and read all the time notice
//! nothing, no event is lost or doubled, and when the new process dies half way the old one goes
//! on.

#[path = "serving/connection.rs"]
mod connection;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use connection::ask;

const BINARY: &str = env!("CARGO_BIN_EXE_diptych");
const PATIENCE: Duration = Duration::from_mins(1);

/// A process whose standard error is read; killed when dropped.
struct Process {
    child: Child,
    said: mpsc::Receiver<String>,
}

impl Process {
    fn start(binary: &Path, args: &[&str]) -> Process {
        let mut child = Command::new(binary)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let (tell, said) = mpsc::channel();
        let stderr = child.stderr.take().expect("standard error");
        let id = child.id();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                eprintln!("  {id}: {line}");
                // Nobody may listen any more.
                let _ = tell.send(line);
            }
        });
        Process { child, said }
    }

    /// Waits for a line with this beginning; returns the rest of it.
    fn says(&self, beginning: &str) -> String {
        loop {
            let line = self.said.recv_timeout(PATIENCE).expect(beginning);
            if let Some(rest) = line.strip_prefix(beginning) {
                return rest.trim_end_matches('/').to_owned();
            }
        }
    }

    fn kill(mut self) {
        self.child.kill().expect("a signal");
        self.child.wait().expect("an end");
    }

    /// Waits for the process to end with success.
    fn ends(mut self) {
        let status = self.child.wait().expect("an end");
        assert!(status.success(), "{status}");
    }

    fn terminate(self) {
        let id = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let signal = rustix::process::Signal::TERM;
        rustix::process::kill_process(id.expect("a process"), signal).expect("a signal");
        self.ends();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Clients that never pause, with their failures.
struct Load {
    address: SocketAddr,
    over: AtomicBool,
    acknowledged: Mutex<BTreeSet<String>>,
    wrong: Mutex<Vec<String>>,
    /// The time of the slowest answer.
    longest: Mutex<Duration>,
}

impl Load {
    fn new(address: &str) -> Load {
        let address = address.trim_start_matches("http://").parse().expect("an address");
        let (acknowledged, wrong, longest) = Default::default();
        Load { address, over: AtomicBool::new(false), acknowledged, wrong, longest }
    }

    /// Sends one request after the other, on one connection while that is kept.
    fn client(&self, request: impl Fn(usize) -> String, mut answered: impl FnMut(usize, &str)) {
        let mut asked = 0;
        while !self.over.load(Ordering::Relaxed) {
            let mut begun = Instant::now();
            let mut stream = match TcpStream::connect(self.address) {
                Ok(stream) => stream,
                Err(error) => return self.wrong(format!("not connected: {error}")),
            };
            stream.set_nodelay(true).expect("an option");
            stream.set_read_timeout(Some(PATIENCE)).expect("an option");
            let mut kept = true;
            while kept && !self.over.load(Ordering::Relaxed) {
                match ask(&mut stream, &request(asked)) {
                    Ok((200, body, keeps)) => {
                        answered(asked, &body);
                        let mut longest = self.longest.lock().expect("a lock");
                        *longest = begun.elapsed().max(*longest);
                        begun = Instant::now();
                        kept = keeps;
                    }
                    Ok((status, body, _)) => return self.wrong(format!("{status}: {body}")),
                    Err(error) => return self.wrong(format!("request {asked}: {error}")),
                }
                asked += 1;
            }
        }
    }

    fn wrong(&self, what: String) {
        self.wrong.lock().expect("a lock").push(what);
    }

    fn appends(&self, number: usize) {
        let word = |asked: usize| format!("c{number}n{asked}");
        let request = |asked| {
            let body = format!("{{\"text\": \"{}\"}}\n", word(asked));
            let length = body.len();
            format!(
                "POST /v1/streams/lines HTTP/1.1\r\nhost: localhost\r\ncontent-type: \
                 application/x-ndjson\r\ncontent-length: {length}\r\n\r\n{body}"
            )
        };
        self.client(request, |asked, _| {
            assert!(self.acknowledged.lock().expect("a lock").insert(word(asked)));
        });
    }

    /// Appends a few words during a takeover, each acknowledged.
    fn during_appends(&self, number: usize, words: usize) {
        thread::scope(|scope| {
            scope.spawn(|| self.appends(number));
            while self.acknowledged.lock().expect("a lock").len() < words {
                thread::sleep(Duration::from_millis(1));
                assert!(self.wrong.lock().expect("a lock").is_empty());
            }
            self.over.store(true, Ordering::Relaxed);
        });
        let wrong = self.wrong.lock().expect("a lock");
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    fn into_acknowledged(self) -> BTreeSet<String> {
        self.acknowledged.into_inner().expect("a lock")
    }

    fn reads(&self) {
        let mut seen = 0;
        let request = |_| {
            "GET /v1/dataflows/word_count/views/counts?key=c0n0 HTTP/1.1\r\nhost: localhost\r\n\
             \r\n"
                .into()
        };
        self.client(request, |_, body| {
            let answer: serde_json::Value = serde_json::from_str(body).expect("JSON");
            let epoch = answer["epoch"].as_u64().unwrap_or(0);
            assert!(epoch >= seen, "{epoch} after {seen}");
            seen = epoch;
        });
    }

    /// Runs `work` while 3 clients append and 2 read.
    fn during(&self, work: impl FnOnce()) {
        thread::scope(|scope| {
            for number in 0..3 {
                scope.spawn(move || self.appends(number));
            }
            scope.spawn(|| self.reads());
            scope.spawn(|| self.reads());
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            self.over.store(true, Ordering::Relaxed);
            if let Err(panic) = outcome {
                std::panic::resume_unwind(panic);
            }
        });
        let wrong = self.wrong.lock().expect("a lock");
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    /// Checks that every acknowledged word is in the data once, and no other word.
    fn check(&self, data: &str) {
        let read = Command::new(BINARY)
            .args(["query", "word_count", "counts", "--data", data, "--format", "csv"])
            .output()
            .expect("the binary runs");
        let rows = String::from_utf8(read.stdout).expect("text");
        let rows = rows.lines().skip(1).filter_map(|line| line.split_once(','));
        let found: BTreeMap<String, String> =
            rows.map(|(word, n)| (word.to_owned(), n.to_owned())).collect();
        let acknowledged = self.acknowledged.lock().expect("a lock");
        let doubled: Vec<_> = found.iter().filter(|(_, n)| *n != "1").collect();
        let lost: Vec<_> = acknowledged.iter().filter(|word| !found.contains_key(*word)).collect();
        let made_up: Vec<_> = found.keys().filter(|word| !acknowledged.contains(*word)).collect();
        assert!(
            doubled.is_empty() && lost.is_empty() && made_up.is_empty(),
            "doubled {doubled:?}, lost {lost:?}, made up {made_up:?}"
        );
        println!("{} events, each once", found.len());
        assert!(found.len() > 50, "the clients hardly appended");
    }
}

/// A data directory, and two binaries for it.
struct Place {
    folder: tempfile::TempDir,
    data: String,
    another: PathBuf,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("D").to_str().expect("a path").to_owned();
        let another = another_binary(folder.path());
        Place { folder, data, another }
    }

    /// Starts a server; returns its address.
    fn serve(&self, listen: &str, more: &[&str]) -> (Process, String) {
        let args = ["serve", "word_count", "--data", &self.data, "--listen", listen];
        let process = Process::start(Path::new(BINARY), &[&args, more].concat());
        let url = process.says("HTTP at ");
        (process, url)
    }

    /// Starts `binary` to take over.
    fn deploy(&self, binary: &Path, address: &SocketAddr, more: &[&str]) -> Process {
        let listen = address.to_string();
        let args = ["deploy", "word_count", "--data", &self.data, "--listen", &listen, "--yes"];
        Process::start(binary, &[&args, more].concat())
    }

    /// A certificate and its key.
    fn certificate(&self) -> (String, String) {
        let key = rcgen::KeyPair::generate().expect("a key");
        let cert = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("names");
        let cert = cert.self_signed(&key).expect("a certificate");
        let put = |name: &str, text: String| {
            let path = self.folder.path().join(name);
            std::fs::write(&path, text).expect("written");
            path.to_str().expect("a path").to_owned()
        };
        (put("cert.pem", cert.pem()), put("key.pem", key.serialize_pem()))
    }
}

/// The same program as another executable, whose dataflows have another version.
fn another_binary(folder: &Path) -> PathBuf {
    let path = folder.join("another");
    std::fs::copy(BINARY, &path).expect("copied");
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).expect("opened");
    file.write_all(b"another").expect("written");
    path
}

fn pause() {
    thread::sleep(Duration::from_millis(300));
}

#[test]
fn a_takeover_is_not_noticed() {
    let place = Place::new();
    let (mut running, url) = place.serve("127.0.0.1:0", &[]);
    let load = Load::new(&url);
    load.during(|| {
        pause();
        for binary in [&*place.another, Path::new(BINARY), &*place.another] {
            let next = place.deploy(binary, &load.address, &[]);
            next.says("HTTP at ");
            std::mem::replace(&mut running, next).ends();
            pause();
        }
    });
    running.terminate();
    load.check(&place.data);
    println!("the slowest answer took {:?}", load.longest.lock().expect("a lock"));
}

/// The old process ends at the very moment at which it hands over.
#[test]
fn the_new_process_serves_when_the_old_one_ends_at_once() {
    let strace = Command::new("strace").arg("-V").output();
    if !strace.is_ok_and(|output| output.status.success()) {
        println!("skipped: there is no strace here");
        return;
    }
    let place = Place::new();
    // Sockets are passed by this call, and by it alone.
    let inject = "inject=sendmsg:signal=KILL:when=1";
    let serve = ["serve", "word_count", "--data", &place.data, "--listen", "127.0.0.1:0"];
    let strace = ["-f", "-qq", "-o", "/dev/null", "-e", "trace=sendmsg", "-e", inject, BINARY];
    let old = Process::start(Path::new("strace"), &[&strace[..], &serve].concat());
    let url = old.says("HTTP at ");
    let load = Load::new(&url);
    load.during_appends(0, 60);
    let new = place.deploy(&place.another, &load.address, &[]);
    new.says("warning: the old process has ended before it handed over");
    assert_eq!(new.says("HTTP at "), url);
    let again = Load::new(&url);
    again.during_appends(1, 10);
    new.terminate();
    load.acknowledged.lock().expect("a lock").extend(again.into_acknowledged());
    load.check(&place.data);
}

#[test]
fn the_old_process_goes_on_when_the_new_one_dies() {
    let place = Place::new();
    let (old, url) = place.serve("127.0.0.1:0", &[]);
    let load = Load::new(&url);
    let deploy = || place.deploy(&place.another, &load.address, &[]);
    load.during(|| {
        pause();
        // Before it asks.
        let new = deploy();
        new.says("word_count: caught up");
        new.kill();
        for _ in 0..3 {
            // While the old one finishes requests: a silent connection holds it up.
            let mut idle = TcpStream::connect(load.address).expect("connected");
            let request = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
            assert_eq!(ask(&mut idle, request).expect("an answer").0, 200);
            let new = deploy();
            old.says("handing over");
            new.kill();
            old.says("warning: the successor is gone");
            old.says("HTTP at ");
            pause();
        }
    });
    // Nothing is in the way of the next.
    let new = deploy();
    new.says("HTTP at ");
    old.ends();
    new.terminate();
    load.check(&place.data);
}

/// Whenever the new process is killed, before it has the log, between, or once it serves: the
/// process that is left or started next has every event once.
#[test]
fn killed_at_any_moment_nothing_is_lost() {
    let place = Place::new();
    let (mut old, url) = place.serve("127.0.0.1:0", &[]);
    let load = Load::new(&url);
    let listen = load.address.to_string();
    let deploy = || place.deploy(&place.another, &load.address, &[]);
    let (mut went_on, mut took_over) = (0, 0);
    // The old process finishes requests for about 200 ms; then it is a matter of milliseconds.
    let delays = [0, 60, 120].into_iter().chain((180..250).step_by(7));
    for (round, delay) in delays.enumerate() {
        let round_of = Load::new(&url);
        round_of.during_appends(round, 10);
        load.acknowledged.lock().expect("a lock").extend(round_of.into_acknowledged());
        let mut idle = TcpStream::connect(load.address).expect("connected");
        let request = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
        assert_eq!(ask(&mut idle, request).expect("an answer").0, 200);
        let new = deploy();
        old.says("handing over");
        thread::sleep(Duration::from_millis(delay));
        new.kill();
        let line = old.said.recv_timeout(PATIENCE).expect("what became of it");
        if line.starts_with("warning: the successor is gone") {
            old.says("HTTP at ");
            went_on += 1;
        } else {
            assert_eq!(line, "the successor serves");
            old.ends();
            old = place.serve(&listen, &[]).0;
            took_over += 1;
        }
    }
    old.terminate();
    load.check(&place.data);
    println!("went on {went_on} times, was taken over {took_over} times");
    assert!(went_on > 0, "never killed in time");
}

/// A slow request holds the old process up. Clients that connect meanwhile are told to come back,
/// appends included; none hangs, and the slow request is answered.
#[test]
fn a_takeover_that_takes_long_says_so() {
    let place = Place::new();
    let (old, url) = place.serve("127.0.0.1:0", &[]);
    let address = Load::new(&url).address;
    let post = "POST /v1/streams/lines HTTP/1.1\r\nhost: localhost\r\ncontent-type: \
                application/x-ndjson\r\ncontent-length: 17\r\n\r\n";
    let mut slow = TcpStream::connect(address).expect("connected");
    slow.write_all(format!("{post}{{\"text\":").as_bytes()).expect("sent");
    let new = place.deploy(&place.another, &address, &[]);
    old.says("handing over");
    new.says("warning: the takeover takes its time");
    let get = "GET /v1/dataflows/word_count/views/counts HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for request in [get.to_owned(), format!("{post}{{\"text\": \"lost\"}}\n")] {
        let begun = Instant::now();
        let mut client = TcpStream::connect(address).expect("connected");
        client.set_read_timeout(Some(PATIENCE)).expect("an option");
        let (status, body, _) = ask(&mut client, &request).expect("an answer, not a reset");
        assert_eq!(status, 503, "{body}");
        assert!(body.contains("another process takes over"), "{body}");
        assert!(begun.elapsed() < Duration::from_secs(2), "it hangs");
    }
    let (status, body, _) = ask(&mut slow, " \"kept\"}\n").expect("an answer");
    assert_eq!(status, 200, "{body}");
    new.says("HTTP at ");
    old.ends();
    let mut client = TcpStream::connect(address).expect("connected");
    let (status, body, _) = ask(&mut client, get).expect("an answer");
    assert_eq!(status, 200);
    assert!(body.contains("kept") && !body.contains("lost"), "{body}");
    drop(client);
    new.terminate();
}

/// The same through TLS: clients that never pause notice nothing.
#[test]
fn a_takeover_through_tls_is_not_noticed() {
    let place = Place::new();
    let (cert, key) = place.certificate();
    let tls = ["--tls-cert", &cert, "--tls-key", &key];
    let (mut running, url) = place.serve("127.0.0.1:0", &tls);
    let address = url.trim_start_matches("https://").parse().expect("an address");
    let over = AtomicBool::new(false);
    let acknowledged = Mutex::new(BTreeSet::new());
    let agent = || -> ureq::Agent {
        let tls = ureq::tls::TlsConfig::builder().disable_verification(true).build();
        ureq::Agent::config_builder().tls_config(tls).build().into()
    };
    thread::scope(|scope| {
        for client in 0..2 {
            let (url, over, acknowledged, agent) = (&url, &over, &acknowledged, agent());
            scope.spawn(move || {
                for n in (0..).take_while(|_| !over.load(Ordering::Relaxed)) {
                    let word = format!("c{client}n{n}");
                    let sent = agent
                        .post(format!("{url}/v1/streams/lines"))
                        .header("content-type", "application/x-ndjson")
                        .send(format!("{{\"text\": \"{word}\"}}\n"));
                    assert_eq!(sent.expect("an answer").status(), 200);
                    acknowledged.lock().expect("a lock").insert(word);
                }
            });
        }
        pause();
        for binary in [&*place.another, Path::new(BINARY)] {
            let more = [&tls[..], &["--ca", &cert]].concat();
            let next = place.deploy(binary, &address, &more);
            next.says("HTTP at ");
            std::mem::replace(&mut running, next).ends();
            pause();
        }
        over.store(true, Ordering::Relaxed);
    });
    running.terminate();
    let load = Load::new(&address.to_string());
    *load.acknowledged.lock().expect("a lock") = acknowledged.into_inner().expect("a lock");
    load.check(&place.data);
}
