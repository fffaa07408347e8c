//! TLS below the requests, where rustls alone decides too strictly or not at all.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
    StreamOwned,
};
use std::fmt;
use std::io::{Read as _, Write as _};
use std::sync::Arc;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};

/// Puts TLS on connections to https addresses.
pub(super) struct Tls(pub Arc<ClientConfig>);

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl<In: Transport> Connector<In> for Tls {
    type Out = Either<In, TlsTransport>;

    fn connect(&self, details: &ConnectionDetails, below: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(below) = below else { return Ok(None) };
        if !details.needs_tls() || below.is_tls() {
            return Ok(Some(Either::A(below)));
        }
        let host = details.uri.host().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(host.to_owned()).map_err(|_| ureq::Error::HostNotFound)?;
        let mut connection = ClientConnection::new(self.0.clone(), name)?;
        let mut socket = TransportAdapter::new(below.boxed(), details.current_time.clone());
        socket.set_timeout(details.timeout);
        connection.complete_io(&mut socket)?;
        let buffers = LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(Either::B(TlsTransport { buffers, stream: StreamOwned::new(connection, socket) })))
    }
}

/// A connection with TLS.
pub(super) struct TlsTransport {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsTransport")
    }
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        Ok(self.stream.write_all(&self.buffers.output()[..amount])?)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        let amount = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.get_mut().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

/// Checks the certificates of servers, and always that a server has the key of its own.
#[derive(Debug)]
pub(super) struct Verifier {
    provider: Arc<CryptoProvider>,
    /// `None` takes any certificate.
    roots: Option<Roots>,
}

/// Takes what leads to one of these. One that is trusted itself is taken as the server's, too, though it is a CA's, as those are
/// that `openssl req -x509` makes: programs in Go take them, and so many registries have one.
#[derive(Debug)]
struct Roots {
    /// `None` where nothing is trusted.
    chains: Option<Arc<WebPkiServerVerifier>>,
    trusted: Arc<Vec<CertificateDer<'static>>>,
}

impl Verifier {
    pub fn unchecked(provider: Arc<CryptoProvider>) -> Self {
        Self { provider, roots: None }
    }

    pub fn trusting(trusted: Arc<Vec<CertificateDer<'static>>>, provider: Arc<CryptoProvider>) -> Self {
        let mut store = RootCertStore::empty();
        // Bundles have certificates in them that nobody can use.
        store.add_parsable_certificates(trusted.iter().cloned());
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone()).build().ok();
        Self { provider, roots: Some(Roots { chains, trusted }) }
    }
}

