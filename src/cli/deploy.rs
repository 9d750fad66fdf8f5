//! `deploy`: lets this binary take over from a running server, once it has caught up and the
//! difference is known.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::Value;

use super::args::ServeArgs;
use super::batch::describe;
use super::dataflow_catalog::Dataflows;
use super::exit_code::DISAGREE;
use super::remote::Remote;
use super::serve_loop::{Hosting, retry};
use super::{diff, logging, serve, signal};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::{Link, Waiting, secret_bytes};
use diptych_base::limits::{DEPLOY_CATCH_UP, SERVER_GRACE};
use diptych_base::time::Epoch;
use diptych_dataflow::Definition;
use diptych_log::Writer;
use diptych_servers::{Listeners, TakeoverResponder};
use diptych_serving::{Index, Read, same_columns, view_diffs};
use diptych_site::NAME_LEN;
use diptych_system::{BatchOptions, ServeOptions, Served, System, WriterSlot};

/// How long the old process may take to find this one, and to pass its sockets.
const ANSWER: Duration = Duration::from_secs(10);
/// How long the old process may take to finish requests and to release the log.
const RELEASE: Duration = Duration::from_secs(20);
/// How long the last epochs of the old process may take to be visible here.
const LAST_EPOCHS: Duration = Duration::from_secs(20);
/// How often frontiers are checked.
const LOOK: Duration = Duration::from_millis(20);

const _: () = assert!(RELEASE.as_secs() > SERVER_GRACE.as_secs());

#[derive(Args, Debug)]
pub(super) struct DeployArgs {
    #[command(flatten)]
    pub(super) serve: ServeArgs,
    /// The running server [default: http:// or, with --tls-cert, https:// at --listen]
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// The token to show the server, of role admin [default: the variable `DIPTYCH_TOKEN`]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Trust servers whose certificates are signed by one of these (PEM), and no others
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Take over without asking, whatever differs
    #[arg(long, conflicts_with = "diff_only")]
    yes: bool,
    /// Take over although views have other columns than before: their readers must know
    #[arg(long)]
    other_columns: bool,
    /// Print the difference and end (exit code 1 when there is one); the old process goes on
    #[arg(long)]
    diff_only: bool,
    /// Show so many differing keys of each view
    #[arg(long, value_name = "KEYS", default_value_t = 10)]
    samples: usize,
}

/// Recomputes, catches up, compares, takes over; then serves.
pub(super) fn run(args: &DeployArgs, catalog: &Dataflows) -> Result<ExitCode> {
    logging::start(args.serve.logs);
    check(&args.serve)?;
    let definitions = catalog.select(&args.serve.dataflows)?;
    args.serve.servers.options().check()?;
    let url = args.server.clone().map_or_else(|| address(&args.serve), Ok)?;
    let remote = Remote::new(&url, args.token_file.as_deref(), args.ca.as_deref())?;
    let versions = served_there(&remote, &definitions)?;
    let system = args.serve.data.system();
    signal::watch()?;
    let late = WriterSlot::new();
    let served = prepare(&system, &definitions, &late, args)?;
    let differs = compare_all(&remote, &served, &definitions, &versions, args)?;
    if args.diff_only {
        served.stop()?;
        return Ok(if differs { ExitCode::from(DISAGREE) } else { ExitCode::SUCCESS });
    }
    if !args.yes && !confirmed()? {
        served.stop()?;
        return Err(Error::new(Kind::Cancelled, "not deployed: the old process goes on"));
    }
    let (link, listeners) = match ask(&remote, &system) {
        Ok((link, listeners)) => (Some(link), listeners),
        Err(error) => (None, inherit(&system, &args.serve, error)?),
    };
    let door = TakeoverResponder::guard(&listeners, &args.serve.servers.options())?;
    // After this an error ends this process, and the old one resumes.
    let writer = Arc::new(retry(RELEASE, || system.writer())?);
    served.give_writer(&writer);
    drop(late);
    catch_up(&served, writer.upper(), LAST_EPOCHS)?;
    drop(door);
    let args = &args.serve;
    let writer = Some(writer);
    let system = &system;
    let definitions = &definitions[..];
    // From now on the version of this binary serves, whatever was deployed before.
    for definition in definitions {
        system.chose(definition)?;
    }
    let may_hand_over = true;
    let refused = None;
    let mut hosting =
        Hosting { args, catalog, system, definitions, served, writer, refused, may_hand_over };
    let outcome = hosting.run(None, None, listeners, || {
        if let Some(Err(error)) = link.map(Link::serving) {
            tracing::warn!("the old process ended before it was told to: {error}");
        }
        Ok(())
    });
    serve::conclude(hosting, outcome, None)
}

