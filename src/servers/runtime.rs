//! The servers' own tokio runtime: started beside the workers, stopped before them.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

#[cfg(not(feature = "sql"))]
use diptych_base::error::Kind;
use diptych_base::error::{Error, Result};
use diptych_http as http;
#[cfg(feature = "sql")]
use diptych_pg as pg;
use diptych_site::access_policy::ServerAccess;
use diptych_site::dedicated_runtime::Threads;
use diptych_site::file_watcher;
use diptych_site::server_options::ServersOptions;
use diptych_site::site::Site;

/// Connections that the kernel holds until they are accepted; with the usual 128 a burst of clients
/// waits for a second, because the kernel drops further ones.
const ACCEPT_QUEUE: u32 = 4096;

/// Sockets that listen already, and pass to another process with the connections that wait in them.
#[derive(Debug, Default)]
pub struct Listeners {
    /// The socket of HTTP.
    pub http: Option<std::net::TcpListener>,
    /// The socket of the Postgres protocol.
    pub pg: Option<std::net::TcpListener>,
}

/// The running servers, on threads of their own. Dropping this ends them without finishing
/// requests.
///
/// Every call may be made on any thread, also inside a task of another tokio runtime.
/// Starting waits for nothing but files and the system; [`Servers::stop`] has its thread wait for
/// the requests under way, where [`Servers::stop_async`] lets other tasks go on.
///
/// ```
/// use std::sync::Arc;
///
/// use dataflows::word_count;
/// use diptych::servers::{Servers, ServersOptions, Site};
/// use diptych::System;
/// use diptych::dataflow::Definition;
/// use diptych::system::ServeOptions;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// let system = System::in_memory();
/// let flows = [Definition::new("word_count", word_count)];
/// let writer = Arc::new(system.writer()?);
/// let served = system.serve(&flows, ServeOptions::default().writer(&writer))?;
/// let site = Site::of(&system, &served, &flows, Some(writer))?;
/// let listen = Some("127.0.0.1:0".parse()?);
/// let servers = Servers::start(site, &ServersOptions { listen, ..ServersOptions::default() })?;
/// println!("listening at {:?}", servers.http());
/// servers.stop_async().await;
/// served.stop()?;
/// # Ok(()) })
/// # }
/// ```
pub struct Servers {
    threads: Threads,
    stop: watch::Sender<bool>,
    http: Option<SocketAddr>,
    pg: Option<SocketAddr>,
    listeners: Listeners,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    site: Weak<Site>,
}

impl Servers {
    /// Listens at the addresses of `options` and answers from `site`.
    ///
    /// # Errors
    /// When an address is taken or may not be used without TLS and credentials, or a certificate
    /// or the credentials cannot be read. Nothing listens then.
    pub fn start(site: Arc<Site>, options: &ServersOptions) -> Result<Servers> {
        Servers::start_on(site, options, Listeners::default())
    }

    /// As [`Servers::start`], but with sockets that listen already in the place of new ones.
    ///
    /// # Errors
    /// As for [`Servers::start`].
    pub fn start_on(
        site: Arc<Site>,
        options: &ServersOptions,
        given: Listeners,
    ) -> Result<Servers> {
        let threads = Threads::start(Builder::new_multi_thread().thread_name("servers"))
            .map_err(|error| Error::io("starting the servers' runtime", error))?;
        let (stop, stopping) = watch::channel(false);
        let entries = ServerAccess::open(options)?;
        #[cfg(not(feature = "sql"))]
        if let Some(address) = options.pg_listen {
            let message = format!("Postgres at {address}: this binary was built without SQL");
            return Err(Error::new(Kind::Missing, message)
                .remedy("build it with `--features sql`, or leave out --pg-listen"));
        }
        if let Some(most) = options.max_lag {
            // The first value that is set stays.
            let _ = site.max_lag.set(most);
        }
        let listeners = Listeners::default();
        let tasks = Vec::new();
        let weak = Arc::downgrade(&site);
        let http = None;
        let pg = None;
        let mut servers = Servers { threads, stop, http, pg, listeners, tasks, site: weak };
        let runtime = servers.threads.handle().clone();
        if let Some(address) = options.listen {
            let (listener, bound, kept) = listen(&runtime, address, given.http)?;
            (servers.http, servers.listeners.http) = (Some(bound), Some(kept));
            let serve = http::serve(Arc::clone(&site), listener, entries.http, stopping.clone());
            servers.tasks.push(runtime.spawn(serve));
        }
        #[cfg(feature = "sql")]
        if let Some(address) = options.pg_listen {
            let (listener, bound, kept) = listen(&runtime, address, given.pg)?;
            (servers.pg, servers.listeners.pg) = (Some(bound), Some(kept));
            let serve = pg::serve(Arc::clone(&site), listener, entries.pg, stopping.clone());
            servers.tasks.push(runtime.spawn(serve));
        }
        for watched in entries.watched {
            servers.tasks.push(runtime.spawn(file_watcher::follow(watched, stopping.clone())));
        }
        site.watch(options.lag_bound.unwrap_or(diptych_base::limits::LAG_BOUND))?;
        Ok(servers)
    }

