//! What can be asked of a registry.

use crate::common::registry::{MANIFEST, Registry, Setup, source};
use crate::fake::{FakeServer, Reply};
use crate::{noise, quick};
use podkin::image::Digest;
use podkin::image::registry::{Client, ClientConfig, Login, RegistryError, Which};
use std::io::Read;
use std::time::Duration;

fn tag(name: &str) -> Which {
    Which::Tag(name.to_owned())
}

#[test]
fn an_image_comes_as_it_was_pushed() {
    for setup in [
        Setup::default(),
        Setup { password: true, ..Setup::default() },
        Setup { tls: true, password: false },
        Setup { tls: true, password: true },
    ] {
        let registry = Registry::start(setup);
        let layer = noise(300_000);
        let pushed = registry.push_image("team/app", "1", std::slice::from_ref(&layer));
        let app = registry.repository("team/app");
        let fetched = app.manifest(&tag("1")).unwrap();
        assert_eq!((&fetched.digest, fetched.media_type.as_str()), (&pushed, MANIFEST), "{setup:?}");
        assert_eq!(app.manifest(&Which::Digest(pushed.clone())).unwrap(), fetched);
        assert_eq!(app.manifest_digest(&tag("1")).unwrap(), Some((pushed, MANIFEST.to_owned())));
        let digest = Digest::of(&layer);
        assert_eq!(app.has_blob(&digest).unwrap(), Some(300_000));
        let mut read = Vec::new();
        app.blob(&digest, 300_000).unwrap().read_to_end(&mut read).unwrap();
        assert!(read == layer, "{setup:?}");
        assert!(app.blob_bytes(&digest, 300_000).unwrap() == layer);
    }
}

#[test]
fn what_is_not_there_is_told_apart() {
    let registry = Registry::start(Setup::default());
    registry.push_image("app", "1", &[]);
    let app = registry.repository("app");
    let absent = Digest::of(b"absent");
    let error = app.manifest(&tag("2")).unwrap_err();
    assert_eq!(error.to_string(), format!("registry `{}` has no tag `2` of `app`", registry.address));
    assert!(matches!(app.manifest(&Which::Digest(absent.clone())), Err(RegistryError::NotFound { .. })));
    assert!(matches!(app.blob(&absent, 6), Err(RegistryError::NotFound { .. })));
    assert_eq!(app.manifest_digest(&tag("2")).unwrap(), None);
    assert_eq!(app.has_blob(&absent).unwrap(), None);
    assert!(matches!(registry.repository("none").tags(), Err(RegistryError::NotFound { .. })));
    let too_large = app.blob_bytes(&absent, 5 << 20).unwrap_err();
    assert!(matches!(too_large, RegistryError::TooLarge { .. }));
}

#[test]
fn a_login_is_needed_and_checked() {
    let registry = Registry::start(Setup { password: true, ..Setup::default() });
    let digest = registry.push_image("app", "1", &[]);
    let client = Client::new(registry.client_config());
    let anonymous = client.repository(&registry.source("app"), None).manifest(&tag("1")).unwrap_err();
    assert!(matches!(anonymous, RegistryError::LoginNeeded { .. }), "{anonymous}");
    assert!(anonymous.hint().unwrap().contains("podkin login"));
    let wrong = Login { user: "tester".into(), secret: "hidden".into() };
    let refused = client.log_in(&registry.address, true, &wrong).unwrap_err();
    assert!(matches!(&refused, RegistryError::LoginRefused { user, .. } if user == "tester"), "{refused}");
    assert!(!format!("{refused:?} {}", crate::chain(&refused)).contains("hidden"));
    let right = registry.login().unwrap();
    client.log_in(&registry.address, true, &right).unwrap();
    // The same client, so that what it learnt by one login must not serve another.
    let known = client.repository(&registry.source("app"), Some(right)).manifest(&tag("1")).unwrap();
    assert_eq!(known.digest, digest);
    assert!(client.repository(&registry.source("app"), Some(wrong)).manifest(&tag("1")).is_err());
    assert!(client.repository(&registry.source("app"), None).manifest(&tag("1")).is_err());
}

