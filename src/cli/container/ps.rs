//! `ps`: containers.

use super::super::context::Globals;
use super::super::error::CommandError;
use super::super::filter::{Filters, id_matches, name_matches};
use super::super::listing::ListArgs;
use super::super::listing::{Listing, row, short_id, shown_id};
use super::super::output::{Output, Style};
use super::super::template::{Headers, Row};
use super::super::units::{ago, human_duration, human_size, parse_time};
use crate::engine::{ContainerView, Engine, PortView, RunState};
use crate::image::reference::split_name;
use crate::model::Protocol;
use clap::{Args, ValueEnum};

/// List containers
///
/// Filters: id, name, label, status, pod, ancestor, exited, health, volume, network, before, since, until.
#[derive(Debug, Args)]
pub struct PsArgs {
    /// Also those that do not run
    #[arg(short, long)]
    pub all: bool,
    #[command(flatten)]
    pub list: ListArgs,
    /// Only the N made last, running or not
    #[arg(short = 'n', long, value_name = "N", allow_negative_numbers = true)]
    pub last: Option<i64>,
    /// Only the one made last
    #[arg(short, long)]
    pub latest: bool,
    /// Show the pod too
    #[arg(short, long)]
    pub pod: bool,
    /// Print no headers
    #[arg(long)]
    pub noheading: bool,
    /// Show namespaces
    #[arg(long)]
    pub ns: bool,
    /// Show how much each container has written
    #[arg(short, long)]
    pub size: bool,
    /// Order of the rows
    #[arg(long, value_enum, default_value_t = Sort::Created, value_name = "KEY")]
    pub sort: Sort,
    /// Show again every N seconds
    #[arg(short, long, value_name = "SECONDS")]
    pub watch: Option<u32>,
    #[arg(long, hide = true)]
    pub external: bool,
    #[arg(long, hide = true)]
    pub sync: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    Command,
    Created,
    Id,
    Image,
    Names,
    Runningfor,
    Size,
    Status,
}

/// Keys of `--filter`.
const FILTERS: [&str; 13] = [
    "ancestor", "before", "exited", "health", "id", "label", "name", "network", "pod", "since", "status", "until",
    "volume",
];

const HEADERS: Headers = Headers(&[
    ("ID", "CONTAINER ID"),
    ("Image", "IMAGE"),
    ("ImageID", "IMAGE ID"),
    ("Command", "COMMAND"),
    ("RunningFor", "CREATED"),
    ("CreatedHuman", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Status", "STATUS"),
    ("Ports", "PORTS"),
    ("Names", "NAMES"),
    ("Pod", "POD ID"),
    ("PodName", "PODNAME"),
    ("Size", "SIZE"),
    ("Networks", "NETWORKS"),
    ("Labels", "LABELS"),
    ("Mounts", "MOUNTS"),
    ("Pid", "PID"),
    ("State", "STATE"),
    ("CGROUPNS", "CGROUPNS"),
    ("IPC", "IPC"),
    ("MNT", "MNT"),
    ("NET", "NET"),
    ("PIDNS", "PIDNS"),
    ("USERNS", "USERNS"),
    ("UTS", "UTS"),
]);

pub fn run(globals: &Globals, args: &PsArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let Some(seconds) = args.watch else {
        return listing(&mut engine, args)?.print(&args.list, !args.noheading);
    };
    loop {
        let text = listing(&mut engine, args)?.render(&args.list, !args.noheading)?;
        let mut out = Output::new();
        let clear = if Style::stdout().is_coloured() { "\x1b[2J\x1b[H" } else { "" };
        out.text(format!("{clear}{text}"))?;
        out.finish()?;
        std::thread::sleep(std::time::Duration::from_secs(u64::from(seconds.max(1))));
    }
}

fn listing(engine: &mut Engine, args: &PsArgs) -> Result<Listing, CommandError> {
    let now = jiff::Timestamp::now();
    let mut found = find(engine, args)?;
    found.sort_by(|a, b| compare(args.sort, a, b));
    let size = |container: &ContainerView| args.size.then(|| super::written(engine.layout(), container.id()));
    let sizes: Vec<Option<u64>> = found.iter().map(size).collect();
    Ok(Listing {
        headers: HEADERS,
        standard: standard(args),
        rows: found.iter().zip(&sizes).map(|(c, size)| template_row(c, *size, now, args)).collect(),
        json: found.iter().zip(&sizes).map(|(c, size)| json(c, *size, now)).collect(),
        ids: found.iter().map(|c| shown_id(c.id(), args.list.no_trunc)).collect(),
    })
}

fn find(engine: &mut Engine, args: &PsArgs) -> Result<Vec<ContainerView>, CommandError> {
    let filters = Filters::parse(&args.list.filter, &FILTERS)?;
    let last = if args.latest { Some(1) } else { args.last.and_then(|n| usize::try_from(n).ok()) };
    let all = args.all || last.is_some() || filters.has("status") || filters.has("exited");
    let mut found = super::every(engine)?;
    let condition = Condition::new(&filters, &found)?;
    found.retain(|container| (all || container.is_running()) && condition.holds(container));
    if let Some(count) = last {
        found.drain(..found.len().saturating_sub(count));
    }
    Ok(found)
}

/// The filters, with times and the containers they name looked up.
struct Condition<'a> {
    filters: &'a Filters,
    /// Created before then, and after then.
    before: Option<jiff::Timestamp>,
    after: Option<jiff::Timestamp>,
}

