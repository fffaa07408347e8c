//! `logs` and `pod logs`.

use crate::common::TestEnv;

const TALKER: &str = "
apiVersion: v1
kind: Pod
metadata: {name: talk}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  containers:
  - {name: one, image: localhost/podkin-demo, command: [/podkin-demo, echo, from one]}
  - {name: two, image: localhost/podkin-demo, command: [/podkin-demo, echo, from two]}
";

#[test]
fn logs_are_plain_for_one_and_labelled_for_several() {
    let env = TestEnv::new("logs");
    let file = env.file("talk.yaml", TALKER).to_string_lossy().into_owned();
    env.ok(["kube", "play", "--quiet", &file]);
    // Follows until both have ended.
    let both = env.ok(["pod", "logs", "--follow", "talk"]);
    let mut lines: Vec<&str> = both.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["talk-one from one", "talk-two from two"]);
    assert_eq!(env.ok(["logs", "talk-one"]), "from one\n");
    assert_eq!(env.ok(["logs", "--names", "talk-one"]), "talk-one from one\n");
    assert_eq!(env.ok(["logs", "--tail", "0", "talk-one"]), "");
    assert_eq!(env.ok(["pod", "logs", "-c", "two", "talk"]), "from two\n");
    let stamped = env.ok(["logs", "-t", "talk-one"]);
    let (time, text) = stamped.trim_end().split_once(' ').unwrap();
    assert_eq!(text, "from one");
    time.parse::<jiff::Timestamp>().unwrap();
    assert_eq!(env.ok(["logs", "--since", "1h", "talk-one"]), "from one\n");
    assert_eq!(env.ok(["logs", "--until", "1h", "talk-one"]), "");
    env.fails(2, ["logs", "--since", "yesterday", "talk-one"]);
    let said = env.fails(125, ["pod", "logs", "-c", "tow", "talk"]);
    assert!(said.contains("pod `talk` has no container `tow`") && said.contains("did you mean `two`?"), "{said}");
}

/// Nobody else would start another supervisor, without which nothing more comes.
#[test]
fn following_goes_on_when_the_supervisor_was_killed() {
    use std::time::Duration;
    let env = TestEnv::new("logs-follow");
    let count = TALKER.replace("echo, from one", "count, --interval-us, \"20000\", --total, \"500\"");
    let file = env.file("talk.yaml", &count).to_string_lossy().into_owned();
    env.ok(["kube", "play", "--quiet", &file]);
    let shown = env.base.join("shown");
    let mut command = env.command(["logs", "-f", "talk-one"]);
    command.stdout(std::fs::File::create(&shown).expect("base is writable"));
    let mut follower = command.spawn().expect("it starts");
    let lines = || std::fs::read_to_string(&shown).unwrap_or_default().lines().count();
    crate::common::eventually("it shows lines", Duration::from_secs(10), || lines() > 3);
    let pid = env.ok(["pod", "inspect", "--format", "{{.SupervisorPid}}", "talk"]);
    let pid = pid.trim().parse().ok().and_then(rustix::process::Pid::from_raw).expect("it has one");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it lives");
    let status = follower.wait().expect("it ends with the container");
    assert!(status.success());
    assert_eq!(lines(), 500);
}
