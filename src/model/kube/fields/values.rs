//! Values that fields are tried with, and what their structs need besides.
//!
//! Most fields take anything of their type. Those that are checked more closely, or matter only with some value, stand here.

use super::sample::{needed as needed_at, wrapped};
use super::tree::Tree;
use crate::model::yaml::schema::Shape;
use serde_json::{Value, json};

/// A ConfigMap and a Secret that samples may refer to.
pub(super) const OBJECT: &str = "example";
/// Their key.
pub(super) const KEY: &str = "example";

/// The values to try a field with; the first is the plainest.
pub(super) fn of(tree: &Tree, path: &[&'static str], owner: &str, name: &str, shape: &Shape) -> Vec<Value> {
    match (path.len(), name) {
        (1, "apiVersion") => return vec![json!(tree.kind.api_version())],
        (1, "kind") => return vec![json!(tree.kind.name())],
        _ => {}
    }
    let words = words(owner, name);
    if !words.is_empty() {
        return words.iter().map(|word| wrapped(shape, json!(word))).collect();
    }
    if let Some(value) = single(owner, name) {
        return vec![value];
    }
    let inner = match shape.of {
        "string" => json!("example"),
        // What is off by default is tried on; what is on by default is listed below.
        "boolean" => json!(true),
        "integer" | "number" => json!(1),
        "base64" => json!("ZXhhbXBsZQ=="),
        "Quantity" => json!("1"),
        "IntOrString" => json!(8080),
        "Time" | "MicroTime" => json!("2026-01-31T12:00:00Z"),
        _ => Value::Object(needed_at(tree, path, "")),
    };
    vec![wrapped(shape, inner)]
}

/// The words that a field takes.
fn words(owner: &str, name: &str) -> &'static [&'static str] {
    match (owner, name) {
        ("AppArmorProfile" | "SeccompProfile", "type") => &["RuntimeDefault", "Unconfined"],
        ("Capabilities", "add" | "drop") => &["NET_ADMIN"],
        ("Container" | "EphemeralContainer", "imagePullPolicy") => &["IfNotPresent", "Always", "Never"],
        ("Container" | "EphemeralContainer", "terminationMessagePolicy") => &["File", "FallbackToLogsOnError"],
        ("Container", "restartPolicy") => &["Always", "OnFailure", "Never"],
        ("Container" | "EphemeralContainer", "workingDir" | "terminationMessagePath") => &["/example"],
        ("ContainerPort", "hostIP") => &["127.0.0.1"],
        ("ContainerPort", "protocol") => &["TCP", "UDP", "SCTP"],
        ("ContainerResizePolicy", "resourceName") => &["cpu", "memory"],
        ("ContainerResizePolicy", "restartPolicy") => &["NotRequired", "RestartContainer"],
        ("ContainerRestartRule", "action") => &["Restart", "RestartAllContainers"],
        ("ContainerRestartRuleOnExitCodes", "operator") => &["In", "NotIn"],
        ("DeploymentStrategy", "type") => &["RollingUpdate", "Recreate"],
        ("EmptyDirVolumeSource", "medium") => &["Memory"],
        ("FileKeySelector", "path") => &["example.env"],
        ("GRPCAction", "mode") => &["Plaintext", "TLS"],
        ("HTTPGetAction", "scheme") => &["HTTP", "HTTPS"],
        ("HostAlias", "ip") => &["10.0.0.1"],
        ("HostPathVolumeSource", "path") => &["/example"],
        ("HostPathVolumeSource", "type") => {
            &["Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket", "CharDevice", "BlockDevice"]
        }
        ("ImageVolumeSource", "pullPolicy") => &["IfNotPresent", "Always", "Never"],
        ("LabelSelectorRequirement", "operator") => &["Exists"],
        ("Lifecycle", "stopSignal") => &["SIGUSR1"],
        ("NFSVolumeSource", "path") => &["/example"],
        ("ObjectFieldSelector", "apiVersion") => &["v1"],
        ("ObjectFieldSelector", "fieldPath") => &["metadata.name"],
        ("PersistentVolumeClaimSpec" | "PersistentVolumeSpec", "accessModes") => {
            &["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"]
        }
        ("PersistentVolumeClaimSpec" | "PersistentVolumeSpec", "volumeMode") => &["Filesystem", "Block"],
        ("PersistentVolumeSpec", "persistentVolumeReclaimPolicy") => &["Retain", "Delete", "Recycle"],
        ("PodDNSConfig", "nameservers") => &["10.0.0.1"],
        ("PodOS", "name") => &["linux", "windows"],
        ("PodSecurityContext", "fsGroupChangePolicy") => &["OnRootMismatch", "Always"],
        ("PodReadinessGate", "conditionType") => &["example.com/gate"],
        ("PodSecurityContext", "seLinuxChangePolicy") => &["MountOption", "Recursive"],
        ("PodSecurityContext", "supplementalGroupsPolicy") => &["Merge", "Strict"],
        ("PodSpec", "dnsPolicy") => &["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"],
        ("PodSpec", "restartPolicy") => &["Always", "OnFailure", "Never"],
        ("ResourceFieldSelector", "containerName") => &["main"],
        ("ResourceFieldSelector", "resource") => &["limits.memory"],
        ("Secret", "type") => &["Opaque"],
        ("SecurityContext", "procMount") => &["Unmasked", "Default"],
        ("Sysctl", "name") => &["kernel.shm_rmid_forced"],
        ("Sysctl", "value") => &["1"],
        ("VolumeDevice", "name") => &["disk"],
        ("VolumeDevice", "devicePath") => &["/dev/example"],
        ("VolumeMount", "bindMountOptions") => &["noexec", "nodev", "nosuid"],
        ("VolumeMount" | "Volume", "name") | ("FileKeySelector", "volumeName") => &["data"],
        ("VolumeMount", "mountPath") => &["/data"],
        ("VolumeMount", "mountPropagation") => &["HostToContainer", "None"],
        ("VolumeMount", "recursiveReadOnly") => &["Enabled", "IfPossible", "Disabled"],
        _ => &[],
    }
}