    /// The address at which HTTP listens.
    pub fn http(&self) -> Option<SocketAddr> {
        self.http
    }

    /// The address at which the Postgres protocol listens.
    pub fn pg(&self) -> Option<SocketAddr> {
        self.pg
    }

    /// The sockets that the servers listen at; they outlive the servers, with the connections that
    /// wait in them.
    ///
    /// # Errors
    /// Errors of the system.
    pub fn listeners(&self) -> Result<Listeners> {
        let again = |socket: &Option<std::net::TcpListener>| {
            let again = socket.as_ref().map(std::net::TcpListener::try_clone).transpose();
            again.map_err(|error| Error::io("keeping a listening socket", error))
        };
        let Listeners { http, pg } = &self.listeners;
        Ok(Listeners { http: again(http)?, pg: again(pg)? })
    }

    /// Stops accepting, lets requests under way finish within the grace time, and ends. This blocks
    /// the thread, which holds up the other tasks of an async one: see [`Servers::stop_async`].
    pub fn stop(mut self) {
        let ending = self.ending();
        self.threads.wait_for(ending);
    }

    /// As [`Servers::stop`], without blocking a thread; can be awaited in any runtime.
    pub async fn stop_async(mut self) {
        let ending = self.ending();
        // After a panic there is nothing left to finish.
        let _ = self.threads.handle().spawn(ending).await;
    }

    /// Begins to stop, and gives the future that waits for the rest, on the servers' own threads.
    fn ending(&mut self) -> impl Future<Output = ()> + Send + 'static {
        // Unless they are kept elsewhere, the sockets close with the last accept.
        self.listeners = Listeners::default();
        self.stop.send_replace(true);
        let tasks = std::mem::take(&mut self.tasks);
        let site = Weak::clone(&self.site);
        async move {
            // A task that panicked has nothing left to finish.
            let all = futures::future::join_all(tasks);
            if tokio::time::timeout(diptych_base::limits::SERVER_GRACE, all).await.is_err() {
                tracing::warn!("some requests were not finished in time and are cut off");
            }
            // This may wait for a disk.
            let unwatch = move || site.upgrade().iter().for_each(|site| site.unwatch());
            let _ = tokio::task::spawn_blocking(unwatch).await;
        }
    }
}

/// A socket that listens, new or given, as two handles: one to accept from, one to keep.
fn listen(
    runtime: &Handle,
    address: SocketAddr,
    given: Option<std::net::TcpListener>,
) -> Result<(TcpListener, SocketAddr, std::net::TcpListener)> {
    let failed = |error| Error::io(format!("listening at {address}"), error);
    let socket = match given {
        Some(socket) => socket,
        None => bind(runtime, address)?.into_std().map_err(failed)?,
    };
    let bound = socket.local_addr().map_err(failed)?;
    let again = socket.try_clone().map_err(failed)?;
    again.set_nonblocking(true).map_err(failed)?;
    // Sockets belong to a runtime.
    let _inside = runtime.enter();
    Ok((TcpListener::from_std(again).map_err(failed)?, bound, socket))
}

fn bind(runtime: &Handle, address: SocketAddr) -> Result<TcpListener> {
    let failed = |error| {
        Error::io(format!("listening at {address}"), error)
            .remedy("choose another address; port 0 takes a free one")
    };
    // Sockets belong to a runtime.
    let _inside = runtime.enter();
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let socket = socket.map_err(failed)?;
    // A restart need not wait for connections that are still winding down.
    socket.set_reuseaddr(true).map_err(failed)?;
    socket.bind(address).map_err(failed)?;
    socket.listen(ACCEPT_QUEUE).map_err(failed)
}
