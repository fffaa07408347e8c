//! What each operation of the protocol means to the pods it names. Pods of one request are worked on side by side.

use super::context::{Context, now};
use super::launcher::chain;
use super::machine::{After, Index, Input, Token};
use super::pod::{self, Message};
use super::protocol::{Failure, FailureKind, Operation};
use super::{publish, records};
use crate::store::record::{ContainerState, PodPhase, PodRecord, Termination};
use std::collections::BTreeMap;
use std::rc::Rc;
use tokio::sync::oneshot;

/// Carries an operation out and returns what failed.
pub(super) async fn carry_out(context: &Rc<Context>, op: Operation) -> Vec<Failure> {
    let seconds = |grace: Option<u64>| grace.map(|s| s.saturating_mul(1_000));
    match op {
        Operation::Ping | Operation::Subscribe => Vec::new(),
        Operation::StartPods { pods } => {
            each(context, pods, Missing::Start, |_| Box::new(|token| Input::Start { token })).await
        }
        Operation::RestartPods { pods } => {
            let input = |_: &PodRecord| -> MakeInput {
                Box::new(|token| Input::Stop { grace: None, after: After::Start, token })
            };
            each(context, pods, Missing::Start, input).await
        }
        Operation::StopPods { pods, grace_seconds } => {
            let grace = seconds(grace_seconds);
            let input = |_: &PodRecord| -> MakeInput {
                Box::new(move |token| Input::Stop { grace, after: After::Nothing, token })
            };
            each(context, pods, Missing::Settle, input).await
        }
        Operation::RemovePods { pods, grace_seconds } => {
            let grace = seconds(grace_seconds);
            let input = |_: &PodRecord| -> MakeInput {
                Box::new(move |token| Input::Stop { grace, after: After::Remove, token })
            };
            each(context, pods, Missing::Sweep, input).await
        }
        Operation::KillPods { pods, signal } => {
            let input = |record: &PodRecord| -> MakeInput {
                let containers = (0..record.containers.len()).collect();
                Box::new(move |token| Input::Kill { containers, signal, token })
            };
            each(context, pods, Missing::Settle, input).await
        }
        Operation::RefreshObjects { pods } => refresh(context, pods).await,
        Operation::SetConditions { pods, conditions } => {
            let input = |_: &PodRecord| -> MakeInput {
                let conditions = conditions.clone();
                Box::new(move |token| Input::SetConditions { conditions, token })
            };
            each(context, pods, Missing::Settle, input).await
        }
        Operation::StartContainers { containers } => {
            by_pod(context, containers, Missing::Start, |containers| {
                Box::new(move |token| Input::StartContainers { containers, token })
            })
            .await
        }
        Operation::AddContainer { pod, container } => add(context, pod, container).await,
        Operation::StopContainers { containers, grace_seconds } => {
            let grace = seconds(grace_seconds);
            by_pod(context, containers, Missing::Settle, move |containers| {
                Box::new(move |token| Input::StopContainers { containers, grace, token })
            })
            .await
        }
        Operation::KillContainers { containers, signal } => {
            by_pod(context, containers, Missing::Settle, move |containers| {
                Box::new(move |token| Input::Kill { containers, signal, token })
            })
            .await
        }
    }
}

/// The pods an operation is about, for who wants to follow it.
pub(super) fn pods_of(context: &Context, op: &Operation) -> Vec<String> {
    match op {
        Operation::Ping | Operation::Subscribe => Vec::new(),
        Operation::StartPods { pods }
        | Operation::StopPods { pods, .. }
        | Operation::RestartPods { pods }
        | Operation::KillPods { pods, .. }
        | Operation::RemovePods { pods, .. }
        | Operation::SetConditions { pods, .. }
        | Operation::RefreshObjects { pods } => pods.clone(),
        Operation::AddContainer { pod, .. } => vec![pod.clone()],
        Operation::StartContainers { containers }
        | Operation::StopContainers { containers, .. }
        | Operation::KillContainers { containers, .. } => {
            containers.iter().filter_map(|c| find_container(context, c)).map(|(record, _)| record.id.clone()).collect()
        }
    }
}

