//! Pods and pod templates (Kubernetes API, `PodSpec` v1 core).

use super::class::Wanted;
use super::container::{self, Around};
use super::metadata::Metadata;
use super::port::{self, DraftPort};
use super::spot::{Mark, Spot};
use super::volume::{self, Surroundings};
use super::{annotations, codes, form, host_users, huge_pages, mount, quantity, restart, security, sysctl};
use crate::model::diagnostic::Diagnostic;
use crate::model::pod::{DnsConfig, DnsPolicy, HostAlias, LONGEST_HOST_NAME};
use crate::model::{Container, Pod, UserIds, Volume, VolumeSource};
use k8s_openapi::api::core::v1 as core;
use std::collections::BTreeMap;
use std::path::Path;

/// A pod whose ports may still be changed by options.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub pod: Pod,
    /// Ports of each container, in the order of [`Pod::all_containers`].
    pub ports: Vec<Vec<DraftPort>>,
    /// Where the name of the pod, or of its workload, stands.
    pub name: Mark,
    /// Classes it refers to.
    pub wanted: Wanted,
    /// `automountServiceAccountToken`.
    pub automount_token: Option<bool>,
    /// Where it is said that the kernel is to have the full name of the pod.
    pub full_name: Option<Mark>,
}

impl Draft {
    /// The pod with its ports.
    pub fn finish(self) -> Pod {
        let Self { mut pod, ports, name: _, wanted: _, automount_token: _, full_name: _ } = self;
        let containers = pod.init_containers.iter_mut().chain(&mut pod.containers);
        for (container, ports) in containers.zip(ports) {
            container.ports = ports.into_iter().map(|p| p.port).collect();
        }
        pod
    }
}

