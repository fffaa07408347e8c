use super::*;
use crate::model::{EnvVar, ResourceName, Resources};

fn objects() -> (BTreeMap<String, ConfigMap>, BTreeMap<String, Secret>) {
    let data = |pairs: &[(&str, &[u8])]| pairs.iter().map(|(k, v)| ((*k).to_owned(), v.to_vec())).collect();
    let map = ConfigMap {
        name: "settings".into(),
        data: data(&[("MODE", b"fast"), ("a=b", b"no name"), ("LOGO", &[0xff])]),
        binary_keys: vec!["LOGO".into()],
        ..ConfigMap::default()
    };
    let secret =
        Secret { name: "login".into(), data: data(&[("PASS", b"canary"), ("RAW", &[0])]), ..Secret::default() };
    ([(map.name.clone(), map)].into(), [(secret.name.clone(), secret)].into())
}

fn pod(container: Container) -> Pod {
    Pod {
        name: "web".into(),
        namespace: "default".into(),
        labels: [("app".to_owned(), "demo".to_owned())].into(),
        annotations: [("note".to_owned(), "a \"b\"".to_owned())].into(),
        containers: vec![container],
        ..Pod::default()
    }
}

fn facts() -> PodFacts {
    PodFacts {
        uid: "u1".into(),
        pod_ips: vec!["10.89.0.2".parse().unwrap(), "fd00::2".parse().unwrap()],
        host_ips: vec!["192.0.2.1".parse().unwrap()],
        node_name: "node".into(),
        host: HostResources { cpu_milli: 2000, memory: 1 << 30, ephemeral_storage: 1 << 33 },
    }
}

fn resolved(container: Container, image_env: &[&str]) -> Result<Environment, EnvironmentError> {
    let (config_maps, secrets) = objects();
    let image_env: Vec<_> = image_env.iter().map(|e| (*e).to_owned()).collect();
    let objects = Objects { config_maps: &config_maps, secrets: &secrets };
    resolve(&container, &pod(container.clone()), &image_env, objects, &facts(), &file)
}

/// What an init container has written.
fn file(volume: &str, path: &str) -> Result<Option<String>, String> {
    match (volume, path) {
        ("data", "found.env") => Ok(Some("PORT='80'".into())),
        ("data", "broken.env") => Ok(Some("what".into())),
        ("data", "secret") => Err("permission denied".into()),
        _ => Ok(None),
    }
}

fn literal(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.into(), value: EnvValue::Literal(value.into()) }
}

fn from(source: EnvFromSource, prefix: &str) -> EnvFrom {
    EnvFrom { prefix: prefix.into(), source, optional: false }
}

fn pairs(env: &Environment) -> Vec<(&str, &str)> {
    env.variables.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect()
}

#[test]
fn later_sources_override_earlier_ones() {
    let container = Container {
        env_from: vec![
            from(EnvFromSource::ConfigMap("settings".into()), ""),
            from(EnvFromSource::ConfigMap("settings".into()), "P_"),
        ],
        env: vec![literal("MODE", "$(MODE)+$(P_MODE)"), literal("PATH2", "$(PATH)"), literal("LATE", "$(MODE)")],
        ..Container::default()
    };
    let env = resolved(container, &["PATH=/bin", "MODE=image"]).unwrap();
    let expected =
        [("PATH", "/bin"), ("MODE", "fast+fast"), ("P_MODE", "fast"), ("PATH2", "$(PATH)"), ("LATE", "fast+fast")];
    assert_eq!(pairs(&env), expected);
    assert_eq!(env.skipped.len(), 2, "`a=b` of each envFrom");
}

#[test]
fn references_that_do_not_resolve() {
    let with = |value: EnvValue| {
        resolved(Container { env: vec![EnvVar { name: "X".into(), value }], ..Container::default() }, &[])
    };
    let secret = |name: &str, key: &str, optional| EnvValue::SecretKey { name: name.into(), key: key.into(), optional };
    assert_eq!(with(secret("login", "PASS", false)).unwrap().variables[0].1, "canary");
    assert!(matches!(with(secret("login", "NONE", false)), Err(EnvironmentError::MissingKey { .. })));
    assert!(matches!(with(secret("none", "PASS", false)), Err(EnvironmentError::MissingObject { .. })));
    assert!(matches!(with(secret("login", "RAW", false)), Err(EnvironmentError::NotText { .. })));
    assert_eq!(with(secret("login", "NONE", true)).unwrap().variables, []);
    assert_eq!(with(secret("none", "PASS", true)).unwrap().variables, []);
    assert!(!format!("{:?}", with(secret("login", "PASS", false))).contains("canary"));
}

