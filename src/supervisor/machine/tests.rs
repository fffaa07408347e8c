//! Pods lived through without a process: a simulated driver answers each action, and the order of actions is the expectation.

use super::spec::{ContainerSpec, Timing};
use super::*;
use crate::model::RestartPolicy::{self, Always, Never, OnFailure};
use crate::store::record::{ContainerState, PodPhase};

mod conditions;
mod eviction;
mod occurrences;
mod resize;

const PERIOD: u64 = 10_000;

pub(super) fn container(name: &str, role: Role, restart: RestartPolicy) -> ContainerSpec {
    let id = format!("{name}-id");
    let (rules, probes) = (Vec::new(), [None; 3]);
    ContainerSpec {
        pulled: None,
        id,
        name: name.into(),
        image: "image".into(),
        pull: None,
        role,
        restart,
        rules,
        post_start: false,
        pre_stop: false,
        auto_remove: false,
        resources: Resources::default(),
        resize: Default::default(),
        probes,
    }
}

pub(super) fn regular(name: &str, restart: RestartPolicy) -> ContainerSpec {
    container(name, Role::Regular, restart)
}

fn timing(failure_threshold: u32) -> Timing {
    Timing { initial_delay: 0, period: PERIOD, success_threshold: 1, failure_threshold, grace: None }
}

/// Carries actions out at once: what it makes up is always a success, unless told otherwise.
pub(super) struct Sim {
    pub(super) machine: Machine,
    pub(super) now: u64,
    /// Every action but probes, in short.
    log: Vec<String>,
    pub(super) replies: Vec<(Token, Vec<Failure>)>,
    /// Containers that do not die from their stop signal.
    stubborn: Vec<&'static str>,
    /// Containers whose program cannot be executed.
    broken: Vec<&'static str>,
    /// Containers that cannot be created.
    uncreatable: Vec<&'static str>,
    /// Containers that end by themselves as soon as they run.
    brief: Vec<(&'static str, i32)>,
    /// Container and reason of what a kubelet would tell, `!` before a warning; and the messages.
    told: Vec<String>,
    messages: Vec<String>,
    /// Why those cannot be.
    failure_kind: FailureKind,
    /// Milliseconds from the word to run a program to the answer.
    start_takes: u64,
    hooks_fail: bool,
    hold_network: bool,
    /// Signals have no effect yet.
    pub(super) hold_deaths: bool,
    pub(super) probe_ok: fn(ProbeKind) -> bool,
    /// Bytes of memory that cannot be taken back.
    pub(super) unshrinkable: Option<u64>,
}

impl Sim {
    pub(super) fn new(containers: Vec<ContainerSpec>) -> Self {
        let back_off = BackOffRule::default();
        let spec = Spec {
            pod: "pod".into(),
            full_name: "pod_default(pod-id)".into(),
            name: "default/pod".into(),
            node: "machine".into(),
            readiness_gates: Vec::new(),
            containers,
            resources: Resources::default(),
            grace: 30_000,
            active_deadline: None,
            back_off,
        };
        Self {
            machine: Machine::new(spec),
            now: 1_000,
            log: Vec::new(),
            replies: Vec::new(),
            stubborn: Vec::new(),
            broken: Vec::new(),
            uncreatable: Vec::new(),
            brief: Vec::new(),
            told: Vec::new(),
            messages: Vec::new(),
            failure_kind: FailureKind::Other,
            start_takes: 0,
            hooks_fail: false,
            hold_network: false,
            hold_deaths: false,
            probe_ok: |_| true,
            unshrinkable: None,
        }
    }

    fn name(&self, index: Index) -> String {
        self.machine.spec.containers[index].name.clone()
    }

    fn index(&self, name: &str) -> Index {
        self.machine.spec.containers.iter().position(|c| c.name == name).expect("a container of that name")
    }

    pub(super) fn feed(&mut self, input: Input) {
        let mut inputs = std::collections::VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let wall = jiff::Timestamp::from_millisecond(self.now as i64).expect("a time");
            let now = Now { moment: Moment(self.now), wall };
            let before = self.machine.state.clone();
            let actions = self.machine.handle(now, input);
            self.hear(occurrences(&self.machine.spec, &before, &self.machine.state, now.moment));
            for action in actions {
                inputs.extend(self.act(action));
            }
        }
    }

    fn hear(&mut self, occurred: Vec<Occurrence>) {
        for Occurrence { container, warning, reason, message, time: _ } in occurred {
            let name = container.map(|index| format!("{} ", self.name(index))).unwrap_or_default();
            self.told.push(format!("{}{name}{reason}", if warning { "!" } else { "" }));
            self.messages.push(message);
        }
    }

