//! Logins: checked, kept, used where they belong; certificates and proxies.

use crate::common::fault_proxy::read_head;
use crate::common::registry::{PASSWORD, Registry, Setup, USER};
use crate::fake::{FakeServer, Reply, Tls};
use crate::recipe::{Packing, Recipe, layer};
use crate::scene::{Scene, creds};
use std::io::{self, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

/// base64 of `me:hidden`.
const BASIC: &str = "Basic bWU6aGlkZGVu";

#[test]
fn a_login_is_checked_kept_used_and_forgotten() {
    let registry = Registry::start(Setup { tls: true, password: true });
    let scene = Scene::new("login", &[]);
    scene.trust(&registry.address, &registry.directory.join("ca.crt"));
    let image = Recipe::new(&[&layer("file", 1, 100)], Packing::Gzip).push(&registry, "app", "latest");
    let (address, name) = (registry.address.as_str(), format!("{}/app", registry.address));
    let said = scene.fails(["pull", "-q", &name]);
    assert!(said.contains("podkin login"), "what to try: {said}");
    let said = scene.fails(["login", "-u", USER, "-p", "wrong-secret", address]);
    assert!(said.contains(&format!("cannot log in to `{address}`")) && !said.contains("wrong-secret"), "{said}");
    assert!(!scene.auth_file().exists(), "what is not taken is not kept");
    let mut command = scene.command(["login", "-u", USER, "--password-stdin", address]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), "Login Succeeded!");
    let mode = std::fs::metadata(scene.auth_file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read_to_string(scene.auth_file()).unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(document["auths"][address]["auth"].is_string(), "as podman and docker read it: {text}");
    assert_eq!(scene.ok(["login", "--get-login", address]), USER);
    assert_eq!(scene.ok(["pull", "-q", &name]), image.id);
    assert!(scene.ok(["logout", address]).contains(address));
    scene.fails(["pull", "-q", &name]);
    assert_eq!(scene.ok(["pull", "-q", "--creds", &creds(), &name]), image.id);
    let said = scene.fails(["pull", "-q", "--creds", "tester:wrong-secret", &name]);
    assert!(!said.contains("wrong-secret"), "{said}");
    // Another file, by option and by environment.
    let file = scene.env.base.join("other.json");
    let option = format!("--authfile={}", file.display());
    scene.ok(["login", "-u", USER, "-p", PASSWORD, &option, address]);
    assert!(!std::fs::read_to_string(scene.auth_file()).unwrap().contains(address));
    let mut command = scene.command(["pull", "-q", &name]);
    command.env("REGISTRY_AUTH_FILE", &file);
    assert!(scene.env.finish(command).status.success());
    assert_eq!(scene.ok(["pull", "-q", &option, &name]), image.id);
}

#[test]
fn a_helper_keeps_a_login_and_no_file_has_it() {
    let registry = Registry::start(Setup { tls: false, password: true });
    let scene = Scene::new("helper", &[&registry.address]);
    let image = Recipe::new(&[&layer("file", 1, 100)], Packing::Gzip).push(&registry, "app", "latest");
    let kept = scene.env.base.join("kept");
    let helper = scene.env.file(
        "bin/docker-credential-test",
        &format!(
            "#!/bin/sh\ncase $1 in\nstore) cat >{0};;\nget) cat {0} 2>/dev/null || {{ echo 'credentials not found in native \
             keychain'; exit 1; }};;\nerase) rm {0};;\nlist) echo '{{}}';;\nesac\n",
            kept.display()
        ),
    );
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", helper.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let address = registry.address.as_str();
    let runtime = scene.auth_file();
    std::fs::create_dir_all(runtime.parent().unwrap()).unwrap();
    std::fs::write(&runtime, format!(r#"{{"credHelpers": {{"{address}": "test"}}}}"#)).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = scene.command(arguments);
        command.env("PATH", &path);
        scene.env.finish(command)
    };
    let login = run(&["login", "-u", USER, "-p", PASSWORD, address]);
    assert!(login.status.success(), "{}", login.stderr);
    assert!(std::fs::read_to_string(&kept).unwrap().contains(PASSWORD));
    assert!(!std::fs::read_to_string(&runtime).unwrap().contains("auths"), "the helper has it, and nobody else");
    let pulled = run(&["pull", "-q", &format!("{address}/app")]);
    assert_eq!(pulled.stdout.trim_end(), image.id, "{}", pulled.stderr);
    assert!(run(&["logout", address]).status.success());
    assert!(!kept.exists());
}

#[test]
fn a_password_goes_to_its_registry_and_its_realm_and_to_nobody_else() {
    let tls = Tls::new();
    let scene = Scene::new("realm", &[]);
    let parts = Recipe::new(&[&layer("file", 1, 100)], Packing::Gzip).parts();
    let realm = FakeServer::https(&tls, |_| Reply::new(200, r#"{"token":"token1","expires_in":300}"#));
    // Blobs lie elsewhere, as those of the great registries do.
    let blobs: Vec<Vec<u8>> = parts.blobs().cloned().collect();
    let storage = FakeServer::https(&tls, move |request| {
        let blob = blobs.iter().find(|blob| request.seen.path.contains(&podkin::image::Digest::of(blob).to_string()));
        Reply::new(200, blob.expect("only what there is is asked for").clone())
    });
    let (manifest, elsewhere) = (parts.manifest.clone(), storage.address.clone());
    let challenge = format!("Bearer realm=\"https://{}/token\",service=\"us\"", realm.address);
    let registry = FakeServer::https(&tls, move |request| {
        if request.seen.header("authorization") != Some("Bearer token1") {
            return Reply::new(401, "").with("WWW-Authenticate", challenge.clone());
        }
        match request.seen.path.contains("/blobs/") {
            true => Reply::new(307, "").with("Location", format!("https://{elsewhere}{}", request.seen.path)),
            false => Reply::new(200, manifest.clone()).with("Content-Type", crate::recipe::OCI),
        }
    });
    let stranger = FakeServer::https(&tls, |_| Reply::new(404, ""));
    for server in [&realm, &storage, &registry, &stranger] {
        scene.trust(&server.address, &tls.directory.join("ca.crt"));
    }
    let auth = format!(r#"{{"auths": {{"{}": {{"auth": "{}"}}}}}}"#, registry.address, &BASIC["Basic ".len()..]);
    let file = scene.env.file("auth.json", &auth);
    // A mirror, which is a stranger to that login, is asked first.
    scene.configure(&format!(
        "[[registry]]\nlocation = \"{}\"\n[[registry.mirror]]\nlocation = \"{}\"\n",
        registry.address, stranger.address
    ));
    let option = format!("--authfile={}", file.display());
    assert_eq!(scene.ok(["pull", "-q", &option, &format!("{}/app:1", registry.address)]), parts.id);
    assert!(realm.lines()[0].ends_with(BASIC), "{:?}", realm.lines());
    assert!(!stranger.lines().is_empty() && !storage.lines().is_empty());
    for line in stranger.lines().into_iter().chain(storage.lines()) {
        assert!(line.ends_with(" -"), "a stranger was told: {line}");
    }
    assert!(registry.lines().iter().all(|line| !line.contains(BASIC)), "it gets tokens: {:?}", registry.lines());
}

#[test]
fn a_certificate_must_be_known_and_certs_d_says_which_are() {
    let registry = Registry::start(Setup { tls: true, password: false });
    let scene = Scene::new("certificates", &[]);
    let image = Recipe::new(&[&layer("file", 1, 100)], Packing::Gzip).push(&registry, "app", "1");
    let name = format!("{}/app:1", registry.address);
    let said = scene.fails(["pull", "-q", "--retry", "0", &name]);
    assert!(said.contains("certificate"), "{said}");
    assert_eq!(scene.ok(["pull", "-q", "--tls-verify=false", &name]), image.id);
    let only = scene.env.base.join("certificates");
    std::fs::create_dir_all(&only).unwrap();
    std::fs::copy(registry.directory.join("ca.crt"), only.join("ca.crt")).unwrap();
    assert_eq!(scene.ok(["pull", "-q", &format!("--cert-dir={}", only.display()), &name]), image.id);
    scene.trust(&registry.address, &registry.directory.join("ca.crt"));
    assert_eq!(scene.ok(["pull", "-q", &name]), image.id);
}

/// A proxy that connects to one address whatever it is asked for, and notes what that was.
fn connect_proxy(upstream: String) -> (String, Arc<Mutex<Vec<String>>>) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, asked) = (socket.local_addr().unwrap().to_string(), Arc::new(Mutex::new(Vec::new())));
    let noted = asked.clone();
    std::thread::spawn(move || {
        for connection in socket.incoming() {
            let (upstream, noted) = (upstream.clone(), noted.clone());
            std::thread::spawn(move || -> io::Result<()> {
                let mut client = connection?;
                let mut reader = BufReader::new(client.try_clone()?);
                let Some((first, _)) = read_head(&mut reader)? else { return Ok(()) };
                noted.lock().unwrap().push(first);
                let mut server = TcpStream::connect(upstream)?;
                client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
                let (mut back, mut forth) = (server.try_clone()?, client.try_clone()?);
                std::thread::spawn(move || io::copy(&mut back, &mut forth));
                io::copy(&mut reader, &mut server).map(drop)
            });
        }
    });
    (address, asked)
}

#[test]
fn proxies_of_the_environment_are_used() {
    let registry = Registry::start(Setup::default());
    let scene = Scene::new("proxies", &["registry.test:5000"]);
    let image = Recipe::new(&[&layer("file", 1, 100)], Packing::Gzip).push(&registry, "app", "1");
    let (proxy, asked) = connect_proxy(registry.address.clone());
    let pull = |no_proxy: &str| {
        let mut command = scene.command(["pull", "-q", "--retry", "0", "registry.test:5000/app:1"]);
        command.env("HTTP_PROXY", format!("http://{proxy}")).env("https_proxy", format!("http://{proxy}"));
        command.env("NO_PROXY", no_proxy);
        scene.env.finish(command)
    };
    assert_eq!(pull("").stdout.trim_end(), image.id, "{}", pull("").stderr);
    let seen = asked.lock().unwrap().clone();
    assert!(!seen.is_empty() && seen.iter().all(|line| line.starts_with("CONNECT registry.test:5000 ")), "{seen:?}");
    let ran = pull("other.test,registry.test");
    assert_eq!(ran.code(), 125, "the name leads nowhere without the proxy");
    assert_eq!(asked.lock().unwrap().len(), seen.len());
}
