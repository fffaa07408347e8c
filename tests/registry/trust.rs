//! Certificates and proxies: whom the client believes, and through whom it goes.

use crate::common::registry::{Authority, Registry, Setup, scratch, source};
use crate::fake::{FakeServer, Reply, Tls};
use crate::{chain, quick};
use podkin::image::registry::certificates::CertificatesError;
use podkin::image::registry::{Client, ClientConfig, ProxyConfig, RegistryError, Which};
use std::fs;
use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

fn ask(config: ClientConfig, address: &str, insecure: bool) -> Result<(), RegistryError> {
    let app = Client::new(config).repository(&source(address, "app", insecure), None);
    app.manifest(&Which::Tag("1".into())).map(drop)
}

fn text(error: &RegistryError) -> String {
    chain(error)
}

#[test]
fn the_ca_of_certs_d_is_trusted_for_its_registry_only() {
    let registry = Registry::start(Setup { tls: true, password: false });
    registry.push_image("app", "1", &[]);
    let address = registry.address.clone();
    let unknown = ask(quick(), &address, false).unwrap_err();
    assert!(matches!(unknown, RegistryError::CertificateNotTrusted { .. }), "{}", text(&unknown));
    assert!(unknown.hint().unwrap().contains(&format!("/etc/containers/certs.d/{address}/ca.crt")));
    let certs = registry.certificates();
    let with = |directories: &[&Path]| ClientConfig {
        certificates: directories.iter().map(|d| d.to_path_buf()).collect(),
        ..quick()
    };
    ask(with(&[&certs]), &address, false).unwrap();
    ask(with(&[Path::new("/nowhere"), &certs]), &address, false).unwrap();
    // The first directory that has one for the registry counts, though it has no CA in it.
    let other = registry.directory.join("other");
    fs::create_dir_all(other.join(&address)).unwrap();
    assert!(ask(with(&[&other, &certs]), &address, false).is_err());
    let port = address.rsplit(':').next().unwrap();
    assert!(ask(with(&[&certs]), &format!("localhost:{port}"), false).is_err(), "another name of the same registry");
    // --cert-dir is for every registry, and must be there.
    let cert_dir = |path: &Path| ClientConfig { cert_dir: Some(path.to_owned()), ..with(&[&other]) };
    ask(cert_dir(&certs.join(&address)), &address, false).unwrap();
    assert!(matches!(ask(cert_dir(&certs.join("absent")), &address, false), Err(RegistryError::Certificates(_))));
    // The bundle of the machine, and no checks at all.
    let bundle = vec!["/nowhere".into(), registry.directory.join("ca.crt")];
    ask(ClientConfig { roots: bundle, ..quick() }, &address, false).unwrap();
    ask(quick(), &address, true).unwrap();
    ask(ClientConfig { tls_verify: Some(false), ..quick() }, &address, false).unwrap();
    assert!(ask(ClientConfig { tls_verify: Some(true), ..quick() }, &address, true).is_err());
}

#[test]
fn a_self_signed_certificate_that_is_trusted_is_taken() {
    let directory = scratch("self-signed");
    Authority::self_signed(&directory, "server");
    let tls = Tls::of(directory, "server.crt");
    let server = FakeServer::https(&tls, |_| Reply::new(200, "{}"));
    ask(tls.client_config(), &server.address, false).unwrap();
    let error = ask(quick(), &server.address, false).unwrap_err();
    assert!(matches!(error, RegistryError::CertificateNotTrusted { .. }), "{error}");
}

#[test]
fn a_name_that_is_not_in_the_certificate_is_refused() {
    let tls = Tls::new();
    let server = FakeServer::https(&tls, |_| Reply::new(200, "{}"));
    let port = server.address.rsplit(':').next().unwrap();
    ask(tls.client_config(), &format!("localhost:{port}"), false).unwrap();
    let error = ask(tls.client_config(), &format!("127.0.0.2:{port}"), false).unwrap_err();
    // Nobody listens on the other address of loopback, unless the system says otherwise.
    assert!(matches!(error, RegistryError::Connect { .. } | RegistryError::CertificateNotTrusted { .. }), "{error}");
}

#[test]
fn an_insecure_registry_of_this_machine_is_asked_by_http_first() {
    // Nobody reads the bundle of the machine for that.
    let unreadable = scratch("bundle");
    let config = || ClientConfig { roots: vec![unreadable.clone()], ..quick() };
    let plain = FakeServer::http(|_| Reply::new(200, "{}"));
    let port = plain.address.rsplit(':').next().unwrap();
    for name in [plain.address.clone(), format!("localhost:{port}")] {
        let before = plain.connections();
        ask(config(), &name, true).unwrap();
        assert_eq!(plain.connections(), before + 1, "{name}");
    }
    assert!(matches!(ask(config(), &plain.address, false), Err(RegistryError::Certificates(_))));
    // One that wants TLS is found all the same.
    let tls = Tls::new();
    let secret = FakeServer::https(&tls, |_| Reply::new(200, "{}"));
    ask(config(), &secret.address, true).unwrap();
    assert_eq!(secret.lines(), ["GET /v2/app/manifests/1 -"]);
    let picky = FakeServer::http(|_| Reply::new(400, "{}"));
    assert!(matches!(ask(config(), &picky.address, true), Err(RegistryError::Said { status: 400, .. })));
    std::fs::remove_dir(unreadable).unwrap();
}