    fn act(&mut self, action: Action) -> Vec<Input> {
        match action {
            Action::MakeSandbox => {
                self.log.push("sandbox".into());
                let mut inputs = vec![Input::NamespacesReady];
                if !self.hold_network {
                    inputs.push(Input::NetworkReady { ips: vec![] });
                }
                inputs
            }
            Action::Create { index, attempt, fresh } => {
                let how = if fresh { "recreate" } else { "create" };
                self.log.push(format!("{how} {}", self.name(index)));
                let failure = || StartFailure { kind: self.failure_kind, message: "no space".into() };
                let result = match self.uncreatable.contains(&self.name(index).as_str()) {
                    true => Err(failure()),
                    false => Ok(Process { pid: 100 + index as i32, start_ticks: 1 }),
                };
                vec![Input::Created { index, attempt, result }]
            }
            Action::Start { index, attempt } => {
                self.log.push(format!("start {}", self.name(index)));
                self.now += self.start_takes;
                let name = self.name(index);
                if self.broken.contains(&name.as_str()) {
                    let failure = StartFailure { kind: FailureKind::CommandNotFound, message: "no such file".into() };
                    let exited = Input::Exited { index, attempt, exit: Exit::Code(127) };
                    return vec![exited, Input::Started { index, attempt, result: Err(failure) }];
                }
                let mut inputs = vec![Input::Started { index, attempt, result: Ok(()) }];
                let brief = self.brief.iter().find(|(n, _)| *n == name);
                inputs.extend(brief.map(|(_, code)| Input::Exited { index, attempt, exit: Exit::Code(*code) }));
                inputs
            }
            Action::RunHook { index, attempt, hook, .. } => {
                self.log.push(format!("{hook:?} {}", self.name(index)));
                let result = if self.hooks_fail { Err("exit code 1".to_owned()) } else { Ok(()) };
                vec![Input::HookDone { index, attempt, hook, result }]
            }
            Action::Probe { index, attempt, probe } => {
                let outcome = Outcome { ok: (self.probe_ok)(probe), message: String::new() };
                vec![Input::Probed { index, attempt, probe, outcome }]
            }
            Action::Signal { index, signal } => {
                let name = self.name(index);
                let obeys = signal == Signal::Number(9) || !self.stubborn.contains(&name.as_str());
                let kills = obeys && !self.hold_deaths;
                self.log.push(format!("{} {name}", if signal == Signal::Number(9) { "KILL" } else { "TERM" }));
                let number = if signal == Signal::Number(9) { 9 } else { 15 };
                let attempt = self.machine.state.cells[index].attempt;
                kills.then_some(Input::Exited { index, attempt, exit: Exit::Signal(number) }).into_iter().collect()
            }
            Action::KillAll { index } => {
                self.log.push(format!("kill all of {}", self.name(index)));
                vec![]
            }
            Action::Delete { index, attempt } => {
                self.log.push(format!("delete {}", self.name(index)));
                vec![Input::Deleted { index, attempt, out_of_memory: false, message: None, problems: vec![] }]
            }
            Action::Discard { index } => {
                self.log.push(format!("discard {}", self.name(index)));
                vec![]
            }
            Action::Resize { pod, containers } => {
                let memory = |r: &Resources| r.memory_limit.unwrap_or_default();
                let each = containers.iter().map(|(index, _, to)| format!(" {} {}", self.name(*index), memory(to)));
                self.log.push(format!("resize {}{}", memory(&pod), each.collect::<String>()));
                let result = |wanted: &Resources| match self.unshrinkable {
                    Some(used) if memory(wanted) < used => {
                        let mut present = *wanted;
                        (present.memory_request, present.memory_limit) = (Some(used), Some(used));
                        Resized { wanted: *wanted, present, problem: Some("in use".into()) }
                    }
                    _ => Resized { wanted: *wanted, present: *wanted, problem: None },
                };
                let of_containers = containers.iter().map(|(index, attempt, to)| (*index, *attempt, result(to)));
                vec![Input::Resized { pod: Box::new(result(&pod)), containers: of_containers.collect() }]
            }
            Action::TearDown { .. } => {
                self.log.push("teardown".into());
                vec![Input::TornDown { problems: vec![] }]
            }
            Action::Emit(_) => vec![],
            Action::Reply { token, failures } => {
                self.replies.push((token, failures));
                vec![]
            }
        }
    }

    pub(super) fn start(&mut self) {
        self.feed(Input::Start { token: 1 });
    }

    pub(super) fn stop(&mut self) {
        self.feed(Input::Stop { grace: None, after: After::Nothing, token: 2 });
    }

