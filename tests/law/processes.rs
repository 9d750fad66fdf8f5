//! The law across processes: this test binary starts itself again, as another process.
//!
//! The other process runs the test `part`, which does nothing unless its task is in the
//! environment. Logs are made from a seed, so every process knows the twin's answers.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use diptych::System;
use diptych::system::{BatchOptions, Boundary, Cluster, ServeOptions};

use crate::naive::{cases, generate};
use crate::run::Log;
use crate::subject::Subject;

const TASK: &str = "DIPTYCH_LAW_TASK";
const PATIENCE: Duration = Duration::from_mins(2);

/// The task of a process, in words.
#[derive(Clone, Debug)]
struct Task {
    /// `batch` or `serve`.
    layer: &'static str,
    directory: String,
    dataflow: String,
    seed: u64,
    boundary: u64,
    cluster: Cluster,
}

impl Task {
    fn words(&self) -> String {
        let Task { layer, directory, dataflow, seed, boundary, cluster } = self;
        let Cluster { workers, process, addresses } = cluster;
        let addresses = addresses.join(",");
        let cluster = format!("{workers}\n{process}\n{addresses}");
        format!("{layer}\n{directory}\n{dataflow}\n{seed}\n{boundary}\n{cluster}")
    }

    fn from_words(words: &str) -> Task {
        let words: Vec<&str> = words.split('\n').collect();
        let [layer, directory, dataflow, seed, boundary, workers, process, addresses] = words[..]
        else {
            panic!("{TASK} has {} words", words.len());
        };
        let number = |text: &str| text.parse::<u64>().expect("a number");
        let addresses = addresses.split(',').filter(|address| !address.is_empty());
        Task {
            layer: if layer == "batch" { "batch" } else { "serve" },
            directory: directory.into(),
            dataflow: dataflow.into(),
            seed: number(seed),
            boundary: number(boundary),
            cluster: Cluster {
                workers: number(workers) as usize,
                process: number(process) as usize,
                addresses: addresses.map(str::to_owned).collect(),
            },
        }
    }

    fn log(&self) -> Log {
        log(&self.dataflow, self.seed)
    }

    /// Starts a process with this task.
    fn start(&self) -> Child {
        Command::new(std::env::current_exe().expect("the path of this test"))
            .args(["--exact", "processes::part", "--nocapture"])
            .env(TASK, self.words())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("another process")
    }

    fn perform(&self) -> Result<(), String> {
        let (log, system) = (self.log(), System::open(&self.directory));
        let cluster = self.cluster.clone();
        if self.layer == "batch" {
            let upto = Some(self.boundary);
            let options = BatchOptions { cluster, upto, ..BatchOptions::default() };
            return system.batch(&log.definition, &options).map(drop).map_err(|e| e.to_string());
        }
        let boundary = Boundary::Restore(self.boundary);
        if cluster.is_first() {
            return log.check(&system, boundary, cluster, "in several processes").map(drop);
        }
        let options = ServeOptions::default().boundary(boundary).cluster(cluster);
        let options = options.until(log.history.len() as u64);
        let served = system.serve(&[log.definition], options).map_err(|e| e.to_string())?;
        served.wait().map_err(|e| e.to_string())
    }
}

/// A log of 12 epochs for a built-in dataflow.
fn log(dataflow: &str, seed: u64) -> Log {
    let history = cases::sample(&generate::history(dataflow), seed);
    let history = history.into_iter().cycle().take(12).collect();
    Log::new(&Subject::Builtin(dataflow.into()), history)
}

/// Waits until all processes have ended well; after too long they are killed and the test fails.
fn wait(task: &Task, processes: Vec<Child>) {
    let start = Instant::now();
    let mut failed = Vec::new();
    for mut process in processes {
        let late = loop {
            match process.try_wait().expect("the process is ours") {
                Some(_) => break false,
                None if start.elapsed() > PATIENCE => break true,
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        if late {
            process.kill().expect("the process is ours");
        }
        let output = process.wait_with_output().expect("the process is ours");
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        // A test that was filtered out would end well too.
        if late || !output.status.success() || !text.contains("1 passed") {
            failed.push(format!("late: {late}, {}: {text}", output.status));
        }
    }
    assert!(failed.is_empty(), "{task:?}\n{}", failed.join("\n"));
}

/// Runs the task of another process; nothing without one.
#[test]
fn part() {
    let Ok(words) = std::env::var(TASK) else { return };
    let task = Task::from_words(&words);
    if let Err(failure) = task.perform() {
        panic!("{failure}\n{task:?}");
    }
}

/// The batch half in another process, restored here by another number of workers.
#[test]
fn a_batch_view_of_another_process() {
    for (seed, dataflow) in ["bank", "reachability", "tweets", "trending"].into_iter().enumerate() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let log = log(dataflow, seed as u64);
        let system = log.on_disk(directory.path(), 4).expect("a log on disk");
        let boundary = 5 + seed as u64;
        let task = Task {
            layer: "batch",
            directory: directory.path().to_str().expect("a path in UTF-8").into(),
            dataflow: dataflow.into(),
            seed: seed as u64,
            boundary,
            cluster: Cluster::local(seed + 1),
        };
        wait(&task, vec![task.start()]);
        for workers in [1, 2] {
            log.check_restored(&system, boundary as usize, workers).expect("the law");
        }
    }
}

/// Both layers in two processes of two workers each; and a batch view that two processes wrote
/// opens in a single process, too.
#[test]
fn two_processes_of_two_workers() {
    for (seed, dataflow) in ["orders", "reachability", "trending"].into_iter().enumerate() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let log = log(dataflow, seed as u64);
        let system = log.on_disk(directory.path(), 4).expect("a log on disk");
        for (layer, boundary) in [("batch", 7), ("serve", 7)] {
            let addresses = free_addresses();
            let task = |process| Task {
                layer,
                directory: directory.path().to_str().expect("a path in UTF-8").into(),
                dataflow: dataflow.into(),
                seed: seed as u64,
                boundary,
                cluster: Cluster { workers: 2, process, addresses: addresses.clone() },
            };
            wait(&task(0), vec![task(0).start(), task(1).start()]);
        }
        log.check_restored(&system, 7, 1).expect("the law");
    }
}

/// Two addresses that are free now. Another process may take one before it is used; then the test
/// fails to connect and says so.
fn free_addresses() -> Vec<String> {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    let address = |listener: &TcpListener| listener.local_addr().expect("an address").to_string();
    listeners.iter().map(address).collect()
}
