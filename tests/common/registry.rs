//! Debian's `docker-registry` on loopback, for one test: plain or with TLS, open or with a password.
//!
//! ```ignore
//! let registry = Registry::start(Setup { tls: true, password: true });
//! registry.push_image("team/app", "1", &[layer]);
//! let proxy = FaultProxy::start(&registry.address); // see fault_proxy.rs
//! ```
//!
//! Dropping a registry ends its process and removes its directory.

use podkin::image::platform::host_architecture;
use podkin::image::registry::{Client, ClientConfig, Login, Repository, Source, Which};
use podkin::image::{Digest, Reference};
use serde_json::json;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Who may use a registry with a password.
pub const USER: &str = "tester";
pub const PASSWORD: &str = "s3cret:word";
/// bcrypt of [`PASSWORD`], as weak as it may be: each request is checked against it.
const HTPASSWD: &str = "tester:$2b$04$abcdefghijklmnopqrstuuHR3t7FUNT1H99nlAQFD.ZD8cnc5Jsi2\n";

const PROGRAM: &str = "/usr/bin/docker-registry";

#[derive(Debug, Clone, Copy, Default)]
pub struct Setup {
    /// TLS by a CA of the test's own, which [`Registry::certificates`] trusts.
    pub tls: bool,
    /// [`USER`] and [`PASSWORD`] are asked for.
    pub password: bool,
}

/// A running registry, or one that was stopped and can be started again.
pub struct Registry {
    /// `127.0.0.1:port`
    pub address: String,
    pub directory: PathBuf,
    setup: Setup,
    process: Option<Child>,
}

impl Registry {
    /// Starts one with nothing in it.
    ///
    /// # Panics
    /// When Debian's packages `docker-registry` or, for TLS, `openssl` are missing.
    pub fn start(setup: Setup) -> Self {
        assert!(Path::new(PROGRAM).exists(), "{PROGRAM} is missing: install Debian's package docker-registry");
        let directory = scratch("registry");
        if setup.tls {
            Authority::new(&directory).issue("server");
        }
        std::fs::write(directory.join("htpasswd"), HTPASSWD).expect("the directory is writable");
        for attempt in 1.. {
            let address = free_address();
            let mut registry = Self { address, directory: directory.clone(), setup, process: None };
            registry.resume();
            if registry.process.is_some() {
                return registry;
            }
            // Another process may have taken the port in between.
            assert!(attempt < 5, "docker-registry does not start; see {}", registry.log().display());
            std::mem::forget(registry);
        }
        unreachable!("the loop ends by returning")
    }

    /// Starts it again at the same address, after [`Registry::stop`].
    pub fn resume(&mut self) {
        let configuration = self.directory.join("config.yml");
        std::fs::write(&configuration, self.configuration()).expect("the directory is writable");
        let log = std::fs::File::create(self.log()).expect("the directory is writable");
        let mut command = Command::new(PROGRAM);
        command.arg("serve").arg(&configuration).env("OTEL_TRACES_EXPORTER", "none");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut process = command.spawn().expect("docker-registry can be executed");
        let address: SocketAddr = self.address.parse().expect("an address with a port");
        let end = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(address).is_err() {
            if process.try_wait().expect("a child can be waited for").is_some() || Instant::now() > end {
                let _ = process.kill();
                let _ = process.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.process = Some(process);
    }

    /// Ends the process; what was pushed stays.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("it is our child");
            process.wait().expect("it is our child");
        }
    }

    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// A certs.d directory in which this registry's CA is trusted.
    pub fn certificates(&self) -> PathBuf {
        let directory = self.directory.join("certs.d");
        let own = directory.join(&self.address);
        std::fs::create_dir_all(&own).expect("the directory is writable");
        std::fs::copy(self.directory.join("ca.crt"), own.join("ca.crt")).expect("a registry with TLS");
        directory
    }

    /// Settings under which this registry works, without pauses between attempts.
    pub fn client_config(&self) -> ClientConfig {
        ClientConfig {
            certificates: if self.setup.tls { vec![self.certificates()] } else { Vec::new() },
            retry_delay: Some(Duration::from_millis(5)),
            ..ClientConfig::default()
        }
    }

    pub fn login(&self) -> Option<Login> {
        self.setup.password.then(|| Login { user: USER.to_owned(), secret: PASSWORD.to_owned() })
    }

    pub fn source(&self, repository: &str) -> Source {
        source(&self.address, repository, !self.setup.tls)
    }

    /// A repository, with everything that is needed to use it.
    pub fn repository(&self, name: &str) -> Repository {
        Client::new(self.client_config()).repository(&self.source(name), self.login())
    }

