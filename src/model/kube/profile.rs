//! Profiles of the kernel's security modules: `seccompProfile`, `appArmorProfile`, `seLinuxOptions`, and the annotations that
//! had their place (Kubernetes, "Restrict a Container's Syscalls with seccomp", "Restrict a Container's Access to Resources with
//! AppArmor").

use super::spot::{Spot, did_you_mean, list};
use super::{codes, form};
use crate::model::diagnostic::Diagnostic;
use crate::model::{AppArmorProfile, Container, Pod, SeLinuxLabel, SeccompProfile};
use k8s_openapi::api::core::v1 as core;

const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
const APP_ARMOR_CONTAINER: &str = "container.apparmor.security.beta.kubernetes.io/";
/// Podman's, with its own values.
const APP_ARMOR_PODMAN: &str = "io.podman.annotations.apparmor/";
/// The longest name of an AppArmor profile (API server).
const LONGEST_NAME: usize = 4095;

pub(super) fn seccomp(at: &Spot<'_>, profile: core::SeccompProfile) -> Option<SeccompProfile> {
    let core::SeccompProfile { localhost_profile, type_ } = profile;
    match form(at, "seccomp profile type", &type_, localhost_profile)? {
        Form::RuntimeDefault => Some(SeccompProfile::RuntimeDefault),
        Form::Unconfined => Some(SeccompProfile::Unconfined),
        Form::Localhost(path) => seccomp_file(&at.field("localhostProfile"), path),
    }
}

/// A profile's file below the profile root, which `--seccomp-profile-root` may have moved.
fn seccomp_file(at: &Spot<'_>, path: String) -> Option<SeccompProfile> {
    if !at.check("profile path", &path, form::path_below) {
        return None;
    }
    let root = at.session.seccomp_root.as_deref();
    Some(SeccompProfile::Localhost(root.map_or(path.clone(), |root| root.join(&path).display().to_string())))
}

pub(super) fn app_armor(at: &Spot<'_>, profile: core::AppArmorProfile) -> Option<AppArmorProfile> {
    let core::AppArmorProfile { localhost_profile, type_ } = profile;
    let profile = match form(at, "AppArmor profile type", &type_, localhost_profile)? {
        Form::RuntimeDefault => AppArmorProfile::RuntimeDefault,
        Form::Unconfined => AppArmorProfile::Unconfined,
        Form::Localhost(name) => AppArmorProfile::Localhost(name),
    };
    check_app_armor(&at.field("localhostProfile"), at, &profile).then_some(profile)
}

/// Says what this machine cannot do: a named profile is never left away, the default one is where there are none.
fn check_app_armor(name_at: &Spot<'_>, at: &Spot<'_>, profile: &AppArmorProfile) -> bool {
    let machine = &at.session.machine;
    match (profile, &machine.app_armor) {
        (AppArmorProfile::Localhost(name), _) if name.len() > LONGEST_NAME || name.trim() != name => {
            name_at.wrong(codes::FORM, "a profile's name has no blanks around it and at most 4095 characters");
            false
        }
        (AppArmorProfile::Localhost(_), None) => {
            at.refused(true, "this machine has no AppArmor", "remove it, or play where AppArmor is enabled");
            false
        }
        (AppArmorProfile::Localhost(name), Some(loaded)) if !loaded.contains(name) => {
            let message = format!("AppArmor profile `{}` is not loaded", super::spot::shown(name));
            let label = did_you_mean(name, loaded.iter().map(String::as_str)).unwrap_or_default();
            name_at.on_value(
                Diagnostic::error(codes::TARGET, message).hint("load it with `apparmor_parser`, as root"),
                label,
            );
            false
        }
        (AppArmorProfile::RuntimeDefault | AppArmorProfile::Unconfined, None) => {
            at.no_effect(true, "this machine has no AppArmor; seccomp and capabilities confine the container");
            true
        }
        (AppArmorProfile::RuntimeDefault, Some(loaded)) if !loaded.contains(AppArmorProfile::DEFAULT) => {
            let reason = format!("no AppArmor profile `{}` is loaded", AppArmorProfile::DEFAULT);
            at.no_effect(true, &reason);
            true
        }
        (AppArmorProfile::Localhost(_) | AppArmorProfile::RuntimeDefault | AppArmorProfile::Unconfined, Some(_)) => {
            true
        }
    }
}

pub(super) fn se_linux(at: &Spot<'_>, options: core::SELinuxOptions) -> Option<SeLinuxLabel> {
    let core::SELinuxOptions { level, role, type_, user } = options;
    let mut valid = true;
    let parts = [("level", &level), ("role", &role), ("type", &type_), ("user", &user)];
    for (field, part) in parts.into_iter().filter_map(|(field, part)| Some((field, part.as_deref()?))) {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') || field == "level";
        // A level has colons and commas, as in `s0:c1,c2`; blanks and NULs would end the label.
        if part.is_empty() || part.chars().any(|c| c.is_whitespace() || c.is_control() || !allowed(c)) {
            at.field(field).wrong(codes::FORM, format!("`{}` is no part of a label", super::spot::shown(part)));
            valid = false;
        }
    }
    if !valid {
        return None;
    }
    if !at.session.machine.se_linux {
        at.no_effect(true, "this machine has no SELinux");
        return None;
    }
    Some(SeLinuxLabel { user, role, kind: type_, level })
}