impl Roots {
    fn is_own(&self, certificate: &CertificateDer<'_>, error: &rustls::Error) -> bool {
        let rustls::Error::InvalidCertificate(CertificateError::Other(cause)) = error else { return false };
        // What comes before that is whether it has begun to be valid, and still is.
        let is_ca = matches!(cause.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity));
        is_ca && self.trusted.contains(certificate)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(roots) = &self.roots else { return Ok(ServerCertVerified::assertion()) };
        let chains = roots.chains.as_ref().ok_or(CertificateError::UnknownIssuer)?;
        match chains.verify_server_cert(certificate, between, name, ocsp, now) {
            Err(error) if roots.is_own(certificate, &error) => {
                verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::pem::PemObject as _;
    use std::time::Duration;

    /// As `openssl req -x509 -days 36500 -subj /CN=self-signed -addext subjectAltName=DNS:registry.test` makes it, in 2026.
    const SELF_SIGNED: &str = "-----BEGIN CERTIFICATE-----\n\
        MIIBnTCCAUOgAwIBAgIUbkn9Krk/Z6FmYJP15qftIbZwdzowCgYIKoZIzj0EAwIw\n\
        FjEUMBIGA1UEAwwLc2VsZi1zaWduZWQwIBcNMjYxMTI1MTcyNDI1WhgPMjEyNjEx\n\
        MDExNzI0MjVaMBYxFDASBgNVBAMMC3NlbGYtc2lnbmVkMFkwEwYHKoZIzj0CAQYI\n\
        KoZIzj0DAQcDQgAEcSGfXKcWY5NYT4tQg0BwPFltRBZpzCXAhgiCKoQd5W/uTEVf\n\
        B93ZZJyvTyfQzuyu059hbdQQ4GaIKHmXoTIYq6NtMGswHQYDVR0OBBYEFBbQEqbS\n\
        tUE0VU+/bBpcEtLXwAMHMB8GA1UdIwQYMBaAFBbQEqbStUE0VU+/bBpcEtLXwAMH\n\
        MA8GA1UdEwEB/wQFMAMBAf8wGAYDVR0RBBEwD4INcmVnaXN0cnkudGVzdDAKBggq\n\
        hkjOPQQDAgNIADBFAiEA+lOYyHOQ6EjbqH4K/Pke1UnbQnxaywPln4NPeqYL6J8C\n\
        IBSXAOFvTbByrVkqASQigkZxl+F+l6ZxW4QG7R/FAC0V\n\
        -----END CERTIFICATE-----";
    /// Another one made so, which has no name.
    const OTHER: &str = "-----BEGIN CERTIFICATE-----\n\
        MIIBdjCCAR2gAwIBAgIUbsh2U4IglwWzKqjl0DwmNWXf1qIwCgYIKoZIzj0EAwIw\n\
        EDEOMAwGA1UEAwwFb3RoZXIwIBcNMjYxMTI1MTcyNDI1WhgPMjEyNjExMDExNzI0\n\
        MjVaMBAxDjAMBgNVBAMMBW90aGVyMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n\
        kLe4ay03WmaJUo5MYCC2rK6Ht5gVSJz3W7v/em6RJHgEmdR4gShlX3YMLfB9uRga\n\
        v9WB4xak7ERSo9U2Iw8njqNTMFEwHQYDVR0OBBYEFAomsUNHRAHZBV/R3AWeW32N\n\
        SpM6MB8GA1UdIwQYMBaAFAomsUNHRAHZBV/R3AWeW32NSpM6MA8GA1UdEwEB/wQF\n\
        MAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIgHsYIjwxxPIXN8FPjIJoEOQQeeJ4QbySL\n\
        AHc1EDK/ZbUCIFt1nY4XurmeHjX1bnYmHEIGELrtKVD9hkzqmUNrCJHR\n\
        -----END CERTIFICATE-----";
    const YEAR: u64 = 365 * 24 * 3600;

    fn verdict(roots: &[CertificateDer<'static>], name: &'static str, year: u64) -> Result<(), rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = Verifier::trusting(Arc::new(roots.to_vec()), provider);
        let certificate = CertificateDer::from_pem_slice(SELF_SIGNED.as_bytes()).unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs((year - 1970) * YEAR + YEAR));
        let name = ServerName::try_from(name).unwrap();
        roots.verify_server_cert(&certificate, &[], &name, &[], now).map(drop)
    }

    #[test]
    fn a_certificate_that_is_trusted_itself_is_taken_while_it_is_valid() {
        let own = CertificateDer::from_pem_slice(SELF_SIGNED.as_bytes()).unwrap();
        let other = CertificateDer::from_pem_slice(OTHER.as_bytes()).unwrap();
        let refused = |roots: &[CertificateDer<'static>], name, year| match verdict(roots, name, year) {
            Err(rustls::Error::InvalidCertificate(why)) => why,
            verdict => panic!("{verdict:?}"),
        };
        verdict(std::slice::from_ref(&own), "registry.test", 2027).unwrap();
        let elsewhere = refused(std::slice::from_ref(&own), "other.test", 2027);
        assert!(matches!(elsewhere, CertificateError::NotValidForNameContext { .. }), "{elsewhere:?}");
        let late = refused(std::slice::from_ref(&own), "registry.test", 2200);
        assert!(matches!(late, CertificateError::ExpiredContext { .. }), "{late:?}");
        refused(&[other], "registry.test", 2027);
    }
}