type MakeInput = Box<dyn FnOnce(Token) -> Input>;

/// What to do for a pod that nobody looks after: it is down, or its supervisor and all of it are gone.
#[derive(Debug, Clone, Copy)]
enum Missing {
    Start,
    /// Nothing runs; say so in its status.
    Settle,
    /// Take away what may be left.
    Sweep,
}

async fn each(
    context: &Rc<Context>,
    pods: Vec<String>,
    missing: Missing,
    input: impl Fn(&PodRecord) -> MakeInput,
) -> Vec<Failure> {
    let mut answers = Vec::new();
    let mut failures = Vec::new();
    let mut sweeps = Vec::new();
    for id in pods {
        let record = match record(context, &id) {
            Ok(record) => record,
            Err(error) => {
                failures.extend(unreadable(context, &id, missing, &error));
                continue;
            }
        };
        let is_live = context.pods.borrow().contains_key(&id);
        match (is_live, missing) {
            (true, _) | (false, Missing::Start) => answers.push(ask(context, &record, input(&record))),
            (false, Missing::Settle) => settle(context, &record),
            (false, Missing::Sweep) => {
                let context = context.clone();
                sweeps.push(tokio::task::spawn_local(async move { sweep(&context, &record).await }));
            }
        }
    }
    for answer in answers {
        failures.extend(answer.await.unwrap_or_default());
    }
    for sweep in sweeps {
        failures.extend(sweep.await.unwrap_or_default());
    }
    failures
}

async fn by_pod(
    context: &Rc<Context>,
    containers: Vec<String>,
    missing: Missing,
    input: impl Fn(Vec<Index>) -> MakeInput,
) -> Vec<Failure> {
    let mut failures = Vec::new();
    let mut pods: BTreeMap<String, Vec<Index>> = BTreeMap::new();
    for id in containers {
        match find_container(context, &id) {
            Some((record, index)) => pods.entry(record.id.clone()).or_default().push(index),
            None => failures.push(Failure {
                message: format!("no pod of the application has a container `{id}`"),
                subject: id,
                kind: FailureKind::NotFound,
            }),
        }
    }
    let ids = pods.keys().cloned().collect();
    let input = |record: &PodRecord| input(pods.get(&record.id).cloned().unwrap_or_default());
    failures.extend(each(context, ids, missing, input).await);
    failures
}

/// Gives a pod that is looked after a container more, and starts it.
async fn add(context: &Rc<Context>, pod: String, container: String) -> Vec<Failure> {
    let failed = |message: String| vec![Failure { subject: container.clone(), kind: FailureKind::Other, message }];
    let record = match records::pod(&context.layout, &pod) {
        Ok(record) => Rc::new(record),
        Err(error) => return failed(chain(&error)),
    };
    let handle = context.pods.borrow().get(&pod).cloned();
    let extended = handle.is_some_and(|handle| handle.send(Message::Extended(record.clone())).is_ok());
    if !extended {
        return failed("the pod is not running".to_owned());
    }
    if let Some(handle) = context.pods.borrow_mut().get_mut(&pod) {
        handle.record = record;
    }
    by_pod(context, vec![container], Missing::Settle, |containers| {
        Box::new(move |token| Input::StartContainers { containers, token })
    })
    .await
}

async fn refresh(context: &Rc<Context>, pods: Vec<String>) -> Vec<Failure> {
    let mut asked = Vec::new();
    for id in pods {
        let Some(handle) = context.pods.borrow().get(&id).cloned() else { continue };
        let (answer, done) = oneshot::channel();
        if handle.send(Message::RefreshObjects(answer)).is_ok() {
            asked.push(done);
        }
    }
    let mut failures = Vec::new();
    for done in asked {
        failures.extend(done.await.unwrap_or_default());
    }
    failures
}

/// Asks a pod's task, starting one where there is none.
fn ask(context: &Rc<Context>, record: &Rc<PodRecord>, make: MakeInput) -> oneshot::Receiver<Vec<Failure>> {
    let (answer, done) = oneshot::channel();
    deliver(context, record, Message::Request(make, answer));
    done
}

