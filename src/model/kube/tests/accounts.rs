//! ServiceAccounts and what pods get of them.

use super::*;
use crate::model::{Pod, Projection, TokenProjection, VolumeSource};

const ACCOUNT: &str = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: robot}\nimagePullSecrets: [{name: logins}]\n\
                       automountServiceAccountToken: true\n---\n";
const PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

fn pod(text: &str) -> Pod {
    application(text).pods.remove(0)
}

fn tokens(pod: &Pod) -> Vec<&TokenProjection> {
    pod.volumes.iter().flat_map(|volume| volume.source.tokens()).collect()
}

#[test]
fn a_token_is_mounted_only_when_somebody_asks() {
    assert!(tokens(&pod(&with_spec(""))).is_empty(), "no API server would take it");
    assert!(tokens(&pod(&with_spec("serviceAccountName: robot"))).is_empty());
    assert!(tokens(&pod(&format!("{ACCOUNT}{}", with_spec("")))).is_empty(), "another account");
    let refuses = with_spec("serviceAccountName: robot\nautomountServiceAccountToken: false");
    assert!(tokens(&pod(&format!("{ACCOUNT}{refuses}"))).is_empty(), "what the pod says wins");

    let asks = pod(&with_spec("automountServiceAccountToken: true"));
    let by_account = pod(&format!("{ACCOUNT}{}", with_spec("serviceAccountName: robot")));
    for pod in [&asks, &by_account] {
        let expected = TokenProjection { path: "token".into(), audience: None, expiration_seconds: 3607, user: None };
        assert_eq!(tokens(pod), [&expected]);
        let mount = &pod.containers[0].mounts[0];
        assert_eq!((mount.path.as_str(), mount.read_only, &mount.volume), (PATH, true, &pod.volumes[0].name));
        let VolumeSource::Projected { sources, .. } = &pod.volumes[0].source else { panic!("a projected volume") };
        assert!(
            matches!(&sources[1], Projection::ConfigMap { name, optional: true, .. } if name == "kube-root-ca.crt"),
            "{sources:?}"
        );
    }
}

#[test]
fn a_container_that_has_something_there_keeps_it() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  automountServiceAccountToken: true\n  \
                volumes: [{name: kube-api-access, emptyDir: {}}]\n  containers:\n  - name: own\n    image: i\n    \
                volumeMounts: [{name: kube-api-access, mountPath: /var/run/secrets/kubernetes.io/serviceaccount}]\n";
    let alone = pod(text);
    assert_eq!((alone.volumes.len(), alone.containers[0].mounts.len()), (1, 1));
    let both = pod(&format!("{text}  - {{name: other, image: i}}\n"));
    assert_eq!(both.containers[0].mounts[0].volume, "kube-api-access");
    assert_eq!(both.containers[1].mounts[0].volume, "kube-api-access-2");
}

#[test]
fn an_account_has_credentials_for_pods_without() {
    let named = |pod: Pod| pod.image_pull_secrets;
    assert_eq!(named(pod(&format!("{ACCOUNT}{}", with_spec("serviceAccountName: robot")))), ["logins"]);
    assert_eq!(named(pod(&format!("{ACCOUNT}{}", with_spec("serviceAccount: robot")))), ["logins"], "its older name");
    let own = with_spec("serviceAccountName: robot\nimagePullSecrets: [{name: own}]");
    assert_eq!(named(pod(&format!("{ACCOUNT}{own}"))), ["own"]);
    assert_eq!(named(pod(&format!("{ACCOUNT}{}", with_spec("")))), [""; 0]);
}

#[test]
fn an_account_alone_is_nothing_to_play() {
    finds(ACCOUNT, &["K110", "nothing to play", "play their files together"]);
    let twice = format!("{ACCOUNT}{ACCOUNT}{}", with_spec(""));
    finds(&twice, &["K205", "ServiceAccount `robot` is there twice"]);
    let secrets = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: robot}\nsecrets: [{name: a}]\n---\n";
    finds(&format!("{secrets}{}", with_spec("")), &["info[K301]", "`secrets`"]);
}
