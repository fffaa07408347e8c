//! One rule each: what is written, and what is found.

use super::*;

#[test]
fn names_of_images() {
    for (image, words) in [
        ("registry.test/App", &["K114", "6:22", "upper-case"][..]),
        ("app:a b", &["K114", "a b"]),
        ("app@sha256:12", &["K114", "app@sha256:12"]),
    ] {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers:\n  - {{name: c, image: '{image}'}}\n"
        );
        finds(&text, words);
    }
}

#[test]
fn rules_of_containers() {
    let table = [
        ("image: ''", &["K006"][..]),
        ("workingDir: app", &["K114", "8:19", "absolute"]),
        ("imagePullPolicy: always", &["K115", "did you mean `Always`?", "IfNotPresent"]),
        ("terminationMessagePolicy: Log", &["K115", "FallbackToLogsOnError"]),
        (
            "volumeDevices: [{name: d, devicePath: /dev/x}]",
            &["error[K203]", "spec.containers[0].volumeDevices[0].name"],
        ),
        ("resizePolicy: [{resourceName: disk, restartPolicy: NotRequired}]", &["K115", "8:37", "`memory`"]),
        ("resizePolicy: [{resourceName: cpu, restartPolicy: Restart}]", &["K115", "RestartContainer"]),
        ("resizePolicy: [{resourceName: cpu, restartPolicy: ''}]", &["K113", "restartPolicy"]),
        (
            "resizePolicy: [{resourceName: cpu, restartPolicy: NotRequired}, {resourceName: cpu, restartPolicy: NotRequired}]",
            &["K116", "two policies for `cpu`"],
        ),
        (
            "restartPolicy: Never\nresizePolicy: [{resourceName: memory, restartPolicy: RestartContainer}]",
            &["K118", "NotRequired"],
        ),
        ("restartPolicy: never", &["K115", "did you mean `Never`?"]),
        (
            "restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [1]}}]",
            &["K113", "own `restartPolicy`"],
        ),
        (
            "restartPolicy: Never\nrestartPolicyRules: [{action: Stop, exitCodes: {operator: In, values: [1]}}]",
            &["K115", "RestartAllContainers"],
        ),
        ("restartPolicy: Never\nrestartPolicyRules: [{action: Restart}]", &["K113", "exitCodes"]),
        (
            "restartPolicy: Never\nrestartPolicyRules: [{action: Restart, exitCodes: {operator: Is, values: [1]}}]",
            &["K115", "NotIn"],
        ),
        (
            "restartPolicy: Never\nrestartPolicyRules: [{action: Restart, exitCodes: {operator: In}}]",
            &["K113", "values"],
        ),
        ("volumeMounts: [{name: data, mountPath: /data}]", &["K203", "8:29", "below `spec.volumes`"]),
        ("ports: [{containerPort: 70000}]", &["K115", "1 to 65535, not 70000"]),
        ("ports: [{containerPort: -1}]", &["K115"]),
        ("ports: [{protocol: TCP}]", &["K113", "containerPort"]),
        ("ports: [{containerPort: 80, protocol: tcp}]", &["K115", "did you mean `TCP`?"]),
        ("ports: [{containerPort: 80, hostIP: localhost}]", &["K114", "no IP address"]),
        ("ports: [{containerPort: 80, name: much-too-long-name}]", &["K114", "15 characters"]),
        ("ports: [{containerPort: 80, name: a}, {containerPort: 81, name: a}]", &["K116", "two ports are named `a`"]),
        ("ports: [{containerPort: 80, hostPort: 1}, {containerPort: 81, hostPort: 1}]", &["K204", "twice by pod `p`"]),
        ("ports: [{containerPort: 80}, {containerPort: 80}]", &["warning[K119]", "listed twice"]),
        ("env: [{name: A=B, value: x}]", &["K114", "without `=`"]),
        ("env: [{name: A, value: x}, {name: A, value: z}]", &["warning[K119]", "set twice"]),
        ("env: [{name: A, value: x, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]", &["K118", "exclude"]),
        ("env: [{name: A, valueFrom: {}}]", &["K118", "exactly one"]),
        (
            "env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.nam}}}]",
            &["K115", "did you mean `metadata.name`?"],
        ),
        ("env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.labels}}}]", &["K115", "['key']"]),
        ("env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpus}}}]", &["did you mean `limits.cpu`?"]),
        (
            "env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 2}}}]",
            &["K115", "possible: `1m`, `1`"],
        ),
        (
            "env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, containerName: d}}}]",
            &["K208", "no container `d`"],
        ),
        ("env: [{name: A, valueFrom: {fileKeyRef: {volumeName: v, path: p, key: k}}}]", &["K208", "no volume `v`"]),
        ("env: [{name: A, value: $(B)}]", &["warning[K207]", "`B` is not defined", "$$(B)"]),
        ("args: [$(PORTT)]\nenv: [{name: PORT, value: x}]", &["warning[K207]", "did you mean `PORT`?"]),
        ("envFrom: [{prefix: a_}]", &["K118", "either"]),
        ("resources: {limits: {cpus: 1}}", &["K115", "did you mean `cpu`?"]),
        ("resources: {limits: {nvidia.com/gpu: 1.5}}", &["K117", "whole number"]),
        ("resources: {limits: {nvidia.com/gpu: 9999}}", &["K117", "0 to 1024"]),
        ("resources: {limits: {nvidia.com/gpu=0: 2}}", &["K117", "one device"]),
        ("resources: {limits: {nvidia.com/gpu=../x: 1}}", &["K114", "a device's name"]),
        ("resources: {limits: {1nvidia/gpu: 1}}", &["K114", "vendor.com/class"]),
        ("resources: {requests: {nvidia.com/gpu: 1}}", &["K118", "below `limits`"]),
        ("resources: {limits: {nvidia.com/gpu: 1}, requests: {nvidia.com/gpu: 2}}", &["K117", "differ"]),
        ("resources: {limits: {'podman.io/device=/dev/../x': 1}}", &["K114", "`..`"]),
        ("resources: {limits: {'podman.io/device=/dev/x:rwx': 1}}", &["K115", "`r`, `w` and `m`"]),
        ("resources: {limits: {'podman.io/device=/dev/x:/y:r:z': 1}}", &["K114", "too many parts"]),
        ("resources: {limits: {memory: 64Mi, hugepages-2Mi: 4Mi}}", &["K302", "no pages of `2Mi`"]),
        ("resources: {limits: {memory: 64Mi}, requests: {memory: 65Mi}}", &["K117", "above the memory limit"]),
        ("resources: {limits: {memory: -1}}", &["K117", "negative"]),
        ("resources: {limits: {memory: 128m}}", &["warning[K119]", "`Mi`"]),
        ("resources: {limits: {memory: 128}}", &["warning[K119]", "128 bytes"]),
        ("resources: {claims: [{name: c}]}", &["K302", "claims"]),
        ("lifecycle: {stopSignal: TERM}", &["K115", "did you mean `SIGTERM`?"]),
        ("lifecycle: {preStop: {}}", &["K118", "what to do"]),
        ("lifecycle: {preStop: {sleep: {seconds: 31}}}", &["K115", "0 to 30"]),
        ("lifecycle: {preStop: {tcpSocket: {port: 1}}}", &["K302", "tcpSocket"]),
    ];
    finds_each(table.map(|(fields, parts)| (with_container(fields), parts)));
}