/// Hands a message to the pod's task, which may have just ended.
pub(super) fn deliver(context: &Rc<Context>, record: &Rc<PodRecord>, message: Message) {
    let mut message = message;
    for _ in 0..2 {
        let handle = context.pods.borrow().get(&record.id).cloned();
        match handle {
            Some(handle) => match handle.send(message) {
                Ok(()) => return,
                Err(returned) => message = returned,
            },
            None => drop(pod::spawn(context, record.clone(), None)),
        }
        let is_dead = context.pods.borrow().get(&record.id).is_some_and(|h| h.is_closed());
        if is_dead {
            drop(pod::spawn(context, record.clone(), None));
        }
    }
}

fn record(context: &Context, id: &str) -> Result<Rc<PodRecord>, records::ReadError> {
    if let Some(handle) = context.pods.borrow().get(id) {
        return Ok(handle.record.clone());
    }
    records::pod(&context.layout, id).map(Rc::new)
}

/// A pod without a record is nothing to stop or remove, but cannot be started.
fn unreadable(context: &Context, id: &str, missing: Missing, error: &records::ReadError) -> Option<Failure> {
    if error.is_absent() && !matches!(missing, Missing::Start) {
        if let Err(error) = records::forget(&context.layout, &context.app, id) {
            tracing::error!(pod = %id, %error, "cannot forget the pod's state");
        }
        return None;
    }
    let kind = if error.is_absent() { FailureKind::NotFound } else { FailureKind::Other };
    Some(Failure { subject: id.to_owned(), kind, message: chain(error) })
}

fn find_container(context: &Context, id: &str) -> Option<(Rc<PodRecord>, Index)> {
    let index_in = |record: &PodRecord| record.containers.iter().position(|c| c.id == id);
    let live = context.pods.borrow().values().find_map(|h| Some((h.record.clone(), index_in(&h.record)?)));
    live.or_else(|| {
        let pods = std::fs::read_dir(context.layout.root.join("pods")).ok()?;
        pods.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).find_map(|pod| {
            let record = records::pod(&context.layout, &pod).ok().filter(|r| r.app == context.app)?;
            let index = index_in(&record)?;
            Some((Rc::new(record), index))
        })
    })
}

/// Brings the status of a pod that is not looked after in line with the fact that nothing of it runs.
pub(super) fn settle(context: &Context, record: &PodRecord) {
    let Ok(old) = records::status(&context.layout, &record.id) else { return };
    if !matches!(old.phase, PodPhase::Pending | PodPhase::Running) && old.stopping.is_none() {
        return;
    }
    let now = now().wall;
    let mut new = old.clone();
    (new.phase, new.stopping, new.supervisor_pid) = (PodPhase::Stopped, None, None);
    new.deletion = None;
    new.finished.get_or_insert(now);
    new.conditions_ended(now);
    for container in &mut new.containers {
        (container.started, container.ready, container.healthy) = (false, false, None);
        if let ContainerState::Running { started_at, .. } = container.state {
            let (exit_code, signal, message) = (None, None, None);
            let (reason, started_at) = ("Error".to_owned(), Some(started_at));
            let ended = Termination { exit_code, signal, reason, message, started_at, finished_at: now };
            container.state = ContainerState::Terminated(ended);
        }
    }
    publish::publish(context, record, Some(&old), &new, now);
}

/// Takes away what a pod that is not looked after may have left below `<run>`, processes included.
pub(super) async fn sweep(context: &Rc<Context>, record: &Rc<PodRecord>) -> Vec<Failure> {
    let mut problems = super::adopt::clean_up(context, record, &(0..record.containers.len()).collect::<Vec<_>>()).await;
    problems.extend(pod::tear_down(context, record).await);
    if let Err(error) = records::forget(&context.layout, &context.app, &record.id) {
        problems.push(format!("cannot forget the pod's state: {error}"));
    }
    let failure = |message| Failure { subject: record.id.clone(), kind: FailureKind::Other, message };
    problems.into_iter().map(failure).collect()
}