    /// Lets time pass, waking at each deadline.
    pub(super) fn pass(&mut self, milliseconds: u64) {
        let end = self.now + milliseconds;
        while let Some(Moment(due)) = self.machine.deadline().filter(|d| d.0 <= end) {
            assert!(due >= self.now || self.machine.deadline() != Some(Moment(due)) || due <= self.now);
            self.now = self.now.max(due);
            let before = (self.log.len(), self.machine.state.clone());
            self.feed(Input::Tick);
            assert_ne!(before, (self.log.len(), self.machine.state.clone()), "a deadline that changes nothing");
        }
        self.now = end;
    }

    pub(super) fn exit(&mut self, name: &str, code: i32) {
        let index = self.index(name);
        let attempt = self.machine.state.cells[index].attempt;
        self.feed(Input::Exited { index, attempt, exit: Exit::Code(code) });
    }

    pub(super) fn take_log(&mut self) -> String {
        std::mem::take(&mut self.log).join(", ")
    }

    pub(super) fn status(&self) -> crate::store::record::PodStatus {
        status(&self.machine, "boot", None)
    }

    pub(super) fn cell(&self, name: &str) -> &Cell {
        &self.machine.state.cells[self.index(name)]
    }
}

#[test]
fn containers_without_init_are_created_while_the_network_is_made() {
    let mut sim = Sim::new(vec![regular("a", Always), regular("b", Always)]);
    sim.hold_network = true;
    sim.start();
    assert_eq!(sim.take_log(), "sandbox, create a, create b");
    assert!(sim.replies.is_empty());
    sim.feed(Input::NetworkReady { ips: vec![] });
    assert_eq!(sim.take_log(), "start a, start b");
    assert_eq!(sim.replies, [(1, vec![])]);
    assert_eq!(sim.status().phase, PodPhase::Running);
}

#[test]
fn init_containers_run_one_by_one_and_sidecars_stay() {
    let mut first = container("first", Role::Init, OnFailure);
    first.post_start = false;
    let mut side = container("side", Role::Sidecar, Always);
    side.probes[ProbeKind::Startup as usize] = Some(timing(3));
    let second = container("second", Role::Init, OnFailure);
    let mut sim = Sim::new(vec![first, side, second, regular("main", Always)]);
    sim.start();
    assert_eq!(sim.take_log(), "sandbox, create first, start first");
    assert_eq!(sim.status().phase, PodPhase::Pending);
    let waiting = ContainerState::Waiting { reason: "PodInitializing".into(), message: None };
    assert_eq!(sim.status().containers[3].state, waiting);
    sim.exit("first", 0);
    assert_eq!(sim.take_log(), "delete first, create side, start side, create second, start second");
    sim.exit("second", 0);
    assert_eq!(sim.take_log(), "delete second, create main, start main");
    assert_eq!(sim.replies, [(1, vec![])]);
    sim.exit("side", 1);
    assert_eq!(sim.take_log(), "delete side, recreate side, start side");
}

#[test]
fn a_failing_init_container_follows_the_policy() {
    let mut sim = Sim::new(vec![container("init", Role::Init, Never), regular("main", Never)]);
    sim.start();
    sim.exit("init", 3);
    assert_eq!(sim.take_log(), "sandbox, create init, start init, delete init, teardown");
    assert_eq!(sim.status().phase, PodPhase::Failed);
    let failure = &sim.replies[0].1[0];
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (FailureKind::InitFailed, "init container `init` failed: exit code 3")
    );

    let mut sim = Sim::new(vec![container("init", Role::Init, OnFailure), regular("main", Always)]);
    sim.start();
    sim.exit("init", 1);
    assert_eq!(sim.take_log(), "sandbox, create init, start init, delete init, recreate init, start init");
    assert!(sim.replies.is_empty(), "the first failure is forgiven");
    sim.exit("init", 1);
    assert_eq!(sim.replies[0].1[0].kind, FailureKind::InitRetried);
    sim.pass(10_000);
    sim.exit("init", 0);
    assert_eq!(sim.take_log(), "delete init, recreate init, start init, delete init, create main, start main");
}

#[test]
fn an_init_container_that_cannot_be_run_is_told_at_once() {
    let containers = || vec![container("init", Role::Init, OnFailure), regular("main", Always)];
    let mut sim = Sim::new(containers());
    sim.uncreatable = vec!["init"];
    sim.start();
    let told = "init container `init` failed: no space (it is tried again)";
    assert_eq!(sim.replies[0].1[0].message, told);
    sim.uncreatable.clear();
    sim.pass(10_000);
    sim.exit("init", 0);
    let log = sim.take_log();
    assert!(log.ends_with("create init, start init, delete init, create main, start main"), "{log}");

    let mut sim = Sim::new(containers());
    sim.broken = vec!["init"];
    sim.start();
    assert_eq!(sim.replies[0].1[0].kind, FailureKind::InitFailed);
}

