//! `ports` of containers, and which host ports all pods of the files ask for together.

use super::spot::{Mark, Spot, did_you_mean, list};
use super::{codes, form};
use crate::model::diagnostic::Diagnostic;
use crate::model::{Port, Protocol};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

/// A port and where it was asked for: in a file or by `--publish`.
#[derive(Debug, Clone)]
pub(super) struct DraftPort {
    pub port: Port,
    pub mark: Mark,
}

/// Lowers the ports of one container.
pub(super) fn lower_all(at: &Spot<'_>, ports: Vec<core::ContainerPort>, host_network: bool) -> Vec<DraftPort> {
    let mut names = BTreeMap::new();
    let mut numbers = BTreeMap::new();
    let mut lowered = Vec::new();
    for (i, port) in ports.into_iter().enumerate() {
        let at = at.index(i);
        let Some(port) = lower(&at, port, host_network) else { continue };
        if let Some(name) = &port.name {
            let at = at.field("name");
            if let Some(first) = names.insert(name.clone(), at.mark()) {
                let error = Diagnostic::error(codes::DUPLICATE, format!("two ports are named `{name}`"));
                at.on_value(error.also(first.span, "first here"), "");
            }
        }
        let mark = at.field(if port.host_port.is_some() { "hostPort" } else { "containerPort" }).mark();
        let key = (port.container_port, port.protocol, port.host_port, port.host_ip);
        if let Some(first) = numbers.insert(key, mark.clone()).filter(|_| port.host_port.is_none()) {
            let message = format!("port {} is listed twice", describe(port.container_port, port.protocol));
            let warning = Diagnostic::warning(codes::SUSPICIOUS, message).also(first.span, "first here");
            at.field("containerPort").on_value(warning, "");
        }
        lowered.push(DraftPort { port, mark });
    }
    lowered
}

fn lower(at: &Spot<'_>, port: core::ContainerPort, host_network: bool) -> Option<Port> {
    let core::ContainerPort { container_port, host_ip, host_port, name, protocol } = port;
    let name = name.filter(|n| !n.is_empty());
    if let Some(name) = &name {
        at.field("name").check("name of a port", name, form::port_name);
    }
    let protocols = [("TCP", Protocol::Tcp), ("UDP", Protocol::Udp), ("SCTP", Protocol::Sctp)];
    let protocol = protocol.filter(|p| !p.is_empty());
    let protocol = protocol.and_then(|p| at.field("protocol").one_of("protocol", &p, &protocols)).unwrap_or_default();
    let host_ip = host_ip.filter(|ip| !ip.is_empty()).and_then(|ip| address(&at.field("hostIP"), &ip));
    // Kubernetes takes 0 for unset.
    let host_port = host_port.filter(|p| *p != 0).and_then(|p| number(&at.field("hostPort"), p.into()));
    if container_port == 0 {
        at.missing("containerPort");
    }
    let container_port = match container_port {
        0 => host_port?,
        port => number(&at.field("containerPort"), port.into())?,
    };
    let host_port = match host_port {
        Some(host) if host_network => {
            check_host_network(at, host, container_port);
            None
        }
        other => other,
    };
    Some(Port { name, container_port, host_port, host_ip: host_ip.filter(|ip| !ip.is_unspecified()), protocol })
}

fn check_host_network(at: &Spot<'_>, host: u16, container: u16) {
    let at = at.field("hostPort");
    if host == container {
        at.no_effect(true, "with `hostNetwork` the container listens on the machine itself");
    } else {
        let message = format!("with `hostNetwork` the host port must be the container's ({container}), not {host}");
        at.wrong(codes::CONFLICT, message);
    }
}

/// Reads an IP address.
pub(super) fn address(at: &Spot<'_>, text: &str) -> Option<IpAddr> {
    let address = text.parse().ok();
    if address.is_none() {
        at.wrong(codes::FORM, format!("`{}` is no IP address", super::spot::shown(text)));
    }
    address
}

