//! The access policy of the two ports: TLS, credentials, host names and bounds on clients.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;

use super::auth::Gate;
use super::budget::allow_bodies_of;
use super::client_bounds::Bounds;
use super::cross_site_check::OwnSite;
use super::file_watcher::Watched;
use super::server_options::ServersOptions;
use super::tls::Tls;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::{is_loopback, raise_open_files};

/// Everything that a port checks before it answers a request.
#[derive(Clone, Default)]
pub struct PortAccess {
    /// The TLS configuration; every connection begins with a handshake when it is set.
    pub tls: Option<Arc<ServerConfig>>,
    /// The gate that checks credentials; every request carries them when it is set.
    pub gate: Option<Arc<Gate>>,
    /// The names of this server, against which requests of browsers are checked.
    pub own: OwnSite,
    /// The bounds on connections and bodies.
    pub bounds: Bounds,
    /// The clients of the Postgres port that may do without TLS although there is TLS.
    pub clear_text: ClearText,
    /// The certificate that clients see now, when there is TLS.
    pub certificate: Option<Arc<Tls>>,
}

/// The clients that may connect in clear text to a port with TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClearText {
    /// Those of this machine.
    #[default]
    OnLoopback,
    /// None.
    Refused,
    /// All.
    Allowed,
}

/// The entries of both ports, and the files that they are made from.
#[derive(Default)]
pub struct ServerAccess {
    /// The entry of the HTTP port.
    pub http: PortAccess,
    /// The entry of the Postgres port.
    pub pg: PortAccess,
    /// The files, which are read again when they change.
    pub watched: Vec<Arc<dyn Watched>>,
}

impl ServerAccess {
    /// Reads the certificates and the credentials that `options` name.
    ///
    /// # Errors
    /// When they are missing or broken, or an address of `options` needs them and has none.
    pub fn open(options: &ServersOptions) -> Result<ServerAccess> {
        let bounds = Bounds {
            connections: options.max_connections.unwrap_or(Bounds::default().connections),
            body: options.max_body.unwrap_or(Bounds::default().body),
        };
        allow_bodies_of(bounds.body);
        let mut entries = ServerAccess::default();
        if let (Some(cert), Some(key)) = (&options.tls_cert, &options.tls_key) {
            let tls = Tls::open(cert, key)?;
            entries.http.tls = Some(tls.config(&[b"h2", b"http/1.1"])?);
            entries.pg.tls = Some(tls.config(&[b"postgresql"])?);
            entries.pg.certificate = Some(Arc::clone(&tls));
            entries.pg.clear_text = options.pg_tls.unwrap_or_default();
            entries.http.own = OwnSite::new(&options.allow_host, Some(Arc::clone(&tls)))?;
            entries.watched.push(tls);
        } else {
            if options.pg_tls == Some(ClearText::Refused) {
                let message = "TLS is wanted on the Postgres port, and there is no certificate";
                return Err(Error::new(Kind::Input, message)
                    .remedy("give --tls-cert and --tls-key, or leave out --pg-tls"));
            }
            entries.http.own = OwnSite::new(&options.allow_host, None)?;
        }
        if let Some(path) = &options.credentials {
            let gate = Gate::open(path)?;
            entries.http.gate = Some(Arc::clone(&gate));
            entries.pg.gate = Some(Arc::clone(&gate));
            entries.watched.push(gate);
        }
        let files = raise_open_files();
        // A connection of HTTP is one file, one of Postgres two.
        if files < 3 * bounds.connections as u64 {
            tracing::warn!(
                "this process may open {files} files, which {} connections on each port may \
                 exhaust (raise `ulimit -n`, or lower --max-connections)",
                bounds.connections
            );
        }
        (entries.http.bounds, entries.pg.bounds) = (bounds, bounds);
        let ports = [("HTTP", options.listen), ("Postgres", options.pg_listen)];
        for (what, address) in ports.into_iter().filter_map(|(what, at)| Some((what, at?))) {
            entries.check(what, address)?;
        }
        Ok(entries)
    }

    /// Refuses an address that is not loopback unless TLS and credentials are both there: only
    /// loopback is closed to the network.
    fn check(&self, what: &str, address: SocketAddr) -> Result<()> {
        if is_loopback(address.ip()) {
            return Ok(());
        }
        let missing = match (&self.http.tls, &self.http.gate) {
            (Some(_), Some(_)) => return Ok(()),
            (None, None) => "TLS and credentials",
            (None, Some(_)) => "TLS",
            (Some(_), None) => "credentials",
        };
        let message = format!("{what} at {address} would be open to the network without {missing}");
        Err(Error::new(Kind::Input, message).remedy(
            "give --tls-cert and --tls-key, and --credentials; or listen at 127.0.0.1 and put a \
             proxy before it",
        ))
    }
}