#[test]
fn rules_of_probes() {
    let table = [
        ("livenessProbe: {}", &["K118", "what to do"][..]),
        ("livenessProbe: {grpc: {port: 0}}", &["K115", "1 to 65535"]),
        (
            "ports: [{name: health, containerPort: 80}]\nlivenessProbe: {grpc: {port: health}}",
            &["K102", "must be an integer"],
        ),
        ("livenessProbe: {grpc: {port: 1, mode: tls}}", &["K115", "did you mean `TLS`?"]),
        ("livenessProbe: {grpc: {port: 1}, tcpSocket: {port: 1}}", &["K118", "2 actions"]),
        ("livenessProbe: {exec: {}}", &["K113", "command"]),
        ("livenessProbe: {exec: {command: [a]}, tcpSocket: {port: 1}}", &["K118", "2 actions"]),
        ("livenessProbe: {tcpSocket: {port: 0}}", &["K115"]),
        ("livenessProbe: {tcpSocket: {port: '80'}}", &["K114", "remove the quotes"]),
        ("livenessProbe: {tcpSocket: {port: http}}", &["K208", "no port named `http`"]),
        ("ports: [{name: web, containerPort: 80}]\nlivenessProbe: {tcpSocket: {port: wev}}", &["did you mean `web`?"]),
        ("livenessProbe: {tcpSocket: {port: 1}, periodSeconds: -1}", &["K115", "at least 1, not -1", "periodSeconds"]),
        ("livenessProbe: {tcpSocket: {port: 1}, initialDelaySeconds: -1}", &["K115", "at least 0"]),
        ("livenessProbe: {tcpSocket: {port: 1}, successThreshold: 2}", &["K115", "must be 1"]),
        ("startupProbe: {tcpSocket: {port: 1}, successThreshold: 2}", &["K115", "must be 1"]),
        ("readinessProbe: {tcpSocket: {port: 1}, terminationGracePeriodSeconds: 2}", &["K118"]),
        ("livenessProbe: {tcpSocket: {port: 1}, terminationGracePeriodSeconds: 0}", &["K115", "at least 1"]),
        ("livenessProbe: {httpGet: {port: 1, scheme: https}}", &["K115", "did you mean `HTTPS`?"]),
        ("livenessProbe: {httpGet: {port: 1, path: a b}}", &["K114", "blanks"]),
        ("livenessProbe: {httpGet: {port: 1, httpHeaders: [{name: 'a:', value: b}]}}", &["K114", "header name"]),
    ];
    finds_each(table.map(|(probe, parts)| (with_container(probe), parts)));
    let zeroes = "livenessProbe: {tcpSocket: {port: 1}, periodSeconds: 0, timeoutSeconds: 0, failureThreshold: 0}";
    let pod = application(&with_container(zeroes)).pods.remove(0);
    let probe = pod.containers[0].liveness_probe.as_ref().expect("a probe");
    let numbers = [probe.initial_delay_seconds, probe.period_seconds, probe.timeout_seconds, probe.failure_threshold];
    assert_eq!(numbers, [0, 10, 1, 3]);
}

