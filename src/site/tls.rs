//! TLS from PEM files; certificates can be replaced while connections pass.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::crypto::ring::{default_provider, sign::any_supported_type};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use x509_certificate::X509Certificate;

use super::file_watcher::{Reload, Watched};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::{Clock, RealClock, read_text, shared_mode};

/// Days before its end from which on a certificate causes a warning.
const WARNING_DAYS: i64 = 14;

/// The current certificate and its key.
pub struct Tls {
    cert: PathBuf,
    key: PathBuf,
    current: Arc<Current>,
}

/// The resolver from which handshakes take the certificate.
#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Tls {
    /// Reads the certificate and the key.
    ///
    /// # Errors
    /// When a file is missing or is not PEM, the key belongs to another certificate, or the
    /// certificate is not valid now.
    pub fn open(cert: &Path, key: &Path) -> Result<Arc<Tls>> {
        let (certified, _) = read(cert, key)?;
        let current = Arc::new(Current(ArcSwap::from_pointee(certified)));
        Ok(Arc::new(Tls { cert: cert.to_owned(), key: key.to_owned(), current }))
    }

    /// Whether `name` is a name of the certificate.
    pub fn is_of(&self, name: &str) -> bool {
        let current = self.current.0.load();
        let certificate = current.cert.first().map(ParsedCertificate::try_from);
        let (Some(Ok(certificate)), Ok(name)) = (certificate, ServerName::try_from(name)) else {
            return false;
        };
        verify_server_name(&certificate, &name).is_ok()
    }

    /// The certificate that new connections see, in DER.
    pub fn der(&self) -> Option<Vec<u8>> {
        self.current.0.load().cert.first().map(|certificate| certificate.to_vec())
    }

    /// The configuration with which a server accepts connections; it follows later certificates.
    ///
    /// # Errors
    /// When the cryptography that was compiled in lacks a part of TLS.
    pub fn config(&self, protocols: &[&[u8]]) -> Result<Arc<ServerConfig>> {
        let failed = |error: rustls::Error| Error::new(Kind::Io, format!("TLS: {error}"));
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(failed)?;
        let resolver = Arc::clone(&self.current);
        let mut config = config.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Ok(Arc::new(config))
    }
}

impl Watched for Tls {
    fn paths(&self) -> Vec<PathBuf> {
        vec![self.cert.clone(), self.key.clone()]
    }

    fn reload(&self) -> Result<Reload> {
        let (certified, until) = read(&self.cert, &self.key)?;
        self.current.0.store(Arc::new(certified));
        let path = self.cert.display();
        Ok(Reload(format!("{path} was read again: valid until {}", day(until))))
    }
}

fn day(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Reads and checks both files, and gives the end of the certificate's validity.
fn read(cert: &Path, key: &Path) -> Result<(CertifiedKey, DateTime<Utc>)> {
    let place = cert.display().to_string();
    let wrong = |path: &Path, what: &str, remedy: &str| {
        Error::new(Kind::Input, format!("{}: {what}", path.display())).remedy(remedy)
    };
    let text = read_text(cert)?;
    let chain: std::result::Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| {
        wrong(cert, "there is no PEM certificate in it", "it begins with BEGIN CERTIFICATE")
    })?;
    let text = read_text(key)?;
    if let Some(mode) = shared_mode(key, 0o027) {
        let path = key.display();
        tracing::warn!("{path} is open to others (its mode is {mode:04o}): chmod 600 {path}");
    }
    // The message never repeats what is in the file.
    let private = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| {
        wrong(key, "there is no PEM private key in it", "it begins with BEGIN PRIVATE KEY")
    })?;
    let until = validity(&place, &chain[0])?;
    let signer = any_supported_type(&private).map_err(|_| {
        wrong(key, "this kind of key is not supported", "use ECDSA P-256, Ed25519 or RSA")
    })?;
    let certified = CertifiedKey::new(chain, signer);
    match certified.keys_match() {
        // A key that does not tell its public half cannot be compared.
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
        Err(_) => {
            let what = format!("this is not the key of the certificate in {place}");
            return Err(wrong(key, &what, "give the two files that were made together"));
        }
    }
    Ok((certified, until))
}

/// The end of the certificate's validity.
fn validity(place: &str, certificate: &CertificateDer<'_>) -> Result<DateTime<Utc>> {
    let refused = |what: String| Error::new(Kind::Input, format!("{place}: {what}"));
    let parsed = X509Certificate::from_der(certificate.as_ref())
        .map_err(|error| refused(format!("this is no X.509 certificate: {error}")))?;
    let from = parsed.validity_not_before();
    let until = parsed.validity_not_after();
    let now = DateTime::from_timestamp_micros(RealClock.now_us()).unwrap_or_default();
    if now > until {
        let what = format!("the certificate has expired on {}", day(until));
        return Err(refused(what).remedy("renew it; no client would accept it"));
    }
    if now < from {
        let what = format!("the certificate is not valid before {}", day(from));
        return Err(refused(what).remedy("look at the clock of this machine"));
    }
    let left = (until - now).num_days();
    if left < WARNING_DAYS {
        let until = day(until);
        tracing::warn!("{place}: the certificate expires in {left} days, on {until}");
    }
    Ok(until)
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
