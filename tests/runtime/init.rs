//! The init process of a container that asks for one.

use super::fixture::Fixture;
use podkin::runtime::config::{ContainerConfig, PidNamespace};
use podkin::runtime::report::ExecFailureKind;
use podkin::sys::process::{self, Exit};

pub const TESTS: &[(&str, fn())] = &[
    ("init_collects_orphans", collects_orphans),
    ("init_collects_orphans_among_the_hosts_processes", collects_orphans_on_the_host),
    ("init_passes_on_the_end", passes_on_the_end),
    ("init_passes_on_signals", passes_on_signals),
    ("init_fails_as_the_program_does", fails_as_the_program),
    ("init_is_confined_as_the_program_is", is_confined),
    ("init_leaves_the_session_to_the_program", leaves_the_session),
];

fn with_init(fixture: &Fixture, script: &str) -> ContainerConfig {
    let mut config = fixture.shell(script);
    config.process.init = true;
    config
}

/// Prints who is the parent of a process whose own has ended, and whether anything that ended is left.
const ORPHAN: &str = "sh -c 'sleep 0.2 & echo $! >/tmp/orphan'; read -r pid </tmp/orphan; \
                      cut -d' ' -f4 /proc/$pid/stat; echo $PPID; sleep 0.4; [ -e /proc/$pid ] && echo left; true";

fn collects_orphans() {
    let fixture = Fixture::new();
    assert_eq!(fixture.output(&with_init(&fixture, ORPHAN)), "1\n1\n");
}

fn collects_orphans_on_the_host() {
    let fixture = Fixture::new();
    let mut config = with_init(&fixture, ORPHAN);
    config.namespaces.pid = PidNamespace::Host;
    let output = fixture.output(&config);
    let lines: Vec<&str> = output.lines().collect();
    assert!(lines.len() == 2 && lines[0] == lines[1], "{output}");
}

fn passes_on_the_end() {
    let fixture = Fixture::new();
    assert_eq!(fixture.run(&with_init(&fixture, "exit 7")).exit, Exit::Code(7));
    assert_eq!(fixture.run(&with_init(&fixture, "kill -USR1 $$")).exit, Exit::Code(128 + 10));
    // What is left ends with it.
    assert_eq!(fixture.run(&with_init(&fixture, "sleep 1000 & exit 3")).exit, Exit::Code(3));
}

fn passes_on_signals() {
    let fixture = Fixture::new();
    // At once, when the init program may not have begun.
    let running = fixture.start(&with_init(&fixture, "exec sleep 100")).unwrap();
    process::pidfd_send_signal(&running.child.pidfd, 15).unwrap();
    assert_eq!(running.finish().exit, Exit::Code(128 + 15));
    let running = fixture.start(&with_init(&fixture, "sleep 100")).unwrap();
    assert_eq!(running.kill().exit, Exit::Signal(9));
}

fn fails_as_the_program() {
    let fixture = Fixture::new();
    let mut config = fixture.config(&["nope"]);
    config.process.init = true;
    let outcome = fixture.run(&config);
    let failure = outcome.failure.expect("it cannot run");
    assert_eq!(failure.kind, ExecFailureKind::CommandNotFound);
    assert_eq!(failure.message, "`nope` was not found in PATH");
    assert_eq!(outcome.exit, Exit::Code(127));
}

fn is_confined() {
    let fixture = Fixture::new();
    let script = "grep -E '^(CapPrm|CapBnd|NoNewPrivs|Seccomp):' /proc/1/status; ls /proc/1/fd; readlink /proc/1/cwd; \
                  (echo x >/proc/1/exe) 2>/dev/null || echo sealed";
    let mut config = with_init(&fixture, script);
    let output = fixture.output(&config);
    let kill = "0000000000000020";
    let expected = |nnp: u8| format!("CapPrm:\t{kill}\nCapBnd:\t{kill}\nNoNewPrivs:\t{nnp}\nSeccomp:\t2\n/\nsealed\n");
    assert_eq!(output, expected(0));
    config = with_init(&fixture, script);
    config.process.no_new_privileges = true;
    assert_eq!(fixture.output(&config), expected(1));
    config = with_init(&fixture, "grep CapPrm /proc/1/status; grep CapPrm /proc/self/status");
    config.process.user.uid = Some(1000);
    assert_eq!(fixture.output(&config), "CapPrm:\t0000000000000000\nCapPrm:\t0000000000000000\n");
}

fn leaves_the_session() {
    let fixture = Fixture::new();
    assert_eq!(fixture.output(&with_init(&fixture, "cut -d' ' -f1,5,6 /proc/$$/stat")), "2 2 2\n");
}
