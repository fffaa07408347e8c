//! Volumes whose files podkin writes: configMap, secret, downwardAPI, projected.

use super::account::ROOT_CERTIFICATES;
use super::references::Target;
use super::spot::{Mark, Spot};
use super::volume::Surroundings;
use super::{codes, env, form};
use crate::model::account::{DEFAULT_LIFETIME, LIFETIMES};
use crate::model::diagnostic::Diagnostic;
use crate::model::{DownwardFile, KeyToPath, ObjectKind, Projection, TokenProjection, VolumeSource};
use k8s_openapi::api::core::v1 as core;
use std::collections::BTreeMap;

/// Lowers a `configMap` volume.
pub(super) fn config_map_source(at: &Spot<'_>, source: core::ConfigMapVolumeSource) -> Option<VolumeSource> {
    let core::ConfigMapVolumeSource { default_mode, default_user, items, name, optional } = source;
    let default_user = owner(&at.field("defaultUser"), default_user);
    let default_mode = default_mode_of(at, default_mode);
    let (items, optional) = object_items(at, "name", ObjectKind::ConfigMap, &name, items, optional)?;
    Some(VolumeSource::ConfigMap { name, items, default_mode, default_user, optional })
}

/// Lowers a `secret` volume.
pub(super) fn secret_source(at: &Spot<'_>, source: core::SecretVolumeSource) -> Option<VolumeSource> {
    let core::SecretVolumeSource { default_mode, default_user, items, optional, secret_name } = source;
    let default_user = owner(&at.field("defaultUser"), default_user);
    let (name, default_mode) = (secret_name.unwrap_or_default(), default_mode_of(at, default_mode));
    let (items, optional) = object_items(at, "secretName", ObjectKind::Secret, &name, items, optional)?;
    Some(VolumeSource::Secret { name, items, default_mode, default_user, optional })
}

/// Lowers a `downwardAPI` volume.
pub(super) fn downward(
    at: &Spot<'_>,
    source: core::DownwardAPIVolumeSource,
    around: &Surroundings<'_>,
) -> Option<VolumeSource> {
    let core::DownwardAPIVolumeSource { default_mode, default_user, items } = source;
    let default_user = owner(&at.field("defaultUser"), default_user);
    let default_mode = default_mode_of(at, default_mode);
    let items = downward_items(&at.field("items"), items.unwrap_or_default(), around, &mut BTreeMap::new());
    Some(VolumeSource::DownwardApi { items, default_mode, default_user })
}

/// Lowers a `projected` volume.
pub(super) fn projected_source(
    at: &Spot<'_>,
    source: core::ProjectedVolumeSource,
    around: &Surroundings<'_>,
) -> VolumeSource {
    let core::ProjectedVolumeSource { default_mode, default_user, sources } = source;
    let default_user = owner(&at.field("defaultUser"), default_user);
    let default_mode = default_mode_of(at, default_mode);
    let mut paths = BTreeMap::new();
    let at = at.field("sources");
    let sources = sources.unwrap_or_default().into_iter().enumerate();
    let sources = sources.filter_map(|(i, s)| projection(&at.index(i), s, around, &mut paths)).collect();
    VolumeSource::Projected { sources, default_mode, default_user }
}

