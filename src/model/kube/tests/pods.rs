//! Pods and Deployments as a whole, and published ports.

use super::*;
use crate::model::{EmptyDirMedium, EnvValue, Handler, Port, Protocol, VolumeSource, WorkloadKind};

#[test]
fn a_pod_is_lowered() {
    let text = r#"apiVersion: v1
kind: Pod
metadata:
  name: web
  labels: {app: web}
spec:
  restartPolicy: OnFailure
  terminationGracePeriodSeconds: 5
  hostAliases: [{ip: 10.0.0.1, hostnames: [db]}]
  volumes:
    - name: data
      emptyDir: {medium: Memory, sizeLimit: 1Mi}
    - name: here
      hostPath: {path: ./site, type: Directory}
    - name: plain
      emptyDir:
    - name: facts
      projected:
        sources:
          - downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}
  initContainers:
    - name: log
      image: i
      restartPolicy: Always
      startupProbe: {exec: {command: ["true"]}}
  containers:
    - name: c
      image: i
      env: [{name: MEM, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}]
      ports: [{name: http, containerPort: 80, hostPort: 8080, hostIP: 0.0.0.0}]
      readinessProbe: {httpGet: {port: http, path: ready}, successThreshold: 2}
      resources: {limits: {cpu: 0.5, memory: 64Mi}, requests: {cpu: 100m}}
      securityContext: {runAsUser: 1000, capabilities: {drop: [all], add: [CAP_CHOWN]}}
      volumeMounts: [{name: here, mountPath: /srv/site/, readOnly: true, subPath: a/./b}]
"#;
    let app = application(text);
    assert_eq!(app.name, "web");
    let pod = &app.pods[0];
    assert_eq!(
        (pod.namespace.as_str(), pod.service_account.as_str(), pod.termination_grace_seconds),
        ("default", "default", 5)
    );
    assert!(pod.init_containers[0].sidecar && pod.init_containers[0].startup_probe.is_some());
    let memory = VolumeSource::EmptyDir { medium: EmptyDirMedium::Memory, size_limit: Some(1 << 20), mode: None };
    assert_eq!(pod.volume("data").unwrap().source, memory);
    let VolumeSource::HostPath { path, .. } = &pod.volume("here").unwrap().source else { panic!("a hostPath") };
    assert_eq!(path, "/dir/site");
    assert!(matches!(pod.volume("plain").unwrap().source, VolumeSource::EmptyDir { .. }));
    let c = &pod.containers[0];
    let port = Port {
        name: Some("http".into()),
        container_port: 80,
        host_port: Some(8080),
        host_ip: None,
        protocol: Protocol::Tcp,
    };
    assert_eq!(c.ports, [port]);
    let Handler::Http(get) = &c.readiness_probe.as_ref().unwrap().handler else { panic!("httpGet") };
    assert_eq!((get.port, get.path.as_str(), get.https), (80, "/ready", false));
    let r = c.resources;
    assert_eq!((r.cpu_limit_milli, r.cpu_request_milli, r.memory_request), (Some(500), Some(100), Some(64 << 20)));
    assert_eq!(
        (c.security.capabilities.drop.as_slice(), c.security.capabilities.add.as_slice()),
        (&["ALL".to_owned()][..], &["CHOWN".to_owned()][..])
    );
    assert_eq!((c.mounts[0].path.as_str(), c.mounts[0].sub_path.as_deref()), ("/srv/site", Some("a/b")));
    assert!(matches!(&c.env[0].value, EnvValue::Resource { divisor, .. } if divisor == "1Mi"));
}

fn deployment(spec: &str, pod: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, labels: {{x: z}}}}\nspec:\n  selector: {{matchLabels: {{app: web}}}}\n{}  template:\n    metadata: {{labels: {{app: web, tier: front}}}}\n    spec:\n      containers: [{{name: c, image: i{pod}}}]\n",
        indent(spec, 2)
    )
}

#[test]
fn a_deployment_becomes_its_pods() {
    let app = application(&deployment("replicas: 3", ""));
    let names: Vec<_> = app.pods.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["web-pod", "web-pod-2", "web-pod-3"]);
    assert!(app.pods.iter().all(|p| p.workload.as_deref() == Some("web") && p.labels["tier"] == "front"));
    assert!(!app.pods[0].labels.contains_key("x"));
    let workload = &app.workloads[0];
    assert_eq!((app.name.as_str(), workload.kind, workload.replicas), ("web", WorkloadKind::Deployment, 3));
    assert_eq!(workload.pods, names);
    let none = application(&deployment("replicas: 0", ""));
    assert_eq!((none.pods.len(), none.name.as_str()), (0, "web"));
}