    /// Uploads a blob and gives its digest.
    pub fn push_blob(&self, repository: &str, content: &[u8]) -> Digest {
        let digest = Digest::of(content);
        let mut upload = self.repository(repository).upload().expect("an upload begins");
        upload.send(content).expect("an upload goes on");
        upload.finish(&digest).expect("an upload ends");
        digest
    }

    /// Uploads an image of plain tar layers and gives the digest of its manifest.
    pub fn push_image(&self, repository: &str, tag: &str, layers: &[Vec<u8>]) -> Digest {
        let descriptor = |kind: &str, content: &[u8]| {
            let digest = self.push_blob(repository, content);
            json!({ "mediaType": format!("application/vnd.oci.image.{kind}"), "digest": digest, "size": content.len() })
        };
        let diff_ids: Vec<_> = layers.iter().map(|layer| Digest::of(layer)).collect();
        let config = json!({
            "os": "linux",
            "architecture": host_architecture(),
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let layers: Vec<_> = layers.iter().map(|layer| descriptor("layer.v1.tar", layer)).collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor("config.v1+json", config.to_string().as_bytes()),
            "layers": layers,
        });
        let manifest = manifest.to_string().into_bytes();
        let which = Which::Tag(tag.to_owned());
        self.repository(repository).put_manifest(&which, MANIFEST, &manifest).expect("a manifest is taken")
    }

    fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    fn configuration(&self) -> String {
        let directory = self.directory.display();
        let mut text = format!(
            "version: 0.1\nlog: {{level: warn}}\nstorage:\n  filesystem: {{rootdirectory: {directory}/data}}\n  \
             delete: {{enabled: true}}\nhttp:\n  addr: {}\n  secret: of-a-test\n",
            self.address
        );
        if self.setup.tls {
            text += &format!("  tls: {{certificate: {directory}/server.crt, key: {directory}/server.key}}\n");
        }
        if self.setup.password {
            text += &format!("auth:\n  htpasswd: {{realm: test, path: {directory}/htpasswd}}\n");
        }
        text
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Media type of the manifests that are pushed.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A source with nothing from registries.conf.
pub fn source(registry: &str, repository: &str, insecure: bool) -> Source {
    Source { reference: Reference::parse(&format!("{registry}/{repository}")).expect("a valid name"), insecure }
}

/// A certificate authority in a directory: `ca.crt`, `ca.key`.
pub struct Authority {
    directory: PathBuf,
}

impl Authority {
    pub fn new(directory: &Path) -> Self {
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
        let mut arguments = vec!["req", "-x509", "-subj", "/CN=podkin test CA", "-keyout", "ca.key", "-out", "ca.crt"];
        arguments.extend(key);
        arguments.extend(["-addext", "keyUsage=critical,keyCertSign"]);
        openssl(directory, &arguments);
        Self { directory: directory.to_owned() }
    }

    /// Makes `<name>.crt` and `<name>.key` as many a registry has them: a certificate that signs itself, and so is one of a CA.
    pub fn self_signed(directory: &Path, name: &str) {
        let (key, certificate) = (format!("{name}.key"), format!("{name}.crt"));
        let mut arguments = vec!["req", "-x509", "-subj", "/CN=podkin test", "-keyout", &key, "-out", &certificate];
        arguments.extend(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]);
        arguments.extend(["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]);
        openssl(directory, &arguments);
    }

    /// Makes `<name>.crt` and `<name>.key`, for 127.0.0.1 and localhost, as server or as client.
    pub fn issue(&self, name: &str) {
        let file = |extension: &str| format!("{name}.{extension}");
        let (key, request, certificate) = (file("key"), file("csr"), file("crt"));
        let ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let mut arguments = vec!["req", "-subj", "/CN=podkin test", "-keyout", &key, "-out", &request];
        arguments.extend(ec);
        openssl(&self.directory, &arguments);
        let extensions = "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n";
        std::fs::write(self.directory.join("extensions"), extensions).expect("the directory is writable");
        let mut arguments = vec!["x509", "-req", "-in", &request, "-out", &certificate, "-days", "2"];
        arguments.extend(["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "extensions"]);
        openssl(&self.directory, &arguments);
    }
}

fn openssl(directory: &Path, arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).current_dir(directory).output();
    let output = output.expect("openssl can be executed: install Debian's package openssl");
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A fresh directory.
pub fn scratch(name: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("podkin-{name}-{}-{count}", std::process::id()));
    std::fs::create_dir_all(&path).expect("the temporary directory is writable");
    path
}

/// An address on loopback that nobody listens on at the moment.
pub fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
    listener.local_addr().expect("it is bound").to_string()
}
