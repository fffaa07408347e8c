//! How registries are reached: the options of the commands that do, and where the configuration of this user lies.

use super::error::CommandError;
use super::output::notice;
use crate::image::registry::{ClientConfig, Login, OnRetry, ProxyConfig};
use crate::image::remote::RegistrySettings;
use crate::model::diagnostic::with_causes;
use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};
use std::path::PathBuf;
use std::sync::Arc;

/// Options of commands that talk to registries.
#[derive(Debug, Clone, Default, Args)]
pub struct RegistryArgs {
    /// File with credentials of registries [env: REGISTRY_AUTH_FILE]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub authfile: Option<PathBuf>,
    /// Directory with certificates and keys for the registry
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub cert_dir: Option<PathBuf>,
    /// Name and password for the registry
    #[arg(long, value_name = "USER[:PASSWORD]")]
    pub creds: Option<String>,
    /// Check certificates; `--tls-verify=false` allows plain HTTP, too
    #[arg(long, action = ArgAction::Set, value_parser = BoolishValueParser::new(), num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_name = "BOOL")]
    pub tls_verify: Option<bool>,
    /// File with the rules for signatures
    #[arg(long, hide = true, value_name = "FILE")]
    pub signature_policy: Option<PathBuf>,
}

/// Options of commands that transfer images.
#[derive(Debug, Clone, Default, Args)]
pub struct RetryArgs {
    /// Attempts after a failed one [default: 3]
    #[arg(long, value_name = "N")]
    pub retry: Option<u32>,
    /// Pause before each, as in `2s`; it grows from half a second when this is left out
    #[arg(long, value_name = "TIME")]
    pub retry_delay: Option<String>,
}

/// `--creds` without a name.
#[derive(Debug, thiserror::Error)]
#[error("`--creds` must be `USER:PASSWORD`")]
struct CredsError;

#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no time: write it as `500ms` or `2s`")]
struct DelayError(String);

/// `--authfile` with a file that is not there: nothing of it would be used.
#[derive(Debug, thiserror::Error)]
#[error("there is no `{}`, which `--authfile` names", .0.display())]
struct AuthFileError(PathBuf);