/// Lowers a pod; `at` is its `spec`, `meta` its metadata, `base` where relative host paths start.
pub(super) fn lower(at: &Spot<'_>, spec: core::PodSpec, meta: Metadata, base: &Path, name: Mark) -> Draft {
    let core::PodSpec {
        active_deadline_seconds,
        affinity,
        automount_service_account_token,
        containers,
        dns_config,
        dns_policy,
        enable_service_links,
        ephemeral_containers,
        eviction_responders,
        host_aliases,
        host_ipc,
        host_network,
        host_pid,
        host_users,
        hostname,
        hostname_override,
        image_pull_secrets,
        init_containers,
        node_name,
        node_selector,
        os,
        overhead,
        preemption_policy,
        priority,
        priority_class_name,
        readiness_gates,
        resource_claims,
        resources,
        restart_policy,
        runtime_class_name,
        scheduler_name,
        scheduling_gates,
        scheduling_group,
        security_context,
        service_account,
        service_account_name,
        set_hostname_as_fqdn,
        share_process_namespace,
        subdomain,
        termination_grace_period_seconds,
        tolerations,
        topology_spread_constraints,
        volumes,
    } = spec;

    let one = "there is one machine";
    at.field("affinity").no_effect(affinity.is_some(), one);
    at.field("nodeName").no_effect(node_name.is_some(), one);
    at.field("nodeSelector").no_effect(node_selector.is_some(), one);
    at.field("preemptionPolicy").no_effect(preemption_policy.is_some(), one);
    at.field("schedulerName").no_effect(scheduler_name.is_some(), one);
    at.field("schedulingGroup").no_effect(scheduling_group.is_some(), one);
    at.field("tolerations").no_effect(tolerations.is_some(), one);
    at.field("topologySpreadConstraints").no_effect(topology_spread_constraints.is_some(), one);
    at.field("evictionResponders").no_effect(eviction_responders.is_some(), "pods are not evicted");
    at.field("enableServiceLinks").no_effect(enable_service_links == Some(true), "there are no Services");
    let fixed = "set `resources` of each container";
    at.field("resourceClaims").unsupported(resource_claims.is_some(), "there is no dynamic resource allocation", fixed);
    at.field("schedulingGates").unsupported(scheduling_gates.is_some(), "nothing would remove the gate", "remove it");
    let debugging = "start the pod without them, then use `podkin debug`";
    at.field("ephemeralContainers").refused(ephemeral_containers.is_some(), "they are no part of a new pod", debugging);
    if let Some(core::PodOS { name }) = os {
        let at = at.field("os");
        let at = at.field("name");
        if at.one_of("operating system", &name, &[("linux", true), ("windows", false)]) == Some(false) {
            at.refused(true, "this is Linux", "use Linux images");
        }
    }

    let host_network = host_network.unwrap_or_default();
    let (host_pid, host_ipc) = (host_pid.unwrap_or_default(), host_ipc.unwrap_or_default());
    let shared = sysctl::Shared { network: host_network, ipc: host_ipc };
    let share_process_namespace = share_process_namespace.unwrap_or_default();
    if share_process_namespace && host_pid {
        let first = at.field("hostPID").key_mark();
        let error = Diagnostic::error(codes::CONFLICT, "`shareProcessNamespace` and `hostPID` exclude each other");
        at.field("shareProcessNamespace").on_key(error.also(first.span, "the other"), "");
    }
    let named =
        |field: &str, name: Option<String>| name.filter(|n| !n.is_empty()).map(|name| (name, at.field(field).mark()));
    let overhead_at = at.field("overhead");
    let wanted = Wanted {
        priority: priority.map(|value| (value, at.field("priority").mark())),
        priority_class: named("priorityClassName", priority_class_name),
        runtime_class: named("runtimeClassName", runtime_class_name),
        overhead: overhead.map(|o| (quantity::amounts_of_pod(&overhead_at, o), overhead_at.key_mark())),
    };
    let restart_policy = restart::policy(&at.field("restartPolicy"), restart_policy).unwrap_or_default();
    let grace_at = at.field("terminationGracePeriodSeconds");
    let grace = termination_grace_period_seconds
        .map_or(30, |seconds| grace_at.in_range("the grace period", seconds, 0..=i64::MAX) as u64);
    let deadline_at = at.field("activeDeadlineSeconds");
    let deadline = active_deadline_seconds
        .map(|seconds| deadline_at.in_range("the deadline", seconds, 1..=i32::MAX.into()) as u64);

    let names = container_names(init_containers.as_deref().unwrap_or_default(), &containers);
    let declared: Vec<_> = volumes.iter().flatten().map(|v| v.name.clone()).collect();
    let surroundings = Surroundings { base, containers: &names };
    let volumes = volume::lower_all(&at.field("volumes"), volumes.unwrap_or_default(), &surroundings);
    let is_empty_dir = |v: &&Volume| matches!(v.source, VolumeSource::EmptyDir { .. });
    let empty_dirs: Vec<_> = volumes.iter().filter(is_empty_dir).map(|v| v.name.clone()).collect();
    let around = Around {
        volumes: &declared,
        empty_dirs: &empty_dirs,
        containers: &names,
        host_network,
        grace_seconds: grace,
        restart_policy,
    };
    check_unique(at, init_containers.as_deref().unwrap_or_default(), &containers);
    if containers.is_empty() {
        at.missing("containers");
    }
    let mut ports = Vec::new();
    let mut all = |field: &str, list: Vec<core::Container>, init| -> Vec<Container> {
        let at = at.field(field);
        let each = list.into_iter().enumerate().map(|(i, c)| container::lower(&at.index(i), c, init, &around));
        each.map(|(container, of_it)| {
            ports.push(of_it);
            container
        })
        .collect()
    };
    let init_containers = all("initContainers", init_containers.unwrap_or_default(), true);
    let containers = all("containers", containers, false);
    check_shared_ports(at.session, &names, &ports);
    let Metadata { name: pod_name, namespace, labels, annotations } = meta;
    let service_account = service_account_name.or(service_account).filter(|n| !n.is_empty());
    let mut pod = Pod {
        name: pod_name,
        namespace,
        labels,
        annotations,
        workload: None,
        init_containers,
        containers,
        volumes,
        relabelled: BTreeMap::new(),
        restart_policy,
        termination_grace_seconds: grace,
        hostname: label(&at.field("hostname"), "host name", hostname),
        hostname_override: host_name_override(at, hostname_override, host_network),
        subdomain: label(&at.field("subdomain"), "subdomain", subdomain),
        set_hostname_as_fqdn: set_hostname_as_fqdn == Some(true),
        host_network,
        host_pid,
        host_ipc,
        share_process_namespace,
        user_namespace: host_users == Some(false),
        user_ids: UserIds::default(),
        host_aliases: host_alias_list(&at.field("hostAliases"), host_aliases.unwrap_or_default()),
        dns: dns(at, dns_policy, dns_config.unwrap_or_default()),
        security: security_context.map(|c| security::pod(&at.field("securityContext"), c, shared)).unwrap_or_default(),
        resources: resources.map(|r| quantity::pod(&at.field("resources"), r)),
        overhead: None,
        priority: 0,
        priority_class: None,
        runtime_class: None,
        active_deadline_seconds: deadline,
        service_account: service_account.unwrap_or_else(|| "default".to_owned()),
        enable_service_links: enable_service_links.unwrap_or(true),
        image_pull_secrets: pull_secrets(&at.field("imagePullSecrets"), image_pull_secrets.unwrap_or_default()),
        readiness_gates: gates(&at.field("readinessGates"), readiness_gates.unwrap_or_default()),
    };
    for (field, containers) in [("initContainers", &pod.init_containers), ("containers", &pod.containers)] {
        let at = at.field(field);
        for (i, container) in containers.iter().enumerate() {
            mount::check_devices(&at.index(i).field("volumeDevices"), &container.devices, &pod.volumes);
        }
    }
    huge_pages::settle(&at.field("volumes"), &mut pod);
    quantity::settle_pod(&at.field("resources"), &mut pod);
    annotations::apply(at, &mut pod);
    host_users::check(at, &pod);
    let full_name = full_name(at, &pod);
    Draft { pod, ports, name, wanted, automount_token: automount_service_account_token, full_name }
}

