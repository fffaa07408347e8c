//! Containers of a pod (Kubernetes API, `Container` v1 core).

use super::port::{self, DraftPort};
use super::references::Variables;
use super::spot::Spot;
use super::{codes, device, env, form, huge_pages, mount, probe, quantity, resize, restart, security};
use crate::model::diagnostic::{Diagnostic, with_causes};
use crate::model::environment::references;
use crate::model::reference::Reference;
use crate::model::{Container, CpuSet, EnvFrom, EnvVar, PullPolicy, RestartPolicy, ShownOnly};
use k8s_openapi::api::core::v1 as core;

/// What a container needs to know of its pod.
pub(super) struct Around<'a> {
    pub volumes: &'a [String],
    /// Those of them that are an `emptyDir`.
    pub empty_dirs: &'a [String],
    pub containers: &'a [String],
    pub host_network: bool,
    pub grace_seconds: u64,
    /// The pod's.
    pub restart_policy: RestartPolicy,
}

/// Lowers one container. Its ports are given apart, as options may still change them.
pub(super) fn lower(
    at: &Spot<'_>,
    container: core::Container,
    init: bool,
    around: &Around<'_>,
) -> (Container, Vec<DraftPort>) {
    let core::Container {
        args,
        command,
        env,
        env_from,
        image,
        image_pull_policy,
        lifecycle,
        liveness_probe,
        name,
        ports,
        readiness_probe,
        resize_policy,
        resources,
        restart_policy,
        restart_policy_rules,
        security_context,
        startup_probe,
        stdin,
        stdin_once,
        termination_message_path,
        termination_message_policy,
        tty,
        volume_devices,
        volume_mounts,
        working_dir,
    } = container;
    check_name(at, &name);
    let image = image.unwrap_or_default();
    if image.is_empty() {
        at.missing("image");
    } else {
        check_image(&at.field("image"), &image);
    }
    let restart_policy = restart::policy(&at.field("restartPolicy"), restart_policy);
    let restart_rules = restart::rules(at, restart_policy_rules.unwrap_or_default(), restart_policy.is_some());
    let sidecar = init && restart_policy == Some(RestartPolicy::Always);
    if init && !sidecar {
        let forbidden = [
            ("livenessProbe", liveness_probe.is_some()),
            ("readinessProbe", readiness_probe.is_some()),
            ("startupProbe", startup_probe.is_some()),
            ("lifecycle", lifecycle.is_some()),
            ("resizePolicy", resize_policy.is_some()),
        ];
        for (field, _) in forbidden.into_iter().filter(|(_, present)| *present) {
            let message = format!("an init container runs to its end and cannot have `{field}`");
            let hint = "set `restartPolicy: Always` to make it a sidecar";
            at.field(field).on_key(Diagnostic::error(codes::CONFLICT, message).hint(hint), "");
        }
    }
    let is_restarted = restart_policy.unwrap_or(around.restart_policy) != RestartPolicy::Never;
    let resize_policy = resize::policy(&at.field("resizePolicy"), resize_policy.unwrap_or_default(), is_restarted);
    let ports_at = at.field("ports");
    let mut ports = port::lower_all(&ports_at, ports.unwrap_or_default(), around.host_network);
    if init && !sidecar {
        ports_at.no_effect(!ports.is_empty(), "an init container ends before the pod serves");
        ports.clear();
    }
    let probe = |field: &str, probe: Option<core::Probe>, kind| probe::probe(&at.field(field), probe?, kind, &ports);
    let security = security_context.map(|c| security::container(&at.field("securityContext"), c)).unwrap_or_default();
    let env_from = env::env_from(&at.field("envFrom"), env_from.unwrap_or_default());
    let env = env::env(&at.field("env"), env.unwrap_or_default(), &env_from, around);
    let (command, args) = (command.unwrap_or_default(), args.unwrap_or_default());
    check_words(&at.field("command"), &command, &env, &env_from);
    check_words(&at.field("args"), &args, &env, &env_from);
    let mounts_at = at.field("volumeMounts");
    let mounts = mount::lower_all(&mounts_at, volume_mounts.unwrap_or_default(), around.volumes, security.privileged);
    let devices_at = at.field("volumeDevices");
    let devices = mount::lower_devices(&devices_at, volume_devices.unwrap_or_default(), around.volumes, &mounts);
    check_expressions(&mounts_at, &mounts, &env, &env_from);
    let mut resources = resources.unwrap_or_default();
    let device_requests = device::take(&at.field("resources"), &mut resources);
    let huge_pages = huge_pages::take(&at.field("resources"), &mut resources);
    let lifecycle_at = at.field("lifecycle");
    let lifecycle = lifecycle.map(|l| probe::lifecycle(&lifecycle_at, l, around.grace_seconds, &ports));
    let lowered = Container {
        image,
        pull_policy: pull_policy(&at.field("imagePullPolicy"), image_pull_policy),
        working_dir: working_dir.filter(|d| !d.is_empty()).inspect(|dir| check_dir(&at.field("workingDir"), dir)),
        resources: quantity::resources(&at.field("resources"), resources),
        startup_probe: probe("startupProbe", startup_probe, probe::Kind::Startup),
        readiness_probe: probe("readinessProbe", readiness_probe, probe::Kind::Readiness),
        liveness_probe: probe("livenessProbe", liveness_probe, probe::Kind::Liveness),
        lifecycle: lifecycle.unwrap_or_default(),
        stdin: stdin.unwrap_or_default(),
        stdin_once: stdin_once.unwrap_or_default(),
        tty: tty.unwrap_or_default(),
        termination_message_path: termination_message_path.filter(|p| !p.is_empty()),
        termination_message_from_logs: message_policy(
            &at.field("terminationMessagePolicy"),
            termination_message_policy,
        ),
        // Set when options have been applied.
        ports: Vec::new(),
        // Set by annotations.
        cpu_set: CpuSet::default(),
        init_process: false,
        auto_remove: false,
        image_mounts: Vec::new(),
        shown_only: ShownOnly::default(),
        ulimits: Vec::new(),
        name,
        command,
        args,
        env_from,
        env,
        mounts,
        devices,
        device_requests,
        huge_pages,
        security,
        resize_policy,
        sidecar,
        restart_policy,
        restart_rules,
    };
    (lowered, ports)
}

