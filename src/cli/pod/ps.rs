//! `pod ps`.

use super::super::context::Globals;
use super::super::error::CommandError;
use super::super::filter::{Filters, id_matches, name_matches};
use super::super::listing::ListArgs;
use super::super::listing::{Listing, row, shown_id};
use super::super::template::{Headers, Row};
use super::super::units::{ago, parse_time};
use crate::engine::{ContainerView, Engine, PodView};
use clap::{Args, ValueEnum};
use std::sync::Arc;

/// List pods
///
/// Filters: id, name, label, status, ctr-ids, ctr-names, ctr-number, ctr-status, network, until.
#[derive(Debug, Args)]
pub struct PsArgs {
    #[command(flatten)]
    pub list: ListArgs,
    /// Show the containers' ids
    #[arg(long)]
    pub ctr_ids: bool,
    /// Show the containers' names
    #[arg(long)]
    pub ctr_names: bool,
    /// Show the containers' states
    #[arg(long)]
    pub ctr_status: bool,
    /// Only the one made last
    #[arg(short, long)]
    pub latest: bool,
    /// Print no headers
    #[arg(long)]
    pub noheading: bool,
    /// Show namespaces
    #[arg(long)]
    pub ns: bool,
    /// Order of the rows
    #[arg(long, value_enum, default_value_t = Sort::Created, value_name = "KEY")]
    pub sort: Sort,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    Created,
    Id,
    Name,
    Number,
    Status,
}

const FILTERS: [&str; 10] =
    ["ctr-ids", "ctr-names", "ctr-number", "ctr-status", "id", "label", "name", "network", "status", "until"];

const HEADERS: Headers = Headers(&[
    ("ID", "POD ID"),
    ("Name", "NAME"),
    ("Status", "STATUS"),
    ("Created", "CREATED"),
    ("InfraID", "INFRA ID"),
    ("NumberOfContainers", "# OF CONTAINERS"),
    ("ContainerIds", "CONTAINER IDS"),
    ("ContainerNames", "NAMES"),
    ("ContainerStatuses", "STATUS"),
    ("Networks", "NETWORKS"),
    ("Labels", "LABELS"),
]);

pub fn run(globals: &Globals, args: &PsArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    listing(&mut engine, args)?.print(&args.list, !args.noheading)
}

fn listing(engine: &mut Engine, args: &PsArgs) -> Result<Listing, CommandError> {
    let filters = Filters::parse(&args.list.filter, &FILTERS)?;
    let until = match filters.values("until").next() {
        Some(text) => Some(parse_time(text, jiff::Timestamp::now()).map_err(CommandError::invalid)?),
        None => None,
    };
    let mut found = super::every(engine)?;
    found.retain(|pod| holds(&filters, pod) && until.is_none_or(|then| pod.record.created < then));
    if args.latest {
        found.drain(..found.len().saturating_sub(1));
    }
    // Newest first, as podman has it.
    found.reverse();
    found.sort_by(|a, b| compare(args.sort, a, b));
    let now = jiff::Timestamp::now();
    Ok(Listing {
        headers: HEADERS,
        standard: standard(args),
        rows: found.iter().map(|pod| template_row(pod, now, args.list.no_trunc)).collect(),
        json: found.iter().map(json).collect(),
        ids: found.iter().map(|pod| shown_id(pod.id(), args.list.no_trunc)).collect(),
    })
}

fn holds(filters: &Filters, pod: &Arc<PodView>) -> bool {
    let containers: Vec<ContainerView> = pod.containers().collect();
    filters.any("id", |wanted| id_matches(pod.id(), wanted))
        && filters.any("name", |wanted| name_matches(pod.name(), wanted))
        && filters.labels(&pod.record.pod.labels)
        && filters.any("status", |wanted| pod.state().as_str().eq_ignore_ascii_case(wanted))
        && filters.any("ctr-ids", |wanted| containers.iter().any(|c| id_matches(c.id(), wanted)))
        && filters.any("ctr-names", |wanted| containers.iter().any(|c| name_matches(c.name(), wanted)))
        && filters.any("ctr-number", |wanted| containers.len().to_string() == wanted)
        && filters.any("ctr-status", |wanted| containers.iter().any(|c| c.state().as_str() == wanted))
        && filters.any("network", |wanted| pod.networks().contains(&wanted))
}

fn compare(sort: Sort, a: &Arc<PodView>, b: &Arc<PodView>) -> std::cmp::Ordering {
    match sort {
        Sort::Created => std::cmp::Ordering::Equal,
        Sort::Id => a.id().cmp(b.id()),
        Sort::Name => a.name().cmp(b.name()),
        Sort::Number => a.record.containers.len().cmp(&b.record.containers.len()),
        Sort::Status => a.state().as_str().cmp(b.state().as_str()),
    }
}

fn standard(args: &PsArgs) -> String {
    let mut columns = vec!["ID", "Name", "Status", "Created", "InfraID"];
    let wanted = [
        (args.ctr_ids, "ContainerIds"),
        (args.ctr_names, "ContainerNames"),
        (args.ctr_status, "ContainerStatuses"),
        (args.ns, "Networks"),
    ];
    columns.extend(wanted.iter().filter(|(wanted, _)| *wanted).map(|(_, column)| *column));
    if !args.ctr_ids && !args.ctr_names && !args.ctr_status {
        columns.push("NumberOfContainers");
    }
    columns.iter().map(|column| format!("{{{{.{column}}}}}")).collect::<Vec<_>>().join("\t")
}

fn template_row(pod: &Arc<PodView>, now: jiff::Timestamp, no_trunc: bool) -> Row {
    let each = |show: &dyn Fn(&ContainerView) -> String| {
        pod.containers().map(|container| show(&container)).collect::<Vec<_>>().join(",")
    };
    let labels: Vec<String> = pod.record.pod.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    row(serde_json::json!({
        "ID": shown_id(pod.id(), no_trunc),
        "Id": pod.id(),
        "Name": pod.name(),
        "Namespace": pod.record.pod.namespace,
        "Status": pod.state().as_str(),
        "Ready": pod.is_ready(),
        "Created": ago(pod.record.created, now),
        "InfraID": "",
        "NumberOfContainers": pod.record.containers.len(),
        "ContainerIds": each(&|c| shown_id(c.id(), no_trunc)),
        "ContainerNames": each(&|c| c.name().to_owned()),
        "ContainerStatuses": each(&|c| c.state().as_str().to_owned()),
        "Networks": pod.networks().join(","),
        "Labels": labels.join(","),
        "Cgroup": format!("podkin/{}", pod.id()),
        "Restarts": pod.status.containers.iter().map(|c| c.restart_count).sum::<u32>(),
    }))
}

/// What `--format json` says of a pod; podman's field names.
fn json(pod: &Arc<PodView>) -> serde_json::Value {
    let container = |container: ContainerView| {
        serde_json::json!({
            "Id": container.id(),
            "Names": container.name(),
            "Status": container.state().as_str(),
            "RestartCount": container.status().restart_count,
        })
    };
    serde_json::json!({
        "Cgroup": format!("podkin/{}", pod.id()),
        "Containers": pod.containers().map(container).collect::<Vec<_>>(),
        "Created": pod.record.created.to_string(),
        "Id": pod.id(),
        "InfraId": "",
        "Name": pod.name(),
        "Namespace": pod.record.pod.namespace,
        "Networks": pod.networks(),
        "Ready": pod.is_ready(),
        "Status": pod.state().as_str(),
        "Labels": pod.record.pod.labels,
    })
}