/// The value of a field that is no plain word.
fn single(owner: &str, name: &str) -> Option<Value> {
    Some(match (owner, name) {
        ("KeyToPath" | "DownwardAPIVolumeFile", "mode") | (_, "defaultMode") => json!(0o600),
        ("LabelSelector", "matchLabels") | ("ObjectMeta", "labels") => json!({ "app": "example" }),
        ("LabelSelectorRequirement", "key") => json!("app"),
        ("ServiceAccountTokenProjection", "expirationSeconds") => json!(600),
        ("VolumeMount", "bindMountOptions") => json!(["noexec"]),
        ("PodSpec", "hostUsers") => json!(false),
        ("Overhead", "podFixed") | ("PodSpec", "overhead") => json!({ "cpu": "100m" }),
        ("PodSpec", "runtimeClassName") => json!("crun"),
        ("PodSpec", "priorityClassName") => json!("system-node-critical"),
        ("PriorityClass", "value") => json!(1000),
        ("RuntimeClass", "handler") => json!("crun"),
        ("ResourceRequirements", "limits" | "requests") => json!({ "memory": "64Mi" }),
        ("PersistentVolumeSpec", "capacity") => json!({ "storage": "1Gi" }),
        ("EphemeralVolumeSource", "volumeClaimTemplate") | ("PersistentVolumeClaimTemplate", "spec") => json!({}),
        ("Volume", "ephemeral") => json!({ "volumeClaimTemplate": {} }),
        ("Container", "volumeDevices") => json!([{ "name": "disk", "devicePath": "/dev/example" }]),
        ("VolumeResourceRequirements", "limits" | "requests") => json!({ "storage": "64Mi" }),
        _ => return None,
    })
}