#[test]
fn rules_of_mounts() {
    let table = [
        ("name: v, mountPath: data", &["K114", "absolute", "did you mean `/data`?"][..]),
        ("name: v, mountPath: ''", &["K113", "mountPath"]),
        ("name: v, mountPath: '/a:ro'", &["K114", "`readOnly: true`"]),
        ("name: v, mountPath: /a/../b", &["K114", "`..`"]),
        ("name: v, mountPath: /", &["K304"]),
        ("name: v, mountPath: /proc/sys", &["K304"]),
        ("name: w, mountPath: /a", &["K203", "declared volumes: `v`"]),
        ("name: v, mountPath: /a, subPath: ../b", &["K114", "`..`"]),
        ("name: v, mountPath: /a, subPath: /b", &["K114", "relative"]),
        ("name: v, mountPath: /a, subPath: b, subPathExpr: c", &["K118", "exclude"]),
        ("name: v, mountPath: /a, subPathExpr: $(NO)", &["error[K207]", "`NO` is not defined"]),
        ("name: v, mountPath: /a, mountPropagation: Bidirectional", &["K118", "privileged"]),
        ("name: v, mountPath: /a, mountPropagation: Shared", &["K115", "HostToContainer"]),
        ("name: v, mountPath: /a, recursiveReadOnly: Enabled", &["K118", "readOnly"]),
        ("name: v, mountPath: /a}, {name: v, mountPath: /a/", &["K116", "mounted at `/a`"]),
    ];
    finds_each(table.map(|(mount, parts)| {
        (format!("{}  volumes: [{{name: v}}]\n", with_container(&format!("volumeMounts: [{{{mount}}}]"))), parts)
    }));
}

