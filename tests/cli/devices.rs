//! Devices that specs of the Container Device Interface describe.

use crate::common::{Ran, TestEnv, can_run_containers};

/// Two things, a node of which may be written to only, and others that need programs to be run.
const SPEC: &str = "
cdiVersion: 0.6.0
kind: vendor.com/thing
containerEdits:
  env: [THING=any]
devices:
- name: '1'
  containerEdits:
    env: [NUMBER=1]
    deviceNodes:
    - {path: /dev/things/nothing, hostPath: /dev/no-such, type: c, major: 1, minor: 3, fileMode: 432, gid: 44}
    - {path: /dev/things/control, type: c, major: 10, minor: 237, permissions: rw}
    - {path: /dev/things/silent, type: c, major: 10, minor: 235, permissions: w}
    mounts: [{hostPath: BASE/files/library, containerPath: /opt/library, options: [ro]}]
    additionalGids: [44]
- name: '2'
  containerEdits: {env: [NUMBER=2]}
- name: hooked
  containerEdits: {hooks: [{hookName: poststop, path: /bin/true}]}
";

/// Things that need programs to be run.
const HOOKS: &str = "
cdiVersion: 0.6.0
kind: vendor.com/program
devices:
- name: works
  containerEdits:
    env: [OF_CONTAINER=x]
    hooks:
    - hookName: createContainer
      path: /bin/sh
      args: [sh, BASE/files/hook.sh]
      env: [WHOSE=its own, 'PATH=/usr/bin:/bin']
- name: fails
  containerEdits: {hooks: [{hookName: createContainer, path: /bin/sh, args: [sh, -c, 'echo no such luck >&2; exit 3']}]}
- name: hangs
  containerEdits: {hooks: [{hookName: createContainer, path: /bin/sleep, args: [sleep, '60'], timeout: 1}]}
";

/// Writes a file into the container's root, which it finds as the specification has it.
const HOOK: &str = r#"
bundle=$(sed 's/.*"bundle":"\([^"]*\)".*/\1/')
root=$(sed 's/.*"root":{"path":"\([^"]*\)".*/\1/' "$bundle/config.json")
echo "$WHOSE${OF_CONTAINER}" > "$root/hooked"
"#;

fn pod(name: &str, resources: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  terminationGracePeriodSeconds: 0\n  containers:\n  \
         - {{name: c, image: localhost/podkin-demo, command: [/podkin-demo, sleep, forever], resources: {resources}}}\n"
    )
}

/// Runs with the specs of the environment.
fn run(env: &TestEnv, arguments: &[&str]) -> Ran {
    let mut command = env.command(arguments);
    command.env("PODKIN_CDI_SPEC_DIRS", env.base.join("files/cdi"));
    env.finish(command)
}

fn play(env: &TestEnv, name: &str, resources: &str) -> Ran {
    let file = env.file(&format!("{name}.yaml"), &pod(name, resources));
    run(env, &["kube", "play", "--quiet", &file.to_string_lossy()])
}

fn with_spec(name: &str) -> TestEnv {
    let env = TestEnv::new(name);
    env.file("library", "of the vendor");
    env.file("cdi/thing.yaml", &SPEC.replace("BASE", &env.base.to_string_lossy()));
    env.file("cdi/program.yaml", &HOOKS.replace("BASE", &env.base.to_string_lossy()));
    env.file("hook.sh", HOOK);
    env
}