#[test]
fn restarts_back_off_and_a_completed_pod_ends() {
    let mut sim = Sim::new(vec![regular("a", OnFailure)]);
    sim.start();
    sim.exit("a", 1);
    assert_eq!(sim.take_log(), "sandbox, create a, start a, delete a, recreate a, start a");
    sim.exit("a", 1);
    let message = "back-off 10s restarting failed container=a pod=pod_default(pod-id)";
    let waiting = ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: Some(message.into()) };
    assert_eq!(sim.status().containers[0].state, waiting);
    sim.pass(9_999);
    assert_eq!(sim.take_log(), "delete a");
    sim.pass(1);
    assert_eq!(sim.take_log(), "recreate a, start a");
    assert_eq!(sim.status().containers[0].restart_count, 2);
    sim.exit("a", 0);
    assert_eq!(sim.take_log(), "delete a, teardown");
    assert_eq!(sim.status().phase, PodPhase::Succeeded);
    assert!(sim.machine.is_over());
}

#[test]
fn policies_decide_the_final_phase() {
    for (policy, code, expected) in [
        (Never, 0, Some(PodPhase::Succeeded)),
        (Never, 1, Some(PodPhase::Failed)),
        (OnFailure, 0, Some(PodPhase::Succeeded)),
        (OnFailure, 1, None),
        (Always, 0, None),
    ] {
        let mut sim = Sim::new(vec![regular("a", policy)]);
        sim.start();
        sim.exit("a", code);
        assert_eq!(sim.machine.state.final_phase, expected, "{policy:?} {code}");
    }
}

#[test]
fn a_program_that_cannot_run_is_told_to_who_started_it() {
    let mut sim = Sim::new(vec![regular("good", Always), regular("bad", Always)]);
    sim.broken = vec!["bad"];
    sim.start();
    let (_, failures) = &sim.replies[0];
    assert_eq!(failures.len(), 1);
    assert_eq!((failures[0].subject.as_str(), failures[0].kind), ("bad-id", FailureKind::CommandNotFound));
    sim.pass(1_000);
    let status = sim.status();
    let waiting = ContainerState::Waiting { reason: "RunContainerError".into(), message: Some("no such file".into()) };
    assert_eq!(status.containers[1].state, waiting);
    assert_eq!(status.containers[1].last.as_ref().and_then(|l| l.exit_code), Some(127));

    let mut sim = Sim::new(vec![regular("bad", Never)]);
    sim.broken = vec!["bad"];
    sim.start();
    assert_eq!(sim.replies[0].1[0].kind, FailureKind::CommandNotFound);
    assert_eq!(sim.status().phase, PodPhase::Failed);
}

#[test]
fn a_pod_whose_containers_end_at_once_has_been_started() {
    let mut sim = Sim::new(vec![regular("a", Never)]);
    sim.brief = vec![("a", 0)];
    sim.start();
    assert_eq!(sim.replies, [(1, vec![])]);
    assert_eq!(sim.status().phase, PodPhase::Succeeded);
}

#[test]
fn a_failed_sandbox_is_torn_down_before_it_is_told() {
    let mut sim = Sim::new(vec![regular("a", Always)]);
    sim.hold_network = true;
    sim.start();
    let failure = StartFailure { kind: FailureKind::PortInUse, message: "port 80 is in use".into() };
    sim.feed(Input::SandboxFailed(failure));
    assert_eq!(sim.take_log(), "sandbox, create a, KILL a, delete a, teardown");
    assert_eq!(sim.replies[0].1[0].kind, FailureKind::PortInUse);
    assert_eq!(sim.status().phase, PodPhase::Failed);
}

#[test]
fn stop_takes_regular_containers_then_sidecars_in_reverse() {
    let sides = ["one", "two"].map(|n| container(n, Role::Sidecar, Always));
    let mut all = sides.to_vec();
    all.extend([regular("a", Always), regular("b", Always)]);
    let mut sim = Sim::new(all);
    sim.stubborn = vec!["b"];
    sim.start();
    sim.take_log();
    sim.stop();
    assert_eq!(sim.take_log(), "TERM a, TERM b, delete a");
    assert!(sim.status().stopping.is_some());
    sim.exit("b", 0);
    assert_eq!(sim.take_log(), "delete b, TERM two, delete two, TERM one, delete one, teardown");
    assert_eq!(sim.replies[1], (2, vec![]));
    assert_eq!(sim.status().phase, PodPhase::Stopped);
}

#[test]
fn a_run_begins_before_its_program_can_have_written() {
    let mut sim = Sim::new(vec![regular("a", Always)]);
    sim.start_takes = 50;
    let asked = sim.now;
    sim.start();
    let ContainerState::Running { started_at, .. } = sim.status().containers[0].state else { panic!("it runs") };
    assert_eq!(started_at.as_millisecond(), i64::try_from(asked).expect("a time"));
}

