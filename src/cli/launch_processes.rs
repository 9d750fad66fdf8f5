//! The launcher for `-n N` without `-p`: starts all processes here, on loopback.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::args::ClusterArgs;
use super::{logging, signal};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::{ScratchDir, divert_stdout};
use diptych_engine::Cluster;

/// How often the processes are checked.
const LOOK: Duration = Duration::from_millis(20);
/// How long the others may take to end after one has, or after a signal.
const GRACE: Duration = Duration::from_secs(20);

/// One process: its number, its handle, and the thread that copies its standard error.
struct Member {
    number: u16,
    child: Child,
    errors: Option<JoinHandle<()>>,
    ended: Option<ExitStatus>,
}

/// Runs this same command line once for each process, with `extra` options, and waits. When one
/// process fails the others are ended. A signal is passed on to the first, which stops the rest.
///
/// # Errors
/// When a process cannot be started, or one fails.
pub(super) fn run(args: &ClusterArgs, extra: &[impl AsRef<OsStr>]) -> Result<ExitCode> {
    signal::watch()?;
    let scratch = ScratchDir::new("hosts")?;
    let addresses = Cluster::free_addresses(usize::from(args.processes))?;
    let hostfile = scratch.write("hosts", &addresses.join("\n"))?;
    let mut members = Members(Vec::new());
    for number in 0..args.processes {
        let mut options: Vec<OsString> = std::env::args_os().skip(1).collect();
        options.extend(extra.iter().map(|option| option.as_ref().to_owned()));
        options.extend(["-p".into(), number.to_string().into()]);
        options.extend(["--hostfile".into(), hostfile.clone().into(), "--attached".into()]);
        members.0.push(Member::start(number, &options)?);
    }
    members.wait()
}

/// Sets one of several processes up: it keeps standard output for answers, and ends with its parent
/// when it was started by this launcher.
///
/// # Errors
/// When the parent is gone already, or signals cannot be handled.
pub(super) fn attach(args: &ClusterArgs) -> Result<()> {
    if args.is_member() {
        divert_stdout()?;
    }
    if !args.attached {
        return Ok(());
    }
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| Error::io("binding to the parent process", error.into()))?;
    if rustix::process::getppid().is_none_or(Pid::is_init) {
        return Err(Error::new(Kind::Cancelled, "the process that started this one is gone"));
    }
    Ok(())
}

impl Member {
    fn start(number: u16, options: &[OsString]) -> Result<Member> {
        let failed = |error| Error::io(format!("starting process {number}"), error);
        let program = std::env::current_exe().map_err(failed)?;
        let mut command = Command::new(program);
        command.args(options).stdin(Stdio::null()).stderr(Stdio::piped());
        if number == 0 {
            // Only the first process reads standard input, or prints.
            command.stdin(Stdio::inherit());
        } else {
            command.stdout(Stdio::null());
        }
        let mut child = command.spawn().map_err(failed)?;
        let errors = child.stderr.take().map(|stderr| {
            std::thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(std::io::Result::ok) {
                    if logging::are_json() {
                        eprintln!("{line}");
                    } else {
                        eprintln!("[{number}] {line}");
                    }
                }
            })
        });
        Ok(Member { number, child, errors, ended: None })
    }

    fn look(&mut self) -> Result<()> {
        if self.ended.is_none() {
            let number = self.number;
            self.ended = self
                .child
                .try_wait()
                .map_err(|error| Error::io(format!("waiting for process {number}"), error))?;
        }
        Ok(())
    }

    fn tell_to_stop(&self) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let (Some(id), None) = (id, self.ended) {
            // A process that has just ended needs no signal.
            let _ = rustix::process::kill_process(id, Signal::TERM);
        }
    }
}

/// The processes; dropping this ends those that still run.
struct Members(Vec<Member>);

impl Members {
    fn wait(mut self) -> Result<ExitCode> {
        let mut told = false;
        let mut patience: Option<Instant> = None;
        let mut first_failure = None;
        loop {
            for member in &mut self.0 {
                member.look()?;
                if member.ended.is_some_and(|status| !status.success()) {
                    first_failure.get_or_insert(member.number);
                }
            }
            if self.0.iter().all(|member| member.ended.is_some()) {
                break;
            }
            if signal::stopped() && !told {
                told = true;
                patience.get_or_insert_with(Instant::now);
                self.0.iter().take(1).for_each(Member::tell_to_stop);
            }
            if first_failure.is_some() {
                patience.get_or_insert_with(Instant::now);
                let others = self.0.iter_mut().filter(|member| member.ended.is_none());
                // The mesh has a hole: no process can finish, and timely may wait for ever.
                others.for_each(|member| drop(member.child.kill()));
            }
            if patience.is_some_and(|since| since.elapsed() > GRACE) {
                break;
            }
            std::thread::sleep(LOOK);
        }
        self.conclude(first_failure)
    }

    fn conclude(mut self, first_failure: Option<u16>) -> Result<ExitCode> {
        for member in &mut self.0 {
            if let (Some(errors), Some(_)) = (member.errors.take(), member.ended) {
                // The thread ends with the pipe; a panic in it loses messages only.
                let _ = errors.join();
            }
        }
        let Some(number) = first_failure else {
            if self.0.iter().all(|member| member.ended.is_some()) {
                return Ok(ExitCode::SUCCESS);
            }
            let seconds = GRACE.as_secs();
            let message = format!("not all processes ended within {seconds} s: they are killed");
            return Err(Error::new(Kind::TimedOut, message)
                .remedy("what was acknowledged is in the log: start again"));
        };
        let status = self.0.iter().find(|member| member.number == number);
        let status = status.and_then(|member| member.ended);
        let how = status.map_or_else(|| "was lost".to_owned(), |status| status.to_string());
        eprintln!("error: process {number} failed ({how}); the others were ended");
        let code = status.and_then(|status| status.code()).and_then(|code| u8::try_from(code).ok());
        Ok(ExitCode::from(code.filter(|code| *code != 0).unwrap_or(10)))
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        for member in &mut self.0 {
            if member.ended.is_none() {
                // The process is ended by this, or has ended by itself.
                let _ = member.child.kill();
                let _ = member.child.wait();
            }
        }
    }
}
