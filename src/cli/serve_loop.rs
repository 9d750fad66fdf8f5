//! The serve loop of `serve` and `deploy`: answers from live dataflows until told to stop or to
//! hand over to a successor.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use super::args::ServeArgs;
use super::dataflow_catalog::Dataflows;
use super::serve::{attend, rebuild, verify, wait_for_fresh};
use super::stdin_appender::Input;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::Link;
use diptych_dataflow::Definition;
use diptych_log::Writer;
use diptych_servers::{Listeners, Servers, TakeoverResponder};
use diptych_site::Site;
use diptych_system::{Served, System};

/// How long requests that are cut off may hold the log's writer, and how long the lock of a dead
/// process may stay.
const RELEASE: Duration = Duration::from_secs(10);
/// How often both are checked.
const LOOK: Duration = Duration::from_millis(5);

/// Live dataflows, with everything needed to answer from them.
pub(super) struct Hosting<'a> {
    pub(super) args: &'a ServeArgs,
    pub(super) catalog: &'a Dataflows,
    pub(super) system: &'a System,
    /// The dataflows that are served from the start.
    pub(super) definitions: &'a [Definition],
    pub(super) served: Served,
    pub(super) writer: Option<Arc<Writer>>,
    /// The reason why there is no writer though there should be one.
    pub(super) refused: Option<Error>,
    /// Whether a successor may take over.
    pub(super) may_hand_over: bool,
}

/// The running servers, with the site that they answer from.
pub(super) struct OpenServers {
    servers: Servers,
    site: Arc<Site>,
}

impl OpenServers {
    /// Starts HTTP and Postgres, where an address was given.
    ///
    /// # Errors
    /// When an address is taken, or its certificates or credentials cannot be read.
    pub(super) fn start(
        site: Arc<Site>,
        args: &ServeArgs,
        given: Listeners,
    ) -> Result<OpenServers> {
        let servers = Servers::start_on(Arc::clone(&site), &args.servers.options(), given)?;
        if let Some(address) = servers.http() {
            let scheme = if args.servers.tls_cert.is_some() { "https" } else { "http" };
            tracing::info!("HTTP at {scheme}://{address}/");
        }
        if let Some(address) = servers.pg() {
            tracing::info!("Postgres at {address}");
        }
        Ok(OpenServers { servers, site })
    }

    /// Ends the servers once requests under way have their answers.
    pub(super) fn stop(self) {
        drop(self.site);
        self.servers.stop();
    }

    /// The counter of skipped lines of standard input.
    pub(super) fn skipped_lines(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.site.load.skipped_lines)
    }
}

impl Hosting<'_> {
    /// Answers until told to stop, with servers that are `opened` already or at the `given`
    /// sockets; `open` is called once when they listen. After a successor has taken over there is
    /// nothing left to write: `handed_over` is true then.
    ///
    /// # Errors
    /// The reason for the end. The dataflows are still there, and have to be concluded.
    pub(super) fn run(
        &mut self,
        mut input: Option<Input>,
        mut opened: Option<OpenServers>,
        mut given: Listeners,
        open: impl FnOnce() -> Result<()>,
    ) -> Result<bool> {
        let rebuilds = rebuild(self.args, self.system, &self.served, self.definitions)?;
        let verifications = verify(self.args, self.system, &self.served)?;
        let mut open = Some(open);
        let outcome = loop {
            let opened = match opened.take() {
                Some(early) => {
                    self.allow_handover(&early.site);
                    Some(early)
                }
                None => self.open(std::mem::take(&mut given))?,
            };
            if let Some(open) = open.take() {
                open()?;
            }
            let site = opened.as_ref().map(|open| &*open.site);
            let outcome =
                attend(&self.served, self.args, self.writer.as_deref(), input.take(), site);
            match (outcome, opened) {
                (Ok(Some(link)), Some(opened)) => match self.hand_over(link, opened)? {
                    None => break Ok(true),
                    Some(kept) => given = kept,
                },
                (outcome, opened) => {
                    let stopped = opened.map_or(Ok(()), |open| self.close(open));
                    break outcome.and(stopped).map(|()| false);
                }
            }
        };
        drop((rebuilds, verifications));
        outcome
    }

    /// Opens HTTP and Postgres, where an address was given.
    fn open(&self, given: Listeners) -> Result<Option<OpenServers>> {
        let servers = &self.args.servers;
        if !servers.any() {
            return Ok(None);
        }
        let writer = self.writer.as_ref().filter(|_| servers.appends()).cloned();
        // Dataflows that are not served from the start may be deployed.
        let site = Site::of(self.system, &self.served, self.catalog.all(), writer)?;
        self.refused.iter().for_each(|error| site.refuse_appends(error));
        self.allow_handover(&site);
        OpenServers::start(site, self.args, given).map(Some)
    }

    fn allow_handover(&self, site: &Site) {
        if self.may_hand_over {
            site.allow_handover(self.system.root());
        }
    }

    /// Stops the servers and waits until acknowledged events are visible.
    fn close(&self, open: OpenServers) -> Result<()> {
        tracing::info!("stopping: no new connections, requests under way are finished");
        open.stop();
        wait_for_fresh(&self.served)
    }

    /// Passes the sockets, finishes requests under way, and releases the log. Gives the sockets
    /// back when the successor ends before it serves: then this process goes on.
    fn hand_over(&mut self, link: Link, open: OpenServers) -> Result<Option<Listeners>> {
        let kept = open.servers.listeners()?;
        tracing::info!("handing over to a successor: requests under way are finished");
        // A successor that cannot be reached any more is gone, and will not succeed.
        let passed = link.pass(kept.http.as_ref(), kept.pg.as_ref());
        open.stop();
        if passed.is_ok() {
            self.release()?;
            if link.succeeded() {
                tracing::info!("the successor serves");
                return Ok(None);
            }
        }
        tracing::warn!("the successor is gone before it served: this process goes on");
        let _door = TakeoverResponder::guard(&kept, &self.args.servers.options())?;
        if self.writer.is_none() {
            let writer = retry(RELEASE, || self.system.writer())?;
            let writer = Arc::new(writer);
            self.served.give_writer(&writer);
            self.writer = Some(writer);
        }
        Ok(Some(kept))
    }

    /// Makes the last epoch durable and releases the lock of the log.
    fn release(&mut self) -> Result<()> {
        self.served.release_writer();
        let Some(mut writer) = self.writer.take() else { return Ok(()) };
        let deadline = Instant::now() + RELEASE;
        loop {
            match Arc::try_unwrap(writer) {
                Ok(writer) => return writer.close(),
                // A request that was cut off still holds it.
                Err(shared) if Instant::now() < deadline => writer = shared,
                Err(_) => {
                    let message = "requests that were cut off still hold the log";
                    return Err(Error::new(Kind::TimedOut, message)
                        .remedy("the end of this process releases it for its successor"));
                }
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// Repeats an attempt while it fails with a conflict.
///
/// # Errors
/// Any other error; the conflict, when it lasts for `patience`.
pub(super) fn retry<T>(patience: Duration, attempt: impl Fn() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        match attempt() {
            Err(error) if error.is_conflict() && Instant::now() < deadline => {}
            outcome => return outcome,
        }
        std::thread::sleep(LOOK);
    }
}
