//! The Postgres protocol, read only: views as tables, for the drivers of `PostgreSQL`.
//!
//! A connection goes through three stages. `startup` handles the packets before the session (TLS,
//! authentication with SCRAM); `connection` handles message after message; `session` holds the
//! settings, prepared statements and portals of a connection. A statement is classified by its
//! first words (`classify_statement`): commands of the session run here, writes are refused, a read
//! of one key goes straight to the index (`point_read`), and all others go to the planner. Answers
//! are written column by column in text or binary (`record_batch_encoder`, `text`, `binary`).
//!
//! Invariants:
//! - the first byte of every message decides how long it may be, and nothing is allocated for bytes
//!   that have not come;
//! - until a client is authenticated, it can make the server keep a few kilobytes, for a few
//!   seconds, in a bounded number of connections;
//! - inside a transaction all statements answer at one epoch of each dataflow.
//!
//! `pgwire` writes the rare messages and does SCRAM's arithmetic; messages from clients are read
//! here, because its decoder trusts their lengths.

#![cfg(feature = "sql")]

mod backend;
mod binary;
mod cancel;
mod catalog;
mod classify_statement;
mod connection;
mod copy;
mod copy_command;
mod cursor;
mod cursor_command;
mod departure;
mod error;
mod extended;
mod frontend;
mod named_statements;
mod param_scalars;
mod params;
mod parse_time_text;
mod planner;
mod point_read;
mod point_read_match;
mod portal;
mod prepared;
mod procedures;
mod record_batch_encoder;
mod scram;
mod session;
mod settings;
mod simple;
mod split_statements;
mod sql_prepare;
mod startup;
mod transaction;
mod types;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use cancel::Cancels;
use connection::Connection;
use diptych_base::limits::{PG_CONNECTIONS_MAX, PG_IDLE_GIVES_WAY, PG_STARTUP_TIMEOUT};
use diptych_site::access_policy::PortAccess;
use diptych_site::connection_places::{ConnectionPlaces, HeldPlace};
use diptych_site::site::Site;
use diptych_sql::{Engine, value_text as text};
use error::Failure;
use planner::Planner;
use session::PgSession;
use startup::{Greeted, StartupRefusal, greet, negotiate};
use wire::Wire;

/// Connections that wait for their refusal at once; further ones are closed without a message.
const REFUSALS_MAX: usize = 64;
/// How long a refused client may take to say what it wants.
const REFUSAL_WAIT: Duration = Duration::from_secs(2);

/// The state that all connections share.
struct Port {
    site: Arc<Site>,
    engine: Engine,
    entry: PortAccess,
    cancels: Arc<Cancels>,
    stopping: watch::Receiver<bool>,
}

/// Accepts connections until told to stop; then lets each finish the statement under way.
pub async fn serve(
    site: Arc<Site>,
    listener: TcpListener,
    entry: PortAccess,
    mut stopping: watch::Receiver<bool>,
) {
    let engine = Engine::new(Arc::clone(&site));
    let connections_max = entry.bounds.connections.min(PG_CONNECTIONS_MAX);
    let cancels = Arc::default();
    let port = Arc::new(Port { site, engine, entry, cancels, stopping: stopping.clone() });
    let places = ConnectionPlaces::new(connections_max, 0, PG_IDLE_GIVES_WAY);
    let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
    let mut connections = JoinSet::new();
    let stopped = async move {
        // This ends with the sender, too.
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    tokio::pin!(stopped);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stopped => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            // The process has too many files open, or the client left at once.
            sleep(Duration::from_millis(20)).await;
            continue;
        };
        if let Some(place) = places.take(peer.ip()) {
            let port = Arc::clone(&port);
            connections.spawn(async move {
                tokio::select! {
                    biased;
                    () = port.answer(stream, peer, &place.seat) => {}
                    () = place.seat.gives_way() => {}
                }
            });
        } else if let Ok(place) = Arc::clone(&refusals).try_acquire_owned() {
            let port = Arc::clone(&port);
            connections.spawn(async move {
                // A client that is slow to hear its refusal is closed without one.
                let _ = timeout(REFUSAL_WAIT, port.refuse(stream, connections_max)).await;
                drop(place);
            });
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

impl Port {
    /// Takes a connection through the packets before the session, so that the client can show the
    /// error, and tells it that there is no room. A cancel request needs none.
    async fn refuse(&self, stream: TcpStream, connections_max: usize) {
        let Ok((stream, _)) = negotiate(stream, &self.entry, &self.cancels).await else { return };
        let message = format!(
            "sorry, too many clients already ({connections_max} may be connected, and fewer from \
             one address)"
        );
        let failure = Failure::fatal("53300", message).hint("close some, or share them in a pool");
        Wire::new(stream, BytesMut::new()).close(Some(&failure)).await;
    }

    async fn answer(&self, stream: TcpStream, peer: SocketAddr, seat: &Arc<HeldPlace>) {
        // Answers are small, and clients wait for them.
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let greeting = greet(stream, peer, &self.entry, &self.cancels);
        let mut stopping = self.stopping.clone();
        let stopped = async {
            // This ends with the sender, too.
            let _ = stopping.wait_for(|stop| *stop).await;
        };
        let greeted = tokio::select! {
            greeted = timeout(PG_STARTUP_TIMEOUT, greeting) => greeted,
            () = stopped => return,
        };
        match greeted {
            Ok(Ok(Greeted { wire, settings, told, cancel })) => {
                let planner = Planner::new(&self.site, &self.engine, settings, cancel.pid);
                let session = PgSession::new(told, cancel, planner);
                let stopping = self.stopping.clone();
                let seat = Arc::clone(seat);
                Connection { wire, session, stopping, is_skipping: false, seat }.run().await;
            }
            Ok(Err(StartupRefusal::With(wire, failure))) => wire.close(Some(&failure)).await,
            // A client that is too slow to start a session, or speaks another protocol, is closed
            // silently.
            Ok(Err(StartupRefusal::Quietly)) | Err(_) => {}
        }
    }
}
