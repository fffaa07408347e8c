//! What can go wrong with a registry, in terms of what a user can do about it.
//!
//! No password, token or address with a signature in it gets into an error: addresses are cut to scheme and host.

use super::certificates::CertificatesError;
use super::proxy::ProxyError;
use crate::image::Digest;
use std::io;
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("registry `{registry}` has no {what}")]
    NotFound { registry: String, what: String },
    /// Nothing was sent, as nothing is known for this registry. Many registries say the same of what does not exist.
    #[error("registry `{registry}` asks for a login for {what}")]
    LoginNeeded { registry: String, what: String },
    #[error("registry `{registry}` does not accept the login of `{user}` for {what}")]
    LoginRefused { registry: String, user: String, what: String },
    #[error("registry `{registry}` denies access to {what}{}", colon(said))]
    Denied { registry: String, what: String, said: String },
    /// `host` is the registry, or a server that it sends to, which is trusted by the same certificates.
    #[error("the certificate of `{host}` is not trusted")]
    CertificateNotTrusted { registry: String, host: String, source: rustls::Error },
    #[error("`{host}` answered plain HTTP where HTTPS is required")]
    PlainHttp { host: String },
    #[error("cannot find the address of `{host}`")]
    Resolve { host: String, source: io::Error },
    #[error("cannot connect to `{host}`")]
    Connect { host: String, source: io::Error },
    #[error("no TLS connection with `{host}`")]
    Tls { host: String, source: rustls::Error },
    #[error("the connection to `{host}` failed")]
    Broken { host: String, source: io::Error },
    #[error("`{host}` did not answer in time")]
    Slow { host: String },
    /// The registry's own words, cut to a sane length and without control characters.
    #[error("registry `{registry}` answered {status} to {what}{}", colon(said))]
    Said { registry: String, status: u16, what: String, code: String, said: String, after: Option<Duration> },
    #[error("registry `{registry}` has had too many requests{}", later(*after))]
    RateLimited { registry: String, after: Option<Duration> },
    #[error("{what} of registry `{registry}` is larger than {limit} bytes")]
    TooLarge { registry: String, what: String, limit: u64 },
    #[error("{what} has the digest {found}, not {expected}")]
    WrongDigest { what: String, expected: Digest, found: Digest },
    #[error("{what} has {found} bytes, not {expected}")]
    WrongSize { what: String, expected: u64, found: u64 },
    #[error("`{from}` sends to `{to}`: {reason}")]
    BadRedirect { from: String, to: String, reason: &'static str },
    /// What came is against the distribution specification.
    #[error("registry `{registry}` gave a malformed answer: {what}")]
    Malformed { registry: String, what: &'static str },
    /// The upload is lost and begins anew with [`super::Repository::upload`].
    #[error("registry `{registry}` lost what was uploaded to it")]
    UploadLost { registry: String, source: Box<RegistryError> },
    #[error("the answer is no longer waited for")]
    Cancelled,
    #[error(transparent)]
    Certificates(#[from] CertificatesError),
    #[error(transparent)]
    Proxy(#[from] ProxyError),
}

impl RegistryError {
    /// The one that made a read from a [`super::Blob`] fail.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// What to try.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::LoginNeeded { registry, .. } | Self::LoginRefused { registry, .. } => {
                Some(format!("`podkin login {registry}`, or check the name: registries hide what does not exist"))
            }
            Self::CertificateNotTrusted { registry, .. } => Some(format!(
                "put the CA certificate into `/etc/containers/certs.d/{registry}/ca.crt`, or do without checks by `--tls-verify=false`"
            )),
            Self::PlainHttp { host } => Some(format!(
                "`--tls-verify=false`, or `insecure = true` for `{host}` in registries.conf, allows plain HTTP"
            )),
            Self::RateLimited { registry, .. } => {
                Some(format!("wait, or `podkin login {registry}`: limits are higher for accounts"))
            }
            _ => None,
        }
    }

    /// True where the same request may succeed a moment later.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Resolve { .. } | Self::Connect { .. } | Self::Broken { .. } | Self::Slow { .. } => true,
            Self::Said { status, .. } => matches!(status, 408 | 500 | 502 | 503 | 504),
            Self::RateLimited { .. } => true,
            _ => false,
        }
    }

    /// True when there was no conversation at all: what a registry without TLS does to one who wants it.
    pub(super) fn is_no_connection(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. } | Self::Tls { .. } | Self::PlainHttp { .. } | Self::Broken { .. } | Self::Slow { .. }
        )
    }
}

impl From<RegistryError> for io::Error {
    fn from(error: RegistryError) -> Self {
        io::Error::other(error)
    }
}

fn colon(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said}") }
}

fn later(after: Option<Duration>) -> String {
    after.map(|after| format!(", and wants {} seconds of peace", after.as_secs())).unwrap_or_default()
}

/// Turns what ureq reports into what it means. `host` is the one that was talked to on behalf of `registry`.
pub(super) fn transport_error(error: ureq::Error, host: &str, registry: &str) -> RegistryError {
    let host = host.to_owned();
    match error {
        ureq::Error::Rustls(error) => tls_error(error, host, registry),
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
            RegistryError::Connect { host, source: io::ErrorKind::TimedOut.into() }
        }
        ureq::Error::Timeout(_) => RegistryError::Slow { host },
        ureq::Error::HostNotFound => RegistryError::Resolve { host, source: io::ErrorKind::NotFound.into() },
        ureq::Error::Other(error) => match error.downcast::<Unresolved>() {
            Ok(unresolved) => RegistryError::Resolve { host, source: unresolved.0 },
            Err(error) => RegistryError::Broken { host, source: io::Error::other(error) },
        },
        ureq::Error::Io(error) => io_error(error, host, registry),
        // The proxy answered, and not with a connection.
        error @ (ureq::Error::ConnectProxyFailed(_) | ureq::Error::ConnectionFailed) => {
            RegistryError::Connect { host, source: io::Error::other(error) }
        }
        error => RegistryError::Broken { host, source: error.into_io() },
    }
}

fn io_error(error: io::Error, host: String, registry: &str) -> RegistryError {
    // TLS errors come wrapped from the handshake.
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return tls_error(tls.clone(), host, registry);
    }
    use io::ErrorKind::{AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkDown, NetworkUnreachable};
    match error.kind() {
        ConnectionRefused | HostUnreachable | NetworkUnreachable | NetworkDown | AddrNotAvailable => {
            RegistryError::Connect { host, source: error }
        }
        _ => RegistryError::Broken { host, source: error },
    }
}

fn tls_error(source: rustls::Error, host: String, registry: &str) -> RegistryError {
    match source {
        rustls::Error::InvalidCertificate(_) => {
            RegistryError::CertificateNotTrusted { registry: registry.to_owned(), host, source }
        }
        // The first byte of an HTTP answer is the type of no TLS record.
        rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => RegistryError::PlainHttp { host },
        source => RegistryError::Tls { host, source },
    }
}

/// A name that has no address: told apart from failed connections where it happens.
#[derive(Debug, thiserror::Error)]
#[error("no address")]
pub(super) struct Unresolved(#[source] pub io::Error);