fn container_names(init: &[core::Container], regular: &[core::Container]) -> Vec<String> {
    init.iter().chain(regular).map(|c| c.name.clone()).collect()
}

fn check_unique(at: &Spot<'_>, init: &[core::Container], regular: &[core::Container]) {
    let mut seen: BTreeMap<&str, Mark> = BTreeMap::new();
    for (field, list) in [("initContainers", init), ("containers", regular)] {
        let at = at.field(field);
        for (i, container) in list.iter().enumerate().filter(|(_, c)| !c.name.is_empty()) {
            let at = at.index(i);
            let at = at.field("name");
            if let Some(first) = seen.insert(&container.name, at.mark()) {
                let error =
                    Diagnostic::error(codes::DUPLICATE, format!("two containers are named `{}`", container.name));
                at.on_value(error.also(first.span, "first here").hint("give one of them another name"), "");
            }
        }
    }
}

/// Warns of two containers that list one port: they share the pod's address.
fn check_shared_ports(session: &super::Session, names: &[String], ports: &[Vec<DraftPort>]) {
    let mut seen = BTreeMap::new();
    for (container, draft) in names.iter().zip(ports).flat_map(|(name, ports)| ports.iter().map(move |p| (name, p))) {
        let key = (draft.port.container_port, draft.port.protocol);
        let (first, mark): &(&String, &Mark) = seen.entry(key).or_insert((container, &draft.mark));
        if *first != container {
            let name = port::describe(key.0, key.1);
            let message =
                format!("containers `{first}` and `{container}` both list port {name}, but share one address");
            let mut warning = Diagnostic::warning(codes::SUSPICIOUS, message).at(draft.mark.span, "");
            warning.path.clone_from(&draft.mark.path);
            session.report(warning.also(mark.span, "first here"));
        }
    }
}

/// Names of Secrets; whether they exist is seen when an image is pulled, as on a kubelet.
pub(super) fn pull_secrets(at: &Spot<'_>, references: Vec<core::LocalObjectReference>) -> Vec<String> {
    let mut names = Vec::new();
    for (i, core::LocalObjectReference { name }) in references.into_iter().enumerate() {
        if name.is_empty() {
            at.index(i).missing("name");
        } else {
            names.push(name);
        }
    }
    names
}

/// Types of the conditions that the pod's readiness waits for.
fn gates(at: &Spot<'_>, gates: Vec<core::PodReadinessGate>) -> Vec<String> {
    let mut types: Vec<String> = Vec::new();
    for (i, core::PodReadinessGate { condition_type }) in gates.into_iter().enumerate() {
        let at = at.index(i);
        if condition_type.is_empty() {
            at.missing("conditionType");
        } else if at.field("conditionType").check("condition type", &condition_type, form::qualified_name)
            && !types.contains(&condition_type)
        {
            types.push(condition_type);
        }
    }
    types
}

/// One label of a DNS name; an empty one is none.
fn label(at: &Spot<'_>, what: &str, name: Option<String>) -> Option<String> {
    let name = name.filter(|name| !name.is_empty())?;
    at.check(what, &name, form::dns_label);
    Some(name)
}

fn host_name_override(at: &Spot<'_>, name: Option<String>, host_network: bool) -> Option<String> {
    let name = name.filter(|name| !name.is_empty())?;
    let at = at.field("hostnameOverride");
    if at.check("host name", &name, form::dns_subdomain) && name.len() > LONGEST_HOST_NAME {
        at.wrong(codes::VALUE, format!("a host name may have at most {LONGEST_HOST_NAME} characters"));
    }
    if host_network {
        at.wrong(codes::CONFLICT, "with `hostNetwork` the pod has the machine's host name");
    }
    Some(name)
}