fn projection(
    at: &Spot<'_>,
    source: core::VolumeProjection,
    around: &Surroundings<'_>,
    paths: &mut Paths,
) -> Option<Projection> {
    let core::VolumeProjection {
        cluster_trust_bundle,
        config_map,
        downward_api,
        pod_certificate,
        secret,
        service_account_token,
    } = source;
    let bundles = "there is no cluster that publishes certificates";
    at.field("clusterTrustBundle").unsupported(cluster_trust_bundle.is_some(), bundles, "put them into a ConfigMap");
    let signer = "there is no signer that would issue a certificate";
    at.field("podCertificate").unsupported(pod_certificate.is_some(), signer, "put key and certificate into a Secret");
    let unsupported = [cluster_trust_bundle.is_some(), pod_certificate.is_some()];
    let present = [config_map.is_some(), downward_api.is_some(), secret.is_some(), service_account_token.is_some()];
    let count = unsupported.iter().chain(&present).filter(|p| **p).count();
    if count != 1 {
        let message = format!("an entry of `sources` has one source, not {count}");
        at.on_key(Diagnostic::error(codes::CONFLICT, message), "");
    }
    if let Some(source) = service_account_token {
        return token(&at.field("serviceAccountToken"), source, paths).map(Projection::ServiceAccountToken);
    }
    if let Some(core::ConfigMapProjection { items, name, optional }) = config_map {
        let at = at.field("configMap");
        let optional = optional.map_or_else(|| may_be_absent(&at.field("name"), &name), Some);
        let (items, optional) = object_items(&at, "name", ObjectKind::ConfigMap, &name, items, optional)?;
        claim_paths(&at.field("items"), items.iter().map(|i| i.path.as_str()), paths);
        return Some(Projection::ConfigMap { name, items, optional });
    }
    if let Some(core::SecretProjection { items, name, optional }) = secret {
        let at = at.field("secret");
        let (items, optional) = object_items(&at, "name", ObjectKind::Secret, &name, items, optional)?;
        claim_paths(&at.field("items"), items.iter().map(|i| i.path.as_str()), paths);
        return Some(Projection::Secret { name, items, optional });
    }
    let core::DownwardAPIProjection { items } = downward_api?;
    let at = at.field("downwardAPI");
    let items = downward_items(&at.field("items"), items.unwrap_or_default(), around, paths);
    Some(Projection::DownwardApi { items })
}

fn token(at: &Spot<'_>, source: core::ServiceAccountTokenProjection, paths: &mut Paths) -> Option<TokenProjection> {
    let core::ServiceAccountTokenProjection { audience, expiration_seconds, path, user } = source;
    let range = *LIFETIMES.start() as i64..=*LIFETIMES.end() as i64;
    let seconds_at = at.field("expirationSeconds");
    let seconds = expiration_seconds.unwrap_or(DEFAULT_LIFETIME as i64);
    let expiration_seconds = seconds_at.in_range("the life of a token in seconds", seconds, range) as u64;
    let user = user.map(|user| at.field("user").in_range("a user id", user, 0..=u32::MAX.into()) as u32);
    if !check_file(at, &path) {
        return None;
    }
    claim_one(at, &path, paths);
    Some(TokenProjection { path, audience: audience.filter(|a| !a.is_empty()), expiration_seconds, user })
}

/// Every pod that was read back from a cluster names a ConfigMap that only the cluster has.
fn may_be_absent(at: &Spot<'_>, name: &str) -> Option<bool> {
    (name == ROOT_CERTIFICATES).then(|| {
        let message =
            format!("no cluster publishes `{name}` here: without a ConfigMap of that name its files are left out");
        at.on_value(Diagnostic::info(codes::NO_EFFECT, message), "");
        true
    })
}

/// Paths of a volume that are taken, with their places.
type Paths = BTreeMap<String, Mark>;

/// Reports paths that a projected volume would have twice.
fn claim_paths<'p>(at: &Spot<'_>, items: impl Iterator<Item = &'p str>, paths: &mut Paths) {
    for (i, path) in items.enumerate() {
        let at = at.index(i);
        let at = at.field("path");
        if let Some(first) = paths.insert(path.to_owned(), at.mark()) {
            let error = Diagnostic::error(codes::DUPLICATE, format!("two files of the volume are `{path}`"));
            at.on_value(error.also(first.span, "first here"), "");
        }
    }
}

