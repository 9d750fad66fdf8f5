//! The startup of a connection: TLS, authentication, and the parameters that the client is told.

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
use super::departure::ClientWatch;
use super::error::Failure;
use super::frontend::{BodyReader, malformed};
use super::scram;
use super::settings::{self, ToldSettings};
use super::wire::Wire;
use diptych_base::io::is_loopback;
use diptych_site::access_policy::{ClearText, PortAccess};
use diptych_sql::Settings;

/// The longest packet before the session in bytes, as in `PostgreSQL`.
const PACKET_BYTES_MAX: u32 = 10_000;
/// The code of a cancel request, in the place of a version.
const CANCEL: u32 = 80_877_102;
/// The protocol's version 3.0.
const VERSION: u32 = 3 << 16;

/// A client that was authenticated.
pub(super) struct Greeted {
    pub(super) wire: Wire,
    pub(super) settings: Settings,
    /// What the client was told of them.
    pub(super) told: ToldSettings,
    pub(super) cancel: Cancel,
}

/// The reason why a connection ends before its session begins.
pub(super) enum StartupRefusal {
    /// The client has left, or there is nothing to tell it.
    Quietly,
    /// The client is sent this error.
    With(Box<Wire>, Failure),
}

impl From<io::Error> for StartupRefusal {
    fn from(_: io::Error) -> StartupRefusal {
        StartupRefusal::Quietly
    }
}

/// Takes a connection through startup, up to its first statement.
pub(super) async fn greet(
    stream: TcpStream,
    peer: SocketAddr,
    entry: &PortAccess,
    cancels: &Arc<Cancels>,
) -> Result<Greeted, StartupRefusal> {
    let client = ClientWatch::of(&stream)?;
    let (stream, packet) = negotiate(stream, entry, cancels).await?;
    let is_plain = matches!(stream, MaybeTls::Plain(_));
    let mut wire = Wire::new(stream, BytesMut::new());
    if is_plain && !takes_clear_text(entry, peer) {
        let failure = Failure::fatal("28000", "connections in clear text are refused here");
        return Err(refused(wire, failure.hint("connect with sslmode=require or better")));
    }
    match admit(&mut wire, &packet, entry, cancels, client).await {
        Ok((settings, told, cancel)) => Ok(Greeted { wire, settings, told, cancel }),
        Err(failure) => Err(refused(wire, failure)),
    }
}

/// Whether `peer` may do without TLS: a port without it has no choice, and clear text on loopback
/// does not leave the machine.
fn takes_clear_text(entry: &PortAccess, peer: SocketAddr) -> bool {
    match (&entry.tls, entry.clear_text) {
        (None, _) | (_, ClearText::Allowed) => true,
        (_, ClearText::Refused) => false,
        (_, ClearText::OnLoopback) => is_loopback(peer.ip()),
    }
}

fn refused(wire: Wire, failure: Failure) -> StartupRefusal {
    StartupRefusal::With(Box::new(wire), failure.fatally())
}

/// Answers requests for encryption until the client sends a startup packet, and returns that
/// packet.
pub(super) async fn negotiate(
    mut stream: TcpStream,
    entry: &PortAccess,
    cancels: &Cancels,
) -> Result<(MaybeTls, Vec<u8>), StartupRefusal> {
    loop {
        let packet = packet(&mut stream).await?;
        match (code(&packet), &entry.tls) {
            (Some(SSL), Some(tls)) => {
                stream.write_all(b"S").await?;
                let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(tls));
                // Bytes that came with the request would be read by the handshake, which refuses
                // them: nothing that was sent in clear text is ever taken for a secret.
                let mut stream = acceptor.accept(stream).await?;
                let packet = self::packet(&mut stream).await?;
                if let Err(done) = cancelled(&packet, cancels) {
                    // A client that waits for the end takes a bare close for an attack.
                    stream.shutdown().await?;
                    return Err(done);
                }
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

/// Reads a packet, and returns it without its length.
async fn packet(stream: &mut (impl AsyncReadExt + Unpin)) -> Result<Vec<u8>, StartupRefusal> {
    let length = stream.read_u32().await?;
    if !(8..=PACKET_BYTES_MAX).contains(&length) {
        // The client speaks another protocol, in which an answer here would mean nothing.
        return Err(StartupRefusal::Quietly);
    }
    let mut packet = vec![0; length as usize - 4];
    stream.read_exact(&mut packet).await?;
    Ok(packet)
}

fn code(packet: &[u8]) -> Option<u32> {
    packet.first_chunk().copied().map(u32::from_be_bytes)
}

/// Carries out a cancel request, which is never answered.
fn cancelled(packet: &[u8], cancels: &Cancels) -> Result<(), StartupRefusal> {
    if code(packet) != Some(CANCEL) {
        return Ok(());
    }
    if let Some((&[_, _, _, _, p, q, r, s, a, b, c, d], [])) = packet.split_first_chunk() {
        cancels.ask(i32::from_be_bytes([p, q, r, s]), i32::from_be_bytes([a, b, c, d]));
    }
    Err(StartupRefusal::Quietly)
}

/// Reads the user from the startup packet, authenticates the client, and sends it the parameters.
async fn admit(
    wire: &mut Wire,
    packet: &[u8],
    entry: &PortAccess,
    cancels: &Arc<Cancels>,
    client: ClientWatch,
) -> Result<(Settings, ToldSettings, Cancel), Failure> {
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
        // Later checks are against the credentials that were in force before the password was
        // checked.
        login = gate.login(&user);
        let certificate = entry.certificate.as_ref().filter(|_| wire.is_tls());
        let certificate = certificate.and_then(|certificate| certificate.der());
        scram::authenticate(wire, &user, gate, certificate.as_deref()).await?;
        if login.is_none() {
            // The credentials file was changed meanwhile.
            return Err(cancel::ended());
        }
    }
    wire.trust();
    let mut settings = settings::of_startup(&user, &said)?;
    let cancel = cancels.enter(login, client)?;
    backend::rare(&Authentication::Ok, &mut wire.out);
    let mut told = ToldSettings::default();
    told.tell(&mut settings, &mut wire.out);
    let key = BackendKeyData::new(cancel.pid, SecretKey::I32(cancel.secret));
    backend::rare(&key, &mut wire.out);
    backend::ready(b'I', &mut wire.out);
    Ok((settings, told, cancel))
}

/// Parses the minor version and the parameters of a startup packet.
fn parse(packet: &[u8]) -> Result<(u32, BTreeMap<String, String>), Failure> {
    let mut body = BodyReader(packet);
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