#[test]
fn rules_of_deployments() {
    finds(&deployment("replicas: -1", ""), &["K115", "0 to 1000"]);
    finds(&deployment("strategy: {type: Rolling}", ""), &["K115", "RollingUpdate"]);
    finds(&deployment("strategy: {type: Recreate}", ""), &["info[K301]", "strategy"]);
    finds(&deployment("revisionHistoryLimit: 3", ""), &["info[K301]"]);
    finds(&deployment("", "").replace("matchLabels: {app: web}", "matchLabels: {app: wep}"), &["K206", "`app: web`"]);
    let expression =
        |e: &str| deployment("", "").replace("matchLabels: {app: web}", &format!("matchExpressions: [{{{e}}}]"));
    finds(&expression("key: app, operator: In, values: [a]"), &["K206"]);
    finds(&expression("key: app, operator: Exists, values: [a]"), &["K118", "no `values`"]);
    finds(&expression("key: app, operator: in, values: [web]"), &["K115", "did you mean `In`?"]);
    application(&expression("key: app, operator: In, values: [a, web]"));
    finds(
        &deployment("", "").replace("      containers", "      restartPolicy: Never\n      containers"),
        &["K118", "restart always"],
    );
    finds(
        &deployment("replicas: 9", ", ports: [{containerPort: 80, hostPort: 80}]"),
        &["K204", "`web-pod` and by pod `web-pod-2`"],
    );
    let two = format!("{}---\n{}", deployment("", ""), with_spec("").replace("name: p}", "name: web-pod}"));
    finds(&two, &["K205", "two pods would be named `web-pod`"]);
}

/// Container and host port of each port of each pod, or what is found.
type Published = Result<Vec<Vec<(u16, Option<u16>)>>, Vec<String>>;

fn published(text: &str, publish: &[&str], all: bool) -> Published {
    let publish = publish.iter().map(|s| (*s).to_owned()).collect();
    let loaded = load_text(text, &LoadOptions { publish, publish_all: all, ..LoadOptions::default() });
    let found = shown(&loaded);
    let app = loaded.application.ok_or(found)?;
    let ports = |p: &crate::model::Pod| {
        p.all_containers().flat_map(|c| &c.ports).map(|p| (p.container_port, p.host_port)).collect()
    };
    Ok(app.pods.iter().map(ports).collect())
}

#[test]
fn ports_of_the_command_line() {
    let text = with_container("ports: [{containerPort: 80, hostPort: 8000, name: web}, {containerPort: 81}]");
    assert_eq!(published(&text, &["9000:80"], false), Ok(vec![vec![(80, Some(9000)), (81, None)]]));
    assert_eq!(
        published(&text, &["9000:80/udp"], false),
        Ok(vec![vec![(80, Some(8000)), (81, None), (80, Some(9000))]])
    );
    assert_eq!(
        published(&text, &["9000:90"], true),
        Ok(vec![vec![(80, Some(8000)), (81, Some(81)), (90, Some(9000))]])
    );
    let other = with_container("ports: [{containerPort: 90}]").replace("name: p}", "name: q}");
    let two = format!("{text}---\n{other}");
    assert_eq!(published(&two, &["9000:80"], false), Ok(vec![vec![(80, Some(9000)), (81, None)], vec![(90, None)]]));
    let clash = published(&two, &["9000:95"], false).unwrap_err();
    assert!(clash.len() == 1 && clash[0].contains("K204"), "{clash:#?}");
    let wrong = published(&text, &["80:x"], false).unwrap_err();
    assert!(wrong.len() == 1 && wrong[0].contains("error[K120] 1:1"), "{wrong:#?}");
}

#[test]
fn host_ports_of_different_addresses_do_not_clash() {
    let ports = |a: &str, b: &str| {
        with_container(&format!(
            "ports: [{{containerPort: 80, hostPort: 80, hostIP: {a}}}, {{containerPort: 81, hostPort: 80, hostIP: {b}}}]"
        ))
    };
    assert_eq!(application(&ports("127.0.0.1", "127.0.0.2")).pods.len(), 1);
    finds(&ports("127.0.0.1", "0.0.0.0"), &["K204"]);
    application(&with_container(
        "ports: [{containerPort: 80, hostPort: 80}, {containerPort: 80, hostPort: 80, protocol: UDP}]",
    ));
}