impl<'a> Condition<'a> {
    fn new(filters: &'a Filters, all: &[ContainerView]) -> Result<Self, CommandError> {
        let created = |wanted: &str| {
            all.iter().find(|c| c.name() == wanted || id_matches(c.id(), wanted)).map(ContainerView::created)
        };
        let until = match filters.values("until").next() {
            Some(text) => Some(parse_time(text, jiff::Timestamp::now()).map_err(CommandError::invalid)?),
            None => None,
        };
        let before = filters.values("before").filter_map(created).chain(until).min();
        Ok(Self { filters, before, after: filters.values("since").filter_map(created).max() })
    }

    fn holds(&self, container: &ContainerView) -> bool {
        let f = self.filters;
        let state = container.state();
        f.any("id", |wanted| id_matches(container.id(), wanted))
            && f.any("name", |wanted| name_matches(container.name(), wanted))
            && f.labels(&container.labels())
            && f.any("status", |wanted| state.as_str() == wanted || (wanted == "stopped" && state == RunState::Exited))
            && f.any("exited", |wanted| {
                state == RunState::Exited && container.exit_code().is_some_and(|code| code.to_string() == wanted)
            })
            && f.any("ancestor", |wanted| is_image(container, wanted))
            && f.any("pod", |wanted| container.pod.name() == wanted || id_matches(container.pod.id(), wanted))
            && f.any("health", |wanted| health(container).trim_matches([' ', '(', ')']) == wanted)
            && f.any("network", |wanted| container.pod.networks().contains(&wanted))
            && f.any("volume", |wanted| {
                container.mounts().iter().any(|mount| mount.name == wanted || mount.destination == wanted)
            })
            && self.before.is_none_or(|then| container.created() < then)
            && self.after.is_none_or(|then| container.created() > then)
    }
}

/// Whether a container was made from that image: id, or name with or without registry and tag.
fn is_image(container: &ContainerView, wanted: &str) -> bool {
    let reference = container.image();
    let untagged = split_name(reference).0;
    let short = |name: &str| name == wanted || name.ends_with(&format!("/{wanted}"));
    short(reference) || short(untagged) || (wanted.len() >= 6 && id_matches(container.image_id(), wanted))
}

/// Oldest first, as podman has it, whatever the key; equal ones stay in order of creation.
fn compare(sort: Sort, a: &ContainerView, b: &ContainerView) -> std::cmp::Ordering {
    match sort {
        Sort::Created | Sort::Size => std::cmp::Ordering::Equal,
        Sort::Command => a.command().cmp(&b.command()),
        Sort::Id => a.id().cmp(b.id()),
        Sort::Image => a.image().cmp(b.image()),
        Sort::Names => a.name().cmp(b.name()),
        Sort::Runningfor => a.started_at().cmp(&b.started_at()),
        Sort::Status => a.state().as_str().cmp(b.state().as_str()),
    }
}

fn standard(args: &PsArgs) -> String {
    let mut columns = if args.ns {
        vec!["ID", "Names", "Pid", "CGROUPNS", "IPC", "MNT", "NET", "PIDNS", "USERNS", "UTS"]
    } else {
        vec!["ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names"]
    };
    if args.pod {
        columns.extend(["Pod", "PodName"]);
    }
    if args.size {
        columns.push("Size");
    }
    columns.iter().map(|column| format!("{{{{.{column}}}}}")).collect::<Vec<_>>().join("\t")
}

