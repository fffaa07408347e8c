//! Servers that answer as a test tells them and write down what they are sent.

use crate::common::fault_proxy::{Seen, read_head};
use crate::common::registry::{Authority, scratch};
use podkin::image::registry::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// What a server says.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A request with its body.
#[derive(Debug, Clone)]
pub struct Request {
    pub seen: Seen,
    pub body: String,
    /// The client showed a certificate.
    pub certified: bool,
}

impl Request {
    /// `GET /v2/ Bearer x`: what the tests are about.
    pub fn line(&self) -> String {
        let Seen { method, path, .. } = &self.seen;
        format!("{method} {path} {}", self.seen.header("authorization").unwrap_or("-"))
    }
}

type Handler = dyn Fn(&Request) -> Reply + Send + Sync;

/// Keys of all TLS servers of one test.
pub struct Tls {
    pub directory: PathBuf,
    trusted: &'static str,
    config: Arc<ServerConfig>,
}

impl Tls {
    pub fn new() -> Self {
        let directory = scratch("tls");
        Authority::new(&directory).issue("server");
        Self::of(directory, "ca.crt")
    }

    /// The server of `server.crt` and `server.key`, and whom clients trust for that.
    pub fn of(directory: PathBuf, trusted: &'static str) -> Self {
        let read = |name: &str| std::fs::read(directory.join(name)).unwrap();
        let chain = vec![CertificateDer::from_pem_slice(&read("server.crt")).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(&read("server.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        // Every server asks for a client certificate, and is content without.
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&read(trusted)).unwrap()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let verifier = verifier.allow_unauthenticated().build().unwrap();
        let config = builder.with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap();
        Self { directory, trusted, config: Arc::new(config) }
    }

    /// Settings that trust these servers as the machine's bundle would.
    pub fn client_config(&self) -> ClientConfig {
        ClientConfig { roots: vec![self.directory.join(self.trusted)], ..crate::quick() }
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

pub struct FakeServer {
    /// `127.0.0.1:port`
    pub address: String,
    requests: Arc<Mutex<Vec<Request>>>,
    connections: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

impl FakeServer {
    pub fn http(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(None, Arc::new(handler))
    }

    pub fn https(tls: &Tls, handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(Some(tls.config.clone()), Arc::new(handler))
    }

    /// What came, one line each; see [`Request::line`].
    pub fn lines(&self) -> Vec<String> {
        self.requests().iter().map(Request::line).collect()
    }

    /// Connections that were made.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    fn start(tls: Option<Arc<ServerConfig>>, handler: Arc<Handler>) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap().to_string();
        let (requests, ended) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let connections = Arc::new(AtomicUsize::new(0));
        let (written, count, end) = (requests.clone(), connections.clone(), ended.clone());
        let listener = std::thread::spawn(move || {
            for connection in socket.incoming() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                count.fetch_add(1, Ordering::SeqCst);
                let (tls, handler, written) = (tls.clone(), handler.clone(), written.clone());
                std::thread::spawn(move || {
                    // A client that does not like the certificate goes away, as it should.
                    let _ = connection.and_then(|stream| converse(stream, tls, &*handler, &written));
                });
            }
        });
        Self { address, requests, connections, ended, listener: Some(listener) }
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(&self.address);
        let _ = self.listener.take().map(JoinHandle::join);
    }
}

fn converse(
    mut stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    handler: &Handler,
    written: &Mutex<Vec<Request>>,
) -> io::Result<()> {
    let Some(config) = tls else { return answer(stream, false, handler, written) };
    let mut connection = ServerConnection::new(config).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    let certified = connection.peer_certificates().is_some();
    answer(StreamOwned::new(connection, stream), certified, handler, written)
}

fn answer(
    stream: impl Read + Write,
    certified: bool,
    handler: &Handler,
    written: &Mutex<Vec<Request>>,
) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (first, headers) = match read_head(&mut reader) {
            Ok(Some(head)) => head,
            Ok(None) => return Ok(()),
            // TLS, for one: what servers say to it. Whoever sent it hangs up.
            Err(_) => {
                reader.get_mut().write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")?;
                return io::copy(&mut reader, &mut io::sink()).map(drop);
            }
        };
        let mut words = first.split(' ').map(str::to_owned);
        let seen = Seen { method: words.next().unwrap_or_default(), path: words.next().unwrap_or_default(), headers };
        let length = seen.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let request = Request { seen, body: String::from_utf8_lossy(&body).into_owned(), certified };
        let Reply { status, headers, body } = handler(&request);
        written.lock().unwrap().push(request.clone());
        let mut head = format!("HTTP/1.1 {status} Said\r\n");
        headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
        if !headers.iter().any(|(name, _)| *name == "Content-Length") {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        let body = if request.seen.method == "HEAD" { Vec::new() } else { body };
        let stream = reader.get_mut();
        stream.write_all((head + "\r\n").as_bytes())?;
        stream.write_all(&body)?;
        stream.flush()?;
    }
}
