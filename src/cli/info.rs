//! `info`.

use super::context::{Globals, explain};
use super::error::CommandError;
use super::listing::{is_json, json_lines};
use super::output::Output;
use super::template::Template;
use super::version::architecture;
use crate::engine::Info;
use clap::Args;
use serde_json::{Value, json};

/// Show the machine, the store and what podkin can do here
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// Print `json`, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
}

pub fn run(globals: &Globals, args: &InfoArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let info = engine.info().map_err(|error| explain(&mut engine, error))?;
    let value = describe(&info);
    let mut out = Output::new();
    match args.format.as_deref() {
        Some(format) if is_json(format) => out.text(json_lines(&value))?,
        Some(format) => out.line(Template::parse(format)?.render_value(&with_go_names(value))?)?,
        None => out.text(serde_yaml::to_string(&value).map_err(CommandError::engine)?)?,
    }
    out.finish()
}

/// The facts under the names podman gives them.
fn describe(info: &Info) -> Value {
    let Info {
        version,
        hostname,
        kernel,
        architecture: _,
        cpus,
        memory_total,
        memory_available,
        boot_id,
        cgroup_version,
        cgroup_manager,
        root,
        run,
        applications,
        pods,
        containers,
        containers_running,
        images,
        volumes,
        search_registries,
    } = info;
    json!({
        "host": {
            "arch": architecture(),
            "bootId": boot_id,
            "cgroupManager": cgroup_manager,
            "cgroupVersion": cgroup_version,
            "cpus": cpus,
            "hostname": hostname,
            "kernel": kernel,
            "memAvailable": memory_available,
            "memTotal": memory_total,
            "networkBackend": "netavark",
            "ociRuntime": { "name": "podkin", "package": "libcontainer 0.7.0, in this program" },
            "os": "linux",
        },
        "registries": { "search": search_registries },
        "store": {
            "applications": applications,
            "containerStore": {
                "number": containers,
                "paused": 0,
                "running": containers_running,
                "stopped": containers - containers_running,
            },
            "graphDriverName": "overlay",
            "graphRoot": root,
            "imageStore": { "number": images },
            "podStore": { "number": pods },
            "runRoot": run,
            "volumePath": root.join("volumes"),
            "volumeStore": { "number": volumes },
        },
        "version": { "Version": version, "OsArch": format!("linux/{}", architecture()) },
    })
}

/// The same with the names that Go templates use beside those of the JSON: `.Host.Arch` as well as `.host.arch`.
fn with_go_names(value: Value) -> Value {
    let Value::Object(fields) = value else { return value };
    let mut both = serde_json::Map::new();
    for (name, inner) in fields {
        let inner = with_go_names(inner);
        let mut letters = name.chars();
        let go_name: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
        both.insert(go_name, inner.clone());
        both.insert(name, inner);
    }
    Value::Object(both)
}