#[test]
fn rules_of_volumes() {
    let table = [
        ("emptyDir: {}, hostPath: {path: /a}", &["K118", "2 sources"][..]),
        ("emptyDir: {medium: memory}", &["K115", "did you mean `Memory`?"]),
        ("emptyDir: {medium: HugePages-2Mi}", &["K302", "no pages of `2Mi`"]),
        ("emptyDir: {medium: HugePages}", &["K118", "no container of the pod asks for huge pages"]),
        ("emptyDir: {sizeLimit: 1GB}", &["K107", "1G"]),
        ("hostPath: {}", &["K113", "path"]),
        ("hostPath: {path: /a/../b}", &["K114", "`..`"]),
        ("hostPath: {path: /a, type: Dir}", &["K115", "DirectoryOrCreate"]),
        ("nfs: {server: s, path: /}", &["error[K302]", "no program `mount.nfs`", "nfs-common", "volumes[0].nfs"]),
        ("nfs: {path: /a}", &["K113", "server"]),
        ("nfs: {server: a}", &["K113", "path"]),
        ("rbd: {image: i, monitors: [m]}", &["error[K302]", "`rbd`", "hostPath"]),
        ("csi: {driver: d}", &["K302"]),
        ("image: {}", &["K113", "reference"]),
        ("image: {reference: a b}", &["K114", "spec.volumes[0].image.reference"]),
        ("ephemeral: {}", &["K113", "volumeClaimTemplate"]),
        (
            "ephemeral: {volumeClaimTemplate: {metadata: {generateName: a-}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}",
            &["K302", "generateName", "named after its pod"],
        ),
        ("emptyDir: {mode: 010000}", &["K115", "01777"]),
        ("persistentVolumeClaim: {claimName: A}", &["K114"]),
        ("configMap: {name: none}", &["K201", "ConfigMap `none` does not exist", "optional: true"]),
        ("configMap: {name: none, optional: true, defaultMode: 644}", &["K115", "write `0644`"]),
        ("configMap: {name: none, optional: true, items: [{key: a, path: ../a}]}", &["K114"]),
        ("configMap: {name: none, optional: true, items: [{key: a, path: b}, {key: c, path: b}]}", &["K116"]),
        ("secret: {}", &["K113", "secretName"]),
        ("downwardAPI: {items: [{path: a}]}", &["K118", "either"]),
        ("downwardAPI: {items: [{path: a, resourceFieldRef: {resource: limits.cpu}}]}", &["K113", "containerName"]),
        ("downwardAPI: {items: [{path: a, fieldRef: {fieldPath: status.podIP}}]}", &["K115", "of `metadata`"]),
        ("projected: {sources: [{}]}", &["K118", "not 0"]),
        ("projected: {sources: [{clusterTrustBundle: {name: a, path: b}}]}", &["K302", "publishes certificates"]),
        ("projected: {sources: [{podCertificate: {keyType: ED25519, signerName: a/b}}]}", &["K302", "signer"]),
        ("projected: {sources: [{serviceAccountToken: {}}]}", &["K113", "`path`"]),
        ("projected: {sources: [{serviceAccountToken: {path: ../token}}]}", &["K114"]),
        ("projected: {sources: [{serviceAccountToken: {path: token, expirationSeconds: 599}}]}", &["K115", "from 600"]),
        (
            "projected: {sources: [{serviceAccountToken: {path: a}}, {serviceAccountToken: {path: a}}]}",
            &["K116", "two files of the volume are `a`"],
        ),
        ("projected: {sources: [{configMap: {name: kube-root-ca.crt}}]}", &["info[K301]", "no cluster publishes"]),
    ];
    finds_each(table.map(|(volume, parts)| (with_spec(&format!("volumes: [{{name: v, {volume}}}]")), parts)));
    finds(&with_spec("volumes: [{name: v}, {name: v}]"), &["K116", "declared twice", "5:"][..2]);
    finds(&with_spec("volumes: [{name: V_1}]"), &["K114", "lower-case"]);
}

