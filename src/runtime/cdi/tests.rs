use super::*;
use crate::model::container::MountOptions;
use crate::model::device::{Access, DeviceHook, DeviceMount, DeviceNode, DeviceNumber};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU32, Ordering};

/// What is read from files in `etc` and `run`.
fn registry(files: &[(&str, &str)]) -> Registry {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let unique = format!("podkin-cdi-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let base = std::env::temp_dir().join(unique);
    let directories = ["etc", "run"].map(|name| base.join(name));
    directories.iter().for_each(|directory| std::fs::create_dir_all(directory).unwrap());
    files.iter().for_each(|(name, text)| std::fs::write(base.join(name), text).unwrap());
    let registry = Registry::read(&directories);
    std::fs::remove_dir_all(base).unwrap();
    registry
}

fn spec(devices: &str) -> String {
    format!("cdiVersion: 0.5.0\nkind: vendor.com/thing\ndevices: {devices}\n")
}

fn errors(registry: &Registry) -> String {
    let whole = |error: &SpecError| match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}\n"),
        None => format!("{error}\n"),
    };
    registry.errors().iter().map(whole).collect()
}

const FULL: &str = r#"{
  "cdiVersion": "1.0.0",
  "kind": "vendor.com/thing",
  "annotations": {"a": "b"},
  "devices": [
    {"name": "10", "containerEdits": {"deviceNodes": [{"path": "/dev/thing10"}]}},
    {"name": "2", "annotations": {}, "containerEdits": {
      "env": ["OWN=a=b"],
      "deviceNodes": [{"path": "/dev//thing", "hostPath": "/dev/thing2", "type": "c", "major": 1, "minor": 3, "fileMode": 432,
        "permissions": "rw", "uid": 1, "gid": 2}],
      "mounts": [{"hostPath": "/opt/lib", "containerPath": "/usr/lib/thing", "options": ["ro", "nosuid", "rbind"]}],
      "hooks": [{"hookName": "createContainer", "path": "/usr/bin/x-ctk", "args": ["x-ctk", "hook"], "env": ["A=b"]}],
      "additionalGids": [0, 44]}},
    {"name": "all"}
  ],
  "containerEdits": {"env": ["SHARED=1", "OWN=shared"]}
}"#;

#[test]
fn a_whole_spec() {
    let registry = registry(&[("etc/thing.json", FULL), ("etc/README.md", "# no spec")]);
    assert!(registry.errors().is_empty(), "{}", errors(&registry));
    let names: Vec<_> = registry.of_kind("vendor.com/thing").into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["vendor.com/thing=2", "vendor.com/thing=10"], "by number, without `all`");
    let edits = registry.get("vendor.com/thing=2").unwrap().edits().unwrap();
    let expected = ContainerEdits {
        env: vec![("SHARED".into(), "1".into()), ("OWN".into(), "a=b".into())],
        nodes: vec![DeviceNode {
            path: "/dev/thing".into(),
            host: "/dev/thing2".into(),
            number: Some(DeviceNumber { block: false, major: 1, minor: 3 }),
            access: Access::parse("rw").unwrap(),
            mode: Some(0o660),
            uid: Some(1),
            gid: Some(2),
        }],
        mounts: vec![DeviceMount {
            host: "/opt/lib".into(),
            path: "/usr/lib/thing".into(),
            read_only: true,
            options: MountOptions { no_suid: true, ..MountOptions::default() },
            ..DeviceMount::default()
        }],
        additional_gids: vec![44],
        hooks: vec![DeviceHook {
            path: "/usr/bin/x-ctk".into(),
            args: vec!["x-ctk".into(), "hook".into()],
            env: vec![("A".into(), "b".into())],
            timeout_seconds: 30,
        }],
    };
    assert_eq!(*edits, expected);
    let plain = &registry.get("vendor.com/thing=10").unwrap().edits().unwrap().nodes[0];
    assert_eq!((plain.host.as_str(), plain.number, plain.access), ("/dev/thing10", None, Access::ALL));
}

#[test]
fn a_later_directory_wins_and_one_directory_must_agree() {
    let one = |value: &str| spec(&format!("[{{name: a, containerEdits: {{env: [V={value}]}}}}]"));
    let later = registry(&[("etc/a.yaml", &one("etc")), ("run/a.yaml", &one("run"))]);
    let env = &later.get("vendor.com/thing=a").unwrap().edits().unwrap().env;
    assert_eq!(*env, [("V".to_owned(), "run".to_owned())]);
    let twice = registry(&[("etc/a.yaml", &one("1")), ("etc/b.yaml", &one("2"))]);
    assert!(twice.get("vendor.com/thing=a").unwrap().edits().unwrap_err().contains("b.yaml"));
}