fn template_row(container: &ContainerView, size: Option<u64>, now: jiff::Timestamp, args: &PsArgs) -> Row {
    let no_trunc = args.list.no_trunc;
    let namespaces = namespaces(container);
    let labels: Vec<String> = container.labels().iter().map(|(k, v)| format!("{k}={v}")).collect();
    let mounts: Vec<String> = container.mounts().iter().map(|m| m.destination.clone()).collect();
    let created = container.created();
    let mut fields = row(serde_json::json!({
        "ID": shown_id(container.id(), no_trunc),
        "Id": container.id(),
        "Image": container.image(),
        "ImageID": shown_id(container.image_id(), no_trunc),
        "Command": command(&container.command(), no_trunc),
        "Created": ago(created, now),
        "CreatedHuman": ago(created, now),
        "CreatedAt": created_at(created),
        "RunningFor": ago(created, now),
        "Status": status(container, now),
        "State": container.state().as_str(),
        "Exited": container.state() == RunState::Exited,
        "ExitedAt": container.finished_at().map_or(0, |t| t.as_second()),
        "ExitCode": container.exit_code().unwrap_or(0),
        "StartedAt": container.started_at().map_or(0, |t| t.as_second()),
        "Ports": ports(&container.ports()),
        "Names": container.name(),
        "Name": container.name(),
        "Labels": labels.join(","),
        "Mounts": mounts.join(","),
        "Networks": container.pod.networks().join(","),
        "Pid": container.pid().unwrap_or(0),
        "Pod": short_id(container.pod.id()),
        "PodName": container.pod.name(),
        "Restarts": container.status().restart_count,
        "IsInfra": false,
        "AutoRemove": false,
        "Size": size.map(|bytes| format!("{} (virtual {})", human_size(bytes), human_size(bytes))),
    }));
    fields.extend(namespaces.into_iter().map(|(name, inode)| (name.to_owned(), inode.into())));
    fields
}

/// What `--format json` says of a container; podman's field names.
fn json(container: &ContainerView, size: Option<u64>, now: jiff::Timestamp) -> serde_json::Value {
    let ports: Vec<_> = container.ports().iter().map(port_json).collect();
    let mounts: Vec<String> = container.mounts().iter().map(|m| m.destination.clone()).collect();
    let seconds = |time: Option<jiff::Timestamp>| time.map_or(0, |t| t.as_second());
    serde_json::json!({
        "AutoRemove": false,
        "Command": container.command(),
        "CreatedAt": ago(container.created(), now),
        "Exited": container.state() == RunState::Exited,
        "ExitedAt": seconds(container.finished_at()),
        "ExitCode": container.exit_code().unwrap_or(0),
        "Id": container.id(),
        "Image": container.image(),
        "ImageID": container.image_id(),
        "IsInfra": false,
        "Labels": container.labels(),
        "Mounts": mounts,
        "Names": [container.name()],
        "Namespaces": namespaces(container).into_iter().filter(|(_, i)| !i.is_empty()).collect::<std::collections::BTreeMap<_, _>>(),
        "Networks": container.pod.networks(),
        "Pid": container.pid().unwrap_or(0),
        "Pod": container.pod.id(),
        "PodName": container.pod.name(),
        "Ports": ports,
        "Ready": container.status().ready,
        "Reason": container.waiting_reason(),
        "Restarts": container.status().restart_count,
        "Size": size,
        "StartedAt": seconds(container.started_at()),
        "State": container.state().as_str(),
        "Status": status(container, now),
        "Created": container.created().as_second(),
    })
}

fn port_json(port: &PortView) -> serde_json::Value {
    serde_json::json!({
        "host_ip": port.host_ip.map(|ip| ip.to_string()).unwrap_or_default(),
        "container_port": port.container_port,
        "host_port": port.host_port.unwrap_or(0),
        "range": 1,
        "protocol": protocol(port.protocol),
    })
}

/// `tcp`, `udp`, `sctp`.
pub fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
    }
}