#[test]
fn a_pod_that_comes_to_its_end_says_which_before_it_is_there() {
    for (code, end) in [(0, PodPhase::Succeeded), (1, PodPhase::Failed)] {
        let mut sim = Sim::new(vec![container("side", Role::Sidecar, Always), regular("a", Never)]);
        sim.stubborn = vec!["side"];
        sim.start();
        sim.exit("a", code);
        assert_eq!((sim.status().phase, sim.status().stopping), (PodPhase::Running, Some(end)));
        sim.exit("side", 0);
        assert_eq!((sim.status().phase, sim.status().stopping), (end, None));
    }
}

#[test]
fn grace_runs_out() {
    let mut side = container("side", Role::Sidecar, Always);
    side.pre_stop = true;
    let mut a = regular("a", Always);
    a.pre_stop = true;
    let mut sim = Sim::new(vec![side, a]);
    sim.stubborn = vec!["a", "side"];
    sim.start();
    sim.take_log();
    sim.stop();
    assert_eq!(sim.take_log(), "PreStop side, PreStop a, TERM a");
    sim.pass(29_999);
    assert_eq!(sim.take_log(), "");
    sim.pass(1);
    assert_eq!(sim.take_log(), "TERM side, KILL a, delete a", "hooks run at once, but the sidecar's turn comes last");
    sim.pass(2_000);
    assert_eq!(sim.take_log(), "KILL side, delete side, teardown");
}

#[test]
fn no_grace_kills_everything_at_once_without_hooks() {
    let mut a = regular("a", Always);
    a.pre_stop = true;
    let mut sim = Sim::new(vec![container("side", Role::Sidecar, Always), a]);
    sim.start();
    sim.take_log();
    sim.feed(Input::Stop { grace: Some(0), after: After::Remove, token: 2 });
    assert_eq!(sim.take_log(), "KILL side, KILL a, delete side, delete a, teardown");
}

#[test]
fn a_second_stop_hurries_the_first() {
    let mut sim = Sim::new(vec![regular("a", Always)]);
    sim.stubborn = vec!["a"];
    sim.start();
    sim.stop();
    sim.take_log();
    sim.feed(Input::Stop { grace: Some(0), after: After::Remove, token: 3 });
    assert_eq!(sim.take_log(), "KILL a, delete a, teardown");
    assert_eq!(sim.replies.len(), 3, "both stops and the start are answered");
}

#[test]
fn restart_is_a_stop_and_a_start() {
    let mut sim = Sim::new(vec![container("init", Role::Init, OnFailure), regular("a", Always)]);
    sim.brief = vec![("init", 0)];
    sim.start();
    sim.take_log();
    sim.feed(Input::Stop { grace: None, after: After::Start, token: 2 });
    assert_eq!(
        sim.take_log(),
        "TERM a, delete a, teardown, sandbox, create init, start init, delete init, create a, start a"
    );
    assert_eq!(sim.replies[1], (2, vec![]));
    assert_eq!(sim.status().phase, PodPhase::Running);
}

#[test]
fn stop_while_starting() {
    let mut sim = Sim::new(vec![regular("a", Always)]);
    sim.hold_network = true;
    sim.start();
    sim.stop();
    assert_eq!(sim.take_log(), "sandbox, create a, KILL a, delete a");
    sim.feed(Input::NetworkReady { ips: vec![] });
    assert_eq!(sim.take_log(), "teardown");
    let start = sim.replies.iter().find(|(token, _)| *token == 1).expect("an answer");
    assert_eq!(start.1[0].message, "stopped while it was starting");
}

#[test]
fn liveness_restarts_and_readiness_does_not() {
    let mut a = regular("a", Always);
    a.probes[ProbeKind::Liveness as usize] = Some(timing(3));
    a.probes[ProbeKind::Readiness as usize] = Some(timing(1));
    let mut sim = Sim::new(vec![a]);
    sim.probe_ok = |kind| kind != ProbeKind::Readiness;
    sim.start();
    assert!(!sim.cell("a").ready);
    sim.probe_ok = |_| true;
    sim.pass(PERIOD);
    assert!(sim.cell("a").ready);
    sim.take_log();
    sim.probe_ok = |_| false;
    sim.pass(PERIOD);
    assert!(!sim.cell("a").ready);
    sim.pass(PERIOD);
    assert_eq!(sim.take_log(), "");
    sim.probe_ok = |kind| kind != ProbeKind::Readiness;
    sim.pass(PERIOD);
    assert_eq!(sim.take_log(), "", "one good probe starts the count anew");
    sim.probe_ok = |_| false;
    sim.pass(3 * PERIOD);
    assert_eq!(sim.take_log(), "TERM a, delete a, recreate a, start a");
    assert_eq!(sim.cell("a").restart_count, 1);
}