/// Checks what `setHostnameAsFQDN` makes of the pod's names; the place of the field when the kernel is to have the full name.
fn full_name(at: &Spot<'_>, pod: &Pod) -> Option<Mark> {
    let at = at.field("setHostnameAsFQDN");
    if !pod.set_hostname_as_fqdn {
        return None;
    }
    if pod.hostname_override.is_some() {
        at.wrong_hint(codes::CONFLICT, "`hostnameOverride` sets another host name", "remove one of them");
    } else if pod.host_network {
        at.no_effect(true, "with `hostNetwork` the pod has the machine's host name");
    } else if pod.subdomain.is_none() {
        at.no_effect(true, "without a `subdomain` the pod has no other name");
    } else {
        return Some(at.mark());
    }
    None
}

fn host_alias_list(at: &Spot<'_>, aliases: Vec<core::HostAlias>) -> Vec<HostAlias> {
    let mut lowered = Vec::new();
    for (i, core::HostAlias { hostnames, ip }) in aliases.into_iter().enumerate() {
        let at = at.index(i);
        let hostnames = hostnames.unwrap_or_default();
        let names_at = at.field("hostnames");
        for (n, name) in hostnames.iter().enumerate() {
            names_at.index(n).check("host name", name, form::dns_subdomain);
        }
        if ip.is_empty() {
            at.missing("ip");
        } else {
            lowered.extend(port::address(&at.field("ip"), &ip).map(|ip| HostAlias { ip, hostnames }));
        }
    }
    if !lowered.is_empty() && at.session.no_hosts {
        let error =
            Diagnostic::error(codes::CONFLICT, "`hostAliases` needs the hosts file that `--no-hosts` leaves alone");
        at.on_key(error.hint("play without `--no-hosts`"), "");
    }
    lowered
}

fn dns(at: &Spot<'_>, policy: Option<String>, config: core::PodDNSConfig) -> DnsConfig {
    let policies = [
        ("ClusterFirst", DnsPolicy::ClusterFirst),
        ("ClusterFirstWithHostNet", DnsPolicy::ClusterFirstWithHostNet),
        ("Default", DnsPolicy::Default),
        ("None", DnsPolicy::None),
    ];
    let policy_at = at.field("dnsPolicy");
    let policy = policy.filter(|p| !p.is_empty()).and_then(|p| policy_at.one_of("DNS policy", &p, &policies));
    let policy = policy.unwrap_or_default();
    let core::PodDNSConfig { nameservers, options, searches } = config;
    let at = at.field("dnsConfig");
    let (servers_at, searches_at, options_at) = (at.field("nameservers"), at.field("searches"), at.field("options"));
    let nameservers: Vec<_> = nameservers.unwrap_or_default();
    if policy == DnsPolicy::None && nameservers.is_empty() {
        let message = "`dnsPolicy: None` needs at least one name server";
        policy_at.wrong_hint(codes::REQUIRED, message, "list it below `dnsConfig.nameservers`");
    }
    at_most(&servers_at, "name servers", nameservers.len(), 3);
    let searches = searches.unwrap_or_default();
    at_most(&searches_at, "search domains", searches.len(), 32);
    at_most(&searches_at, "characters of search domains", searches.join(" ").len(), 2048);
    for (i, domain) in searches.iter().enumerate() {
        // A trailing dot is allowed here, and so is the root alone.
        let name = domain.strip_suffix('.').unwrap_or(domain);
        let underscores = name.replace('_', "a");
        if !(name.is_empty() && domain == ".") {
            searches_at.index(i).check("search domain", &underscores, form::dns_subdomain);
        }
    }
    let mut pairs = Vec::new();
    for (i, core::PodDNSConfigOption { name, value }) in options.unwrap_or_default().into_iter().enumerate() {
        let at = options_at.index(i);
        match name.filter(|n| !n.is_empty()) {
            Some(name) if name.contains(char::is_whitespace) => {
                at.field("name").wrong(codes::FORM, "a resolver option must not contain blanks");
            }
            Some(name) => pairs.push((name, value.filter(|v| !v.is_empty()))),
            None => at.missing("name"),
        }
    }
    let nameservers = nameservers.iter().enumerate().filter_map(|(i, s)| port::address(&servers_at.index(i), s));
    DnsConfig { policy, nameservers: nameservers.collect(), searches, options: pairs }
}

fn at_most(at: &Spot<'_>, what: &str, count: usize, limit: usize) {
    if count > limit {
        at.wrong(codes::VALUE, format!("at most {limit} {what} are possible, not {count}"));
    }
}