fn number(at: &Spot<'_>, port: i64) -> Option<u16> {
    let valid = u16::try_from(port).ok().filter(|p| *p != 0);
    if valid.is_none() {
        at.wrong(codes::VALUE, format!("a port is a number from 1 to 65535, not {port}"));
    }
    valid
}

/// Resolves the port of a probe or hook: a number, or the name of one of the container's ports.
pub(super) fn target(at: &Spot<'_>, port: &IntOrString, ports: &[DraftPort]) -> Option<u16> {
    match port {
        IntOrString::Int(port) => number(at, (*port).into()),
        IntOrString::String(name) if name.is_empty() => {
            at.wrong(codes::REQUIRED, "a probe or hook needs a port");
            None
        }
        IntOrString::String(name) if name.bytes().all(|b| b.is_ascii_digit()) => {
            at.wrong_hint(codes::FORM, format!("`\"{name}\"` is a name, not a number"), "remove the quotes");
            None
        }
        IntOrString::String(name) => {
            let found = ports.iter().find(|p| p.port.name.as_deref() == Some(name));
            if found.is_none() {
                let names: Vec<_> = ports.iter().filter_map(|p| p.port.name.as_deref()).collect();
                let error = Diagnostic::error(codes::TARGET, format!("the container has no port named `{name}`"));
                let hint = match names.is_empty() {
                    true => "name a port below `ports`, or give its number".to_owned(),
                    false => format!("named ports: {}", list(&names)),
                };
                at.on_value(error.hint(hint), did_you_mean(name, names.iter().copied()).unwrap_or_default());
            }
            found.map(|p| p.port.container_port)
        }
    }
}

/// `8080/tcp`
pub(super) fn describe(port: u16, protocol: Protocol) -> String {
    let protocol = match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
    };
    format!("{port}/{protocol}")
}

/// A host port and who asks for it.
pub(super) struct HostPort<'a> {
    /// Pod, for messages.
    pub pod: &'a str,
    /// Whether the pod is on the host's network, where every port is the host's.
    pub host_network: bool,
    pub draft: &'a DraftPort,
}

impl HostPort<'_> {
    fn number(&self) -> Option<u16> {
        let port = &self.draft.port;
        if self.host_network { Some(port.container_port) } else { port.host_port }
    }

    /// Addresses overlap when they are equal or one of them is every address.
    fn overlaps(&self, other: &HostPort<'_>) -> bool {
        match (self.draft.port.host_ip, other.draft.port.host_ip) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        }
    }
}

/// Reports host ports that two containers ask for.
pub(super) fn check_clashes<'a>(wanted: impl Iterator<Item = HostPort<'a>>) -> Vec<Diagnostic> {
    let mut by_port: BTreeMap<(u16, Protocol), Vec<HostPort<'a>>> = BTreeMap::new();
    let mut found = Vec::new();
    let mut reported = HashSet::new();
    for claim in wanted {
        let Some(number) = claim.number() else { continue };
        let others = by_port.entry((number, claim.draft.port.protocol)).or_default();
        if let Some(first) = others.iter().find(|other| claim.overlaps(other)) {
            // A Deployment clashes with itself: that is said once, not for each pair of its pods.
            if reported.insert((first.draft.mark.span, claim.draft.mark.span)) {
                found.push(clash(number, first, &claim));
            }
        }
        others.push(claim);
    }
    found
}

fn clash(number: u16, first: &HostPort<'_>, second: &HostPort<'_>) -> Diagnostic {
    let name = describe(number, second.draft.port.protocol);
    let (first_mark, mark) = (&first.draft.mark, &second.draft.mark);
    let message = match first.pod == second.pod {
        true => format!("host port {name} is published twice by pod `{}`", first.pod),
        false => format!("host port {name} is published by pod `{}` and by pod `{}`", first.pod, second.pod),
    };
    let mut error = Diagnostic::error(codes::PORT, message).at(mark.span, "");
    error.path.clone_from(&mark.path);
    if first_mark.span == mark.span {
        return error.hint("only one pod can have a port of the machine: leave it out, or set `replicas: 1`");
    }
    error.also(first_mark.span, "first here").hint("publish one of them on another `hostPort`")
}