fn check_name(at: &Spot<'_>, name: &str) {
    if name.is_empty() {
        at.missing("name");
    } else {
        at.field("name").check("container name", name, form::dns_label);
    }
}

/// Checks what is written as the name of an image; `at` is its place.
pub(super) fn check_image(at: &Spot<'_>, image: &str) {
    if let Err(error) = Reference::parse(image) {
        at.wrong(codes::FORM, with_causes(&error));
    }
}

fn check_dir(at: &Spot<'_>, dir: &str) {
    if !dir.starts_with('/') {
        at.wrong(codes::FORM, format!("working directory `{}` must be absolute", super::spot::shown(dir)));
    }
}

pub(super) fn pull_policy(at: &Spot<'_>, policy: Option<String>) -> Option<PullPolicy> {
    let policies =
        [("Always", PullPolicy::Always), ("IfNotPresent", PullPolicy::IfNotPresent), ("Never", PullPolicy::Never)];
    policy.filter(|p| !p.is_empty()).and_then(|p| at.one_of("pull policy", &p, &policies))
}

fn message_policy(at: &Spot<'_>, policy: Option<String>) -> bool {
    let policies = [("File", false), ("FallbackToLogsOnError", true)];
    policy.and_then(|p| at.one_of("policy", &p, &policies)).unwrap_or_default()
}

/// Notes variables in command or args that look like variables; `$(date)` is more likely meant for a shell.
fn check_words(at: &Spot<'_>, words: &[String], env: &[EnvVar], from: &[EnvFrom]) {
    let is_name = |name: &&str| {
        name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
            && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    for (i, word) in words.iter().enumerate() {
        note_variables(&at.index(i), references(word).filter(is_name), env, from, false);
    }
}

fn check_expressions(at: &Spot<'_>, mounts: &[crate::model::VolumeMount], env: &[EnvVar], from: &[EnvFrom]) {
    for (i, mount) in mounts.iter().enumerate() {
        if let Some(expression) = &mount.sub_path_expr {
            let at = at.index(i);
            note_variables(&at.field("subPathExpr"), references(expression), env, from, true);
        }
    }
}

fn note_variables<'n>(
    at: &Spot<'_>,
    names: impl Iterator<Item = &'n str>,
    env: &[EnvVar],
    from: &[EnvFrom],
    must: bool,
) {
    let names: Vec<_> = names.map(str::to_owned).collect();
    if !names.is_empty() {
        let defined = env.iter().map(|v| v.name.clone()).collect();
        at.session.use_variables(Variables { names, defined, from: from.to_vec(), must, mark: at.mark() });
    }
}
