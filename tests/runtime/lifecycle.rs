//! Creating, starting, ending and deleting.

use super::fixture::{Fixture, is_mounted_below};
use podkin::runtime::report::ExecFailureKind;
use podkin::sys::process::Exit;

pub const TESTS: &[(&str, fn())] =
    &[("runs_and_ends", runs_and_ends), ("exit_codes", exit_codes), ("command_failures", command_failures)];

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
