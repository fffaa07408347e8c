//! Reading what the user wants to be played.

use super::{Engine, EngineError, machine};
use crate::model::kube;
use crate::sys::{huge_pages, lsm};
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use crate::model::kube::{Loaded, Validation};

/// One input of `kube play`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A path as typed, relative to the working directory.
    File(PathBuf),
    /// An `http` or `https` address.
    Url(String),
    /// Standard input, already read by the caller.
    Stdin(String),
}

/// What shapes the application beside the files themselves.
#[derive(Debug, Clone, Default)]
pub struct LoadRequest {
    pub inputs: Vec<Input>,
    /// `--configmap`: files with ConfigMap documents.
    pub config_maps: Vec<PathBuf>,
    /// `--annotation`: set on every pod.
    pub annotations: Vec<(String, String)>,
    /// `--publish`, each as typed: `[[ip:]hostPort:]containerPort[/protocol]`.
    pub publish: Vec<String>,
    pub publish_all: bool,
    pub validation: Validation,
    pub no_pod_prefix: bool,
    pub no_hosts: bool,
    /// `--seccomp-profile-root`: an absolute path.
    pub seccomp_root: Option<PathBuf>,
    /// `--allowed-unsafe-sysctls`: names, or prefixes that end in `*`.
    pub unsafe_sysctls: Vec<String>,
    pub user_namespace: Option<String>,
}

/// Bytes of an input: far more than any cluster accepts.
const LARGEST: u64 = 64 << 20;
const FETCH_TIMEOUT: Duration = Duration::from_secs(30);

impl Engine {
    /// Reads and lowers input. Diagnostics, errors among them, are part of the result; `Err` is for what could not be read at all.
    pub fn load(&mut self, request: &LoadRequest) -> Result<Loaded, EngineError> {
        let inputs = request.inputs.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let config_maps = request.config_maps.iter().map(|path| read_file(path)).collect::<Result<Vec<_>, _>>()?;
        let working_directory =
            || std::env::current_dir().map_err(|source| EngineError::Read { name: ".".to_owned(), source });
        let options = kube::LoadOptions {
            validate: request.validation,
            publish: request.publish.clone(),
            publish_all: request.publish_all,
            config_maps,
            annotations: request.annotations.clone(),
            no_pod_prefix: request.no_pod_prefix,
            no_hosts: request.no_hosts,
            seccomp_root: request.seccomp_root.clone(),
            unsafe_sysctls: request.unsafe_sysctls.clone(),
            user_namespace: request.user_namespace.clone(),
            machine: kube::Machine {
                app_armor: lsm::app_armor_profiles(),
                se_linux: lsm::is_se_linux_enabled(),
                cpus: machine::online_cpus(),
                memory_nodes: machine::online_memory_nodes(),
                nfs: self.mount_nfs().is_some(),
                huge_pages: huge_pages::reserved(),
            },
            base_dir: working_directory()?,
        };
        let known = known(self.database.connection())?;
        Ok(kube::load(&inputs, &options, &known))
    }
}

/// Names in the inputs, whatever else is wrong with them.
pub fn names(inputs: &[Input]) -> Result<Loaded, EngineError> {
    let inputs = inputs.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    Ok(kube::names(&inputs))
}

fn read(input: &Input) -> Result<kube::Input, EngineError> {
    match input {
        Input::File(path) => read_file(path),
        Input::Url(url) => Ok(kube::Input { name: url.clone(), path: None, text: fetch(url)? }),
        Input::Stdin(text) => Ok(kube::Input { name: "-".to_owned(), path: None, text: text.clone() }),
    }
}

fn read_file(path: &Path) -> Result<kube::Input, EngineError> {
    let name = path.display().to_string();
    let fail = |source| EngineError::Read { name: name.clone(), source };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(fail)?;
    file.take(LARGEST).read_to_end(&mut bytes).map_err(fail)?;
    let absolute = path.canonicalize().map_err(fail)?;
    // A pipe, as from `<(...)`, is no place to come back to.
    let path = absolute.is_file().then_some(absolute);
    Ok(kube::Input::from_bytes(name, path, &bytes))
}

fn fetch(url: &str) -> Result<String, EngineError> {
    let fail = |error: ureq::Error| EngineError::Fetch { url: url.to_owned(), message: error.to_string() };
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(FETCH_TIMEOUT)).build().into();
    let mut response = agent.get(url).call().map_err(fail)?;
    response.body_mut().with_config().limit(LARGEST).read_to_string().map_err(fail)
}

/// Keys of every recorded ConfigMap and Secret; no values leave the database.
fn known(connection: &Connection) -> Result<kube::Known, EngineError> {
    let mut statement = connection.prepare_cached(
        "SELECT kind, name, (SELECT json_group_array(key) FROM json_each(objects.data, '$.data')) FROM objects",
    )?;
    let rows = statement
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?)))?;
    let mut found = kube::Known::default();
    for row in rows {
        let (kind, name, keys) = row?;
        let keys: BTreeSet<String> = serde_json::from_str(&keys).unwrap_or_default();
        let objects: &mut BTreeMap<_, _> = if kind == "Secret" { &mut found.secrets } else { &mut found.config_maps };
        objects.entry(name).or_default().extend(keys);
    }
    Ok(found)
}