/// The three forms that profiles of both kinds have.
enum Form {
    RuntimeDefault,
    Unconfined,
    Localhost(String),
}

fn form(at: &Spot<'_>, what: &str, kind: &str, localhost: Option<String>) -> Option<Form> {
    if kind.is_empty() {
        at.missing("type");
        return None;
    }
    let types = [("RuntimeDefault", 0), ("Unconfined", 1), ("Localhost", 2)];
    match (at.field("type").one_of(what, kind, &types)?, localhost) {
        (0, None) => Some(Form::RuntimeDefault),
        (1, None) => Some(Form::Unconfined),
        (2, Some(name)) if !name.is_empty() => Some(Form::Localhost(name)),
        // An empty name must never mean "not confined".
        (2, _) => {
            at.missing("localhostProfile");
            None
        }
        (_, _) => {
            let message = format!("`localhostProfile` needs `type: Localhost`, not `{kind}`");
            at.field("localhostProfile").wrong(codes::CONFLICT, message);
            None
        }
    }
}

/// Applies an annotation when it names a profile; false when it is of another kind. A field says more than an annotation.
pub(super) fn annotation(at: &Spot<'_>, pod: &mut Pod, key: &str, value: &str) -> bool {
    if key == SECCOMP_POD {
        settle(at, &mut pod.security.seccomp, seccomp_value(at, value));
    } else if let Some(name) = key.strip_prefix(SECCOMP_CONTAINER) {
        container_seccomp(at, pod, name, value);
    } else if let Some(name) = key.strip_prefix(APP_ARMOR_CONTAINER).or_else(|| key.strip_prefix(APP_ARMOR_PODMAN)) {
        let profile = match value {
            "runtime/default" => Some(AppArmorProfile::RuntimeDefault),
            "unconfined" => Some(AppArmorProfile::Unconfined),
            _ => match value.strip_prefix("localhost/") {
                Some(name) => Some(AppArmorProfile::Localhost(name.to_owned())),
                None if key.starts_with(APP_ARMOR_PODMAN) => Some(AppArmorProfile::Localhost(value.to_owned())),
                None => unknown(at, value),
            },
        };
        let profile = profile.filter(|profile| check_app_armor(at, at, profile));
        if let Some(container) = find_container(at, pod, name) {
            settle(at, &mut container.security.app_armor, profile);
        }
    } else {
        return false;
    }
    true
}

/// Sets the seccomp profile of a container by annotation.
pub(super) fn container_seccomp(at: &Spot<'_>, pod: &mut Pod, name: &str, value: &str) {
    if let Some(container) = find_container(at, pod, name) {
        settle(at, &mut container.security.seccomp, seccomp_value(at, value));
    }
}

fn seccomp_value(at: &Spot<'_>, value: &str) -> Option<SeccompProfile> {
    match value {
        "runtime/default" | "docker/default" => Some(SeccompProfile::RuntimeDefault),
        "unconfined" => Some(SeccompProfile::Unconfined),
        _ => match value.strip_prefix("localhost/") {
            Some(path) => seccomp_file(at, path.to_owned()),
            None => unknown(at, value),
        },
    }
}

fn unknown<T>(at: &Spot<'_>, value: &str) -> Option<T> {
    let message = format!("`{}` names no profile", super::spot::shown(value));
    let forms = ["runtime/default", "unconfined", "localhost/NAME"];
    at.wrong_hint(codes::VALUE, message, format!("possible: {}", list(&forms)));
    None
}

/// The container that an annotation names; reports one that the pod does not have.
pub(super) fn find_container<'p>(at: &Spot<'_>, pod: &'p mut Pod, name: &str) -> Option<&'p mut Container> {
    let names: Vec<_> = pod.all_containers().map(|c| c.name.clone()).collect();
    let found = pod.init_containers.iter_mut().chain(&mut pod.containers).find(|c| c.name == name);
    if found.is_none() {
        let error = Diagnostic::error(codes::TARGET, format!("the pod has no container `{name}`"));
        at.on_key(error, did_you_mean(name, names.iter().map(String::as_str)).unwrap_or_default());
    }
    found
}

/// Two that contradict each other are refused, as the API server does: one of them is less than was asked for.
pub(super) fn settle<T: PartialEq>(at: &Spot<'_>, field: &mut Option<T>, annotated: Option<T>) {
    match (&field, annotated) {
        (Some(own), Some(other)) if *own != other => {
            let error = Diagnostic::error(codes::CONFLICT, "this annotation and the field of `securityContext` differ");
            at.on_value(error.hint("keep the field and remove the annotation"), "");
        }
        (None, Some(annotated)) => *field = Some(annotated),
        (_, None) | (Some(_), Some(_)) => {}
    }
}
