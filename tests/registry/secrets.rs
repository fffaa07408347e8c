//! Where passwords and tokens go, and where they must not: servers of the test's own write down every header.

use crate::common::registry::source;
use crate::fake::{FakeServer, Reply, Request, Tls};
use crate::{chain, quick};
use podkin::image::Digest;
use podkin::image::registry::{Client, Login, RegistryError, Repository, Which};
use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// base64 of `me:hidden`.
const BASIC: &str = "Basic bWU6aGlkZGVu";

fn login() -> Login {
    Login { user: "me".into(), secret: "hidden".into() }
}

fn has(request: &Request, authorization: &str) -> bool {
    request.seen.header("authorization") == Some(authorization)
}

fn manifest(repository: &Repository) -> Result<Vec<u8>, RegistryError> {
    repository.manifest(&Which::Tag("1".into())).map(|fetched| fetched.bytes)
}

fn secure(tls: &Tls, server: &FakeServer, login: Option<Login>) -> Repository {
    Client::new(tls.client_config()).repository(&source(&server.address, "app", false), login)
}

/// A registry that wants a token of this realm.
fn wants_token(tls: &Tls, realm: String) -> FakeServer {
    FakeServer::https(tls, move |request| match request.seen.header("authorization") {
        Some(token) if token.starts_with("Bearer token") => Reply::new(200, "{}"),
        _ => Reply::new(401, "").with("WWW-Authenticate", format!("Bearer realm=\"{realm}\",service=\"us\"")),
    })
}

#[test]
fn a_password_goes_to_the_realm_and_a_token_to_the_registry() {
    let tls = Tls::new();
    let realm = FakeServer::https(&tls, |_| Reply::new(200, r#"{"token":"token1","expires_in":300}"#));
    let registry = wants_token(&tls, format!("https://{}/token", realm.address));
    let app = secure(&tls, &registry, Some(login()));
    manifest(&app).unwrap();
    manifest(&app).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| manifest(&app.clone()).unwrap());
        }
    });
    let scope = "repository%3Aapp%3Apull";
    assert_eq!(realm.lines(), [format!("GET /token?service=us&scope={scope}&account=me {BASIC}")], "one for all");
    let asked = registry.lines();
    assert_eq!(asked[..2], ["GET /v2/app/manifests/1 -", "GET /v2/app/manifests/1 Bearer token1"]);
    assert!(asked[1..].iter().all(|line| line.ends_with("Bearer token1")), "no refusal is needed twice: {asked:?}");
}