#[test]
fn lists_are_read_to_their_end() {
    let server = FakeServer::http(|request| match request.seen.path.as_str() {
        "/v2/app/tags/list?n=1000" => {
            Reply::new(200, r#"{"tags":["a","b"]}"#).with("Link", "</v2/app/tags/list?last=b>; rel=\"next\"")
        }
        "/v2/app/tags/list?last=b" => Reply::new(200, r#"{"tags":["c"]}"#),
        "/v2/same/tags/list?last=b" => {
            Reply::new(200, r#"{"tags":["x"]}"#).with("Link", "</v2/same/tags/list?last=b>; rel=next")
        }
        "/v2/same/tags/list?n=1000" => {
            Reply::new(200, r#"{"tags":null}"#).with("Link", "</v2/same/tags/list?last=b>;rel=next")
        }
        path => panic!("{path}"),
    });
    let client = Client::new(quick());
    let tags = |name| client.repository(&source(&server.address, name, true), None).tags().unwrap();
    assert_eq!(tags("app"), ["a", "b", "c"]);
    assert_eq!(tags("same"), ["x"], "a page that names itself ends the list");
}

#[test]
fn search_goes_where_the_registry_can() {
    let registry = Registry::start(Setup::default());
    for name in ["team/web", "team/database", "webs"] {
        registry.push_image(name, "1", &[]);
    }
    let client = Client::new(registry.client_config());
    let names = |term, limit| -> Vec<String> {
        let hits = client.search(&registry.address, true, None, term, limit).unwrap();
        hits.into_iter()
            .map(|hit| hit.name.strip_prefix(&format!("{}/", registry.address)).unwrap().to_owned())
            .collect()
    };
    assert_eq!(names("web", 10), ["team/web", "webs"]);
    assert_eq!(names("", 2).len(), 2);

    let docker = FakeServer::http(|request| {
        assert_eq!(request.seen.path, "/v1/search?q=a%20b&n=5");
        Reply::new(200, r#"{"results":[{"name":"x/y","description":"d","star_count":3,"is_official":true}]}"#)
    });
    let login = Login { user: "me".into(), secret: "hidden".into() };
    let hits = client.search(&docker.address, true, Some(&login), "a b", 5).unwrap();
    assert_eq!((hits[0].name.as_str(), hits[0].stars), (format!("{}/x/y", docker.address).as_str(), 3));
    assert_eq!(docker.lines(), ["GET /v1/search?q=a%20b&n=5 -"], "search is for everybody");
}

#[test]
fn a_registry_that_lies_is_not_believed() {
    let manifest = r#"{"schemaVersion":2}"#;
    let right = Digest::of(manifest.as_bytes());
    let server = FakeServer::http(move |request| match request.seen.path.rsplit('/').next().unwrap() {
        "lie" => Reply::new(200, manifest).with("Docker-Content-Digest", Digest::of(b"other").to_string()),
        "large" => Reply::new(200, vec![b' '; (4 << 20) + 1]),
        "typed" => Reply::new(200, manifest).with("Content-Type", "Application/Vnd.X+json; charset=utf-8"),
        // Of anything else it has this.
        _ => Reply::new(200, manifest),
    });
    let app = Client::new(quick()).repository(&source(&server.address, "app", true), None);
    assert!(matches!(app.manifest(&tag("lie")), Err(RegistryError::WrongDigest { found, .. }) if found == right));
    let other = Digest::of(b"other");
    assert!(matches!(app.manifest(&Which::Digest(other.clone())), Err(RegistryError::WrongDigest { .. })));
    assert!(matches!(app.manifest(&tag("large")), Err(RegistryError::TooLarge { .. })));
    assert_eq!(app.manifest(&tag("typed")).unwrap().media_type, "application/vnd.x+json");
    // HEAD without a digest: it is computed.
    assert_eq!(app.manifest_digest(&tag("plain")).unwrap().unwrap().0, right);
    assert!(matches!(app.blob(&other, 7), Err(RegistryError::WrongSize { found: 19, .. })));
    let same_size = app.blob_bytes(&other, 19).unwrap_err();
    assert!(matches!(same_size, RegistryError::WrongDigest { .. }), "{same_size}");
}

#[test]
fn a_document_beside_registries_comes_with_redirects_and_a_limit_and_by_the_proxy_that_was_given() {
    let server = FakeServer::http(|request| match request.seen.path.rsplit('/').next().unwrap() {
        "gone" => Reply::new(404, ""),
        "moved" => Reply::new(302, "").with("Location", "/signature-1"),
        _ => Reply::new(200, "signed"),
    });
    let client = Client::new(quick());
    let get = |name: &str, limit| client.document(&format!("http://{}/{name}", server.address), limit);
    assert_eq!(get("signature-1", 6).unwrap().unwrap(), b"signed");
    assert_eq!(get("moved", 6).unwrap().unwrap(), b"signed");
    assert_eq!(get("gone", 6).unwrap(), None);
    assert!(matches!(get("signature-1", 5), Err(RegistryError::TooLarge { .. })));
    let mut config = quick();
    config.proxy.http = Some(format!("http://{}", server.address));
    config.retries = 0;
    // The proxy is asked for the host, which has no address; that it lets nobody through does not matter.
    let _ = Client::new(config).document("http://look.invalid/signature-1", 6);
    assert!(server.lines().iter().any(|line| line.starts_with("CONNECT look.invalid:80 ")), "{:?}", server.lines());
    client.cancel();
    assert!(get("signature-1", 6).is_err());
}

#[test]
fn nobody_there_is_said_after_the_attempts() {
    let address = crate::common::registry::free_address();
    let config = ClientConfig { retries: 2, retry_delay: Some(Duration::from_millis(20)), ..quick() };
    let begin = std::time::Instant::now();
    let error = Client::new(config.clone()).repository(&source(&address, "app", true), None).tags().unwrap_err();
    assert!(matches!(error, RegistryError::Connect { .. }), "{error}");
    assert!(begin.elapsed() >= Duration::from_millis(40), "two pauses");
    let error = Client::new(ClientConfig { retries: 0, ..config })
        .repository(&source("registry.invalid", "app", false), None)
        .tags()
        .unwrap_err();
    assert!(matches!(error, RegistryError::Resolve { .. }), "{error:?}");
}