#[test]
fn what_cannot_be_had_is_said_of_the_device_alone() {
    let hooks = "[{name: a, containerEdits: {hooks: [{hookName: startContainer, path: /bin/x, args: [x]}]}}, \
                 {name: r, containerEdits: {intelRdt: {closID: x}}}, {name: n, containerEdits: {netDevices: [{}]}}, {name: b}]";
    let registry = registry(&[("etc/a.yaml", &spec(hooks))]);
    let reason = |name: &str| registry.get(name).unwrap().edits().err().map(str::to_owned);
    assert!(reason("vendor.com/thing=a").unwrap().contains("startContainer hook `/bin/x`"));
    assert!(reason("vendor.com/thing=r").unwrap().contains("intelRdt"));
    assert!(reason("vendor.com/thing=n").unwrap().contains("netDevices"));
    assert_eq!(reason("vendor.com/thing=b"), None);
}

#[test]
fn two_names_of_one_thing() {
    let node = |path: &str| format!("containerEdits: {{deviceNodes: [{{path: {path}}}]}}");
    let text =
        format!("[{{name: a, {}}}, {{name: b, {}}}, {{name: c, {}}}]", node("/dev/x"), node("/dev/x"), node("/dev/y"));
    let registry = registry(&[("etc/a.yaml", &spec(&text))]);
    let get = |name: &str| registry.get(&format!("vendor.com/thing={name}")).unwrap();
    assert!(get("a").is_same(get("b")) && !get("a").is_same(get("c")));
}

#[test]
fn hostile_specs() {
    let edits = |edits: &str| spec(&format!("[{{name: a, containerEdits: {{{edits}}}}}]"));
    let bomb = format!(
        "x0: &x0 [a, a, a, a, a, a, a, a, a]\n{}devices: *x9\n",
        (1..10).map(|n| format!("x{n}: &x{n} [{}]\n", vec![format!("*x{}", n - 1); 9].join(", "))).collect::<String>()
    );
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let cases = [
        (spec("[{name: a}, {name: a}]"), "stands there twice"),
        (spec("[{name: ../a}]"), "device `../a`"),
        (spec("[]"), "no devices"),
        (spec("[{name: a, colour: red}]"), "colour"),
        ("cdiVersion: 2.0.0\nkind: a/b\ndevices: [{name: a}]".to_owned(), "`2.0.0`"),
        ("cdiVersion: 0.5.0\nkind: ../b\ndevices: [{name: a}]".to_owned(), "kind `../b`"),
        (edits("deviceNodes: [{path: /dev/../etc/x}]"), "`..`"),
        (edits("deviceNodes: [{path: dev/x}]"), "absolute"),
        (edits("deviceNodes: [{path: /dev/x, type: p}]"), "no device"),
        (edits("deviceNodes: [{path: /dev/x, permissions: rwx}]"), "permissions `rwx`"),
        (edits("mounts: [{hostPath: /x, containerPath: /a/../..}]"), "`..`"),
        (edits("mounts: [{hostPath: /x, containerPath: /}]"), "whole container"),
        (edits("mounts: [{hostPath: /x, containerPath: /y, options: [size=1]}]"), "`size=1`"),
        (edits("mounts: [{hostPath: /x, containerPath: /y, type: proc}]"), "`proc`"),
        (edits("hooks: [{hookName: createContainer, path: bin/x}]"), "absolute"),
        (edits("env: [NAME]"), "NAME=value"),
        (edits("env: [=x]"), "NAME=value"),
        (format!("{}{}", spec("[{name: a}]"), " ".repeat(1 << 20)), "larger than"),
        (bomb, "no CDI spec"),
        (deep, "no CDI spec"),
        (String::new(), "no CDI spec"),
    ];
    for (text, expected) in cases {
        let registry = registry(&[("etc/bad.yaml", &text), ("etc/good.yaml", &spec("[{name: z}]"))]);
        let said = errors(&registry);
        assert!(said.contains("bad.yaml") && said.contains(expected), "{expected}: {said}");
        assert!(registry.get("vendor.com/thing=z").is_some_and(|device| device.edits().is_ok()), "{expected}");
    }
}

#[test]
fn programs_come_from_files_of_the_administrator_only() {
    let base = std::env::temp_dir().join(format!("podkin-cdi-mode-{}", std::process::id()));
    std::fs::create_dir_all(&base).unwrap();
    let hook = "containerEdits: {hooks: [{hookName: createContainer, path: /bin/x}]}";
    std::fs::write(base.join("a.yaml"), spec(&format!("[{{name: a, {hook}}}, {{name: b}}]"))).unwrap();
    let usable = |mode: u32| {
        std::fs::set_permissions(base.join("a.yaml"), std::fs::Permissions::from_mode(mode)).unwrap();
        let registry = Registry::read(std::slice::from_ref(&base));
        ["a", "b"].map(|name| registry.get(&format!("vendor.com/thing={name}")).unwrap().edits().is_ok())
    };
    let found = [usable(0o644), usable(0o664), usable(0o646)];
    std::fs::remove_dir_all(&base).unwrap();
    assert_eq!(found, [[true, true], [false, true], [false, true]]);
}
