//! Registries by the command line: questions on a terminal, and Ctrl-C while something comes.

use crate::common::fault_proxy::{Fault, FaultProxy};
use crate::common::registry::{Registry, Setup};
use crate::common::{TestEnv, eventually};
use crate::terminal::Desk;
use podkin::image::archive::writer::header;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The command on a machine without configuration but this registries.conf.
fn on_machine(env: &TestEnv, registries: &str, arguments: &[&str]) -> Command {
    let machine = env.base.join("machine");
    std::fs::create_dir_all(machine.join("etc/containers")).unwrap();
    std::fs::write(machine.join("etc/containers/registries.conf"), registries).unwrap();
    let mut command = env.command(arguments);
    for name in
        ["XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "CONTAINERS_REGISTRIES_CONF"]
    {
        command.env_remove(name);
    }
    command.env("PODKIN_MACHINE_ROOT", &machine).env("HOME", env.base.join("home")).env("TERM", "xterm");
    command
}

fn layer() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let content = vec![7; 2_000_000];
    let mut header = header(tar::EntryType::Regular, content.len() as u64, 0o644);
    builder.append_data(&mut header, "file", &content[..]).unwrap();
    builder.into_inner().unwrap()
}

#[test]
fn a_short_name_of_several_registries_is_asked_for_once() {
    let env = TestEnv::new("short-name");
    let registry = Registry::start(Setup::default());
    registry.push_image("app", "2", &[layer()]);
    let conf = format!(
        "unqualified-search-registries = [\"127.0.0.1:1\", \"{0}\"]\nshort-name-mode = \"enforcing\"\n\
         [[registry]]\nlocation = \"{0}\"\ninsecure = true\n",
        registry.address
    );
    let nobody = env.finish(on_machine(&env, &conf, &["pull", "app:2"]));
    assert_eq!(nobody.code(), 125, "{nobody:?}");
    assert!(nobody.stderr.contains("say which"), "{nobody:?}");
    let mut desk = Desk::start(on_machine(&env, &conf, &["pull", "--progress", "plain", "app:2"]));
    desk.shows(&format!("2) {}/app:2", registry.address));
    desk.shows("Which one? [1]");
    desk.types(b"2\r");
    let (status, text) = desk.ends();
    assert!(status.success(), "{text}");
    // From now on it is known, without anybody to ask, too.
    let again = env.finish(on_machine(&env, &conf, &["pull", "-q", "app:2"]));
    assert_eq!(again.code(), 0, "{again:?}");
    let chosen =
        std::fs::read_to_string(env.base.join("machine/var/cache/containers/short-name-aliases.conf")).unwrap();
    assert_eq!(chosen, format!("[aliases]\n  \"app\" = \"{}/app\"\n", registry.address));
}

#[test]
fn a_signal_at_the_question_for_a_password_leaves_the_terminal_as_it_was() {
    let env = TestEnv::new("password-signal");
    let desk = Desk::start(on_machine(&env, "", &["login", "-u", "me", "127.0.0.1:1"]));
    desk.shows("Password: ");
    eventually("no echo", Duration::from_secs(10), || desk.is_raw());
    let pid = rustix::process::Pid::from_child(&desk.child);
    // A shell may have started the tests with SIGINT ignored.
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(desk.ends().0.signal(), Some(libc::SIGTERM));
}

#[test]
fn a_play_is_interrupted_while_a_registry_says_nothing() {
    let env = TestEnv::new("play-stalled");
    let registry = Registry::start(Setup::default());
    registry.push_image("app", "1", &[layer()]);
    let proxy = FaultProxy::start(&registry.address);
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec:\n  containers:\n  - {{name: c, image: '{}/app:1'}}\n",
        proxy.address
    );
    let file = env.file("web.yaml", &pod);
    for (kind, fault) in [
        ("/blobs/", Fault::Stall(1_000_000, Duration::from_secs(20))),
        ("/manifests/", Fault::Stall(3, Duration::from_secs(20))),
    ] {
        proxy.fail("GET", kind, 9, fault);
        let before = proxy.seen("GET", kind).len();
        let mut play = on_machine(&env, "", &["kube", "play", "--tls-verify=false", &file.to_string_lossy()]);
        let play = play.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let asked = if kind == "/blobs/" { before + 2 } else { before + 1 };
        eventually("the registry is asked", Duration::from_secs(10), || proxy.seen("GET", kind).len() >= asked);
        std::thread::sleep(Duration::from_millis(300));
        let begin = Instant::now();
        let pid = rustix::process::Pid::from_child(&play);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        let ended = play.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(130), "{said}");
        assert!(begin.elapsed() < Duration::from_secs(3), "{kind}: {:?}", begin.elapsed());
    }
    assert_eq!(env.ok(["pod", "ps", "-q"]), "");
    let left: Vec<_> = std::fs::read_dir(env.root.join("layers")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
    env.assert_clean();
}

#[test]
fn options_that_would_do_nothing_are_refused() {
    let env = TestEnv::new("registry-options");
    for (arguments, words) in [
        (&["pull", "--authfile", "/nowhere/auth.json", "127.0.0.1:1/app"][..], "there is no `/nowhere/auth.json`"),
        (&["pull", "--all-tags", "docker-archive:/nowhere.tar"], "is an archive, for which there is no --all-tags"),
        (&["pull", "--platform", "linux/arm64", "oci:/nowhere"], "is an archive, for which there is no --platform"),
        (&["pull", "docker-archive:/nowhere.tar:app"], "names one image of an archive"),
        (&["push", "--compression-level", "12", "app"], "gzip has the levels 1 to 9, not 12"),
        (&["logout", "--creds", "a:b", "127.0.0.1:1"], "--creds"),
    ] {
        let ran = env.finish(on_machine(&env, "", arguments));
        assert!(!ran.status.success() && ran.stderr.contains(words), "{arguments:?}: {ran:?}");
    }
}
