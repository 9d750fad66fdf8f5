//! The target of a command: a data directory, or a server.

use std::path::PathBuf;

use clap::Args;

use super::remote::Remote;
use diptych_base::error::{Error, Kind, Result};
use diptych_system::System;

/// A data directory, or a server with the credentials for it.
#[derive(Args, Clone, Debug)]
pub(super) struct PlaceArgs {
    /// Data directory: the log in DIR/log, batch views in DIR/views
    #[arg(long = "data", value_name = "DIR", required_unless_present = "server")]
    dir: Option<PathBuf>,
    /// Ask this server instead: http://HOST:PORT, or https://…
    #[arg(long, value_name = "URL", conflicts_with = "dir")]
    server: Option<String>,
    /// The token to show the server, alone in a file [default: the variable `DIPTYCH_TOKEN`]
    #[arg(long, value_name = "FILE", conflicts_with = "dir")]
    token_file: Option<PathBuf>,
    /// Trust servers whose certificates are signed by one of these (PEM), and no others
    #[arg(long, value_name = "FILE", conflicts_with = "dir")]
    ca: Option<PathBuf>,
}

/// The target that was chosen.
pub(super) enum OpenTarget {
    Data(System),
    Server(Remote),
}

impl PlaceArgs {
    /// The target that the options name.
    ///
    /// # Errors
    /// When the URL, the token or the certificates cannot be used.
    pub(super) fn place(&self) -> Result<OpenTarget> {
        match (&self.dir, &self.server) {
            (Some(dir), None) => Ok(OpenTarget::Data(System::open(dir))),
            (None, Some(url)) => {
                let token = self.token_file.as_deref();
                let ca = self.ca.as_deref();
                Remote::new(url, token, ca).map(OpenTarget::Server)
            }
            _ => Err(Error::new(Kind::Input, "neither a data directory nor a server is named")
                .remedy("give --data DIR or --server URL")),
        }
    }
}
