//! Content on its way to a registry.

use crate::common::fault_proxy::{Fault, FaultProxy};
use crate::common::registry::{MANIFEST, Registry, Setup, source};
use crate::fake::{FakeServer, Reply};
use crate::{noise, quick};
use podkin::image::Digest;
use podkin::image::registry::{Client, RegistryError, Repository, Which};
use std::io::Write;

/// More than two chunks.
const LARGE: usize = 20_000_000;

fn through(proxy: &FaultProxy, name: &str) -> Repository {
    Client::new(quick()).repository(&source(&proxy.address, name, true), None)
}

fn push(repository: &Repository, content: &[u8]) -> Result<Digest, RegistryError> {
    let digest = Digest::of(content);
    let mut upload = repository.upload()?;
    for piece in content.chunks(100_000) {
        upload.send(piece)?;
    }
    upload.finish(&digest)?;
    Ok(digest)
}

#[test]
fn large_blobs_go_in_chunks_and_are_mounted_elsewhere() {
    let registry = Registry::start(Setup { tls: true, password: true });
    let content = noise(LARGE);
    let mut upload = registry.repository("one").upload().unwrap();
    upload.write_all(&content).unwrap();
    let digest = Digest::of(&content);
    upload.finish(&digest).unwrap();
    let two = registry.repository("two");
    assert_eq!(two.has_blob(&digest).unwrap(), None);
    assert!(two.mount_blob(&digest, "one").unwrap());
    assert_eq!(two.has_blob(&digest).unwrap(), Some(LARGE as u64));
    assert!(!two.mount_blob(&Digest::of(b"absent"), "one").unwrap());
    assert!(two.blob_bytes(&digest, 3).is_err());
    let empty = push(&two, b"").unwrap();
    assert_eq!(two.blob_bytes(&empty, 0).unwrap(), b"");
}

#[test]
fn a_wrong_digest_is_not_taken() {
    let registry = Registry::start(Setup::default());
    let app = registry.repository("app");
    let mut upload = app.upload().unwrap();
    upload.send(b"content").unwrap();
    let error = upload.finish(&Digest::of(b"other")).unwrap_err();
    assert!(matches!(&error, RegistryError::Said { status: 400, code, .. } if code == "DIGEST_INVALID"), "{error:?}");
    let mut upload = app.upload().unwrap();
    upload.send(b"content").unwrap();
    upload.cancel().unwrap();
    assert_eq!(app.has_blob(&Digest::of(b"content")).unwrap(), None);
}

#[test]
fn manifests_are_put_tagged_and_deleted() {
    let registry = Registry::start(Setup::default());
    let app = registry.repository("app");
    let digest = registry.push_image("app", "1", &[noise(10)]);
    let manifest = app.manifest(&Which::Tag("1".into())).unwrap();
    let again = app.put_manifest(&Which::Tag("2".into()), MANIFEST, &manifest.bytes).unwrap();
    assert_eq!(again, digest);
    let mut tags = app.tags().unwrap();
    tags.sort();
    assert_eq!(tags, ["1", "2"]);
    let bad = app.put_manifest(&Which::Tag("3".into()), MANIFEST, b"no JSON").unwrap_err();
    assert!(matches!(&bad, RegistryError::Said { status: 400, code, .. } if code == "MANIFEST_INVALID"), "{bad:?}");
    app.delete_manifest(&digest).unwrap();
    assert_eq!(app.manifest_digest(&Which::Tag("2".into())).unwrap(), None);
}

#[test]
fn a_failed_chunk_is_sent_again() {
    let registry = Registry::start(Setup::default());
    let proxy = FaultProxy::start(&registry.address);
    let content = noise(LARGE);
    for (name, method, fault) in [
        ("refused", "PATCH", Fault::Status(503, Some("0"))),
        ("lost", "PATCH", Fault::LoseAnswer),
        ("first-cut", "PATCH", Fault::CutRequest(1_000_000)),
        ("begin", "POST", Fault::Status(500, None)),
        ("end", "PUT", Fault::Status(500, None)),
        ("end-lost", "PUT", Fault::LoseAnswer),
    ] {
        let path = format!("/v2/{name}/blobs/");
        proxy.fail(method, &path, 1, fault);
        let digest = push(&through(&proxy, name), &content).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(registry.repository(name).has_blob(&digest).unwrap(), Some(LARGE as u64), "{name}");
        assert!(proxy.seen(method, &path).len() >= 2 || name == "end-lost", "{name}: no second attempt");
    }
    // A small one is one request, and can be begun anew.
    proxy.fail("PUT", "/v2/small/blobs/", 1, Fault::CutRequest(10));
    let digest = push(&through(&proxy, "small"), &noise(1000)).unwrap();
    assert_eq!(registry.repository("small").has_blob(&digest).unwrap(), Some(1000));
}

#[test]
fn a_chunk_goes_on_where_the_registry_says() {
    let server = FakeServer::http(|request| {
        let location = |reply: Reply| reply.with("Location", "/v2/app/blobs/uploads/one?state=2");
        let range = request.seen.header("content-range").unwrap_or_default().to_owned();
        match (request.seen.method.as_str(), range.as_str()) {
            ("POST", _) => Reply::new(202, "").with("Location", "/v2/app/blobs/uploads/one?state=1"),
            ("PATCH", "0-8388607") => location(Reply::new(202, "")),
            ("PATCH", "8388608-16777215") => Reply::new(500, ""),
            ("GET", _) => location(Reply::new(204, "").with("Range", "0-9999999")),
            ("PATCH", "10000000-16777215") => location(Reply::new(202, "")),
            ("PATCH", "16777216-19999999") => location(Reply::new(202, "")),
            ("PUT", _) => Reply::new(201, ""),
            other => panic!("{other:?}"),
        }
    });
    let content = noise(LARGE);
    push(&Client::new(quick()).repository(&source(&server.address, "app", true), None), &content).unwrap();
    let sent: Vec<usize> = server
        .requests()
        .iter()
        .map(|request| request.seen.header("content-length"))
        .map(|length| length.and_then(|l| l.parse().ok()).unwrap_or(0))
        .collect();
    assert_eq!(sent, [0, 8_388_608, 8_388_608, 0, 6_777_216, 3_222_784, 0]);
}

#[test]
fn an_upload_that_the_registry_lost_is_told() {
    let registry = Registry::start(Setup::default());
    let proxy = FaultProxy::start(&registry.address);
    let app = through(&proxy, "app");
    let mut upload = app.upload().unwrap();
    let content = noise(LARGE);
    upload.send(&content[..10_000_000]).unwrap();
    // The registry keeps a part of the second chunk, and does not forgive it.
    proxy.fail("PATCH", "/v2/app/", 1, Fault::CutRequest(1_000_000));
    let error = upload.send(&content[10_000_000..]).unwrap_err();
    assert!(matches!(error, RegistryError::UploadLost { .. }), "{error:?}");
    push(&app, &content).unwrap();
}