#[derive(Debug, thiserror::Error)]
#[error("cannot read the password")]
struct PasswordError(#[source] std::io::Error);

impl RegistryArgs {
    /// The configuration of this user, and what these options say; for commands that use credentials and do not make them.
    pub fn settings(&self) -> Result<RegistrySettings, CommandError> {
        match self.authfile.as_ref().filter(|file| !file.exists()) {
            Some(file) => Err(CommandError::invalid(AuthFileError(file.clone()))),
            None => self.settings_to_write(),
        }
    }

    /// [`RegistryArgs::settings`], where the auth file may be one that is to be made.
    pub fn settings_to_write(&self) -> Result<RegistrySettings, CommandError> {
        let mut settings = of_user();
        let RegistryArgs { authfile, cert_dir, creds, tls_verify, signature_policy } = self;
        if let Some(file) = authfile {
            settings.auth_files = vec![file.clone()];
        }
        if let Some(file) = signature_policy {
            settings.policy = vec![file.clone()];
        }
        settings.client.cert_dir = cert_dir.clone();
        settings.client.tls_verify = *tls_verify;
        settings.login = creds.as_deref().map(login).transpose()?;
        Ok(settings)
    }
}

impl RetryArgs {
    /// Puts what these options say into the settings.
    pub fn apply(&self, settings: &mut RegistrySettings) -> Result<(), CommandError> {
        if let Some(retries) = self.retry {
            settings.client.retries = retries;
        }
        if let Some(text) = &self.retry_delay {
            let span = super::units::parse_span(text).and_then(|span| span.try_into().ok());
            let delay = span.ok_or_else(|| CommandError::invalid(DelayError(text.clone())))?;
            settings.client.retry_delay = Some(delay);
        }
        Ok(())
    }
}

/// `--creds`: the password is asked for when it is left out.
fn login(creds: &str) -> Result<Login, CommandError> {
    let (user, secret) = match creds.split_once(':') {
        Some((user, secret)) => (user, secret.to_owned()),
        None => (creds, super::secret::ask("Password: ").map_err(|e| CommandError::invalid(PasswordError(e)))?),
    };
    if user.is_empty() {
        return Err(CommandError::invalid(CredsError));
    }
    Ok(Login { user: user.to_owned(), secret })
}

/// What the environment of this user says of directories.
struct Home {
    home: Option<PathBuf>,
    config: Option<PathBuf>,
    runtime: Option<PathBuf>,
    cache: PathBuf,
    /// What the machine's own directories are below: `/`.
    machine: PathBuf,
    is_root: bool,
}

impl Home {
    fn read() -> Self {
        let home = variable("HOME");
        let is_root = rustix::process::geteuid().is_root();
        let machine = variable(MACHINE).unwrap_or_else(|| PathBuf::from("/"));
        let below = |name: &str, default: &str| {
            variable(name).or_else(|| home.as_ref().map(|home: &PathBuf| home.join(default)))
        };
        // What root has chosen of short names concerns the machine.
        let cache = match is_root {
            true => machine.join("var/cache"),
            false => below("XDG_CACHE_HOME", ".cache").unwrap_or_else(|| machine.join("var/cache")),
        };
        let (config, runtime) = (below("XDG_CONFIG_HOME", ".config"), variable("XDG_RUNTIME_DIR"));
        Self { config, runtime, cache, home, machine, is_root }
    }

    /// The machine's configuration.
    fn etc(&self) -> PathBuf {
        self.machine.join("etc/containers")
    }

    /// `containers/<name>` below the user's configuration.
    fn containers(&self, name: &str) -> Option<PathBuf> {
        self.config.as_ref().map(|config| config.join("containers").join(name))
    }
}

/// Names another directory than `/` for the machine's configuration: tests have one of their own, whatever the machine's says.
const MACHINE: &str = "PODKIN_MACHINE_ROOT";

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Where podman looks (containers-registries.conf(5), containers-auth.json(5), containers-certs.d(5), containers-policy.json(5),
/// containers-registries.d(5)). Files need not exist.
pub fn of_user() -> RegistrySettings {
    let home = Home::read();
    let etc = home.etc();
    let both = |name: &str| -> Vec<PathBuf> { home.containers(name).into_iter().chain([etc.join(name)]).collect() };
    let signatures = match home.is_root {
        true => Some(home.machine.join("var/lib/containers/sigstore")),
        false => home.home.as_ref().map(|home| home.join(".local/share/containers/sigstore")),
    };
    let mut certificates = both("certs.d");
    certificates.push(home.machine.join("etc/docker/certs.d"));
    RegistrySettings {
        registries: registries(&home),
        auth_files: auth_files(&home),
        policy: both("policy.json"),
        registries_d: both("registries.d"),
        signatures,
        client: ClientConfig { certificates, proxy: proxy(), on_retry: on_retry(), ..ClientConfig::default() },
        login: None,
    }
}

/// Says what is tried again, and why.
fn on_retry() -> OnRetry {
    OnRetry(Arc::new(|error| notice(format!("{}; trying again", with_causes(error)))))
}

/// The main file, drop-ins of the machine and of the user, and the short names a user has chosen.
fn registries(home: &Home) -> Vec<PathBuf> {
    let etc = home.etc();
    let own = home.containers("registries.conf").filter(|path| path.exists());
    let main = variable("CONTAINERS_REGISTRIES_CONF").or(own).unwrap_or_else(|| etc.join("registries.conf"));
    let mut files = vec![main, etc.join("registries.conf.d")];
    files.extend(home.containers("registries.conf.d"));
    files.push(short_names_of(home));
    files
}

/// Where the registries a user has chosen for short names are kept.
pub fn short_names() -> PathBuf {
    short_names_of(&Home::read())
}

fn short_names_of(home: &Home) -> PathBuf {
    home.cache.join("containers/short-name-aliases.conf")
}

fn auth_files(home: &Home) -> Vec<PathBuf> {
    if let Some(file) = variable("REGISTRY_AUTH_FILE") {
        return vec![file];
    }
    let runtime = match &home.runtime {
        Some(runtime) => runtime.join("containers"),
        None => home.machine.join(format!("run/containers/{}", rustix::process::geteuid().as_raw())),
    };
    let docker = variable("DOCKER_CONFIG").or_else(|| home.home.as_ref().map(|home| home.join(".docker")));
    let mut files = vec![runtime.join("auth.json")];
    files.extend(home.containers("auth.json"));
    files.extend(docker.map(|docker| docker.join("config.json")));
    files
}

fn proxy() -> ProxyConfig {
    let either = |upper: &str, lower: &str| {
        let read = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        read(upper).or_else(|| read(lower))
    };
    ProxyConfig {
        http: either("HTTP_PROXY", "http_proxy"),
        https: either("HTTPS_PROXY", "https_proxy"),
        no_proxy: either("NO_PROXY", "no_proxy"),
    }
}