#[test]
fn rules_of_pods() {
    let table = [
        ("restartPolicy: always", &["K115", "6:18", "did you mean `Always`?"][..]),
        ("terminationGracePeriodSeconds: -1", &["K115", "at least 0"]),
        ("activeDeadlineSeconds: 0", &["K115", "at least 1"]),
        ("hostUsers: false\nhostNetwork: true", &["K118", "exclude each other"]),
        ("hostUsers: false\nhostIPC: true", &["K118", "exclude each other"]),
        (
            "hostUsers: false\nsecurityContext: {fsGroup: 65536}",
            &["K115", "securityContext.fsGroup", "ids end at 65535"],
        ),
        ("runtimeClassName: gvisor", &["error[K302]", "one runtime", "RuntimeClass"]),
        ("overhead: {cpu: 1}", &["K302", "RuntimeClass"]),
        ("priorityClassName: system-node-critical\npriority: 5", &["K118", "priority 2000001000"]),
        ("resources: {limits: {ephemeral-storage: 1Gi}}", &["K115", "CPU and memory only"]),
        ("nodeSelector: {a: b}", &["info[K301]", "one machine"]),
        ("tolerations: [{key: a}]", &["info[K301]"]),
        ("affinity: {}", &["info[K301]"]),
        ("priorityClassName: high", &["info[K301]"]),
        ("imagePullSecrets: [{}]", &["K113", "name"]),
        ("schedulingGates: [{name: a}]", &["K302"]),
        ("ephemeralContainers: [{name: a, image: b}]", &["K302", "podkin debug"]),
        ("os: {name: windows}", &["K302", "Linux"]),
        ("hostPID: true\nshareProcessNamespace: true", &["K118", "exclude"]),
        ("hostname: a.b", &["K114"]),
        ("hostAliases: [{ip: none, hostnames: [a]}]", &["K114", "no IP address"]),
        ("hostAliases: [{ip: 127.0.0.1, hostnames: [A]}]", &["K114", "host name"]),
        ("dnsPolicy: Cluster", &["K115", "ClusterFirst"]),
        ("dnsPolicy: None", &["K113", "name server"]),
        ("dnsConfig: {nameservers: [a]}", &["K114", "no IP address"]),
        ("dnsConfig: {nameservers: [1.1.1.1, 1.1.1.2, 1.1.1.3, 1.1.1.4]}", &["K115", "at most 3"]),
        ("dnsConfig: {searches: [-a]}", &["K114"]),
        ("subdomain: a.b", &["K114", "subdomain"]),
        ("setHostnameAsFQDN: true", &["info[K301]", "without a `subdomain`"]),
        ("hostNetwork: true\nsubdomain: s\nsetHostnameAsFQDN: true", &["info[K301]", "`hostNetwork`"]),
        ("hostnameOverride: a.b\nsetHostnameAsFQDN: true", &["K118", "another host name"]),
        (
            "hostname: h\nsubdomain: a-subdomain-that-is-long-enough-to-fill-it\nsetHostnameAsFQDN: true",
            &["K115", "at most 64"],
        ),
        ("dnsConfig: {options: [{value: a}]}", &["K113", "name"]),
        ("initContainers: [{name: i, image: i, ports: [{containerPort: 80, hostPort: 80}]}]", &["info[K301]", "ports"]),
        ("initContainers: [{name: c, image: i}]", &["K116", "two containers are named `c`"]),
        ("initContainers: [{name: i, image: i, livenessProbe: {tcpSocket: {port: 1}}}]", &["K118", "sidecar"]),
        (
            "initContainers: [{name: i, image: i, resizePolicy: [{resourceName: cpu, restartPolicy: NotRequired}]}]",
            &["K118", "`resizePolicy`", "sidecar"],
        ),
        ("initContainers: [{name: i, image: i, lifecycle: {preStop: {sleep: {seconds: 1}}}}]", &["K118", "lifecycle"]),
    ];
    finds_each(table.map(|(fields, parts)| (with_spec(fields), parts)));
}

