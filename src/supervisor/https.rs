//! HTTPS probes. They are rare, and TLS on one thread would hold all pods up: each is made by a launcher.

use super::container::Subject;
use super::http::{self, Answer, Target};
use super::launcher::{Reporter, chain, launch};
use crate::sys::namespace::{self, Kinds};
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

/// The launcher is given up after that at the latest; the probe's own timeout is mostly shorter.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Serialize, Deserialize)]
enum Report {
    Answered { status: u16, location: Option<String> },
    Failed(String),
}

/// Asks over TLS without looking at the certificate, as the kubelet does.
pub(super) async fn ask(subject: &Subject, target: &Target) -> Result<Answer, String> {
    let body = |reporter: &mut Reporter| {
        let result = enter(subject).and_then(|()| exchange(target));
        reporter.send(&match result {
            Ok(Answer { status, location }) => Report::Answered { status, location },
            Err(error) => Report::Failed(error),
        });
        0
    };
    let mut launched = launch(&subject.context.reaper, &[], body).map_err(|e| chain(&e))?;
    match launched.report().await.map_err(|e| chain(&e))? {
        Report::Answered { status, location } => Ok(Answer { status, location }),
        Report::Failed(error) => Err(error),
    }
}

/// Takes this process, a launcher, to the pod's network.
pub(super) fn enter(subject: &Subject) -> Result<(), String> {
    match super::sandbox::network_request(&subject.record) {
        Some(_) => {
            let path = subject.context.layout.pod_namespace(&subject.record.id, "net");
            namespace::setns_path(&path, Kinds::NETWORK).map_err(|e| e.to_string())
        }
        None => Ok(()),
    }
}

fn exchange(target: &Target) -> Result<Answer, String> {
    let lost = |error: io::Error| format!("cannot talk to {}: {error}", target.address);
    let socket = TcpStream::connect_timeout(&target.address, PATIENCE)
        .map_err(|error| format!("cannot connect to {}: {error}", target.address))?;
    socket.set_read_timeout(Some(PATIENCE)).map_err(lost)?;
    let connection = client(&target.host, &[]).map_err(|error| format!("cannot start TLS: {error}"))?;
    let mut stream = rustls::StreamOwned::new(connection, socket);
    stream.write_all(&target.request()).map_err(lost)?;
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = match stream.read(&mut chunk) {
            // Many servers close without saying so first.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            other => other.map_err(lost)?,
        };
        bytes.extend_from_slice(&chunk[..count]);
        match http::parse(&bytes, count == 0) {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}

pub(super) use tls::client;

mod tls {
    use super::Arc;
    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::crypto::{CryptoProvider, ring};
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};

    /// A connection to whoever answers; `protocols` are those it may choose from (RFC 7301), any when empty.
    pub fn client(authority: &str, protocols: &[&[u8]]) -> Result<ClientConnection, Error> {
        let provider = Arc::new(ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host).trim_matches(['[', ']']);
        let fallback = || ServerName::IpAddress(std::net::IpAddr::from([127, 0, 0, 1]).into());
        let name = ServerName::try_from(host.to_owned()).unwrap_or_else(|_| fallback());
        ClientConnection::new(Arc::new(config), name)
    }

    /// A probe asks whether something answers, not who it is.
    #[derive(Debug)]
    struct Anybody(Arc<CryptoProvider>);

    impl ServerCertVerifier for Anybody {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.0.signature_verification_algorithms.supported_schemes()
        }
    }
}
