//! ServiceAccounts, and what their pods get of them (Kubernetes, "Managing Service Accounts", admission controller).

use super::metadata::{self, Metadata};
use super::pod::{Draft, pull_secrets};
use super::spot::Spot;
use crate::model::{Container, DownwardFile, EnvValue, KeyToPath, Pod, Projection, VolumeMount};
use crate::model::{ServiceAccount, TokenProjection, Volume, VolumeSource};
use k8s_openapi::api::core::v1 as core;

/// Where clients of an API server look for what they need.
const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The ConfigMap in which a cluster publishes the certificate of its API server.
pub(super) const ROOT_CERTIFICATES: &str = "kube-root-ca.crt";
/// Seconds of life of the token that is mounted unasked, as in a cluster.
const LIFETIME: u64 = 3607;
const FILE_MODE: u32 = 0o644;
const VOLUME: &str = "kube-api-access";

pub(super) fn service_account(at: &Spot<'_>, object: core::ServiceAccount) -> ServiceAccount {
    let core::ServiceAccount { automount_service_account_token, image_pull_secrets, metadata, secrets } = object;
    let Metadata { name, namespace, labels: _, annotations: _ } = metadata::lower(&at.field("metadata"), metadata);
    at.field("secrets").no_effect(secrets.is_some(), "pods may mount every Secret that they name");
    ServiceAccount {
        name,
        namespace,
        image_pull_secrets: pull_secrets(&at.field("imagePullSecrets"), image_pull_secrets.unwrap_or_default()),
        automount_token: automount_service_account_token,
    }
}

/// Gives a pod what its account has for it. What the pod says itself wins; without a word of either there is no token, as no API
/// server would take it.
pub(super) fn admit(draft: &mut Draft, accounts: &[ServiceAccount]) {
    let Draft { pod, ports: _, name: _, wanted: _, automount_token, full_name: _ } = draft;
    let account = accounts.iter().find(|a| (&a.namespace, &a.name) == (&pod.namespace, &pod.service_account));
    if let Some(account) = account.filter(|_| pod.image_pull_secrets.is_empty()) {
        pod.image_pull_secrets.clone_from(&account.image_pull_secrets);
    }
    if automount_token.or(account.and_then(|account| account.automount_token)) == Some(true) {
        mount_token(pod);
    }
}

fn mount_token(pod: &mut Pod) {
    let is_without = |container: &&mut Container| container.mounts.iter().all(|mount| mount.path != MOUNT_PATH);
    let name = free_name(pod);
    let mut used = false;
    for container in pod.init_containers.iter_mut().chain(&mut pod.containers).filter(is_without) {
        let mount = VolumeMount {
            volume: name.clone(),
            path: MOUNT_PATH.to_owned(),
            read_only: true,
            ..VolumeMount::default()
        };
        container.mounts.push(mount);
        used = true;
    }
    if used {
        pod.volumes.push(Volume { name, source: token_volume() });
    }
}

fn free_name(pod: &Pod) -> String {
    let names = (1..).map(|n| if n == 1 { VOLUME.to_owned() } else { format!("{VOLUME}-{n}") });
    let mut free = names.filter(|name| pod.volume(name).is_none());
    free.next().expect("a pod has not every name")
}

/// Token, certificate and namespace; the certificate when there is such a ConfigMap.
fn token_volume() -> VolumeSource {
    let token = TokenProjection { path: "token".to_owned(), audience: None, expiration_seconds: LIFETIME, user: None };
    let certificate = KeyToPath { key: "ca.crt".to_owned(), path: "ca.crt".to_owned(), mode: None, user: None };
    let namespace = EnvValue::Field("metadata.namespace".to_owned());
    let sources = vec![
        Projection::ServiceAccountToken(token),
        Projection::ConfigMap { name: ROOT_CERTIFICATES.to_owned(), items: vec![certificate], optional: true },
        Projection::DownwardApi {
            items: vec![DownwardFile { path: "namespace".to_owned(), value: namespace, mode: None, user: None }],
        },
    ];
    VolumeSource::Projected { sources, default_mode: FILE_MODE, default_user: None }
}