/// Refuses options of `serve` that make no sense here.
fn check(args: &ServeArgs) -> Result<()> {
    let odd = [
        (args.stdin.is_some(), "--stdin"),
        (args.print.is_some(), "--print"),
        (args.servers.follow, "--follow"),
        (args.cluster.is_launcher() || args.cluster.is_member(), "-n"),
    ];
    match odd.iter().find(|(given, _)| *given) {
        Some((_, option)) => {
            Err(Error::new(Kind::Input, format!("{option} has no place in a deployment"))
                .remedy("stop the old process and start `serve` with it"))
        }
        None => Ok(()),
    }
}

/// The address of the old process.
fn address(args: &ServeArgs) -> Result<String> {
    let Some(mut address) = args.servers.listen else {
        return Err(Error::new(Kind::Input, "the running server is not named")
            .remedy("give --listen as it was started with, or --server URL"));
    };
    if address.ip().is_unspecified() {
        let loopback = if address.is_ipv4() { "127.0.0.1" } else { "::1" };
        address.set_ip(loopback.parse().unwrap_or(address.ip()));
    }
    let scheme = if args.servers.tls_cert.is_some() { "https" } else { "http" };
    Ok(format!("{scheme}://{address}"))
}

/// The dataflows that the old process serves, with their versions. All of them must be in this
/// binary.
fn served_there(remote: &Remote, definitions: &[Definition]) -> Result<Vec<(String, String)>> {
    let status = remote.get("/v1/status", &[])?;
    let flows = status["dataflows"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |flow: &Value, name: &str| flow[name].as_str().unwrap_or_default().to_owned();
    let versions: Vec<_> =
        flows.iter().map(|flow| (text(flow, "dataflow"), text(flow, "version"))).collect();
    let left: Vec<_> = versions
        .iter()
        .filter(|(name, _)| definitions.iter().all(|one| one.name() != name))
        .map(|(name, _)| name.as_str())
        .collect();
    if left.is_empty() {
        return Ok(versions);
    }
    let message = format!("the server also serves {}", left.join(", "));
    Err(Error::new(Kind::Input, message).remedy("name every dataflow that it serves"))
}

/// Makes batch views of this binary's versions, restores them, and follows the log.
fn prepare(
    system: &System,
    definitions: &[Definition],
    late: &WriterSlot,
    args: &DeployArgs,
) -> Result<Served> {
    let cluster = args.serve.cluster.cluster()?;
    let upper = system.reader()?.upper()?;
    let memory = args.serve.memory;
    for definition in definitions {
        let (found, damaged) = system.newest(&definition.describe()?, upper)?;
        damaged.iter().for_each(|error| tracing::warn!("{error}"));
        if upper == 0 || found.as_ref().is_some_and(|view| view.boundary() == upper) {
            continue;
        }
        let cluster = cluster.clone();
        let options = BatchOptions {
            cluster,
            upto: Some(upper),
            incremental: true,
            memory,
            stop: signal::flag(),
            ..Default::default()
        };
        match system.batch(definition, &options) {
            Ok(report) => tracing::info!("{}", describe(&report, &options.cluster)),
            // The old process has the same version, and is making a checkpoint.
            Err(error) if error.is_conflict() && found.is_some() => {}
            Err(error) => return Err(error),
        }
    }
    let options = ServeOptions::default().cluster(cluster).profiled(true).writer_slot(late);
    let options = options.index(serve::index_options(&args.serve)).memory(memory);
    let options = options.stop(signal::flag());
    let served = system.serve(definitions, options)?;
    catch_up(&served, upper, DEPLOY_CATCH_UP)?;
    for definition in definitions {
        tracing::info!("{}: caught up at epoch {upper}", definition.name());
    }
    Ok(served)
}

/// Waits until readers of every dataflow would see everything below `upper`.
fn catch_up(served: &Served, upper: Epoch, patience: Duration) -> Result<()> {
    let deadline = Instant::now() + patience;
    for name in served.dataflows() {
        let index = served.index(&name)?;
        while index.frontier() < upper || !index.base_checked()? {
            if let Some(error) = served.failure(&name) {
                return Err(error);
            }
            served.check()?;
            let late = Instant::now() >= deadline;
            if late || signal::stopped() {
                let (kind, reason) = if late {
                    (Kind::TimedOut, "does not catch up in time")
                } else {
                    (Kind::Cancelled, "was interrupted")
                };
                return Err(Error::new(kind, format!("dataflow {name:?} {reason}"))
                    .remedy("the old process goes on; try again with more workers"));
            }
            index.wait_beyond(index.frontier(), LOOK);
        }
    }
    Ok(())
}

/// Prints how a dataflow here differs from the server's answers at the same epoch.
fn compare(
    remote: &Remote,
    served: &Served,
    dataflow: &str,
    version: &str,
    args: &DeployArgs,
) -> Result<bool> {
    let here = served.index(dataflow)?;
    let Some(epoch) = common_epoch(remote, &here, dataflow)? else {
        tracing::info!("{dataflow}: there is no epoch yet, nothing is compared");
        return Ok(false);
    };
    let there = remote.whole(dataflow, epoch)?;
    let old = there.snapshot(Read::Latest)?;
    let new = here.snapshot(Read::AsOf(epoch))?;
    let views = view_diffs(&old, &new, args.samples)?;
    tracing::info!(
        "{dataflow}: version {version} (before) and {} (after) at epoch {epoch}",
        here.version()
    );
    diff::print(&views, old.views(), args.serve.format, Some(dataflow))?;
    if !args.other_columns && !args.diff_only {
        same_columns(old.views(), new.views())
            .map_err(|error| error.within(format!("dataflow {dataflow:?}")))?;
    }
    Ok(views.iter().any(|view| !view.is_empty()))
}

/// The last epoch that both processes have.
fn common_epoch(remote: &Remote, here: &Index, dataflow: &str) -> Result<Option<Epoch>> {
    let deadline = Instant::now() + ANSWER;
    loop {
        let there = remote.described(dataflow)?["epoch"].as_u64();
        let Some(mine) = here.frontier().checked_sub(1) else { return Ok(None) };
        match there.map(|there| there.min(mine)) {
            Some(epoch) if epoch >= here.since() => return Ok(Some(epoch)),
            _ if Instant::now() >= deadline => {
                let message = format!("{dataflow}: the server is far behind the log");
                return Err(
                    Error::new(Kind::TimedOut, message).remedy("wait until it has caught up")
                );
            }
            _ => std::thread::sleep(LOOK),
        }
    }
}

/// Compares the dataflows of both processes. If the old process has ended meanwhile, there is
/// nothing to compare, and this one is to serve in its place, unless it was only to compare.
fn compare_all(
    remote: &Remote,
    served: &Served,
    definitions: &[Definition],
    versions: &[(String, String)],
    args: &DeployArgs,
) -> Result<bool> {
    let mut differs = false;
    for definition in definitions {
        let there = versions.iter().find(|(name, _)| name == definition.name());
        let Some((name, version)) = there else {
            tracing::info!("{}: it is new, nothing is compared", definition.name());
            continue;
        };
        match compare(remote, served, name, version, args) {
            Ok(one) => differs |= one,
            Err(error) if error.is_io() && !args.diff_only => {
                tracing::warn!(
                    "{name}: the old process does not answer, nothing is compared: {error}"
                );
            }
            Err(error) => return Err(error),
        }
    }
    Ok(differs)
}

/// Takes the place of an old process that ended before it handed over: then the log is free, and
/// this process serves at sockets of its own.
///
/// # Errors
/// `error`, if the old process still runs, or it is not known where to listen.
fn inherit(system: &System, args: &ServeArgs, error: Error) -> Result<Listeners> {
    let silent = error.is_io() || error.is_stopped() || error.is_retryable();
    let gone = silent && args.servers.listen.is_some();
    // A process that still runs holds the log: this check is enough here, and the lock is taken
    // later.
    let free = || system.writer().and_then(Writer::close);
    if !gone || retry(RELEASE, free).is_err() {
        return Err(error);
    }
    tracing::warn!("the old process has ended before it handed over: this one serves: {error}");
    Ok(Listeners::default())
}

/// Asks the user to confirm the difference.
fn confirmed() -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(Error::new(Kind::Input, "nobody is there to agree to the difference")
            .remedy("give --yes to take over, or --diff-only to look"));
    }
    eprint!("take over? [y/N] ");
    // The answer counts, whether the question was shown or not.
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.map_err(|error| Error::io("reading the answer", error))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Asks the old process to hand over: its sockets come at once, the log's lock when it is done.
fn ask(remote: &Remote, system: &System) -> Result<(Link, Listeners)> {
    let random: [u8; NAME_LEN / 2] = secret_bytes()?;
    let name = data_encoding::HEXLOWER.encode(&random);
    let waiting = Waiting::open(system.root(), &name)?;
    remote.post("/v1/admin/handover", &[("successor", name)])?;
    let Some(link) = waiting.found(ANSWER)? else {
        return Err(Error::new(Kind::TimedOut, "the old process does not hand over")
            .remedy("does it have the same data directory?"));
    };
    let (http, pg) = link.sockets(ANSWER)?;
    if http.is_none() {
        return Err(Error::new(Kind::Stopped, "the old process passes no socket")
            .remedy("stop it and start this one with `serve`"));
    }
    Ok((link, Listeners { http, pg }))
}
