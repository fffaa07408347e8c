//! `pod inspect`.

use super::super::complete;
use super::super::context::{Globals, explain};
use super::super::error::CommandError;
use super::super::listing::print_inspected;
use crate::engine::{ContainerView, PodView};
use crate::model::RestartPolicy;
use crate::store::layout::Layout;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use serde_json::{Value, json};
use std::sync::Arc;

/// Show all about pods
#[derive(Debug, Args)]
pub struct InspectArgs {
    #[arg(value_name = "POD", required_unless_present = "latest", add = ArgValueCompleter::new(complete::pods))]
    pub names: Vec<String>,
    /// Print `json`, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// The pod that was made last
    #[arg(short, long, conflicts_with = "names")]
    pub latest: bool,
}

pub fn run(globals: &Globals, args: &InspectArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let pods: Vec<Arc<PodView>> = match args.latest {
        true => vec![super::latest(&mut engine)?],
        false => {
            let found: Result<_, _> = args.names.iter().map(|name| engine.pod(name)).collect();
            found.map_err(|error| explain(&mut engine, error))?
        }
    };
    let values: Vec<Value> = pods.iter().map(|pod| describe(engine.layout(), pod)).collect();
    // podman prints one pod without brackets.
    match (values.as_slice(), args.format.as_deref()) {
        ([one], None | Some("json")) => {
            let mut out = super::super::output::Output::new();
            out.text(super::super::listing::json_lines(one))?;
            out.finish()
        }
        (_, format) => print_inspected(&values, format),
    }
}

/// All about a pod; podman's field names.
pub fn describe(layout: &Layout, pod: &Arc<PodView>) -> Value {
    let spec = &pod.record.pod;
    let container = |container: ContainerView| {
        json!({
            "Id": container.id(),
            "Name": container.name(),
            "State": container.state().as_str(),
            "Reason": container.waiting_reason().or(container.termination().map(|t| t.reason.as_str())),
            "Message": container.termination().and_then(|t| t.message.as_deref()),
            "ExitCode": container.exit_code(),
            "Ready": container.status().ready,
            "Init": container.record().init,
            "RestartCount": container.status().restart_count,
        })
    };
    let shared: Vec<&str> =
        [(true, "ipc"), (!spec.host_network, "net"), (true, "uts"), (spec.share_process_namespace, "pid")]
            .into_iter()
            .filter(|(shared, _)| *shared)
            .map(|(_, name)| name)
            .collect();
    json!({
        "Id": pod.id(),
        "Name": pod.name(),
        "Namespace": spec.namespace,
        "Application": { "Id": pod.app.id, "Name": pod.app.name },
        "Workload": spec.workload,
        "Created": pod.record.created.to_string(),
        "ExitPolicy": "stop",
        "State": pod.state().as_str(),
        "Phase": format!("{:?}", pod.status.phase),
        "Ready": pod.is_ready(),
        "Message": pod.status.message,
        "Hostname": spec.hostname.as_ref().unwrap_or(&spec.name),
        "Labels": spec.labels,
        "Annotations": spec.annotations,
        "CreateCgroup": true,
        "CgroupParent": "/podkin",
        "CgroupPath": format!("/podkin/{}", pod.id()),
        "CreateInfra": false,
        "InfraContainerID": "",
        "RestartPolicy": restart_policy(spec.restart_policy),
        "SharedNamespaces": shared,
        "SupervisorPid": pod.status.supervisor_pid,
        "StaticDir": layout.pod(pod.id()),
        "IPs": pod.ips(),
        "Networks": pod.networks(),
        "NumContainers": pod.record.containers.len(),
        "Containers": pod.containers().map(container).collect::<Vec<_>>(),
    })
}

fn restart_policy(policy: RestartPolicy) -> &'static str {
    match policy {
        RestartPolicy::Always => "always",
        RestartPolicy::OnFailure => "on-failure",
        RestartPolicy::Never => "no",
    }
}
