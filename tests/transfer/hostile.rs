//! Registries that lie.

use crate::fake::{FakeServer, Reply};
use crate::recipe::{OCI_INDEX, Packing, Parts, Recipe, index, layer};
use crate::scene::Scene;
use podkin::image::Digest;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What a registry gives for a digest or a tag.
type Content = BTreeMap<String, (&'static str, Vec<u8>)>;

fn serve(content: Content) -> FakeServer {
    FakeServer::http(move |request| {
        let name = request.seen.path.rsplit('/').next().unwrap_or_default();
        match content.get(name) {
            Some((media_type, bytes)) => Reply::new(200, bytes.clone()).with("Content-Type", *media_type),
            None => Reply::new(404, r#"{"errors": [{"code": "MANIFEST_UNKNOWN"}]}"#),
        }
    })
}

/// An honest registry with this image under the tag `1`.
fn honest(parts: &Parts) -> Content {
    let blobs = parts.blobs().map(|blob| (Digest::of(blob).to_string(), ("application/octet-stream", blob.clone())));
    let mut content: Content = blobs.collect();
    content.insert("1".to_owned(), (parts.media_type, parts.manifest.clone()));
    content.insert(parts.digest().to_string(), (parts.media_type, parts.manifest.clone()));
    content
}

fn parts() -> Parts {
    Recipe::new(&[&layer("file", 1, 100_000)], Packing::Plain).parts()
}

/// A manifest with something changed.
fn changed(parts: &Parts, change: impl Fn(&mut Value)) -> Vec<u8> {
    let mut manifest: Value = serde_json::from_slice(&parts.manifest).unwrap();
    change(&mut manifest);
    manifest.to_string().into_bytes()
}

/// Pulls and expects to fail, without anything staying.
#[track_caller]
fn refused(content: Content, reference: &str) -> String {
    let server = serve(content);
    let scene = Scene::new("hostile", &[&server.address]);
    let said =
        scene.fails(["pull", "-q", "--retry=1", "--retry-delay=1ms", &format!("{}/app{reference}", server.address)]);
    assert_eq!(scene.names(), [].into());
    scene.assert_sound();
    assert_eq!(scene.layers().len(), 0, "{said}");
    said
}

#[test]
fn the_honest_one_is_believed() {
    let parts = parts();
    let server = serve(honest(&parts));
    let scene = Scene::new("honest", &[&server.address]);
    assert_eq!(scene.ok(["pull", "-q", &format!("{}/app:1", server.address)]), parts.id);
}

#[test]
fn documents_of_another_digest_are_refused() {
    let parts = parts();
    let other = Recipe::new(&[&layer("file", 2, 10)], Packing::Plain).parts();
    let mut content = honest(&parts);
    content.insert(other.digest().to_string(), (parts.media_type, parts.manifest.clone()));
    let said = refused(content, &format!("@{}", other.digest()));
    assert!(said.contains("digest"), "{said}");
    let mut content = honest(&parts);
    let config = Digest::of(&parts.config).to_string();
    let mut lie = parts.config.clone();
    *lie.last_mut().unwrap() = b' ';
    content.insert(config.clone(), ("application/json", lie));
    let said = refused(content, ":1");
    assert!(said.contains(&config) || said.contains("digest"), "{said}");
    let mut content = honest(&parts);
    content.remove(&config);
    refused(content, ":1");
}

#[test]
fn layers_larger_smaller_or_other_than_announced_are_refused() {
    let parts = parts();
    let blob = Digest::of(&parts.layers[0]).to_string();
    // More than the descriptor says, the digest being that of the whole.
    let mut content = honest(&parts);
    let smaller = changed(&parts, |m| m["layers"][0]["size"] = json!(5000));
    content.insert("1".to_owned(), (parts.media_type, smaller));
    assert!(refused(content, ":1").contains("5000"));
    let mut content = honest(&parts);
    let larger = changed(&parts, |m| m["layers"][0]["size"] = json!(u64::MAX / 2));
    content.insert("1".to_owned(), (parts.media_type, larger));
    refused(content, ":1");
    let mut content = honest(&parts);
    content.insert(blob.clone(), ("application/octet-stream", layer("file", 9, 100_000)));
    let said = refused(content, ":1");
    assert!(said.contains("digest"), "{said}");
    // A layer that the manifest knows and the configuration does not.
    let mut content = honest(&parts);
    let other = layer("other", 3, 100);
    let more = changed(&parts, |m| m["layers"][0] = crate::recipe::descriptor(&layer_type(), &other));
    content.insert("1".to_owned(), (parts.media_type, more));
    content.insert(Digest::of(&other).to_string(), ("application/octet-stream", other));
    let said = refused(content, ":1");
    assert!(said.contains("instead of"), "{said}");
    let mut content = honest(&parts);
    let none = changed(&parts, |m| m["layers"] = json!([]));
    content.insert("1".to_owned(), (parts.media_type, none));
    refused(content, ":1");
}

fn layer_type() -> String {
    "application/vnd.oci.image.layer.v1.tar".to_owned()
}

#[test]
fn indexes_of_indexes_and_endless_documents_are_refused() {
    let parts = parts();
    let platform = json!({"os": "linux", "architecture": podkin::image::platform::host_architecture()});
    // No document has its own digest in it; a registry may say so nevertheless.
    let own = json!({"mediaType": OCI_INDEX, "digest": parts.digest(), "size": 10, "platform": platform});
    let document = index(OCI_INDEX, &[own]);
    let mut content = honest(&parts);
    content.insert("1".to_owned(), (OCI_INDEX, document.clone()));
    content.insert(parts.digest().to_string(), (OCI_INDEX, document.clone()));
    refused(content, ":1");
    let mut inner = crate::recipe::descriptor(OCI_INDEX, &document);
    inner["platform"] = platform;
    let mut content = honest(&parts);
    content.insert(Digest::of(&document).to_string(), (OCI_INDEX, document.clone()));
    content.insert("1".to_owned(), (OCI_INDEX, index(OCI_INDEX, &[inner])));
    refused(content, ":1");
    let mut content = honest(&parts);
    content.insert("1".to_owned(), (parts.media_type, vec![b' '; 5 << 20]));
    let said = refused(content, ":1");
    assert!(said.contains("larger"), "{said}");
    let mut content = honest(&parts);
    content.insert("1".to_owned(), ("text/html", b"<html>Sign in</html>".to_vec()));
    refused(content, ":1");
}
