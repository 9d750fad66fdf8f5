//! The servers' own runtime: started beside the workers, stopped before them.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::entry::Entries;
use super::options::ServersOptions;
use super::site::Site;
use super::{http, pg, watched};
use crate::error::{Error, Result};

/// Connections that the kernel holds until they are accepted; with the usual 128 a burst of clients
/// waits for a second, because the kernel drops what begins one more.
const ACCEPT_QUEUE: u32 = 4096;

/// The servers that run. Dropping it ends them without finishing requests.
pub struct Servers {
    runtime: Option<Runtime>,
    stop: watch::Sender<bool>,
    http: Option<SocketAddr>,
    pg: Option<SocketAddr>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Servers {
    /// Listens at the addresses of `options` and answers from `site`.
    ///
    /// # Errors
    /// When an address is taken or may not be used without TLS and credentials, or a certificate
    /// or the credentials cannot be read. Nothing listens then.
    pub fn start(site: Arc<Site>, options: &ServersOptions) -> Result<Servers> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .thread_name("servers")
            .enable_all()
            .build()
            .map_err(|error| Error::io("starting the servers' runtime", error))?;
        let (stop, stopping) = watch::channel(false);
        let entries = Entries::open(options)?;
        let mut servers = Servers { runtime: None, stop, http: None, pg: None, tasks: Vec::new() };
        if let Some(address) = options.listen {
            let (listener, bound) = bind(&runtime, address)?;
            servers.http = Some(bound);
            let serve = http::serve(Arc::clone(&site), listener, entries.http, stopping.clone());
            servers.tasks.push(runtime.spawn(serve));
        }
        if let Some(address) = options.pg_listen {
            let (listener, bound) = bind(&runtime, address)?;
            servers.pg = Some(bound);
            let serve = pg::serve(Arc::clone(&site), listener, entries.pg, stopping.clone());
            servers.tasks.push(runtime.spawn(serve));
        }
        for watched in entries.watched {
            servers.tasks.push(runtime.spawn(watched::follow(watched, stopping.clone())));
        }
        servers.runtime = Some(runtime);
        Ok(servers)
    }

    /// Where HTTP listens.
    pub fn http(&self) -> Option<SocketAddr> {
        self.http
    }

    /// Where the Postgres protocol listens.
    pub fn pg(&self) -> Option<SocketAddr> {
        self.pg
    }

    /// Stops accepting, lets requests under way finish within the grace time, and ends.
    pub fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(runtime) = self.runtime.take() {
            let tasks = std::mem::take(&mut self.tasks);
            runtime.block_on(async {
                // A task that panicked has nothing left to finish.
                let all = futures::future::join_all(tasks);
                if tokio::time::timeout(crate::limits::SERVER_GRACE, all).await.is_err() {
                    tracing::warn!("some requests were not finished in time and are cut off");
                }
            });
            runtime.shutdown_background();
        }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn bind(runtime: &Runtime, address: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
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
    let listener = socket.listen(ACCEPT_QUEUE).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