#[test]
fn startup_gates_the_other_probes() {
    let mut a = regular("a", Always);
    a.probes = [Some(timing(30)), None, Some(timing(1))];
    let mut sim = Sim::new(vec![a]);
    sim.probe_ok = |_| false;
    sim.start();
    sim.pass(20 * PERIOD);
    assert!(!sim.cell("a").started);
    assert_eq!(sim.take_log(), "sandbox, create a, start a", "liveness is not asked yet");
    sim.probe_ok = |kind| kind == ProbeKind::Startup;
    sim.pass(PERIOD);
    assert!(sim.take_log().starts_with("TERM a, delete a, recreate a, start a"));
}

#[test]
fn a_probe_has_its_own_grace() {
    let mut a = regular("a", Always);
    a.probes[ProbeKind::Liveness as usize] = Some(Timing { grace: Some(3_000), ..timing(1) });
    let mut sim = Sim::new(vec![a]);
    sim.stubborn = vec!["a"];
    sim.probe_ok = |_| false;
    sim.start();
    sim.pass(0);
    sim.take_log();
    sim.pass(2_999);
    assert_eq!(sim.take_log(), "");
    sim.pass(1);
    assert!(sim.take_log().starts_with("KILL a, delete a, recreate a"));
}

#[test]
fn post_start_comes_before_started_and_kills_when_it_fails() {
    let mut a = regular("a", Always);
    a.post_start = true;
    let mut sim = Sim::new(vec![a]);
    sim.start();
    assert_eq!(sim.take_log(), "sandbox, create a, start a, PostStart a");
    assert_eq!(sim.replies, [(1, vec![])]);

    let mut a = regular("a", Never);
    a.post_start = true;
    let mut sim = Sim::new(vec![a]);
    let now = Now { moment: Moment(1), wall: jiff::Timestamp::UNIX_EPOCH };
    for input in [
        Input::Start { token: 1 },
        Input::NamespacesReady,
        Input::NetworkReady { ips: vec![] },
        Input::Created { index: 0, attempt: 1, result: Ok(Process { pid: 1, start_ticks: 1 }) },
        Input::Started { index: 0, attempt: 1, result: Ok(()) },
    ] {
        sim.machine.handle(now, input);
    }
    let failed = Input::HookDone { index: 0, attempt: 1, hook: Hook::PostStart, result: Err("exit code 1".into()) };
    let actions = sim.machine.handle(now, failed);
    assert!(actions.contains(&Action::Signal { index: 0, signal: Signal::Stop }));
}

#[test]
fn containers_can_be_stopped_and_started_alone() {
    let mut sim = Sim::new(vec![regular("a", Always), regular("b", Always)]);
    sim.start();
    sim.take_log();
    sim.feed(Input::StopContainers { containers: vec![0], grace: None, token: 2 });
    assert_eq!(sim.take_log(), "TERM a, delete a");
    assert_eq!(sim.replies[1], (2, vec![]));
    sim.feed(Input::StartContainers { containers: vec![0], token: 3 });
    assert_eq!(sim.take_log(), "create a, start a");
    sim.feed(Input::Kill { containers: vec![0, 1], signal: 9, token: 4 });
    assert_eq!(sim.take_log(), "KILL a, KILL b, delete a, delete b, teardown", "what was killed by hand stays down");
    assert_eq!(sim.status().phase, PodPhase::Stopped);
}

/// Whatever comes while the launcher is at it, it ends.
#[test]
fn a_container_stopped_or_killed_while_it_is_made_does_not_start() {
    let inputs = [
        Input::StopContainers { containers: vec![0], grace: None, token: 2 },
        Input::Kill { containers: vec![0], signal: 9, token: 2 },
    ];
    for input in inputs {
        let now = Now { moment: Moment(1), wall: jiff::Timestamp::UNIX_EPOCH };
        let mut machine = Sim::new(vec![regular("a", Always), regular("b", Always)]).machine;
        for input in [Input::Start { token: 1 }, Input::NamespacesReady, Input::NetworkReady { ips: vec![] }, input] {
            machine.handle(now, input);
        }
        let made = Ok(Process { pid: 1, start_ticks: 1 });
        let actions = machine.handle(now, Input::Created { index: 0, attempt: 1, result: made });
        assert_eq!(actions, [Action::Signal { index: 0, signal: Signal::Number(9) }]);
        machine.handle(now, Input::Exited { index: 0, attempt: 1, exit: Exit::Signal(9) });
        let deleted = Input::Deleted { index: 0, attempt: 1, out_of_memory: false, message: None, problems: vec![] };
        let actions = machine.handle(now, deleted);
        assert!(actions.contains(&Action::Reply { token: 2, failures: vec![] }), "{actions:?}");
        assert_eq!(machine.state.cells[0].step, Step::Ended);
    }
}

