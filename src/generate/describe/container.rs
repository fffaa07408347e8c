//! Containers in the form of `kubectl describe`.

use super::date;
use super::tabs::Sheet;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::BTreeMap;

/// A container; of one in a template, of which there are no statuses, what was asked for.
pub(super) fn describe(sheet: &mut Sheet, container: &core::Container, statuses: &[core::ContainerStatus]) {
    let status = statuses.iter().find(|status| status.name == container.name);
    sheet.line(1, format!("{}:", container.name));
    if let Some(status) = status {
        sheet.line(2, format!("Container ID:\t{}", status.container_id.as_deref().unwrap_or_default()));
    }
    sheet.pair(2, "Image", Some(container.image.as_deref().unwrap_or_default()));
    if let Some(status) = status {
        sheet.line(2, format!("Image ID:\t{}", status.image_id));
    }
    ports(sheet, container.ports.as_deref().unwrap_or_default());
    for (key, words) in [("Command", &container.command), ("Args", &container.args)] {
        if let Some(words) = words.as_ref().filter(|words| !words.is_empty()) {
            sheet.line(2, format!("{key}:"));
            words.iter().flat_map(|word| word.split('\n')).for_each(|line| sheet.line(3, line));
        }
    }
    if let Some(status) = status {
        state(sheet, "State", status.state.as_ref());
        if status.last_state.as_ref().is_some_and(|last| last.terminated.is_some()) {
            state(sheet, "Last State", status.last_state.as_ref());
        }
        sheet.pair(2, "Ready", Some(if status.ready { "True" } else { "False" }));
        sheet.pair(2, "Restart Count", Some(&status.restart_count.to_string()));
    }
    let resources = status.and_then(|status| status.resources.as_ref()).or(container.resources.as_ref());
    quantities(sheet, 2, "Limits", resources.and_then(|resources| resources.limits.as_ref()));
    quantities(sheet, 2, "Requests", resources.and_then(|resources| resources.requests.as_ref()));
    let probes = [
        ("Liveness", &container.liveness_probe),
        ("Readiness", &container.readiness_probe),
        ("Startup", &container.startup_probe),
    ];
    for (key, asked) in probes {
        if let Some(asked) = asked {
            sheet.pair(2, key, Some(&probe(asked)));
        }
    }
    environment(sheet, container);
    mounts(sheet, container.volume_mounts.as_deref().unwrap_or_default());
}

fn ports(sheet: &mut Sheet, ports: &[core::ContainerPort]) {
    let key = |one: &str| if ports.len() > 1 { format!("{one}s") } else { one.to_owned() };
    let list = |number: &dyn Fn(&core::ContainerPort) -> i32| {
        let each = ports.iter().map(|port| format!("{}/{}", number(port), port.protocol.as_deref().unwrap_or("TCP")));
        (!ports.is_empty()).then(|| each.collect::<Vec<_>>().join(", "))
    };
    sheet.pair(2, &key("Port"), list(&|port| port.container_port).as_deref());
    sheet.pair(2, &key("Host Port"), list(&|port| port.host_port.unwrap_or(0)).as_deref());
}

fn state(sheet: &mut Sheet, key: &str, state: Option<&core::ContainerState>) {
    let core::ContainerState { running, terminated, waiting } = state.cloned().unwrap_or_default();
    if let Some(running) = running {
        sheet.pair(2, key, Some("Running"));
        sheet.line(3, format!("Started:\t{}", running.started_at.as_ref().map(date).unwrap_or_default()));
    } else if let Some(ended) = terminated {
        sheet.pair(2, key, Some("Terminated"));
        optional(sheet, "Reason", ended.reason.as_deref());
        optional(sheet, "Message", ended.message.as_deref().map(str::trim_end));
        sheet.pair(3, "Exit Code", Some(&ended.exit_code.to_string()));
        if let Some(signal) = ended.signal {
            sheet.pair(3, "Signal", Some(&signal.to_string()));
        }
        for (key, time) in [("Started", &ended.started_at), ("Finished", &ended.finished_at)] {
            sheet.line(3, format!("{key}:\t{}", time.as_ref().map(date).unwrap_or_default()));
        }
    } else {
        sheet.pair(2, key, Some("Waiting"));
        let reason = waiting.and_then(|waiting| waiting.reason);
        optional(sheet, "Reason", reason.as_deref());
    }
}

fn optional(sheet: &mut Sheet, key: &str, value: Option<&str>) {
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        sheet.pair(3, key, Some(&value.replace('\n', " ")));
    }
}