#[test]
fn hooks_run_before_the_container_does() {
    let env = with_spec("devices-hooks");
    assert_eq!(play(&env, "p", "{limits: {vendor.com/program=works: 1}}").code(), 0);
    assert_eq!(env.ok(["exec", "p-c", "/podkin-demo", "cat", "/hooked"]), "its own\n");
    for (device, expected) in [("fails", "exit status: 3: no such luck"), ("hangs", "did not end within 1 second")] {
        let ran = play(&env, device, &format!("{{limits: {{vendor.com/program={device}: 1}}}}"));
        assert_eq!(ran.code(), 125, "{}", ran.stderr);
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
    assert_eq!(env.ok(["pod", "ps", "--format", "{{.Name}}"]), "p\n");
    env.ok(["pod", "rm", "--force", "p"]);
    env.assert_clean();
}

#[test]
fn a_named_device_brings_all_that_its_spec_says() {
    let env = with_spec("devices-named");
    assert!(can_run_containers(), "needs root");
    let ran = play(&env, "p", "{limits: {vendor.com/thing=1: 1}}");
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    let inside = |words: &[&str]| env.run(["exec", "p-c", "/podkin-demo"].iter().chain(words));
    let variables = inside(&["env"]).stdout;
    assert!(variables.contains("THING=any") && variables.contains("NUMBER=1"), "{variables}");
    assert_eq!(inside(&["cat", "/opt/library"]).stdout, "of the vendor");
    assert_ne!(inside(&["write", "/opt/library", "x"]).code(), 0, "the mount is read-only");
    assert!(inside(&["id"]).stdout.contains("44"));
    let nothing = inside(&["cat", "/dev/things/nothing"]);
    assert_eq!((nothing.code(), nothing.stdout.as_str()), (0, ""), "{}", nothing.stderr);
    let refused = |path: &str| inside(&["cat", path]).stderr.contains("not permitted");
    assert!(refused("/dev/things/silent"), "it may be written to only");
    assert!(!refused("/dev/things/control"), "the container's list of devices has it");
    env.ok(["pod", "rm", "--force", "p"]);
    env.assert_clean();
}

#[test]
fn counted_devices_belong_to_one_running_pod() {
    let env = with_spec("devices-counted");
    let one = "{limits: {vendor.com/thing: 1}}";
    let number = |pod: &str| {
        let text = env.ok(["exec", &format!("{pod}-c"), "/podkin-demo", "env"]);
        text.lines().find_map(|line| line.strip_prefix("NUMBER=")).map(str::to_owned)
    };
    // `hooked` comes last, and is none that can be had.
    for (pod, expected) in [("a", "1"), ("b", "2")] {
        assert_eq!(play(&env, pod, one).code(), 0);
        assert_eq!(number(pod).as_deref(), Some(expected));
    }
    let three = play(&env, "c", "{limits: {vendor.com/thing: 2}}");
    assert_eq!(three.code(), 125);
    assert!(three.stderr.contains("wants 2 of `vendor.com/thing`"), "{}", three.stderr);
    assert!(three.stderr.contains("`vendor.com/thing=1`"), "{}", three.stderr);
    env.ok(["pod", "stop", "a"]);
    assert_eq!(play(&env, "c", one).code(), 0);
    assert_eq!(number("c").as_deref(), Some("1"), "a stopped pod holds nothing");
    let changed = env.file("c.yaml", &pod("c", "{limits: {vendor.com/thing: 1, cpu: 1}}"));
    let replaced = run(&env, &["kube", "play", "--quiet", "--replace", &changed.to_string_lossy()]);
    assert_eq!(replaced.code(), 0, "{}", replaced.stderr);
    assert_eq!(number("c").as_deref(), Some("1"), "a pod that goes makes room for the one that comes");
    let taken = env.fails(125, ["pod", "start", "a"]);
    assert!(taken.contains("`vendor.com/thing=1`, which pod `c` uses now"), "{taken}");
    env.ok(["pod", "rm", "--force", "--all"]);
    env.assert_clean();
}

#[test]
fn devices_that_cannot_be_had_stop_a_play_before_anything_is_made() {
    let env = with_spec("devices-refused");
    env.file("cdi/broken.json", "{\"cdiVersion\": 1}");
    let cases = [
        ("{limits: {vendor.com/thing=hooked: 1}}", "poststop hook `/bin/true`"),
        ("{limits: {vendor.com/thing=3: 1}}", "`vendor.com/thing=3`, which there is not"),
        ("{limits: {vendor.com/other: 1}}", "0 are free"),
        ("{limits: {vendor.com/other: 1}}", "broken.json` is no CDI spec: invalid type"),
    ];
    for (resources, expected) in cases {
        let ran = play(&env, "p", resources);
        assert_eq!(ran.code(), 125, "{resources}");
        assert!(ran.stderr.contains(expected), "{expected}: {}", ran.stderr);
    }
    assert_eq!(env.ok(["pod", "ps", "--quiet"]), "");
    let mut elsewhere = env.command(["kube", "play", "p.yaml"]);
    elsewhere.current_dir(env.base.join("files")).env("PODKIN_CDI_SPEC_DIRS", "/no/such:/nor/this");
    let ran = env.finish(elsewhere);
    assert!(ran.stderr.contains("specs of them belong into /no/such or /nor/this"), "{}", ran.stderr);
}

#[test]
fn a_node_of_the_machine_is_passed_on() {
    let env = TestEnv::new("devices-path");
    let resources = "{limits: {'podman.io/device=/dev/loop-control:/dev/mine:r': 1}}";
    assert_eq!(play(&env, "p", resources).code(), 0);
    let inside = |words: &[&str]| env.run(["exec", "p-c", "/podkin-demo"].iter().chain(words)).stderr;
    assert!(!inside(&["cat", "/dev/mine"]).contains("not permitted"));
    assert!(inside(&["write", "/dev/mine", "x"]).contains("not permitted"), "it may be read only");
    env.ok(["pod", "rm", "--force", "p"]);
    env.assert_clean();
}