#[test]
fn rules_of_security_contexts() {
    let table = [
        ("runAsUser: -1", &["K115", "0 to 2147483647"][..]),
        ("runAsUser: 4294967296", &["K115"]),
        ("runAsUser: 0, runAsNonRoot: true", &["K118", "contradicts"]),
        ("seLinuxOptions: {level: s0}", &["info[K301]", "no SELinux"]),
        ("seLinuxOptions: {type: 'a b'}", &["K114", "no part of a label"]),
        ("windowsOptions: {}", &["error[K302]"]),
        ("appArmorProfile: {type: Localhost, localhostProfile: a}", &["error[K302]", "no AppArmor"]),
        ("appArmorProfile: {type: Localhost}", &["K113", "localhostProfile"]),
        ("appArmorProfile: {type: Unconfined, localhostProfile: a}", &["K118"]),
        ("appArmorProfile: {type: RuntimeDefault}", &["info[K301]"]),
        ("seccompProfile: {type: Localhost}", &["K113", "localhostProfile"]),
        ("seccompProfile: {type: Localhost, localhostProfile: ../a}", &["K114"]),
        ("seccompProfile: {type: RuntimeDefault, localhostProfile: a}", &["K118"]),
        ("seccompProfile: {type: runtime/default}", &["K115", "RuntimeDefault"]),
    ];
    let context = |fields: &str| format!("securityContext: {{{fields}}}");
    finds_each(table.map(|(fields, parts)| (with_container(&context(fields)), parts)));
    finds_each(table.map(|(fields, parts)| (with_spec(&context(fields)), parts)));
    let table = [
        ("capabilities: {add: [NET_ADMINN]}", &["K115", "did you mean `NET_ADMIN`?"][..]),
        ("allowPrivilegeEscalation: false, privileged: true", &["K118"]),
        ("allowPrivilegeEscalation: false, capabilities: {add: [CAP_SYS_ADMIN]}", &["K118"]),
        ("procMount: unmasked", &["K115", "did you mean `Unmasked`?"]),
        ("procMount: Unmasked", &["K302", "`hostUsers: false`"]),
    ];
    finds_each(table.map(|(fields, parts)| (with_container(&context(fields)), parts)));
    let table = [
        (
            "sysctls: [{name: kernel.msgmax, value: '1'}]",
            &["K304", "safe:", "--allowed-unsafe-sysctls kernel.msgmax"][..],
        ),
        ("sysctls: [{name: kernel.panic, value: '1'}]", &["K304", "the machine's"]),
        ("sysctls: [{name: net.ipv4.../kernel, value: '1'}]", &["K114"]),
        (
            "sysctls: [{name: kernel.shm_rmid_forced, value: '1'}, {name: kernel/shm_rmid_forced, value: '0'}]",
            &["K116"],
        ),
        ("sysctls: [{name: net.ipv4.tcp_syncookie, value: '1'}]", &["K304", "did you mean `net.ipv4.tcp_syncookies`?"]),
        ("sysctls: [{name: net.ipv4.tcp_syncookies, value: \"1\\n\"}]", &["K114", "numbers"]),
        ("sysctls: [{name: net.ipv4.tcp_syncookies, value: '1+kernel.x=1'}]", &["K114"]),
        ("supplementalGroupsPolicy: strict", &["K115", "did you mean `Strict`?"]),
        ("seLinuxChangePolicy: Never", &["K115", "MountOption"]),
        ("fsGroupChangePolicy: Never", &["K115", "OnRootMismatch"]),
        ("supplementalGroups: [-5]", &["K115", "supplementalGroups[0]"]),
    ];
    finds_each(table.map(|(fields, parts)| (with_spec(&context(fields)), parts)));
    let text =
        with_spec("hostNetwork: true\nsecurityContext: {sysctls: [{name: net/ipv4/tcp_syncookies, value: '1'}]}");
    finds(&text, &["K118", "hostNetwork"]);
}