#[test]
fn ports_on_the_host_network() {
    let text = |port: &str| format!("{}  hostNetwork: true\n", with_container(&format!("ports: [{{{port}}}]")));
    finds(&text("containerPort: 80, hostPort: 80"), &["info[K301]", "hostNetwork"]);
    finds(&text("containerPort: 80, hostPort: 81"), &["K118", "must be the container's (80)"]);
    assert_eq!(application(&text("containerPort: 80")).pods[0].containers[0].ports[0].host_port, None);
}

#[test]
fn all_problems_are_found_at_once_and_in_order() {
    let text = with_container(
        "imagee: x\nports: [{containerPort: '80'}]\nvolumeMounts: [{name: no, mountPath: rel}]\nenv: [{name: A, value: 1}]\nrestartPolicy: Sometimes",
    );
    let found = shown(&load_text(&text, &LoadOptions::default()));
    let places: Vec<_> = found.iter().map(|f| f.split(' ').nth(1).unwrap()).collect();
    assert_eq!(places, ["8:7", "9:31", "10:29", "10:44", "11:30", "12:22"], "{found:#?}");
}

#[test]
fn two_containers_that_list_one_port() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - {name: a, image: i, ports: [{containerPort: 80}]}\n  - {name: b, image: i, ports: [{containerPort: 80}]}\n";
    finds(text, &["warning[K119]", "share one address"]);
}

#[test]
fn a_pods_own_resources_are_settled_with_its_containers() {
    let with = |own: &str, of_container: &str| {
        with_container(&format!("resources: {of_container}"))
            .replace("spec:\n", &format!("spec:\n  resources: {own}\n"))
    };
    let own = |own: &str, of_container: &str| {
        application(&with(own, of_container)).pods.remove(0).resources.map(|r| (r.cpu_request_milli, r.cpu_limit_milli))
    };
    assert_eq!(own("{limits: {cpu: 2}}", "{}"), Some((Some(2000), Some(2000))));
    assert_eq!(own("{limits: {cpu: 2}}", "{requests: {cpu: 500m}}"), Some((Some(500), Some(2000))));
    assert_eq!(own("{requests: {cpu: 1}}", "{requests: {cpu: 500m}}"), Some((Some(1000), None)));
    finds(&with("{requests: {cpu: 1}}", "{requests: {cpu: 2}}"), &["the containers together request more cpu"]);
    finds(
        &with("{limits: {memory: 64Mi}}", "{limits: {memory: 128Mi}, requests: {memory: 1Mi}}"),
        &["`c` has a memory limit"],
    );
}

#[test]
fn a_resize_policy_needs_a_container_that_is_started_again() {
    let container = "resizePolicy: [{resourceName: memory, restartPolicy: RestartContainer}]";
    let policy = |text: &str| application(text).pods[0].containers[0].resize_policy;
    assert!(
        policy(&with_container(container)).restart_for_memory && !policy(&with_container(container)).restart_for_cpu
    );
    let never = |text: String| text.replace("spec:\n", "spec:\n  restartPolicy: Never\n");
    finds(&never(with_container(container)), &["K118", "is not restarted"]);
    let own = with_container(&format!("restartPolicy: OnFailure\n{container}"));
    assert!(policy(&never(own)).restart_for_memory, "the container's own policy counts");
}

#[test]
fn classes_of_the_files_give_priority_and_overhead() {
    let classes = "---\napiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: high}\nvalue: 1000\n\
                   ---\napiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata: {name: fast}\nhandler: crun\n\
                   overhead: {podFixed: {cpu: 250m, memory: 1Mi}}\n";
    let pod = application(&(with_spec("priorityClassName: high\nruntimeClassName: fast") + classes)).pods.remove(0);
    assert_eq!(
        (pod.priority, pod.priority_class.as_deref(), pod.runtime_class.as_deref()),
        (1000, Some("high"), Some("fast"))
    );
    assert_eq!(pod.total_resources().cpu_request_milli, Some(250));
    let text = with_spec("runtimeClassName: fast") + &classes.replace("crun", "kata");
    finds(&text, &["K302", "`kata` is not supported"]);
    let defaulted = with_spec("") + &classes.replace("value: 1000", "value: 7\nglobalDefault: true");
    assert_eq!(application(&defaulted).pods[0].priority, 7);
}
