//! A program with a dataflow that is in an epoch for an hour, and with a frozen process among
//! several: clients are answered, the other dataflow is fresh, and SIGTERM ends the program.
//!
//! This test has no harness, because it is that program: started with `DIPTYCH_LAG` it runs the
//! command line, otherwise it starts itself and checks the results.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use dataflows::Line;
use diptych::Dataflow;
use rustix::process::{Pid, Signal, kill_process};

const PATIENCE: Duration = Duration::from_mins(2);

/// Counts lines; takes an hour for a line that says so, unless it is started awake.
fn slow(df: &mut Dataflow) {
    let asleep = std::env::var("DIPTYCH_LAG").is_ok_and(|how| how == "asleep");
    let lines = df.events::<Line>("lines").map(move |line| {
        if asleep && line.text == "sleep" {
            thread::sleep(Duration::from_hours(1));
        }
        line.text.to_owned()
    });
    df.view("counts", lines.count("counts")).columns(&["line", "n"]);
}

fn fast(df: &mut Dataflow) {
    let lines = df.events::<Line>("lines").map(|line| line.text.to_owned());
    df.view("counts", lines.count("counts")).columns(&["line", "n"]);
}

fn main() -> ExitCode {
    if std::env::var("DIPTYCH_LAG").is_ok() {
        return diptych::main(diptych::flows![slow, fast]);
    }
    let place = tempfile::tempdir().expect("a temporary directory");
    println!("test a_dataflow_in_its_epoch_holds_up_no_client_and_no_stop ...");
    a_dataflow_in_its_epoch_holds_up_no_client_and_no_stop(place.path());
    println!("test a_frozen_process_holds_up_no_append_and_no_stop ...");
    a_frozen_process_holds_up_no_append_and_no_stop(place.path());
    println!("test result: ok");
    ExitCode::SUCCESS
}

/// Until it is farther behind than its stated bound allows.
fn a_dataflow_in_its_epoch_holds_up_no_client_and_no_stop(place: &Path) {
    let (program, address) = serve(place, "serve slow fast --data D --max-lag 1500");
    let mut client = Client::of(&address);
    assert_eq!(client.post("/v1/streams/lines", "sleep").0, 200);
    let mut taken = 1;
    let (refused, head, body) = loop {
        match client.post("/v1/streams/lines", &format!("line {}", taken % 10)) {
            (200, ..) => taken += 1,
            other => break other,
        }
        assert!(taken < 5_000, "nothing is refused");
    };
    assert!(taken > 1_400, "{taken} are taken: {body}");
    assert!(refused == 503 && head.contains("retry-after: "), "{head}");
    assert!(body.contains("slow") && body.contains("--max-lag"), "{body}");
    let begun = Instant::now();
    loop {
        let (status, _, body) = client.get("/v1/status");
        let status = (status == 200).then(|| serde_json::from_str(&body).expect("JSON"));
        let status: serde_json::Value = status.expect("a status");
        let flow = |name: &str| {
            let flows = status["dataflows"].as_array().expect("dataflows");
            flows.iter().find(|flow| flow["dataflow"] == name).expect("it is served")
        };
        let lag = |name: &str, what: &str| flow(name)[what].as_f64().expect("a number");
        assert!(lag("slow", "lag") > 1_400.0 && lag("slow", "lag_bytes") > 1_400.0, "{body}");
        assert!(lag("slow", "lag_seconds") > 0.0, "{body}");
        if lag("fast", "lag") == 0.0 {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "the fast one is not fresh: {body}");
        thread::sleep(Duration::from_millis(20));
    }
    terminate(&program);
    assert_eq!(ended(program).code(), Some(0));
    let read = |flow: &str| run(place, &format!("query {flow} counts --data D --format csv"));
    assert_eq!(read("slow"), read("fast"));
    assert_eq!(events(&read("slow")), taken);
}

