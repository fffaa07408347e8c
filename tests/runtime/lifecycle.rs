//! Creating, starting, ending and deleting.

use super::fixture::{Fixture, children, is_mounted_below, launch};
use podkin::runtime::config::{ContainerConfig, PidNamespace};
use podkin::runtime::report::{self, ExecFailureKind};
use podkin::runtime::{Runtime, Stdio};
use podkin::sys::namespace;
use podkin::sys::process::{self, Exit, ProcessState};

pub const TESTS: &[(&str, fn())] = &[
    ("runs_and_ends", runs_and_ends),
    ("exit_codes", exit_codes),
    ("command_failures", command_failures),
    ("pinned_process_keeps_its_exit_code", pinned_process),
    ("delete_of_what_was_never_started", delete_never_started),
    ("delete_kills_what_outlives_the_first_process", delete_kills),
    ("containers_side_by_side", side_by_side),
    ("a_failed_create_leaves_nothing", failed_create),
];

fn runs_and_ends() {
    let fixture = Fixture::new();
    let output = fixture.output(&fixture.shell("echo hello; id -u; pwd; echo $$"));
    assert_eq!(output, "hello\n0\n/\n1\n");
    assert!(!is_mounted_below(&fixture.dir));
}

fn exit_codes() {
    let fixture = Fixture::new();
    assert_eq!(fixture.run(&fixture.shell("exit 7")).exit, Exit::Code(7));
    let running = fixture.start(&fixture.shell("sleep 100")).unwrap();
    assert_eq!(running.kill().exit, Exit::Signal(9));
}

fn command_failures() {
    let fixture = Fixture::new();
    let failure = |args: &[&str]| {
        let outcome = fixture.run(&fixture.config(args));
        let failure = outcome.failure.unwrap_or_else(|| panic!("{args:?} ran"));
        assert_eq!(outcome.exit, Exit::Code(failure.kind.exit_code()));
        (failure.kind, failure.message)
    };
    let (kind, message) = failure(&["nope"]);
    assert_eq!((kind, message.as_str()), (ExecFailureKind::CommandNotFound, "`nope` was not found in PATH"));
    assert_eq!(failure(&["/bin/nope"]).0, ExecFailureKind::CommandNotFound);
    assert_eq!(failure(&["/etc/passwd"]).0, ExecFailureKind::CommandNotInvocable);
    assert_eq!(failure(&["/etc"]).0, ExecFailureKind::CommandNotInvocable);
}

fn pinned_process() {
    let fixture = Fixture::new();
    let running = fixture.start(&fixture.shell("exit 42")).unwrap();
    let pin = fixture.dir.join("pidfd");
    match namespace::pin_pidfd(&running.child.pidfd, &pin) {
        Ok(()) => {}
        // Linux before 6.14.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => return drop(running.finish()),
        Err(error) => panic!("{error}"),
    }
    assert_eq!(running.finish().exit, Exit::Code(42));
    let pidfd = namespace::open_pinned_pidfd(&pin).unwrap();
    assert_eq!(process::exit_info(&pidfd).unwrap(), ProcessState::Ended(Some(Exit::Code(42))));
    assert!(process::pidfd_send_signal(&pidfd, 0).is_err());
    namespace::unpin(&pin).unwrap();
    namespace::unpin(&pin).unwrap();
}

fn create_only(fixture: &Fixture, config: &ContainerConfig) -> i32 {
    let (_report, report_write) = report::pipe().unwrap();
    let null = || std::os::fd::OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    let stdio = Stdio::Descriptors { stdin: null(), stdout: null(), stderr: null() };
    launch(|| fixture.runtime.create(config, stdio, report_write).map(|c| c.pid)).unwrap()
}

fn reap_all() {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while !children().is_empty() && std::time::Instant::now() < deadline {
        process::reap_any().unwrap();
    }
}

fn delete_never_started() {
    let fixture = Fixture::new();
    let config = fixture.shell("true");
    let pid = create_only(&fixture, &config);
    assert!(std::path::Path::new(&format!("/proc/{pid}")).exists());
    fixture.runtime.delete(&config.run_dir).unwrap();
    reap_all();
    // Again, and where nothing ever was.
    fixture.runtime.delete(&config.run_dir).unwrap();
    fixture.runtime.delete(&fixture.dir.join("none")).unwrap();
    assert!(fixture.runtime.start(&config.run_dir).is_err());
    // A path that never got into its file names no group, least of all the machine's own.
    std::fs::write(config.run_dir.join("cgroup.path"), "").unwrap();
    fixture.runtime.delete(&config.run_dir).unwrap();
    assert!(!config.run_dir.join("cgroup.path").exists());
}

fn delete_kills() {
    let fixture = Fixture::new();
    // In the host's pid namespace nothing ends with the first process.
    let mut config = fixture.shell("setsid sleep 1000 & exit 3");
    config.namespaces.pid = PidNamespace::Host;
    let pidfd = process::pidfd_open(create_only(&fixture, &config)).unwrap();
    fixture.runtime.start(&config.run_dir).unwrap();
    assert_eq!(process::wait(&pidfd).unwrap(), Exit::Code(3));
    fixture.runtime.delete(&config.run_dir).unwrap();
    reap_all();
}

fn side_by_side() {
    let fixture = Fixture::new();
    let workers: Vec<_> = (0..10)
        .map(|n| {
            let config = fixture.shell(&format!("echo {n}; cat /proc/self/cgroup | grep -c podkin-test/"));
            process::fork_child(|| {
                process::set_child_subreaper().unwrap();
                let outcome = fixture.run(&config);
                i32::from(!outcome.output.starts_with(&format!("{n}\n")) || outcome.exit != Exit::Code(1))
            })
            .unwrap()
        })
        .collect();
    for worker in workers {
        assert_eq!(process::wait(&worker.pidfd).unwrap(), Exit::Code(0));
    }
}

fn failed_create() {
    let fixture = Fixture::new();
    let mut config = fixture.shell("true");
    config.process.user.spec = "nobody".into();
    let error = fixture.start(&config).err().expect("refused");
    assert!(error.contains("no user `nobody`"), "{error}");
    config = fixture.shell("true");
    config.process.cwd = "/bin/sh".into();
    assert!(fixture.start(&config).err().is_some_and(|e| e.contains("working directory")));
    config = fixture.shell("true");
    config.process.args.clear();
    assert!(fixture.start(&config).is_err());
    config = fixture.shell("true");
    config.process.env = vec![("A=B".into(), "secret".into())];
    let error = fixture.start(&config).err().expect("refused");
    assert!(!error.contains("secret"), "{error}");
    assert!(!is_mounted_below(&fixture.dir));
    assert!(!std::path::Path::new(&format!("/sys/fs/cgroup/pids/podkin-test/{}", std::process::id())).exists());
}
