//! What comes before the first statement: TLS, who is there, and what he should know.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use pgwire::messages::startup::{
    Authentication, BackendKeyData, GssEncRequest, NegotiateProtocolVersion, SecretKey, SslRequest,
};
use pgwire::tokio::server::MaybeTls;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::backend;
use super::cancel::{self, Cancel, Cancels};
use super::error::Failure;
use super::frontend::{Body, malformed};
use super::scram;
use super::settings::Settings;
use super::wire::Wire;
use diptych_base::io::is_loopback;
use diptych_site::access::Entry;

/// Bytes of a packet before the session, as in `PostgreSQL`.
const PACKET_BYTES_MAX: u32 = 10_000;
/// What a cancel request says instead of a version.
const CANCEL: u32 = 80_877_102;
/// Version 3.0.
const VERSION: u32 = 3 << 16;

/// A client that was let in.
pub(super) struct Greeted {
    pub(super) wire: Wire,
    pub(super) settings: Settings,
    pub(super) cancel: Cancel,
}

/// Why a connection ends before it began.
pub(super) enum Refused {
    /// There is nobody to talk to, or nothing to say.
    Quietly,
    /// The client is told.
    With(Box<Wire>, Failure),
}

impl From<io::Error> for Refused {
    fn from(_: io::Error) -> Refused {
        Refused::Quietly
    }
}

/// Brings a connection to its first statement.
pub(super) async fn greet(
    stream: TcpStream,
    peer: SocketAddr,
    entry: &Entry,
    cancels: &Arc<Cancels>,
) -> Result<Greeted, Refused> {
    let (stream, packet) = negotiate(stream, entry, cancels).await?;
    let is_plain = matches!(stream, MaybeTls::Plain(_));
    let mut wire = Wire::new(stream, BytesMut::new());
    if entry.tls.is_some() && is_plain && !is_loopback(peer.ip()) {
        let failure = Failure::fatal("28000", "this port wants TLS from other machines");
        return Err(refused(wire, failure.hint("connect with sslmode=require or better")));
    }
    match admit(&mut wire, &packet, entry, cancels).await {
        Ok((settings, cancel)) => Ok(Greeted { wire, settings, cancel }),
        Err(failure) => Err(refused(wire, failure)),
    }
}

fn refused(wire: Wire, failure: Failure) -> Refused {
    Refused::With(Box::new(wire), failure.fatally())
}

/// Answers requests for encryption until the client names a version; gives that packet.
async fn negotiate(
    mut stream: TcpStream,
    entry: &Entry,
    cancels: &Cancels,
) -> Result<(MaybeTls, Vec<u8>), Refused> {
    loop {
        let packet = packet(&mut stream).await?;
        match (code(&packet), &entry.tls) {
            (Some(SSL), Some(tls)) => {
                stream.write_all(b"S").await?;
                let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(tls));
                // What came with the request would be read by the handshake, which refuses it:
                // nothing that was sent in the clear is ever taken for a secret word.
                let mut stream = acceptor.accept(stream).await?;
                let packet = self::packet(&mut stream).await?;
                cancelled(&packet, cancels)?;
                return Ok((MaybeTls::Tls(Box::new(stream)), packet));
            }
            (Some(SSL | GSS), _) => stream.write_all(b"N").await?,
            _ => {
                cancelled(&packet, cancels)?;
                return Ok((MaybeTls::Plain(stream), packet));
            }
        }
    }
}

const SSL: u32 = SslRequest::BODY_MAGIC_NUMBER as u32;
const GSS: u32 = GssEncRequest::BODY_MAGIC_NUMBER as u32;

/// A packet without its length.
async fn packet(stream: &mut (impl AsyncReadExt + Unpin)) -> Result<Vec<u8>, Refused> {
    let length = stream.read_u32().await?;
    if !(8..=PACKET_BYTES_MAX).contains(&length) {
        // Another protocol: whatever is said here means nothing to it.
        return Err(Refused::Quietly);
    }
    let mut packet = vec![0; length as usize - 4];
    stream.read_exact(&mut packet).await?;
    Ok(packet)
}

fn code(packet: &[u8]) -> Option<u32> {
    packet.first_chunk().copied().map(u32::from_be_bytes)
}

/// Does what a cancel request asks. It is never answered.
fn cancelled(packet: &[u8], cancels: &Cancels) -> Result<(), Refused> {
    if code(packet) != Some(CANCEL) {
        return Ok(());
    }
    if let Some((&[_, _, _, _, p, q, r, s, a, b, c, d], [])) = packet.split_first_chunk() {
        cancels.ask(i32::from_be_bytes([p, q, r, s]), i32::from_be_bytes([a, b, c, d]));
    }
    Err(Refused::Quietly)
}

/// Reads who is there, lets him prove it, and tells him what he should know.
async fn admit(
    wire: &mut Wire,
    packet: &[u8],
    entry: &Entry,
    cancels: &Arc<Cancels>,
) -> Result<(Settings, Cancel), Failure> {
    let (minor, mut said) = parse(packet)?;
    let extensions: Vec<String> =
        said.keys().filter(|name| name.starts_with("_pq_.")).cloned().collect();
    if minor > 0 || !extensions.is_empty() {
        said.retain(|name, _| !name.starts_with("_pq_."));
        backend::rare(&NegotiateProtocolVersion::new(0, extensions), &mut wire.out);
    }
    let user = said.get("user").filter(|user| !user.is_empty()).cloned();
    let user = user.ok_or_else(|| Failure::fatal("28000", "the startup packet names no user"))?;
    if said.get("replication").is_some_and(|value| !matches!(value.as_str(), "false" | "off" | "0"))
    {
        let failure = Failure::fatal("0A000", "there is no replication here");
        return Err(failure.hint("changes of a view are streamed over HTTP"));
    }
    let mut login = None;
    if let Some(gate) = &entry.gate {
        // What is checked from now on is what was in force before the password was.
        login = gate.login(&user);
        scram::authenticate(wire, &user, gate).await?;
        if login.is_none() {
            // The file was changed meanwhile.
            return Err(cancel::ended());
        }
    }
    wire.trust();
    let settings = Settings::new(&user, &said)?;
    let cancel = cancels.enter(login)?;
    backend::rare(&Authentication::Ok, &mut wire.out);
    settings.tell(&mut wire.out);
    let key = BackendKeyData::new(cancel.pid, SecretKey::I32(cancel.secret));
    backend::rare(&key, &mut wire.out);
    backend::ready(b'I', &mut wire.out);
    Ok((settings, cancel))
}

/// The minor version and what else the packet says.
fn parse(packet: &[u8]) -> Result<(u32, BTreeMap<String, String>), Failure> {
    let mut body = Body(packet);
    let version = body.u32()?;
    if version >> 16 != VERSION >> 16 {
        let major = version >> 16;
        let minor = version & 0xffff;
        let message = format!("version {major}.{minor} of the protocol is not spoken here");
        return Err(Failure::fatal("0A000", message).hint("3.0 is"));
    }
    let mut said = BTreeMap::new();
    loop {
        let name = body.text()?;
        if name.is_empty() {
            break;
        }
        let value = body.text()?;
        said.insert(name, value);
    }
    if !body.0.is_empty() {
        return Err(malformed("bytes behind its end"));
    }
    Ok((version & 0xffff, said))
}
