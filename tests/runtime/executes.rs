//! Further processes in a running container.

use super::fixture::{Fixture, children, shell_request};
use podkin::runtime::Stdio;
use podkin::runtime::exec::{ExecError, ExecRequest, ExecTarget, exec};
use podkin::runtime::report::ExecFailureKind;
use podkin::sys::process::{self, Exit};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

pub const TESTS: &[(&str, fn())] = &[
    ("exec_joins_everything", joins_everything),
    ("exec_is_confined_like_the_first_process", is_confined),
    ("exec_exit_codes_and_failures", exit_codes_and_failures),
    ("exec_failure_then_stop_does_not_hang", failure_then_stop),
    ("exec_user_env_and_directory", user_env_and_directory),
    ("exec_on_a_terminal", on_a_terminal),
    ("exec_into_what_has_ended", into_what_has_ended),
];

/// Sleeps until it is killed; its own pid 1 would ignore signals it has no handler for.
const SLEEP: &str = "trap 'exit 0' TERM; sleep 1000 & wait";

fn joins_everything() {
    let fixture = Fixture::new();
    let running = fixture.start(&fixture.shell(SLEEP)).unwrap();
    let output = running.exec_output("for n in mnt pid ipc uts net cgroup user; do readlink /proc/self/ns/$n; done");
    let own = |pid: &str| -> String {
        ["mnt", "pid", "ipc", "uts", "net", "cgroup", "user"]
            .map(|n| format!("{}\n", std::fs::read_link(format!("/proc/{pid}/ns/{n}")).unwrap().display()))
            .concat()
    };
    assert_eq!(output, own(&running.child.pid.to_string()));
    // In the cgroups, too, and this process still where it was.
    let groups = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let inside = running.exec_output("cat /proc/self/cgroup");
    assert_eq!(inside, running.exec_output("cat /proc/1/cgroup"));
    assert!(groups(&running.child.pid.to_string()).contains("podkin-test/"));
    assert!(!groups("self").contains("podkin-test/"));
    let for_children = std::fs::read_link("/proc/self/ns/pid_for_children").unwrap();
    assert_eq!(for_children, std::fs::read_link("/proc/self/ns/pid").unwrap());
    running.kill();
}

fn is_confined() {
    let fixture = Fixture::new();
    let script = "grep -E '^(Cap|NoNewPrivs|Seccomp:|SigIgn|SigBlk|Groups)' /proc/self/status; ulimit -n; ls /proc/self/fd | wc -l";
    for no_new_privileges in [false, true] {
        let mut config = fixture.shell(&format!("{script}; touch /done; {SLEEP}"));
        config.process.no_new_privileges = no_new_privileges;
        config.process.rlimits = vec![("nofile".into(), 77, 99)];
        let running = fixture.start(&config).unwrap();
        let seen_by_exec = running.exec_output(&format!("until [ -e /done ]; do usleep 1000; done; {script}"));
        let seen_by_init = running.kill().output;
        assert_eq!(seen_by_exec, seen_by_init);
        assert!(seen_by_exec.contains("77\n"), "{seen_by_exec}");
    }
    let running = fixture.start(&fixture.shell(SLEEP)).unwrap();
    let request = ExecRequest { privileged: true, ..shell_request("grep -E 'CapEff|Seccomp:' /proc/self/status") };
    let output = running.exec(&request).unwrap().output;
    assert!(output.contains("Seccomp:\t0") && !output.contains("CapEff:\t00000000"), "{output}");
    running.kill();
}