#[test]
fn nothing_is_sent_before_it_is_asked_for_and_nothing_by_those_who_have_nothing() {
    let tls = Tls::new();
    let realm = FakeServer::https(&tls, |_| Reply::new(200, r#"{"access_token":"token2"}"#));
    let registry = wants_token(&tls, format!("https://{}/token", realm.address));
    manifest(&secure(&tls, &registry, None)).unwrap();
    assert_eq!(realm.lines(), ["GET /token?service=us&scope=repository%3Aapp%3Apull -"]);
    let open = FakeServer::https(&tls, |_| Reply::new(200, "{}"));
    manifest(&secure(&tls, &open, Some(login()))).unwrap();
    assert_eq!(open.lines(), ["GET /v2/app/manifests/1 -"]);
}

#[test]
fn an_expired_token_is_renewed_once() {
    let tls = Tls::new();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let realm = FakeServer::https(&tls, move |_| {
        let count = counted.fetch_add(1, Ordering::SeqCst);
        Reply::new(200, format!(r#"{{"token":"token{count}","expires_in":300}}"#))
    });
    let address = format!("https://{}/token", realm.address);
    let registry = FakeServer::https(&tls, move |request| match request.seen.path.as_str() {
        "/v2/app/manifests/1" if has(request, "Bearer token0") || has(request, "Bearer token1") => {
            Reply::new(200, "{}")
        }
        // It forgot the first.
        "/v2/app/tags/list?n=1000" if has(request, "Bearer token1") => Reply::new(200, r#"{"tags":[]}"#),
        _ => Reply::new(401, "").with("WWW-Authenticate", format!("Bearer realm={address}")),
    });
    let app = secure(&tls, &registry, None);
    manifest(&app).unwrap();
    app.tags().unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 2);
    let refused = app.delete_manifest(&Digest::of(b"")).unwrap_err();
    assert!(matches!(refused, RegistryError::LoginNeeded { .. }), "{refused}");
    assert_eq!(count.load(Ordering::SeqCst), 4, "another scope, and once again");
}

#[test]
fn a_refresh_token_is_exchanged() {
    let tls = Tls::new();
    let realm = FakeServer::https(&tls, |_| Reply::new(200, r#"{"access_token":"token3"}"#));
    let registry = wants_token(&tls, format!("https://{}/token", realm.address));
    let login = Login { user: "<token>".into(), secret: "re+fresh".into() };
    manifest(&secure(&tls, &registry, Some(login.clone()))).unwrap();
    let requests = realm.requests();
    assert_eq!(requests[0].line(), "POST /token -");
    let form =
        "grant_type=refresh_token&service=us&client_id=podkin&scope=repository%3Aapp%3Apull&refresh_token=re%2Bfresh";
    assert_eq!(requests[0].body, form);
    // It is no password.
    let basic = FakeServer::https(&tls, |_| Reply::new(401, "").with("WWW-Authenticate", "Basic realm=x"));
    assert!(manifest(&secure(&tls, &basic, Some(login))).is_err());
    assert_eq!(basic.lines(), ["GET /v2/app/manifests/1 -"]);
}

#[test]
fn basic_goes_to_the_registry_alone() {
    let tls = Tls::new();
    let storage = FakeServer::https(&tls, |_| Reply::new(200, "blob"));
    let elsewhere = format!("https://{}/signed?by=us", storage.address);
    let registry = FakeServer::https(&tls, move |request| match request.seen.path.as_str() {
        _ if !has(request, BASIC) => Reply::new(401, "{}").with("WWW-Authenticate", r#"Digest x="y", Basic realm="r""#),
        "/v2/app/manifests/1" => Reply::new(302, "moved").with("Location", "/v2/app/manifests/here"),
        "/v2/app/manifests/here" => Reply::new(200, "{}"),
        _ => Reply::new(307, "").with("Location", elsewhere.clone()),
    });
    let app = secure(&tls, &registry, Some(login()));
    manifest(&app).unwrap();
    assert!(registry.lines().contains(&format!("GET /v2/app/manifests/here {BASIC}")), "the same server");
    assert_eq!(registry.connections(), 1, "a refusal and a redirect are no reason to connect anew");
    let mut read = String::new();
    app.blob(&Digest::of(b"blob"), 4).unwrap().read_to_string(&mut read).unwrap();
    assert_eq!((read.as_str(), storage.lines()), ("blob", vec!["GET /signed?by=us -".to_owned()]));
}

#[test]
fn an_upload_elsewhere_gets_no_secret() {
    let tls = Tls::new();
    let storage = FakeServer::https(&tls, |request| match request.seen.method.as_str() {
        "PUT" => Reply::new(201, ""),
        method => panic!("{method}"),
    });
    let elsewhere = format!("https://{}/upload", storage.address);
    let registry = FakeServer::https(&tls, move |request| match has(request, BASIC) {
        true => Reply::new(202, "").with("Location", elsewhere.clone()),
        false => Reply::new(401, "").with("WWW-Authenticate", "Basic"),
    });
    let mut upload = secure(&tls, &registry, Some(login())).upload().unwrap();
    upload.send(b"content").unwrap();
    upload.finish(&Digest::of(b"content")).unwrap();
    let put = format!("PUT /upload?digest={} -", Digest::of(b"content").to_string().replace(':', "%3A"));
    assert_eq!(storage.lines(), [put]);
    assert_eq!(storage.requests()[0].body, "content");
}

#[test]
fn no_secret_goes_from_https_to_http() {
    let tls = Tls::new();
    let plain = FakeServer::http(|request| panic!("asked for {}", request.seen.path));
    let to = format!("http://{}/", plain.address);
    // A token server, a redirect, an upload location, the next page: each in plain HTTP.
    let registry = wants_token(&tls, to.clone());
    let bad = |error: RegistryError| {
        assert!(matches!(error, RegistryError::BadRedirect { .. }), "{error}");
        assert!(error.to_string().contains(&format!("`{}`", to.trim_end_matches('/'))), "{error}");
    };
    bad(manifest(&secure(&tls, &registry, Some(login()))).unwrap_err());
    let location = to.clone();
    let registry = FakeServer::https(&tls, move |request| match request.seen.method.as_str() {
        "GET" if request.seen.path.contains("tags") => {
            Reply::new(200, r#"{"tags":[]}"#).with("Link", format!("<{location}>; rel=next"))
        }
        "GET" => Reply::new(301, "").with("Location", location.clone()),
        _ => Reply::new(202, "").with("Location", location.clone()),
    });
    let app = secure(&tls, &registry, Some(login()));
    bad(manifest(&app).unwrap_err());
    bad(app.upload().unwrap_err());
    bad(app.tags().unwrap_err());
    assert_eq!(plain.lines(), [] as [&str; 0]);
}

#[test]
fn a_secure_registry_is_never_spoken_to_in_plain() {
    let plain = FakeServer::http(|_| Reply::new(200, "{}"));
    let app = |insecure, tls_verify| {
        let mut config = quick();
        config.tls_verify = tls_verify;
        Client::new(config).repository(&source(&plain.address, "app", insecure), Some(login()))
    };
    for refused in [app(false, None), app(true, Some(true))] {
        let error = manifest(&refused).unwrap_err();
        assert!(matches!(error, RegistryError::PlainHttp { .. }), "{}", chain(&error));
        assert!(error.hint().unwrap().contains("--tls-verify=false"));
    }
    // What is not HTTP at all is the beginning of a TLS connection.
    assert!(plain.lines().iter().all(|line| !line.starts_with("GET")), "{:?}", plain.lines());
    manifest(&app(true, None)).unwrap();
    manifest(&app(false, Some(false))).unwrap();
    assert!(plain.lines().iter().filter(|line| *line == "GET /v2/app/manifests/1 -").count() == 2);
}

#[test]
fn an_insecure_registry_gets_its_password_by_http() {
    let realm = FakeServer::http(|_| Reply::new(200, r#"{"token":"token4"}"#));
    let at = format!("http://{}/t?x=y", realm.address);
    let registry = FakeServer::http(move |request| match has(request, "Bearer token4") {
        true => Reply::new(200, "{}"),
        false => Reply::new(401, "").with("WWW-Authenticate", format!("Bearer realm=\"{at}\"")),
    });
    manifest(&Client::new(quick()).repository(&source(&registry.address, "app", true), Some(login()))).unwrap();
    assert_eq!(realm.lines(), [format!("GET /t?x=y&scope=repository%3Aapp%3Apull&account=me {BASIC}")]);
}

#[test]
fn redirects_end() {
    let tls = Tls::new();
    let registry = FakeServer::https(&tls, |_| Reply::new(302, "").with("Location", "/again"));
    let error = manifest(&secure(&tls, &registry, None)).unwrap_err();
    assert!(matches!(error, RegistryError::BadRedirect { .. }), "{error}");
    assert!(registry.lines().len() < 12, "{}", registry.lines().len());
    let realm = FakeServer::https(&tls, |_| Reply::new(302, "").with("Location", "https://127.0.0.1:1/t"));
    let registry = wants_token(&tls, format!("https://{}/", realm.address));
    let error = manifest(&secure(&tls, &registry, Some(login()))).unwrap_err();
    assert!(error.to_string().contains("must not send elsewhere"), "{error}");
}

#[test]
fn no_error_and_no_debug_output_shows_a_secret() {
    let tls = Tls::new();
    let realm = FakeServer::https(&tls, |_| Reply::new(200, r#"{"token":"token5-hidden"}"#));
    let address = format!("https://{}/token", realm.address);
    let registry = FakeServer::https(&tls, move |request| match has(request, "Bearer token5-hidden") {
        true if request.seen.path.contains("blobs") => {
            Reply::new(302, "").with("Location", "https://127.0.0.1:1/signed?signature=hidden")
        }
        true => Reply::new(500, r#"{"errors":[{"code":"X","message":"\u001b[2Jbad"}]}"#),
        false => Reply::new(401, "").with("WWW-Authenticate", format!("Bearer realm=\"{address}\"")),
    });
    let app = secure(&tls, &registry, Some(login()));
    let errors = [manifest(&app).unwrap_err(), app.blob(&Digest::of(b""), 5).unwrap_err()];
    for error in errors {
        let text = format!("{error:?} {}", chain(&error));
        assert!(!text.contains("hidden") && !text.contains('\u{1b}'), "{text}");
    }
    assert!(!format!("{app:?} {:?}", Client::new(tls.client_config())).contains("hidden"));
    let agent = registry.requests()[0].seen.header("user-agent").unwrap().to_owned();
    assert_eq!(agent, concat!("podkin/", env!("CARGO_PKG_VERSION")));
}
