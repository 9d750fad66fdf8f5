//! The options of the servers: addresses, access and bounds.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::access_policy::{ClearText, ServerAccess};
use super::max_lag::MaxLag;
use diptych_base::error::Result;

/// Addresses, certificates and credentials of the servers.
#[derive(Clone, Debug, Default)]
pub struct ServersOptions {
    /// The address of HTTP.
    pub listen: Option<SocketAddr>,
    /// The address of the Postgres protocol, which needs the feature `sql`.
    pub pg_listen: Option<SocketAddr>,
    /// Certificate chain, PEM; with `tls_key` both ports speak TLS.
    pub tls_cert: Option<PathBuf>,
    /// Private key of the certificate, PEM.
    pub tls_key: Option<PathBuf>,
    /// The clients of the Postgres port that may do without TLS, when there is a certificate
    /// [default: those of this machine].
    pub pg_tls: Option<ClearText>,
    /// Tokens and passwords; the file format is in [`auth`](crate::auth).
    pub credentials: Option<PathBuf>,
    /// Names under which browsers and programs may ask HTTP, beside addresses, `localhost` and the
    /// names of the certificate.
    pub allow_host: Vec<String>,
    /// Connections that each port holds at once [default: `limits::CONNECTIONS_MAX`].
    pub max_connections: Option<usize>,
    /// Events are refused while a dataflow that reads them lags farther than this [default: never].
    pub max_body: Option<u64>,
    /// Events are refused while a dataflow that reads them is farther behind [default: never].
    pub max_lag: Option<MaxLag>,
    /// How long readers of a dataflow may be behind the log before a concern reports it [default:
    /// `limits::LAG_BOUND`].
    pub lag_bound: Option<Duration>,
}

impl ServersOptions {
    /// Checks that servers with these options would start, without listening.
    ///
    /// # Errors
    /// When a certificate or the credentials cannot be read, a name of `allow_host` is not a host
    /// name, or an address that is not loopback has no TLS or no credentials.
    pub fn check(&self) -> Result<()> {
        ServerAccess::open(self).map(drop)
    }
}