fn exit_codes_and_failures() {
    let fixture = Fixture::new();
    let running = fixture.start(&fixture.shell(SLEEP)).unwrap();
    assert_eq!(running.exec(&shell_request("exit 9")).unwrap().exit, Exit::Code(9));
    assert_eq!(running.exec(&shell_request("kill -TERM $$")).unwrap().exit, Exit::Signal(15));
    let failure = |args: &[&str]| {
        let request = ExecRequest { args: args.iter().map(|a| (*a).to_owned()).collect(), ..ExecRequest::default() };
        match running.exec(&request) {
            Err(ExecError::Command(failure)) => failure.kind,
            Err(other) => panic!("{args:?}: {other}"),
            Ok(outcome) => panic!("{args:?} ran: {}", outcome.output),
        }
    };
    assert_eq!(failure(&["nope"]), ExecFailureKind::CommandNotFound);
    assert_eq!(failure(&["/etc/passwd"]), ExecFailureKind::CommandNotInvocable);
    assert_eq!(failure(&["/proc/self/exe"]), ExecFailureKind::CommandNotInvocable);
    let request = ExecRequest { cwd: Some("/none".into()), ..shell_request("true") };
    assert!(matches!(running.exec(&request), Err(ExecError::Command(f)) if f.kind == ExecFailureKind::Other));
    assert_eq!(children(), [running.child.pid]);
    running.kill();
}

fn failure_then_stop() {
    let fixture = Fixture::new();
    let running = fixture.start(&fixture.shell(SLEEP)).unwrap();
    let request = ExecRequest { args: vec!["nope".into()], ..ExecRequest::default() };
    assert!(running.exec(&request).is_err());
    process::pidfd_send_signal(&running.child.pidfd, 15).unwrap();
    assert_eq!(running.finish().exit, Exit::Code(0));
}

fn user_env_and_directory() {
    let fixture = Fixture::new();
    let mut config = fixture.shell(SLEEP);
    config.process.env = vec![("A".into(), "1".into()), ("B".into(), "2".into())];
    config.process.user.additional_gids = vec![4242];
    let running = fixture.start(&config).unwrap();
    assert_eq!(running.exec_output("echo $A $B $HOME $HOSTNAME; pwd; id -u; id -G"), "1 2 /root box\n/\n0\n0 4242\n");
    let request = ExecRequest {
        env: vec![("B".into(), "3".into())],
        cwd: Some("/srv".into()),
        user: Some("web".into()),
        ..shell_request("echo $A $B $HOME; pwd; id -u; id -G; grep CapEff /proc/self/status")
    };
    let output = running.exec(&request).unwrap().output;
    assert_eq!(output, "1 3 /srv\n/srv\n33\n34 50\nCapEff:\t0000000000000000\n");
    let request = ExecRequest { user: Some("nobody".into()), ..shell_request("true") };
    assert!(matches!(running.exec(&request), Err(ExecError::Runtime(_))));
    running.kill();
}

fn on_a_terminal() {
    let fixture = Fixture::new();
    let running = fixture.start(&fixture.shell(SLEEP)).unwrap();
    let request = shell_request("tty; test -t 0 && echo terminal > /dev/tty; read line; echo got $line");
    let executed = exec(&running.target(), &request, Stdio::Terminal).unwrap();
    let console = executed.console.expect("console");
    let output = converse(console, "hello\n");
    assert!(output.contains("/dev/pts/0") && output.contains("terminal") && output.contains("got hello"), "{output}");
    assert_eq!(process::wait(&executed.child.pidfd).unwrap(), Exit::Code(0));
    running.kill();
}

/// Types a line and gives what came back until the other side hung up.
pub fn converse(console: OwnedFd, line: &str) -> String {
    let mut console = std::fs::File::from(console);
    console.write_all(line.as_bytes()).unwrap();
    let mut output = Vec::new();
    // The end of a terminal is the error EIO.
    let _ = console.read_to_end(&mut output);
    String::from_utf8_lossy(&output).into_owned()
}

fn into_what_has_ended() {
    let fixture = Fixture::new();
    let running = fixture.start(&fixture.shell(SLEEP)).unwrap();
    let target = running.target();
    let wrong = ExecTarget::open(&running.run_dir, running.child.pid, target.start_ticks + 1);
    assert!(matches!(wrong, Err(ExecError::NotRunning)));
    running.kill();
    let null = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    let stdio = Stdio::Descriptors { stdin: null(), stdout: null(), stderr: null() };
    assert!(matches!(exec(&target, &shell_request("true"), stdio), Err(ExecError::NotRunning)));
}