#[test]
fn every_field_path() {
    for (path, expected) in [
        ("metadata.name", "web"),
        ("metadata.namespace", "default"),
        ("metadata.uid", "u1"),
        ("metadata.labels['app']", "demo"),
        ("metadata.labels['none']", ""),
        ("metadata.annotations['note']", "a \"b\""),
        ("metadata.annotations", "note=\"a \\\"b\\\"\""),
        ("spec.nodeName", "node"),
        ("spec.serviceAccountName", "default"),
        ("status.hostIP", "192.0.2.1"),
        ("status.hostIPs", "192.0.2.1"),
        ("status.podIP", "10.89.0.2"),
        ("status.podIPs", "10.89.0.2,fd00::2"),
    ] {
        let field = FieldPath::parse(path).unwrap_or_else(|| panic!("{path}"));
        assert_eq!(field.value(&pod(Container::default()), &facts()), expected, "{path}");
    }
    for path in ["metadata.labels[app]", "metadata.labels['']", "spec.hostname", "status.phase", ""] {
        assert_eq!(FieldPath::parse(path), None, "{path}");
    }
}

#[test]
fn resources_and_their_divisors() {
    let resources = Resources { cpu_limit_milli: Some(1250), memory_request: Some(65_000_000), ..Resources::default() };
    let value = |resource, limit, divisor: &str| {
        let value = EnvValue::Resource { container: None, resource, limit, divisor: divisor.into() };
        let env = vec![EnvVar { name: "X".into(), value }];
        let container = Container { name: "c".into(), resources, env, ..Container::default() };
        resolved(container, &[]).unwrap().variables[0].1.clone()
    };
    assert_eq!(value(ResourceName::Cpu, true, ""), "2");
    assert_eq!(value(ResourceName::Cpu, true, "0"), "2");
    assert_eq!(value(ResourceName::Cpu, true, "1m"), "1250");
    assert_eq!(value(ResourceName::Cpu, false, "1m"), "0");
    assert_eq!(value(ResourceName::Memory, false, "1Mi"), "62");
    assert_eq!(value(ResourceName::Memory, true, "1Mi"), "1024");
    assert_eq!(value(ResourceName::EphemeralStorage, true, "1Gi"), "8");
}

#[test]
fn command_and_args_against_entrypoint_and_cmd() {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    for (command, args, expected) in [
        ("", "", "/ep-1 foo bar"),
        ("/ep-2", "", "/ep-2"),
        ("", "zoo boo", "/ep-1 zoo boo"),
        ("/ep-2", "zoo $(V) $$(V)", "/ep-2 zoo value $(V)"),
    ] {
        let env = vec![literal("V", "value")];
        let container = Container { command: words(command), args: words(args), env, ..Container::default() };
        let env = resolved(container.clone(), &[]).unwrap();
        assert_eq!(env.command_line(&container, &words("/ep-1"), &words("foo bar")), words(expected));
    }
}

#[test]
fn sub_paths_are_expanded_and_kept_inside() {
    let container = Container {
        env: vec![literal("POD", "web"), literal("UP", ".."), literal("ABS", "/etc")],
        ..Container::default()
    };
    let env = resolved(container, &["HOME=/root"]).unwrap();
    let sub_path = |text: &str| {
        let mount = VolumeMount { sub_path_expr: Some(text.into()), ..VolumeMount::default() };
        env.sub_path(&mount)
    };
    assert_eq!(sub_path("logs/$(POD)"), Ok(Some("logs/web".to_owned())));
    assert!(matches!(sub_path("$(NONE)"), Err(EnvironmentError::UndefinedVariable { .. })));
    assert!(matches!(sub_path("$(HOME)"), Err(EnvironmentError::UndefinedVariable { .. })));
    assert!(matches!(sub_path("a/$(UP)/b"), Err(EnvironmentError::SubPathEscapes { .. })));
    assert!(matches!(sub_path("$(ABS)"), Err(EnvironmentError::SubPathEscapes { .. })));
    let fixed = VolumeMount { sub_path: Some("a".into()), ..VolumeMount::default() };
    assert_eq!(env.sub_path(&fixed), Ok(Some("a".to_owned())));
}

#[test]
fn variables_come_from_files_of_volumes() {
    let from_file = |path: &str, key: &str, optional| EnvVar {
        name: "P".into(),
        value: EnvValue::FileKey { volume: "data".into(), path: path.into(), key: key.into(), optional },
    };
    let env = |var: EnvVar| {
        let container = Container { env: vec![var, literal("URL", "http://$(P)")], ..Container::default() };
        resolved(container, &[]).map(|e| pairs(&e).iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>())
    };
    assert_eq!(env(from_file("found.env", "PORT", false)).unwrap(), ["P=80", "URL=http://80"]);
    assert_eq!(env(from_file("found.env", "OTHER", true)).unwrap(), ["URL=http://$(P)"]);
    assert_eq!(env(from_file("nothing.env", "PORT", true)).unwrap(), ["URL=http://$(P)"]);
    for (path, key, optional) in [
        ("found.env", "OTHER", false),
        ("nothing.env", "PORT", false),
        ("broken.env", "PORT", true),
        ("secret", "PORT", true),
    ] {
        assert!(env(from_file(path, key, optional)).is_err(), "{path} {key}");
    }
}