#[test]
fn rules_of_annotations() {
    let with =
        |annotation: &str| with_spec("").replace("{name: p}", &format!("{{name: p, annotations: {{{annotation}}}}}"));
    let table = [
        ("io.podman.annotations.pids-limit/d: '5'", &["K208", "no container `d`"][..]),
        ("io.podman.annotations.pids-limit/c: many", &["K115"]),
        ("io.podman.annotations.ulimit: nofiles=5", &["K115", "did you mean `nofile`?"]),
        ("io.podman.annotations.ulimit: nofile=5:4", &["K114"]),
        ("io.podman.annotations.userns: own", &["K115", "possible: `host`, `auto`, `private`, `keep-id`"]),
        ("io.podman.annotations.userns: nomap", &["K302", "use `auto`"]),
        ("io.podman.annotations.userns: ns:/proc/1/ns/user", &["K302", "is its own"]),
        ("io.podman.annotations.userns: auto:size=0", &["K115", "from 1 to"]),
        ("io.podman.annotations.userns: auto:sise=5", &["K115", "did you mean `size`?"]),
        ("io.podman.annotations.userns: 'auto:uidmapping=0:0:1'", &["K302", "not for its file to choose"]),
        ("io.podman.annotations.userns: keep-id:uid=5", &["K115", "takes no options"]),
        ("io.podman.annotations.userns/q: auto", &["K208", "not named `q`"]),
        (
            "io.podman.annotations.userns: auto, io.podman.annotations.userns/p: host",
            &["info[K301]", "comes before it"],
        ),
        ("io.podman.annotations.pids-limit: '5'", &["K114", "one container", "pids-limit/CONTAINER"]),
        ("io.podman.annotations.ulimit/c: nofile=5", &["K114", "whole pod"]),
        ("io.podman.annotations.volume-from/c: d", &["warning[K119]", "did you mean `volumes-from`?"]),
        ("io.podman.annotations.volumes-from/c: d", &["K208", "no other container `d`"]),
        ("io.podman.annotations.volumes-from/c: c", &["K208", "no other container `c`"]),
        ("io.podman.annotations.init.container.type: twice", &["K115", "`once`"]),
        ("io.podman.annotations.init.container.type: once", &["warning[K303]", "every start"]),
        ("io.podman.annotations.infra.name: pause", &["info[K301]", "no infra container"]),
        ("io.podman.annotations.cid-file/c: /tmp/c", &["info[K301]"]),
        ("io.podman.annotations.cpuset/c: '0,x'", &["K114", "`0,x` is no list of CPUs"]),
        ("io.podman.annotations.cpuset/c: ''", &["K114", "no list of CPUs"]),
        ("io.podman.annotations.memory-nodes/c: 3-1", &["K114", "no list of memory nodes", "ends before it begins"]),
        ("io.podman.annotations.autoremove/c: 'yes'", &["K115", "`TRUE`"]),
        ("io.podman.annotations.publish-all/c: 'TRUE'", &["info[K301]", "`hostPort`"]),
        ("io.podman.annotations.init/c: 'yes'", &["K115", "`TRUE`"]),
        ("io.podman.annotations.cpuset: '0'", &["K114", "one container"]),
        ("io.podman.annotations.label/c: colour:red", &["K115", "`type:NAME`"]),
        ("io.podman.annotations.label/c: type:x_t", &["info[K301]", "no SELinux"]),
        ("io.podman.annotations.seccomp/c: none", &["K115", "runtime/default"]),
        ("io.containers.sdnotify: container", &["info[K301]", "systemd"]),
        ("io.containers.autoupdate/c: registry", &["info[K301]"]),
        ("bind-mount-options: '/a:Z'", &["info[K301]", "not relabelled"]),
        ("seccomp.security.alpha.kubernetes.io/pod: none", &["K115", "runtime/default"]),
        ("seccomp.security.alpha.kubernetes.io/pod: localhost/../x", &["K114"]),
        ("container.seccomp.security.alpha.kubernetes.io/d: unconfined", &["K208", "no container `d`"]),
        ("container.apparmor.security.beta.kubernetes.io/c: localhost/x", &["error[K302]", "no AppArmor"]),
        ("container.apparmor.security.beta.kubernetes.io/c: runtime/default", &["info[K301]", "no AppArmor"]),
        ("io.podman.annotations.apparmor/c: x", &["error[K302]", "no AppArmor"]),
        ("a/b/c: x", &["K114", "annotation key"]),
    ];
    finds_each(table.map(|(annotation, parts)| (with(annotation), parts)));
    let text = "io.podman.annotations.pids-limit/c: '5', io.podman.annotations.ulimit: 'nofile=5:-1,core=0'";
    let pod = application(&with(text)).pods.remove(0);
    assert_eq!(pod.containers[0].resources.pids_limit, Some(5));
    let limits: Vec<_> = pod.containers[0].ulimits.iter().map(|l| (l.name.as_str(), l.soft, l.hard)).collect();
    assert_eq!(limits, [("nofile", 5, u64::MAX), ("core", 0, 0)]);
}

#[test]
fn rules_of_variables_from_files() {
    let table = [
        ("volumeName: v, path: ../p, key: k", &["K114", "must not contain `..`"][..]),
        ("volumeName: v, path: p, key: a=b", &["K114", "without `=`"]),
        ("volumeName: v, key: k", &["K113", "path"]),
        ("volumeName: h, path: p, key: k", &["K118", "is no `emptyDir`"]),
    ];
    let spec = |reference: &str| {
        with_spec(&format!(
            "volumes: [{{name: v, emptyDir: {{}}}}, {{name: h, hostPath: {{path: /x}}}}]\n\
             initContainers: [{{name: i, image: i, env: [{{name: A, valueFrom: {{fileKeyRef: {{{reference}}}}}}}]}}]"
        ))
    };
    finds_each(table.map(|(reference, parts)| (spec(reference), parts)));
}

#[test]
fn what_has_no_effect_is_told_once_for_each_file() {
    let pod = |name: &str, ports: [u16; 2]| {
        let container =
            |i: usize| format!("{{name: c{i}, image: i, ports: [{{containerPort: {0}, hostPort: {0}}}]}}", ports[i]);
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  nodeName: one\n  hostNetwork: true\n  \
             containers: [{}, {}]\n",
            container(0),
            container(1)
        )
    };
    let text = format!("{}---\n{}", pod("p", [81, 82]), pod("q", [83, 84]));
    let other = Input { name: "b.yaml".into(), ..input(&pod("r", [85, 86])) };
    let loaded = load(&[input(&text), other], &LoadOptions::default(), &Known::default());
    let said: Vec<_> = loaded
        .diagnostics
        .iter()
        .map(|d| (loaded.sources.name(d.source().expect("a file")), d.message.as_str(), d.notes.join("")))
        .collect();
    let node = "`nodeName` has no effect here: there is one machine";
    let port = "`hostPort` has no effect here: with `hostNetwork` the container listens on the machine itself";
    let more = |count: &str| format!("and in {count} of this file");
    assert_eq!(
        said,
        [
            ("a.yaml", node, more("1 more place")),
            ("a.yaml", port, more("3 more places")),
            ("b.yaml", node, String::new()),
            ("b.yaml", port, more("1 more place")),
        ]
    );
}

