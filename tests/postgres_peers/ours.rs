//! Our server, with the rows of both epochs.

use std::net::SocketAddr;
use std::sync::Arc;

use diptych::System;
use diptych::dataflow::Definition;
use diptych::servers::{self, Servers, ServersOptions};
use diptych::sources::append;
use diptych::system::{ServeOptions, Served};

use crate::facts;

/// A served site.
pub(crate) struct Ours {
    pub(crate) address: SocketAddr,
    /// The epoch of the first rows.
    pub(crate) earlier: u64,
    _servers: Servers,
    _served: Served,
    _directory: tempfile::TempDir,
}

impl Ours {
    pub(crate) fn start() -> Ours {
        let directory = tempfile::tempdir().expect("a directory");
        let flows = [Definition::new("peers", facts::peers)];
        let system = System::open(directory.path().join("data"));
        let writer = Arc::new(system.writer().expect("a writer"));
        append(&writer, "facts", &facts::rows(false)).expect("durable");
        let earlier = writer.upper() - 1;
        let served = system.serve(&flows, ServeOptions::default().writer(&writer));
        let served = served.expect("served");
        append(&writer, "facts", &facts::rows(true)).expect("durable");
        served.wait_beyond("peers", writer.upper() - 1).expect("visible");
        let site = servers::Site::of(&system, &served, &flows, None).expect("a site");
        let pg_listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        let options = ServersOptions { pg_listen, ..ServersOptions::default() };
        let servers = Servers::start(site, &options).expect("listening");
        let address = servers.pg().expect("an address");
        Ours { address, earlier, _servers: servers, _served: served, _directory: directory }
    }
}