/// Ports as `0.0.0.0:8080->80/tcp`; unpublished ones as `80/tcp`.
pub fn ports(ports: &[PortView]) -> String {
    let one = |port: &PortView| {
        let target = format!("{}/{}", port.container_port, protocol(port.protocol));
        match (port.host_port, port.host_ip) {
            (None, _) => target,
            (Some(host), None) => format!("0.0.0.0:{host}->{target}"),
            (Some(host), Some(ip @ std::net::IpAddr::V6(_))) => format!("[{ip}]:{host}->{target}"),
            (Some(host), Some(ip)) => format!("{ip}:{host}->{target}"),
        }
    };
    ports.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The command line as one text, short unless asked otherwise.
fn command(arguments: &[String], no_trunc: bool) -> String {
    let text = arguments.join(" ").replace(['\n', '\t'], " ");
    match text.char_indices().nth(17) {
        Some((end, _)) if !no_trunc => format!("{}...", &text[..end]),
        _ => text,
    }
}

/// The state in podman's words: `Up 5 seconds (healthy)`, `Exited (0) 3 minutes ago`.
pub fn status(container: &ContainerView, now: jiff::Timestamp) -> String {
    let since = |time: Option<jiff::Timestamp>| human_duration(now.duration_since(time.unwrap_or(now)));
    let exited = || match (container.termination(), container.finished_at()) {
        (Some(ended), at) => {
            let code = ended.exit_code.map_or("unknown".to_owned(), |code| code.to_string());
            format!("Exited ({code}) {} ago", since(at))
        }
        (None, _) => "Created".to_owned(),
    };
    match container.state() {
        RunState::Created => "Created".to_owned(),
        RunState::Running => format!("Up {}{}", since(container.started_at()), health(container)),
        RunState::Stopping => "Stopping".to_owned(),
        RunState::Exited => exited(),
        RunState::Unknown => "Unknown".to_owned(),
        RunState::Waiting => match container.waiting_reason() {
            Some(reason) => format!("{} ({reason})", exited()),
            None => exited(),
        },
    }
}

/// ` (healthy)` and the like for a container with probes that runs.
fn health(container: &ContainerView) -> &'static str {
    let (spec, status) = (container.spec(), container.status());
    let probed = spec.liveness_probe.is_some() || spec.readiness_probe.is_some() || spec.startup_probe.is_some();
    match (probed, status.started, status.healthy) {
        (false, _, _) => "",
        (true, false, _) => " (starting)",
        (true, true, Some(false)) => " (unhealthy)",
        (true, true, _) if !status.ready => " (not ready)",
        (true, true, _) => " (healthy)",
    }
}

/// When it was made, as podman's `CreatedAt` has it.
fn created_at(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S.%9f +0000 UTC").to_string()
}

/// Inode numbers of the namespaces of a running container, by the names podman gives them.
fn namespaces(container: &ContainerView) -> Vec<(&'static str, String)> {
    let kinds = [
        ("CGROUPNS", "cgroup"),
        ("IPC", "ipc"),
        ("MNT", "mnt"),
        ("NET", "net"),
        ("PIDNS", "pid"),
        ("USERNS", "user"),
        ("UTS", "uts"),
    ];
    let inode = |kind: &str| {
        let link = std::fs::read_link(format!("/proc/{}/ns/{kind}", container.pid()?)).ok()?;
        Some(link.to_string_lossy().split(['[', ']']).nth(1)?.to_owned())
    };
    kinds.into_iter().map(|(name, kind)| (name, inode(kind).unwrap_or_default())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_worded_as_podman_words_them() {
        let port = |host_ip: Option<&str>, host_port| PortView {
            host_ip: host_ip.map(|ip| ip.parse().unwrap()),
            host_port,
            container_port: 80,
            protocol: Protocol::Tcp,
        };
        let all =
            [port(None, Some(8080)), port(Some("127.0.0.1"), Some(1)), port(Some("::1"), Some(2)), port(None, None)];
        assert_eq!(ports(&all), "0.0.0.0:8080->80/tcp, 127.0.0.1:1->80/tcp, [::1]:2->80/tcp, 80/tcp");
    }

    #[test]
    fn long_commands_are_cut_after_seventeen_letters() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(command(&words("sleep 1000"), false), "sleep 1000");
        assert_eq!(command(&words("nginx -g daemon off; forever"), false), "nginx -g daemon o...");
        assert_eq!(command(&words("nginx -g daemon off; forever"), true), "nginx -g daemon off; forever");
    }
}