#[test]
fn containers_get_the_volumes_of_others() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  annotations:\n    \
                io.podman.annotations.volumes-from/b: a:ro\n    io.podman.annotations.volumes-from/c: b;a\nspec:\n  \
                containers:\n  - {name: a, image: i, volumeMounts: [{name: v, mountPath: /v}, {name: v, mountPath: /w}]}\n  \
                - {name: b, image: i, volumeMounts: [{name: v, mountPath: /w, subPath: own}]}\n  - {name: c, image: i}\n  \
                - {name: d, image: i}\n  volumes: [{name: v}]\n";
    let pod = application(text).pods.remove(0);
    let mounts = |i: usize| -> Vec<_> {
        pod.containers[i].mounts.iter().map(|m| (m.path.as_str(), m.read_only, m.sub_path.as_deref())).collect()
    };
    assert_eq!(mounts(0), [("/v", false, None), ("/w", false, None)]);
    assert_eq!(mounts(1), [("/w", false, Some("own")), ("/v", true, None)], "its own stays");
    assert_eq!(mounts(2), [("/w", false, Some("own")), ("/v", true, None)], "what the other got comes along");
    assert_eq!(mounts(3), []);
}

#[test]
fn annotations_of_a_workload_count_unless_the_template_has_them() {
    let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: d\n  annotations:\n    \
                io.podman.annotations.pids-limit/c: '5'\n    io.podman.annotations.ulimit: nofile=7\n    note: x\nspec:\n  \
                selector: {matchLabels: {a: b}}\n  template:\n    metadata:\n      labels: {a: b}\n      annotations: \
                {io.podman.annotations.pids-limit/c: '6'}\n    spec: {containers: [{name: c, image: i}, {name: e, image: i}]}\n";
    let pod = application(text).pods.remove(0);
    let limits: Vec<_> = pod.containers.iter().map(|c| (c.resources.pids_limit, c.ulimits[0].soft)).collect();
    assert_eq!(limits, [(Some(6), 7), (None, 7)], "a container's value is its own");
    assert_eq!(pod.annotations.len(), 1, "the pod has the annotations of its template only");
}

#[test]
fn annotations_of_claims_are_checked() {
    let with = |annotation: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: c, annotations: {{volume.podman.io/{annotation}}}}}\n\
             spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}"
        )
    };
    let table = [
        ("uid: root", &["K115", "not `root`"][..]),
        ("gid: '-1'", &["K115"]),
        ("driver: nfs", &["K115", "`local`"]),
        ("device: tmpfs", &["K302", "hostPath"]),
        ("import-source: a.tar", &["K302", "start empty"]),
        ("divice: x", &["warning[K119]", "did you mean `device`?"]),
    ];
    finds_each(table.map(|(annotation, parts)| (with(annotation), parts)));
    let text = with("uid: '7', volume.podman.io/driver: local");
    assert_eq!(application(&text).claims[0].annotations["volume.podman.io/uid"], "7");
}

#[test]
fn annotations_of_the_command_line_are_obeyed() {
    let given = |key: &str| {
        let annotations = vec![(format!("io.podman.annotations.{key}"), "5".to_owned())];
        let text = format!(
            "{}---\n{}",
            with_spec(""),
            with_spec("").replace("name: p", "name: q").replace("name: c", "name: d")
        );
        load_text(&text, &LoadOptions { annotations, ..LoadOptions::default() })
    };
    let pods = given("pids-limit/d").application.expect("no error").pods;
    let limits: Vec<_> = pods.iter().map(|pod| pod.containers[0].resources.pids_limit).collect();
    assert_eq!(limits, [None, Some(5)]);
    let found = shown(&given("pids-limit/e"));
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("K208") && found[0].contains("--annotation"), "{found:?}");
}
