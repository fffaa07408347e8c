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
