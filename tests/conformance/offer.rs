//! The registry of a case, and the image that podkin pushed to it.

use crate::case::RegistryKind;
use crate::common::TestEnv;
use crate::common::registry::{PASSWORD, Registry, Setup, USER};
use crate::engine::DEMO_LAYER;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::path::PathBuf;
use std::process::Command;

pub struct Offer {
    registry: Registry,
    /// registries.conf that lets it speak plain HTTP.
    configuration: PathBuf,
}

impl Offer {
    /// Starts a registry that has the demo image as `demo:1` and `demo:latest`, saying `first`.
    pub fn new(env: &TestEnv, access: RegistryKind) -> Result<Self, String> {
        let registry = Registry::start(Setup { tls: false, password: access == RegistryKind::Password });
        let entry = format!("[[registry]]\nlocation = \"{}\"\ninsecure = true\n", registry.address);
        let offer = Self { configuration: env.file("registries.conf", &entry), registry };
        let creds = format!("--creds={USER}:{PASSWORD}");
        let change = "ENTRYPOINT [\"/podkin-demo\", \"echo\", \"first\"]";
        offer.run(env, &["import", "-q", "-c", change, DEMO_LAYER, "localhost/first"])?;
        for tag in ["1", "latest"] {
            let to = format!("{}/demo:{tag}", offer.registry.address);
            offer.run(env, &["push", "-q", &creds, "localhost/first", &to])?;
        }
        offer.run(env, &["rmi", "localhost/first"])?;
        Ok(offer)
    }

    /// Gives a command what it needs to reach the registry; the variable is podman's, too.
    pub fn configure(&self, command: &mut Command) {
        command.env("CONTAINERS_REGISTRIES_CONF", &self.configuration);
    }

    pub fn substitute(&self, text: &str) -> String {
        let auth = STANDARD.encode(format!("{USER}:{PASSWORD}"));
        let logins = format!(r#"{{"auths": {{"{}": {{"auth": "{auth}"}}}}}}"#, self.registry.address);
        text.replace("${REGISTRY}", &self.registry.address).replace("${REGISTRY_LOGINS}", &STANDARD.encode(logins))
    }

    fn run(&self, env: &TestEnv, arguments: &[&str]) -> Result<(), String> {
        let mut command = env.command(arguments);
        self.configure(&mut command);
        let ran = env.finish(command);
        if ran.status.success() { Ok(()) } else { Err(format!("podkin {arguments:?}: {}", ran.stderr)) }
    }
}
