//! A server for tests: the binary, on free ports, ended with the test.

#![allow(dead_code, reason = "several test binaries share it; each uses what it needs")]

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long a server may take to say where it listens.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long it may be silent while it loads.
const LOADING: Duration = Duration::from_secs(5);

/// `diptych serve … --listen 127.0.0.1:0`, killed when dropped.
pub(crate) struct Server {
    child: Child,
    http: String,
    pg: Option<SocketAddr>,
}

impl Server {
    /// Starts `diptych serve` with these arguments and waits until it says where it listens.
    pub(crate) fn start(args: &[&str]) -> Server {
        let mut child = Command::new(env!("CARGO_BIN_EXE_diptych"))
            .arg("serve")
            .args(args)
            .args(["--listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let (lines, said) = mpsc::channel();
        let stderr = child.stderr.take().expect("standard error");
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                eprintln!("  server: {line}");
                // Nobody listens after the start.
                let _ = lines.send(line);
            }
        });
        let wants_pg = args.contains(&"--pg-listen");
        let (mut http, mut pg) = (None, None);
        while http.is_none() || (wants_pg && pg.is_none()) {
            let line = said.recv_timeout(PATIENCE).expect("the server says where it listens");
            if let Some(rest) = line.strip_prefix("HTTP at ") {
                http = Some(rest.trim_end_matches('/').to_owned());
            } else if let Some(rest) = line.strip_prefix("Postgres at ") {
                pg = Some(rest.parse().expect("an address"));
            }
        }
        // It answers before it has loaded anything; most tests want it as it is from then on. One
        // whose dataflow fails says something else.
        let settled = |line: &String| {
            line.contains(": boundary F = ") || line.ends_with(": the log is empty")
        };
        while said.recv_timeout(LOADING).is_ok_and(|line| !settled(&line)) {}
        Server { child, http: http.expect("an address"), pg }
    }

    /// The URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.http)
    }

    /// Sends SIGTERM, and returns the exit status.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal();
        self.child.wait().expect("an end")
    }

    /// Sends SIGTERM.
    pub(crate) fn signal(&self) {
        let id = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let signal = rustix::process::Signal::TERM;
        rustix::process::kill_process(id.expect("a process"), signal).expect("a signal");
    }

    /// Sends SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("a signal");
        self.child.wait().expect("an end");
    }

    /// KiB of memory that the server holds.
    pub(crate) fn rss_kib(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// KiB of that memory that are not pages of files: the kernel cannot take them back.
    pub(crate) fn anonymous_kib(&self) -> u64 {
        self.status("RssAnon:")
    }

    fn status(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("a status");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect(name);
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// The address of the Postgres port.
    pub(crate) fn pg(&self) -> Option<SocketAddr> {
        self.pg
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A path of the description, with names that a server of `word_count` knows.
pub(crate) fn filled(path: &str) -> String {
    path.replace("{dataflow}", "word_count")
        .replace("{view}", "counts")
        .replace("{stream}", "lines")
        .replace("{file}", "page.js")
}