/// A list below its key, when there is something in it.
pub(super) fn quantities(sheet: &mut Sheet, level: usize, key: &str, quantities: Option<&BTreeMap<String, Quantity>>) {
    if let Some(quantities) = quantities.filter(|quantities| !quantities.is_empty()) {
        sheet.line(level, format!("{key}:"));
        quantities.iter().for_each(|(name, quantity)| sheet.line(level + 1, format!("{name}:\t{}", quantity.0)));
    }
}

/// `http-get http://:80/ delay=0s timeout=1s period=10s #success=1 #failure=3`.
fn probe(probe: &core::Probe) -> String {
    let handler = if let Some(exec) = &probe.exec {
        format!("exec [{}]", exec.command.as_deref().unwrap_or_default().join(" "))
    } else if let Some(get) = &probe.http_get {
        let scheme = get.scheme.as_deref().unwrap_or("HTTP").to_lowercase();
        let (host, path) = (get.host.as_deref().unwrap_or_default(), get.path.as_deref().unwrap_or("/"));
        format!("http-get {scheme}://{host}:{}{path}", port(&get.port))
    } else if let Some(socket) = &probe.tcp_socket {
        format!("tcp-socket {}:{}", socket.host.as_deref().unwrap_or_default(), port(&socket.port))
    } else if let Some(grpc) = &probe.grpc {
        format!("grpc <pod>:{} {}", grpc.port, grpc.service.as_deref().unwrap_or_default())
    } else {
        "unknown".to_owned()
    };
    format!(
        "{handler} delay={}s timeout={}s period={}s #success={} #failure={}",
        probe.initial_delay_seconds.unwrap_or(0),
        probe.timeout_seconds.unwrap_or(1),
        probe.period_seconds.unwrap_or(10),
        probe.success_threshold.unwrap_or(1),
        probe.failure_threshold.unwrap_or(3),
    )
}

fn port(port: &IntOrString) -> String {
    match port {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(name) => name.clone(),
    }
}

fn environment(sheet: &mut Sheet, container: &core::Container) {
    let sources = container.env_from.as_deref().unwrap_or_default();
    if !sources.is_empty() {
        sheet.line(2, "Environment Variables from:");
    }
    for core::EnvFromSource { config_map_ref, prefix, secret_ref } in sources {
        let map = config_map_ref.as_ref().map(|map| (&map.name, "ConfigMap", map.optional));
        let secret = secret_ref.as_ref().map(|secret| (&secret.name, "Secret", secret.optional));
        if let Some((name, kind, optional)) = map.or(secret) {
            let prefix = prefix.as_ref().filter(|prefix| !prefix.is_empty());
            let prefix = prefix.map(|prefix| format!(" with prefix '{prefix}'")).unwrap_or_default();
            sheet.line(3, format!("{name}\t{kind}{prefix}\tOptional: {}", optional.unwrap_or(false)));
        }
    }
    let variables = container.env.as_deref().unwrap_or_default();
    if variables.is_empty() {
        return sheet.pair(2, "Environment", None);
    }
    sheet.line(2, "Environment:");
    variables.iter().for_each(|variable| sheet.line(3, format!("{}:\t{}", variable.name, value(variable))));
}

/// A variable's value, or where it comes from; never the value of a Secret.
fn value(variable: &core::EnvVar) -> String {
    let core::EnvVar { name: _, value, value_from } = variable;
    let Some(from) = value_from else { return value.clone().unwrap_or_default().replace('\n', " ") };
    if let Some(key) = &from.secret_key_ref {
        let (name, optional) = (&key.name, key.optional.unwrap_or(false));
        return format!("<set to the key '{}' in secret '{name}'>\tOptional: {optional}", key.key);
    }
    if let Some(key) = &from.config_map_key_ref {
        let (name, optional) = (&key.name, key.optional.unwrap_or(false));
        return format!("<set to the key '{}' of config map '{name}'>\tOptional: {optional}", key.key);
    }
    if let Some(field) = &from.field_ref {
        return format!("({}:{})", field.api_version.as_deref().unwrap_or("v1"), field.field_path);
    }
    if let Some(field) = &from.resource_field_ref {
        return format!("({})", field.resource);
    }
    match &from.file_key_ref {
        Some(key) => {
            format!("<set to the key '{}' in the file '{}' of volume '{}'>", key.key, key.path, key.volume_name)
        }
        None => String::new(),
    }
}

fn mounts(sheet: &mut Sheet, mounts: &[core::VolumeMount]) {
    if mounts.is_empty() {
        return sheet.pair(2, "Mounts", None);
    }
    sheet.line(2, "Mounts:");
    for mount in mounts {
        let mode = if mount.read_only == Some(true) { "ro" } else { "rw" };
        let path = mount.sub_path.as_ref().map(|path| format!(",path=\"{path}\"")).unwrap_or_default();
        sheet.line(3, format!("{} from {} ({mode}{path})", mount.mount_path, mount.name));
    }
}