#[test]
fn mistakes_in_certs_d_are_told_with_their_path() {
    let directory = scratch("certs");
    Authority::new(&directory).issue("client");
    let certs = directory.join("certs");
    fs::create_dir(&certs).unwrap();
    let said = || {
        let config = ClientConfig { cert_dir: Some(certs.clone()), retries: 0, ..quick() };
        match ask(config, "127.0.0.1:1", false).unwrap_err() {
            RegistryError::Certificates(error) => Some(error),
            RegistryError::Connect { .. } => None,
            other => panic!("{other}"),
        }
    };
    let put = |from: &str, to: &str| fs::copy(directory.join(from), certs.join(to)).map(drop).unwrap();
    put("client.crt", "a.v1.cert");
    let alone = said().unwrap();
    assert!(alone.to_string().contains("/a.v1.cert` has no `a.v1.key` beside it"), "{alone}");
    put("ca.key", "a.v1.key");
    assert!(matches!(said(), Some(CertificatesError::Unusable { .. })), "the key of another certificate");
    put("client.key", "a.v1.key");
    assert!(said().is_none());
    put("client.key", "b.key");
    assert!(said().unwrap().to_string().contains("`b.cert`"));
    put("client.crt", "b.cert");
    assert!(matches!(said(), Some(CertificatesError::Several(..))));
    fs::remove_file(certs.join("b.cert")).unwrap();
    fs::remove_file(certs.join("b.key")).unwrap();
    fs::write(certs.join("a.v1.key"), "nonsense").unwrap();
    assert!(matches!(said(), Some(CertificatesError::NoKey(_))));
    put("client.key", "a.v1.key");
    fs::write(certs.join("x.crt"), "nonsense").unwrap();
    assert!(matches!(said(), Some(CertificatesError::NoCertificate(path)) if path.ends_with("x.crt")));
    fs::remove_file(certs.join("x.crt")).unwrap();
    std::os::unix::fs::symlink("/nowhere/ca.crt", certs.join("dangling.crt")).unwrap();
    assert!(said().is_none(), "a link to nowhere is no mistake of the user");
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_client_certificate_is_shown_to_its_registry_only() {
    let tls = Tls::new();
    let storage = FakeServer::https(&tls, |_| Reply::new(200, "{}"));
    let elsewhere = format!("https://{}/", storage.address);
    let registry = FakeServer::https(&tls, move |_| Reply::new(302, "").with("Location", elsewhere.clone()));
    let own = tls.directory.join("certs.d").join(&registry.address);
    fs::create_dir_all(&own).unwrap();
    for (from, to) in [("server.crt", "client.cert"), ("server.key", "client.key"), ("ca.crt", "ca.crt")] {
        fs::copy(tls.directory.join(from), own.join(to)).unwrap();
    }
    // The CA comes from certs.d of the registry, and is good for where the registry sends to.
    let config = ClientConfig { certificates: vec![tls.directory.join("certs.d")], ..quick() };
    ask(config, &registry.address, false).unwrap();
    assert_eq!(registry.requests().iter().map(|r| r.certified).collect::<Vec<_>>(), [true]);
    assert_eq!(storage.requests().iter().map(|r| r.certified).collect::<Vec<_>>(), [false]);
}

/// A proxy that notes what it is asked to connect to, and lets nobody through but to one address.
fn connect_proxy(upstream: String) -> (String, Arc<Mutex<Vec<String>>>) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = seen.clone();
    // Ends with the test binary: nobody waits for it.
    std::thread::spawn(move || {
        for client in socket.incoming() {
            let mut client = client.unwrap();
            let mut reader = BufReader::new(client.try_clone().unwrap());
            let Ok(Some((first, headers))) = crate::common::fault_proxy::read_head(&mut reader) else { continue };
            let proof = headers.iter().find(|(name, _)| name == "proxy-authorization");
            noted.lock().unwrap().push(format!("{first} {}", proof.map_or("-", |(_, value)| value)));
            let server = TcpStream::connect(&upstream).unwrap();
            client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").unwrap();
            let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            let mut server = server;
            std::thread::spawn(move || std::io::copy(&mut server, &mut client));
        }
    });
    (address, seen)
}

#[test]
fn proxies_are_used_where_no_proxy_does_not_say_otherwise() {
    let tls = Tls::new();
    let server = FakeServer::https(&tls, |_| Reply::new(200, "{}"));
    let (proxy, seen) = connect_proxy(server.address.clone());
    let config = |no_proxy: &str| ClientConfig {
        proxy: ProxyConfig {
            https: Some(format!("http://me:hidden@{proxy}")),
            http: None,
            no_proxy: Some(no_proxy.to_owned()),
        },
        // The certificate is for another name.
        tls_verify: Some(false),
        retries: 0,
        ..tls.client_config()
    };
    ask(config(""), "registry.invalid:5000", false).unwrap();
    assert_eq!(seen.lock().unwrap().as_slice(), ["CONNECT registry.invalid:5000 HTTP/1.1 Basic bWU6aGlkZGVu"]);
    assert_eq!(server.lines(), ["GET /v2/app/manifests/1 -"], "the registry sees no password of the proxy");
    let direct = ask(config("a.test, .invalid"), "registry.invalid:5000", false).unwrap_err();
    assert!(matches!(direct, RegistryError::Resolve { .. }), "{direct}");
    ask(config(""), &server.address, false).unwrap();
    assert_eq!(seen.lock().unwrap().len(), 1, "this machine is reached directly");
    let mut wrong = config("");
    wrong.proxy.https = Some("nonsense://me:hidden@x".to_owned());
    let error = ask(wrong, "registry.invalid:5000", false).unwrap_err();
    assert!(matches!(error, RegistryError::Proxy(_)) && !format!("{error:?} {error}").contains("hidden"), "{error:?}");
}