#[test]
fn a_shorter_grace_counts_after_the_signal_too() {
    let mut sim = Sim::new(vec![regular("a", Always)]);
    sim.stubborn = vec!["a"];
    sim.start();
    sim.stop();
    sim.feed(Input::Stop { grace: Some(3_000), after: After::Nothing, token: 3 });
    sim.take_log();
    sim.pass(2_999);
    assert_eq!(sim.take_log(), "");
    sim.pass(1);
    assert_eq!(sim.take_log(), "KILL a, delete a, teardown");
}

#[test]
fn a_stopped_pod_can_be_restarted() {
    let mut sim = Sim::new(vec![regular("a", Always)]);
    sim.feed(Input::Stop { grace: None, after: After::Start, token: 1 });
    assert_eq!(sim.take_log(), "sandbox, create a, start a");
    assert_eq!(sim.replies, [(1, vec![])]);
}

#[test]
fn a_start_during_a_stop_starts_again() {
    let mut sim = Sim::new(vec![regular("a", Never), regular("b", Never)]);
    sim.stubborn = vec!["a"];
    sim.start();
    sim.feed(Input::StopContainers { containers: vec![0], grace: None, token: 2 });
    sim.feed(Input::StartContainers { containers: vec![0], token: 3 });
    assert_eq!(sim.replies.len(), 1, "it is on its way down");
    sim.take_log();
    sim.exit("a", 0);
    assert_eq!(sim.take_log(), "delete a, recreate a, start a");
    assert!(sim.replies.contains(&(3, vec![])), "{:?}", sim.replies);
}

#[test]
fn one_container_of_a_stopped_pod() {
    let mut sim = Sim::new(vec![regular("a", Always), regular("b", Always)]);
    sim.feed(Input::StartContainers { containers: vec![1], token: 1 });
    assert_eq!(sim.take_log(), "sandbox, create b, start b");
    assert_eq!(sim.replies, [(1, vec![])]);
}

#[test]
fn the_active_deadline_fails_the_pod() {
    let mut sim = Sim::new(vec![regular("a", Always)]);
    sim.machine.spec.active_deadline = Some(5_000);
    sim.start();
    sim.take_log();
    sim.pass(5_000);
    assert_eq!(sim.take_log(), "TERM a, delete a, teardown");
    assert_eq!(sim.status().phase, PodPhase::Failed);
}

#[test]
fn the_active_deadline_counts_while_init_containers_run() {
    let mut sim = Sim::new(vec![container("first", Role::Init, OnFailure), regular("a", Always)]);
    sim.machine.spec.active_deadline = Some(5_000);
    sim.start();
    assert_eq!(sim.take_log(), "sandbox, create first, start first");
    sim.pass(5_000);
    assert_eq!(sim.take_log(), "TERM first, delete first, teardown", "no other container comes");
    assert_eq!(sim.status().phase, PodPhase::Failed);
    assert!(sim.replies[0].1[0].message.contains("deadline"), "{:?}", sim.replies);
}

#[test]
fn the_active_deadline_ends_restarts() {
    let mut sim = Sim::new(vec![regular("a", Always)]);
    sim.machine.spec.active_deadline = Some(60_000);
    sim.brief = vec![("a", 1)];
    sim.start();
    sim.pass(60_000);
    assert_eq!((sim.status().phase, sim.machine.deadline()), (PodPhase::Failed, None));
    sim.take_log();
    sim.pass(600_000);
    assert_eq!(sim.take_log(), "", "no other attempt");
}

#[test]
fn a_deadline_that_a_running_pod_is_given_counts_from_its_start() {
    let mut sim = Sim::new(vec![regular("a", Always)]);
    sim.start();
    sim.pass(3_000);
    sim.take_log();
    sim.machine.spec.amend(&crate::model::Pod { active_deadline_seconds: Some(5), ..Default::default() });
    sim.pass(1_999);
    assert_eq!(sim.take_log(), "");
    sim.pass(1);
    assert_eq!(sim.take_log(), "TERM a, delete a, teardown");
}

#[test]
fn what_a_signal_does_not_end_is_killed_by_cgroup_then_given_up() {
    let mut sim = Sim::new(vec![regular("a", Always)]);
    sim.start();
    sim.take_log();
    let now = |ms| Now { moment: Moment(ms), wall: jiff::Timestamp::UNIX_EPOCH };
    sim.machine.handle(now(1_000), Input::Stop { grace: Some(0), after: After::Nothing, token: 2 });
    assert_eq!(sim.machine.handle(now(11_000), Input::Tick), [Action::KillAll { index: 0 }]);
    sim.now = 21_000;
    sim.feed(Input::Tick);
    assert_eq!(sim.take_log(), "delete a, teardown");
    assert_eq!(sim.replies[1].1[0].message, "container `a` did not end after SIGKILL");
}

