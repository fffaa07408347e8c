//! What is decided before anybody is asked.

use super::*;
use crate::image::Digest;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

/// A user's configuration in a directory that goes with the test.
struct Configuration(PathBuf);

impl Configuration {
    fn new(name: &str, registries: &str, policy: &serde_json::Value) -> Self {
        let directory = std::env::temp_dir().join(format!("podkin-remote-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("registries.conf"), registries).unwrap();
        std::fs::write(directory.join("policy.json"), policy.to_string()).unwrap();
        Self(directory)
    }

    fn access(&self) -> Arc<RegistryAccess> {
        let mut settings = RegistrySettings {
            registries: vec![self.0.join("registries.conf")],
            policy: vec![self.0.join("policy.json")],
            ..RegistrySettings::default()
        };
        settings.client.retries = 0;
        Arc::new(RegistryAccess::open(&settings).unwrap())
    }

    fn image(&self, name: &str) -> RemoteImage {
        RemoteImage::new(self.access(), name, Arc::new(|_| None)).unwrap()
    }
}

impl Drop for Configuration {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn who_is_rejected_is_not_asked() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let registries = format!("[[registry]]\nlocation = \"{address}\"\ninsecure = true\n");
    let configuration =
        Configuration::new("reject", &registries, &serde_json::json!({"default": [{"type": "reject"}]}));
    let name = format!("{address}/app:1");
    let error = configuration.image(&name).id().unwrap_err();
    let PullError::One { source, .. } = &error else { panic!("{error}") };
    assert!(matches!(**source, Attempt::Policy(_)), "{error}");
    configuration.access().ask_ahead(&[&name]);
    assert!(listener.accept().is_err(), "somebody came");
}

#[test]
fn what_holds_for_one_registry_of_a_short_name_does_not_hold_for_the_next() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let free = listener.local_addr().unwrap().to_string();
    drop(listener);
    let registries = format!(
        "unqualified-search-registries = [\"blocked.test\", \"rejected.test\", \"{free}\"]\n\
         [[registry]]\nlocation = \"blocked.test\"\nblocked = true\n"
    );
    let policy = serde_json::json!({
        "default": [{"type": "insecureAcceptAnything"}],
        "transports": {"docker": {"rejected.test": [{"type": "reject"}]}},
    });
    let error = Configuration::new("short", &registries, &policy).image("app").id().map(str::to_owned).unwrap_err();
    let PullError::Several { attempts, .. } = &error else { panic!("{error}") };
    let kinds: Vec<&str> = attempts
        .iter()
        .map(|(_, why)| match why {
            Attempt::Access(_) => "access",
            Attempt::Policy(_) => "policy",
            Attempt::Registry(_) => "registry",
            Attempt::Document(_) | Attempt::Platform(_) => "other",
        })
        .collect();
    assert_eq!(kinds, ["access", "policy", "registry"]);
}

#[test]
fn what_was_asked_ahead_is_not_asked_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let registries = format!("[[registry]]\nlocation = \"{address}\"\ninsecure = true\n");
    let accept = serde_json::json!({"default": [{"type": "insecureAcceptAnything"}]});
    let configuration = Configuration::new("ahead", &registries, &accept);
    let layer = Digest::of(b"layer");
    let rootfs = serde_json::json!({"type": "layers", "diff_ids": [layer]});
    let config = serde_json::json!({"architecture": "amd64", "os": "linux", "rootfs": rootfs});
    let (config, media) = (config.to_string(), "application/vnd.oci.image");
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": format!("{media}.manifest.v1+json"),
        "config": {"mediaType": format!("{media}.config.v1+json"), "digest": Digest::of(config.as_bytes()), "size": config.len()},
        "layers": [{"mediaType": format!("{media}.layer.v1.tar"), "digest": layer, "size": 5}],
    });
    let access = configuration.access();
    let name = format!("{address}/app:1");
    access.ask_ahead(&[&name]);
    // Whoever wants the image has not said so yet.
    let (mut stream, _) = listener.accept().unwrap();
    drop(listener);
    let mut request = [0; 4096];
    let count = stream.read(&mut request).unwrap();
    assert!(request[..count].starts_with(b"GET /v2/app/manifests/1 "), "{}", request[..count].escape_ascii());
    let body = manifest.to_string();
    let kind = format!("Content-Type: {media}.manifest.v1+json\r\nContent-Length: {}", body.len());
    write!(stream, "HTTP/1.1 200 OK\r\n{kind}\r\n\r\n{body}").unwrap();
    let known = config.clone().into_bytes();
    let image = RemoteImage::new(access, &name, Arc::new(move |_| Some(known.clone()))).unwrap();
    assert_eq!(image.id().unwrap(), Digest::of(config.as_bytes()).hex());
}