/// One of two processes, which computes a part of all dataflows.
fn a_frozen_process_holds_up_no_append_and_no_stop(place: &Path) {
    let (program, address) = serve(place, "serve fast --data E -n 2");
    let mut client = Client::of(&address);
    let visible = "/v1/streams/lines?wait=visible&timeout=60s";
    assert_eq!(client.post(visible, "line 0").0, 200, "both are up");
    let frozen = member(&program, "1");
    kill_process(frozen, Signal::STOP).expect("a signal");
    let mut taken = 1;
    while taken < 1_500 {
        let (status, _, body) = client.post("/v1/streams/lines", &format!("line {}", taken % 10));
        assert_eq!(status, 200, "{body}");
        taken += 1;
    }
    let late = "/v1/streams/lines?wait=visible&timeout=100ms";
    assert_eq!(client.post(late, "line 0").0, 202, "it is durable, and not visible in time");
    terminate(&program);
    ended(program);
    assert_eq!(events(&run(place, "query fast counts --data E --format csv")), taken + 1);
}

fn command(place: &Path, how: &str, line: &str) -> Command {
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new(program);
    command.current_dir(place).env("DIPTYCH_LAG", how).args(line.split_whitespace());
    command
}

/// Starts a server; returns its address.
fn serve(place: &Path, line: &str) -> (Program, String) {
    let mut command = command(place, "asleep", &format!("{line} --listen 127.0.0.1:0"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut program = Program(command.spawn().expect("it starts"));
    let mut said = BufReader::new(program.0.stderr.take().expect("standard error")).lines();
    let address = said.by_ref().map_while(Result::ok).find_map(|line| {
        let (_, address) = line.split_once("HTTP at http://")?;
        Some(address.trim_end_matches('/').to_owned())
    });
    thread::spawn(move || said.map_while(Result::ok).for_each(|line| eprintln!("  {line}")));
    (program, address.expect("it says where it listens"))
}

/// The output of a command, run by a program that does not sleep.
fn run(place: &Path, line: &str) -> String {
    let output = command(place, "awake", line).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn events(csv: &str) -> u64 {
    let counts = csv.lines().skip(1).filter_map(|line| line.rsplit(',').next());
    counts.map(|count| count.parse::<u64>().expect("a count")).sum()
}

/// A process that is killed when dropped.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn terminate(program: &Program) {
    let id = i32::try_from(program.0.id()).ok().and_then(Pid::from_raw);
    kill_process(id.expect("a process"), Signal::TERM).expect("a signal");
}

fn ended(mut program: Program) -> ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = program.0.try_wait().expect("a status") {
            return status;
        }
        assert!(begun.elapsed() < PATIENCE, "it does not end");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The process with that number, which `program` has started.
fn member(program: &Program, number: &str) -> Pid {
    let parent = format!("\nPPid:\t{}\n", program.0.id());
    let processes = std::fs::read_dir("/proc").expect("processes").filter_map(Result::ok);
    let found = processes.map(|process| process.path()).find(|process| {
        let read = |file: &str| std::fs::read_to_string(process.join(file)).unwrap_or_default();
        let arguments = read("cmdline");
        let arguments: Vec<_> = arguments.split('\0').collect();
        read("status").contains(&parent) && arguments.windows(2).any(|two| two == ["-p", number])
    });
    let name = found.expect("it has been started");
    let name = name.file_name().and_then(|name| name.to_str()).expect("a number");
    name.parse().ok().and_then(Pid::from_raw).expect("a process")
}

/// One connection for one request after another.
struct Client(BufReader<TcpStream>);

impl Client {
    fn of(address: &str) -> Client {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("an option");
        Client(BufReader::new(stream))
    }

    fn post(&mut self, path: &str, text: &str) -> (u16, String, String) {
        let body = format!("{{\"text\": \"{text}\"}}\n");
        let kind = "content-type: application/x-ndjson";
        let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\n{kind}");
        self.ask(&format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
    }

    fn get(&mut self, path: &str) -> (u16, String, String) {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n"))
    }

    /// Status, head and body of the answer.
    fn ask(&mut self, request: &str) -> (u16, String, String) {
        self.0.get_mut().write_all(request.as_bytes()).expect("sent");
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(self.0.read_line(&mut head).expect("an answer") > 0, "closed: {head}");
        }
        head.make_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.expect("a length").trim().parse().expect("a number")];
        self.0.read_exact(&mut body).expect("a body");
        let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
        (status, head, String::from_utf8(body).expect("text"))
    }
}