#[test]
fn results_of_an_earlier_run_are_ignored() {
    let mut sim = Sim::new(vec![regular("a", Always)]);
    sim.start();
    sim.exit("a", 1);
    sim.take_log();
    sim.feed(Input::Exited { index: 0, attempt: 1, exit: Exit::Code(0) });
    sim.feed(Input::Deleted { index: 0, attempt: 1, out_of_memory: false, message: None, problems: vec![] });
    assert_eq!(sim.take_log(), "");
    assert_eq!(sim.cell("a").step, Step::Running);
}

#[test]
fn adoption_goes_on_from_every_step() {
    use Found::{Absent, Gone, Running};
    for (step, found, log) in [
        (Step::Waiting, Absent, "create a, start a"),
        (Step::Creating, Absent, "create a, start a"),
        (Step::Created, Running, "create a, start a"),
        (Step::Starting, Absent, "create a, start a"),
        (Step::Starting, Running, ""),
        (Step::PostStart, Running, ""),
        (Step::Running, Running, ""),
        (Step::Running, Gone(Exit::Code(0)), "delete a, recreate a, start a"),
        (Step::Running, Absent, "delete a, recreate a, start a"),
        (Step::Deleting, Absent, "delete a, recreate a, start a"),
        (Step::Ended, Absent, "teardown"),
    ] {
        let mut sim = Sim::new(vec![regular("a", Always)]);
        sim.start();
        sim.take_log();
        sim.machine.state.cells[0].step = step;
        let state: State =
            serde_json::from_str(&serde_json::to_string(&sim.machine.state).expect("saves")).expect("loads");
        assert_eq!(state, sim.machine.state);
        sim.machine = Machine::resume(sim.machine.spec.clone(), state);
        sim.feed(Input::Adopt { found: vec![found] });
        assert_eq!(sim.take_log(), log, "{step:?} {found:?}");
    }
}

#[test]
fn adoption_makes_a_half_made_sandbox_anew() {
    let mut sim = Sim::new(vec![regular("a", Always)]);
    sim.hold_network = true;
    sim.start();
    sim.take_log();
    sim.machine = Machine::resume(sim.machine.spec.clone(), sim.machine.state.clone());
    sim.hold_network = false;
    sim.feed(Input::Adopt { found: vec![Found::Absent] });
    assert_eq!(sim.take_log(), "sandbox, create a, start a");
}

proptest::proptest! {
    /// Whatever comes in whatever order, a stop without grace ends the pod, every request is answered and no deadline lies still.
    #[test]
    fn every_pod_can_be_brought_down(inputs in proptest::collection::vec((0u8..10, 0usize..3, 0i32..3, 0u64..20_000), 0..40)) {
        let mut sim = Sim::new(vec![
            container("side", Role::Sidecar, Always),
            container("init", Role::Init, OnFailure),
            regular("a", OnFailure),
        ]);
        sim.stubborn = vec!["side"];
        let mut asked = 0;
        for (kind, index, code, wait) in inputs {
            asked += 1;
            let containers = vec![index];
            match kind {
                0 => sim.feed(Input::Start { token: asked }),
                1 => sim.feed(Input::Stop { grace: Some(wait), after: After::Nothing, token: asked }),
                2 => sim.feed(Input::Stop { grace: None, after: After::Start, token: asked }),
                3 => sim.feed(Input::StopContainers { containers, grace: None, token: asked }),
                4 => sim.feed(Input::StartContainers { containers: vec![2], token: asked }),
                5 => sim.feed(Input::Kill { containers, signal: 15, token: asked }),
                6 => {
                    asked -= 1;
                    let name = sim.name(index);
                    sim.exit(&name, code);
                }
                7 => {
                    asked -= 1;
                    let adopted = Machine::resume(sim.machine.spec.clone(), sim.machine.state.clone());
                    let lost: Vec<_> = std::mem::replace(&mut sim.machine, adopted).waiters;
                    sim.replies.extend(lost.into_iter().map(|w| (w.token, vec![])));
                    let found = sim.machine.state.cells.iter()
                        .map(|c| if c.step.is_live() { Found::Running } else { Found::Absent }).collect();
                    sim.feed(Input::Adopt { found });
                }
                8 => { asked -= 1; sim.feed(Input::OverLimit { message: "too much".into() }); }
                _ => { asked -= 1; sim.pass(wait); }
            }
            if sim.machine.is_over() { break; }
        }
        asked += 1;
        sim.feed(Input::Stop { grace: Some(0), after: After::Remove, token: asked });
        sim.pass(60_000);
        proptest::prop_assert!(sim.machine.is_over());
        let mut answered: Vec<_> = sim.replies.iter().map(|r| r.0).collect();
        answered.sort_unstable();
        proptest::prop_assert_eq!(answered, (1..=asked).collect::<Vec<_>>());
    }
}
