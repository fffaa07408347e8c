//! Volumes in the form of `kubectl describe`.

use super::tabs::Sheet;
use k8s_openapi::api::core::v1 as core;

pub(super) fn describe_all(sheet: &mut Sheet, volumes: &[core::Volume]) {
    if volumes.is_empty() {
        return sheet.pair(0, "Volumes", None);
    }
    sheet.line(0, "Volumes:");
    for volume in volumes {
        sheet.line(1, format!("{}:", volume.name));
        facts(volume).into_iter().for_each(|(key, value)| sheet.line(2, format!("{key}:\t{value}")));
    }
}

/// What there is to say of a volume; its type comes first.
fn facts(volume: &core::Volume) -> Vec<(&'static str, String)> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let flag = |flag: Option<bool>| flag.unwrap_or(false).to_string();
    let kind = |kind: &str| ("Type", kind.to_owned());
    if let Some(core::EmptyDirVolumeSource { medium, size_limit, .. }) = &volume.empty_dir {
        let limit = size_limit.as_ref().map_or_else(|| "<unset>".to_owned(), |limit| limit.0.clone());
        let kind = kind("EmptyDir (a temporary directory that shares a pod's lifetime)");
        vec![kind, ("Medium", text(medium)), ("SizeLimit", limit)]
    } else if let Some(core::HostPathVolumeSource { path, type_ }) = &volume.host_path {
        vec![kind("HostPath (bare host directory volume)"), ("Path", path.clone()), ("HostPathType", text(type_))]
    } else if let Some(map) = &volume.config_map {
        let kind = kind("ConfigMap (a volume populated by a ConfigMap)");
        vec![kind, ("Name", map.name.clone()), ("Optional", flag(map.optional))]
    } else if let Some(secret) = &volume.secret {
        let kind = kind("Secret (a volume populated by a Secret)");
        vec![kind, ("SecretName", text(&secret.secret_name)), ("Optional", flag(secret.optional))]
    } else if let Some(claim) = &volume.persistent_volume_claim {
        let kind = kind("PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)");
        vec![kind, ("ClaimName", claim.claim_name.clone()), ("ReadOnly", flag(claim.read_only))]
    } else if let Some(core::NFSVolumeSource { path, read_only, server }) = &volume.nfs {
        let kind = kind("NFS (an NFS mount that lasts the lifetime of a pod)");
        vec![kind, ("Server", server.clone()), ("Path", path.clone()), ("ReadOnly", flag(*read_only))]
    } else if let Some(core::ImageVolumeSource { pull_policy, reference }) = &volume.image {
        let kind = kind("Image (a container image or OCI artifact)");
        vec![kind, ("Reference", text(reference)), ("PullPolicy", text(pull_policy))]
    } else if let Some(projected) = &volume.projected {
        let mut facts = vec![kind("Projected (a volume that contains injected data from multiple sources)")];
        projected.sources.iter().flatten().for_each(|source| facts.extend(projection(source)));
        facts
    } else if volume.downward_api.is_some() {
        vec![kind("DownwardAPI (a volume populated by information about the pod)")]
    } else if volume.ephemeral.is_some() {
        vec![kind("EphemeralVolume (an inline specification for a volume that gets created and deleted with the pod)")]
    } else {
        vec![kind("<unknown>")]
    }
}

fn projection(source: &core::VolumeProjection) -> Vec<(&'static str, String)> {
    let optional = |optional: Option<bool>| ("Optional", optional.unwrap_or(false).to_string());
    let mut facts = Vec::new();
    if let Some(map) = &source.config_map {
        facts.extend([("ConfigMapName", map.name.clone()), optional(map.optional)]);
    }
    if let Some(secret) = &source.secret {
        facts.extend([("SecretName", secret.name.clone()), optional(secret.optional)]);
    }
    if source.downward_api.is_some() {
        facts.push(("DownwardAPI", "true".to_owned()));
    }
    if let Some(token) = &source.service_account_token {
        facts.push(("TokenExpirationSeconds", token.expiration_seconds.unwrap_or(3600).to_string()));
    }
    facts
}