/// Reads name, `items` and `optional` of a source that is an object, and notes the references for later.
fn object_items(
    at: &Spot<'_>,
    name_field: &str,
    kind: ObjectKind,
    name: &str,
    items: Option<Vec<core::KeyToPath>>,
    optional: Option<bool>,
) -> Option<(Vec<KeyToPath>, bool)> {
    let optional = optional.unwrap_or_default();
    if name.is_empty() {
        at.missing(name_field);
        return None;
    }
    let target = Target { kind, name: name.to_owned(), optional };
    at.session.refer(&target, None, at.field(name_field).mark());
    let items_at = at.field("items");
    let mut paths = BTreeMap::new();
    let mut lowered = Vec::new();
    for (i, item) in items.unwrap_or_default().into_iter().enumerate() {
        let at = items_at.index(i);
        let core::KeyToPath { key, mode, path, user } = item;
        let user = owner(&at.field("user"), user);
        let mode = mode.map(|m| file_mode(&at.field("mode"), m));
        if key.is_empty() {
            at.missing("key");
            continue;
        }
        at.session.refer(&target, Some(&key), at.field("key").mark());
        if check_file(&at, &path) {
            claim_one(&at, &path, &mut paths);
            lowered.push(KeyToPath { key, path, mode, user });
        }
    }
    Some((lowered, optional))
}

fn claim_one(at: &Spot<'_>, path: &str, paths: &mut Paths) {
    let at = at.field("path");
    if let Some(first) = paths.insert(path.to_owned(), at.mark()) {
        let error = Diagnostic::error(codes::DUPLICATE, format!("two files of the volume are `{path}`"));
        at.on_value(error.also(first.span, "first here"), "");
    }
}

fn downward_items(
    at: &Spot<'_>,
    items: Vec<core::DownwardAPIVolumeFile>,
    around: &Surroundings<'_>,
    paths: &mut Paths,
) -> Vec<DownwardFile> {
    let mut lowered = Vec::new();
    for (i, item) in items.into_iter().enumerate() {
        let at = at.index(i);
        let core::DownwardAPIVolumeFile { field_ref, mode, path, resource_field_ref, user } = item;
        let user = owner(&at.field("user"), user);
        let mode = mode.map(|m| file_mode(&at.field("mode"), m));
        let value = match (field_ref, resource_field_ref) {
            (Some(field), None) => env::field_ref(&at.field("fieldRef"), field, true),
            (None, Some(resource)) => {
                let at = at.field("resourceFieldRef");
                if resource.container_name.as_deref().is_none_or(str::is_empty) {
                    at.missing("containerName");
                }
                env::resource_ref(&at, resource, around.containers)
            }
            (Some(_), Some(_)) | (None, None) => {
                let message = "a file needs either `fieldRef` or `resourceFieldRef`";
                at.on_key(Diagnostic::error(codes::CONFLICT, message), "");
                None
            }
        };
        if check_file(&at, &path) {
            claim_one(&at, &path, paths);
            lowered.extend(value.map(|value| DownwardFile { path, value, mode, user }));
        }
    }
    lowered
}

fn check_file(at: &Spot<'_>, path: &str) -> bool {
    if path.is_empty() {
        at.missing("path");
        return false;
    }
    at.field("path").check("path in a volume", path, form::file_path)
}

/// The user that a file is given to.
fn owner(at: &Spot<'_>, user: Option<i64>) -> Option<u32> {
    user.map(|id| at.in_range("a user id", id, 0..=i32::MAX.into()) as u32)
}

fn default_mode_of(at: &Spot<'_>, mode: Option<i32>) -> u32 {
    mode.map_or(0o644, |mode| file_mode(&at.field("defaultMode"), mode))
}

fn file_mode(at: &Spot<'_>, mode: i32) -> u32 {
    mode_of(at, mode, 0o777)
}

/// Permission bits up to `most`; others are reported.
pub(super) fn mode_of(at: &Spot<'_>, mode: i32, most: u32) -> u32 {
    if let Some(mode) = u32::try_from(mode).ok().filter(|mode| *mode <= most) {
        return mode;
    }
    let decimal = u32::from_str_radix(&mode.to_string(), 8).ok().filter(|m| *m <= most);
    let hint = match decimal {
        Some(_) => format!("an octal number starts with a zero: write `0{mode}`"),
        None => "write an octal number such as `0644`".to_owned(),
    };
    at.wrong_hint(codes::VALUE, format!("mode must be from 0 to 0{most:o}, not {mode}"), hint);
    0o644
}