/// What a struct cannot be without, by its type; `at` is where it stands, `next` the field that is looked at.
pub(super) fn needed(owner: &str, at: &[&'static str], next: &str) -> Value {
    let chosen = |choice: &[&str], default: Value| if choice.contains(&next) { json!({}) } else { default };
    let persistent_volume = || {
        let access_modes = ["ReadWriteOnce"];
        json!({ "capacity": { "storage": "1Gi" }, "accessModes": access_modes, "hostPath": { "path": "/example" } })
    };
    let exec = || json!({ "exec": { "command": ["true"] } });
    let volumes = || {
        let disk = json!({ "path": "/dev/example", "type": "BlockDevice" });
        json!([{ "name": "data" }, { "name": "disk", "hostPath": disk }])
    };
    let pod_spec = || json!({ "containers": [{ "name": "main", "image": "demo" }], "volumes": volumes() });
    let template = || json!({ "metadata": { "labels": { "app": "example" } }, "spec": pod_spec() });
    let deployment = || json!({ "selector": { "matchLabels": { "app": "example" } }, "template": template() });
    match owner {
        "AppArmorProfile" | "SeccompProfile" if next == "localhostProfile" => json!({ "type": "Localhost" }),
        "AppArmorProfile" | "SeccompProfile" => json!({ "type": "RuntimeDefault" }),
        "ConfigMapEnvSource"
        | "SecretEnvSource"
        | "ConfigMapProjection"
        | "SecretProjection"
        | "ConfigMapVolumeSource"
        | "LocalObjectReference" => json!({ "name": OBJECT }),
        "ConfigMapKeySelector" | "SecretKeySelector" => json!({ "name": OBJECT, "key": KEY }),
        "Container" if at.last() == Some(&"initContainers") => {
            json!({ "name": "setup", "image": "demo", "restartPolicy": "Always" })
        }
        "Container" => json!({ "name": "main", "image": "demo" }),
        "ContainerPort" => json!({ "containerPort": 8080 }),
        "ContainerResizePolicy" => json!({ "resourceName": "cpu", "restartPolicy": "NotRequired" }),
        "ContainerRestartRule" => json!({ "action": "Restart", "exitCodes": { "operator": "In", "values": [1] } }),
        "ContainerRestartRuleOnExitCodes" => json!({ "operator": "In", "values": [1] }),
        "Deployment" => json!({ "spec": deployment() }),
        "DeploymentSpec" => deployment(),
        "DeploymentStrategy" => json!({ "type": "RollingUpdate" }),
        "DownwardAPIVolumeFile" if next == "resourceFieldRef" => json!({ "path": "example" }),
        "DownwardAPIVolumeFile" => json!({ "path": "example", "fieldRef": { "fieldPath": "metadata.name" } }),
        "EnvFromSource" => chosen(&["configMapRef", "secretRef"], json!({ "configMapRef": { "name": OBJECT } })),
        "EnvVar" => json!({ "name": "EXAMPLE" }),
        "EnvVarSource" if next.is_empty() => json!({ "fieldRef": { "fieldPath": "metadata.name" } }),
        "EphemeralContainer" => json!({ "name": "debug", "image": "demo" }),
        "ExecAction" => json!({ "command": ["true"] }),
        "FileKeySelector" => json!({ "volumeName": "data", "path": "example.env", "key": "EXAMPLE" }),
        "GRPCAction" | "HTTPGetAction" | "TCPSocketAction" => json!({ "port": 8080 }),
        "HTTPHeader" => json!({ "name": "X-Example" }),
        "HostAlias" => json!({ "ip": "10.0.0.1", "hostnames": ["example"] }),
        "HostPathVolumeSource" => json!({ "path": "/example" }),
        "ImageVolumeSource" => json!({ "reference": "demo" }),
        "KeyToPath" => json!({ "key": KEY, "path": "example" }),
        "LabelSelector" => chosen(&["matchExpressions"], json!({ "matchLabels": { "app": "example" } })),
        "LabelSelectorRequirement" if next == "values" => json!({ "key": "app", "operator": "In" }),
        "LabelSelectorRequirement" => json!({ "key": "app", "operator": "Exists" }),
        "LifecycleHandler" => chosen(&["exec", "httpGet", "sleep", "tcpSocket"], exec()),
        "NFSVolumeSource" => json!({ "server": "example", "path": "/example" }),
        "ObjectFieldSelector" => json!({ "fieldPath": "metadata.name" }),
        "ObjectMeta" if at.len() == 1 => json!({ "name": "example" }),
        "ObjectMeta" => json!({ "labels": { "app": "example" } }),
        "PersistentVolumeClaimVolumeSource" => json!({ "claimName": "example" }),
        "LocalVolumeSource" => json!({ "path": "/example" }),
        "PersistentVolume" => json!({ "spec": persistent_volume() }),
        "PersistentVolumeSpec" if matches!(next, "local" | "nfs") => {
            json!({ "capacity": { "storage": "1Gi" }, "accessModes": ["ReadWriteOnce"] })
        }
        "PersistentVolumeSpec" if next == "mountOptions" => json!({
            "capacity": { "storage": "1Gi" }, "accessModes": ["ReadWriteOnce"],
            "nfs": { "server": "example", "path": "/example" },
        }),
        "PersistentVolumeSpec" => persistent_volume(),
        "Pod" => json!({ "spec": pod_spec() }),
        "PodDNSConfigOption" => json!({ "name": "ndots" }),
        "PodOS" => json!({ "name": "linux" }),
        "PodReadinessGate" => json!({ "conditionType": "example.com/ready" }),
        "PodSpec" if next == "dnsPolicy" => {
            json!({ "containers": [{ "name": "main", "image": "demo" }], "dnsConfig": { "nameservers": ["10.0.0.1"] } })
        }
        "PodSpec" if next == "setHostnameAsFQDN" => {
            json!({ "containers": [{ "name": "main", "image": "demo" }], "subdomain": "example" })
        }
        "PodSpec" => pod_spec(),
        "PodTemplateSpec" => template(),
        "PriorityClass" => json!({ "value": 1000 }),
        "Probe" => chosen(&["exec", "grpc", "httpGet", "tcpSocket"], exec()),
        "ResourceFieldSelector" => json!({ "containerName": "main", "resource": "limits.memory" }),
        "SecretVolumeSource" => json!({ "secretName": OBJECT }),
        "ServiceAccountTokenProjection" => json!({ "path": "token" }),
        "StorageClass" => json!({ "provisioner": "example.com/local" }),
        "SleepAction" => json!({ "seconds": 1 }),
        "Sysctl" => json!({ "name": "kernel.shm_rmid_forced", "value": "1" }),
        "Volume" => json!({ "name": "data" }),
        "VolumeDevice" => json!({ "name": "disk", "devicePath": "/dev/example" }),
        "VolumeMount" if next == "recursiveReadOnly" => {
            json!({ "name": "data", "mountPath": "/data", "readOnly": true })
        }
        "VolumeMount" => json!({ "name": "data", "mountPath": "/data" }),
        "VolumeProjection" if next.is_empty() => json!({ "configMap": { "name": OBJECT } }),
        _ => json!({}),
    }
}
