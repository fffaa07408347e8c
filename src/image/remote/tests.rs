//! What is decided before anybody is asked.

use super::*;
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

    fn image(&self, name: &str) -> RemoteImage {
        let mut settings = RegistrySettings {
            registries: vec![self.0.join("registries.conf")],
            policy: vec![self.0.join("policy.json")],
            ..RegistrySettings::default()
        };
        settings.client.retries = 0;
        let access = Arc::new(RegistryAccess::open(&settings).unwrap());
        RemoteImage::new(access, name, Arc::new(|_| None)).unwrap()
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
    let error = configuration.image(&format!("{address}/app:1")).id().unwrap_err();
    let PullError::One { source, .. } = &error else { panic!("{error}") };
    assert!(matches!(**source, Attempt::Policy(_)), "{error}");
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
