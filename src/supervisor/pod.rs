//! One task for each pod: it alone feeds the pod's machine, saves and shows what became of it, and carries out what it asks for.
//!
//! ```text
//! requests, results, deadlines -> machine -> save -> publish -> act -> results ...
//! ```

mod measuring;

use super::container::{Live, Subject};
use super::context::{Context, moment, now};
use super::launcher::{Launched, Reporter, chain, launch};
use super::machine::{
    self, Action, Exit, Hook, Index, Input, Machine, Now, Sandbox, Signal, Spec, StartFailure, Token,
};
use super::protocol::{Change, Event, Failure, FailureKind};
use super::records::{self, Saved};
use super::{adopt, hook, housekeeping, lower, probe, publish, refresh, resize, sandbox};
use crate::model::Resources;
use crate::network::Reservation;
use crate::store::record::{PodRecord, PodStatus, RECORD_VERSION};
use crate::sys::{self, failpoint};
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

pub(super) type Answer = oneshot::Sender<Vec<Failure>>;

/// What the pod's task is told.
pub(super) enum Message {
    Input(Input),
    /// Makes an input that carries a token, whose reply goes to the answer.
    Request(Box<dyn FnOnce(Token) -> Input>, Answer),
    RefreshObjects(Answer),
    /// The pod has more containers than before, which wait to be started.
    Extended(Rc<PodRecord>),
    /// The first of the pod's tokens is to be renewed then, in seconds since the epoch.
    RenewAt(u64),
    /// What the pod takes of the disk; why nobody knows.
    Measured(Result<housekeeping::Found, String>),
}

/// How others reach a pod's task.
#[derive(Clone)]
pub(super) struct Handle {
    pub record: Rc<PodRecord>,
    sender: mpsc::UnboundedSender<Message>,
}

impl Handle {
    /// Hands a message over; gives it back when the task has just ended.
    pub fn send(&self, message: Message) -> Result<(), Message> {
        self.sender.send(message).map_err(|error| error.0)
    }

    /// Whether the task has ended.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

/// Starts the task of a pod that has none. What it gives resolves once the pod was taken over from an earlier supervisor; for
/// a pod without one, at once.
pub(super) fn spawn(context: &Rc<Context>, record: Rc<PodRecord>, resumed: Option<Saved>) -> oneshot::Receiver<()> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let handle = Handle { record: record.clone(), sender: sender.clone() };
    context.pods.borrow_mut().insert(record.id.clone(), handle);
    let spec = Spec::of(&record, &context.machine.name, context.back_off);
    let containers = record.containers.len();
    let machine = match &resumed {
        Some(saved) if saved.state.cells.len() <= containers => Machine::resume(spec, saved.state.clone()),
        _ => Machine::new(spec),
    };
    let pace = housekeeping::is_limited(&record).then(|| housekeeping::Pace::new(context.housekeeping, moment()));
    let driver = Driver {
        context: context.clone(),
        record,
        machine,
        sender,
        replies: HashMap::new(),
        next_token: 1,
        live: Rc::new(RefCell::new((0..containers).map(|_| Live::default()).collect())),
        reservation: Rc::default(),
        published: None,
        host_ips: OnceCell::new(),
        saved: Vec::new(),
        renew_at: None,
        pace,
    };
    let (adopted, done) = oneshot::channel();
    tokio::task::spawn_local(driver.run(receiver, resumed.is_some(), adopted));
    done
}

struct Driver {
    context: Rc<Context>,
    record: Rc<PodRecord>,
    machine: Machine,
    sender: mpsc::UnboundedSender<Message>,
    replies: HashMap<Token, Answer>,
    next_token: Token,
    live: Rc<RefCell<Vec<Live>>>,
    /// Host ports, held while the sandbox stands.
    reservation: Rc<RefCell<Option<Reservation>>>,
    published: Option<PodStatus>,
    /// Asked for once: where the machine is seen from the pod.
    host_ips: OnceCell<Vec<IpAddr>>,
    saved: Vec<u8>,
    /// See [`Message::RenewAt`].
    renew_at: Option<u64>,
    /// When the disk is looked at, for a pod that has limits there.
    pace: Option<housekeeping::Pace>,
}

impl Driver {
    async fn run(
        mut self,
        mut receiver: mpsc::UnboundedReceiver<Message>,
        resumed: bool,
        adopted: oneshot::Sender<()>,
    ) {
        if resumed {
            let found = adopt::find(&self.context, &self.record, &self.machine.state, &self.live, &self.sender).await;
            self.hold_ports();
            self.feed(Input::Adopt { found });
            // Nobody knows how old they are; those that are fresh are kept.
            self.renew_at = refresh::has_tokens(&self.record).then_some(0);
        }
        let _ = adopted.send(()); // who started a new pod does not wait
        // A new machine is over until its first input, one that was saved at its very end for good.
        let mut is_over = resumed && self.machine.is_over();
        while !is_over {
            let deadline = self.machine.deadline().map(|d| Duration::from_millis(d.since(moment())));
            let message = tokio::select! {
                biased;
                message = receiver.recv() => message,
                () = sleep(deadline) => Some(Message::Input(Input::Tick)),
                () = sleep(self.renew_at.map(refresh::until)) => {
                    self.renew_tokens();
                    continue;
                }
                () = sleep(self.pace.as_ref().and_then(|pace| pace.left(moment()))) => {
                    self.measure();
                    continue;
                }
            };
            match message {
                Some(Message::Input(input)) => self.feed(input),
                Some(Message::Request(make, answer)) => {
                    let token = self.expect(answer);
                    self.feed(make(token));
                }
                Some(Message::Extended(record)) => self.extend(record),
                Some(Message::RefreshObjects(answer)) => self.refresh_objects(answer),
                Some(Message::RenewAt(time)) => self.renew_at = Some(time),
                Some(Message::Measured(found)) => self.measured(found),
                // The driver itself holds a sender.
                None => break,
            }
            is_over = self.machine.is_over();
        }
        self.end(receiver);
    }

    /// Holds the ports of a pod that was taken over again: they were free since the death of whoever held them before.
    fn hold_ports(&self) {
        let Some(request) =
            sandbox::network_request(&self.record).filter(|_| self.machine.state.sandbox == Sandbox::Up)
        else {
            return;
        };
        match self.context.networks.reserve(&request.ports) {
            Ok(held) => *self.reservation.borrow_mut() = Some(held),
            // The rules still redirect the port: whoever bound it meanwhile hears nothing, as the pod's traffic goes on.
            Err(error) => tracing::warn!(pod = %self.record.id, "{}", chain(&error)),
        }
    }

    /// The pod is down: whoever came too late is served by a new task.
    fn end(self, mut receiver: mpsc::UnboundedReceiver<Message>) {
        let id = &self.record.id;
        if let Err(error) = records::forget(&self.context.layout, &self.context.app, id) {
            tracing::error!(pod = %id, %error, "cannot forget the pod's state");
        }
        self.context.pods.borrow_mut().remove(id);
        receiver.close();
        while let Ok(message) = receiver.try_recv() {
            match message {
                // Of the run that is over.
                Message::Input(_) | Message::RenewAt(_) | Message::Measured(_) => {}
                Message::Request(..) | Message::RefreshObjects(_) | Message::Extended(_) => {
                    super::requests::deliver(&self.context, &self.record, message);
                }
            }
        }
        self.context.idle.notify_one();
    }

    fn feed(&mut self, input: Input) {
        let now = now();
        let before = self.machine.state.clone();
        let actions = self.machine.handle(now, input);
        self.save();
        self.publish(now);
        let occurred = machine::occurrences(&self.machine.spec, &before, &self.machine.state, now.moment);
        publish::tell(&self.context, &self.record, occurred);
        for action in actions {
            self.act(action, now);
        }
    }

    /// Before anything is done, what will be done is on disk: a supervisor that takes over knows what may be half done.
    fn save(&mut self) {
        let (boot_id, state) = (self.context.boot_id.clone(), self.machine.state.clone());
        let saved = serde_json::to_vec(&Saved { version: RECORD_VERSION, boot_id, state });
        let bytes = match saved {
            Ok(bytes) if bytes == self.saved => return,
            Ok(bytes) => bytes,
            Err(error) => return tracing::error!(%error, "cannot put the pod's state into words"),
        };
        match records::save(&self.context.layout, &self.context.app, &self.record.id, &bytes) {
            Ok(()) => self.saved = bytes,
            // The next change tries again.
            Err(error) => tracing::error!(pod = %self.record.id, "{}", chain(&error)),
        }
        reach("supervisor.state.saved");
    }

    fn publish(&mut self, now: Now) {
        if self.machine.state.started.is_none() {
            return;
        }
        let host_ips = self.host_ips.get_or_init(|| self.context.pod_facts(&self.record).host_ips).clone();
        let status = machine::status(&self.machine, &self.context.boot_id, Some(std::process::id() as i32));
        let status = PodStatus { host_ips, ..status };
        if self.published.as_ref() == Some(&status) {
            return;
        }
        publish::publish(&self.context, &self.record, self.published.as_ref(), &status, now.wall);
        self.published = Some(status);
        reach("supervisor.status.published");
    }

    fn act(&mut self, action: Action, now: Now) {
        match action {
            Action::MakeSandbox => self.make_sandbox(),
            Action::Create { index, attempt, fresh } => self.create(index, attempt, fresh),
            Action::Start { index, attempt } => self.start(index, attempt),
            Action::RunHook { index, attempt, hook, limit } => self.run_hook(index, attempt, hook, limit),
            Action::Probe { index, attempt, probe } => {
                let subject = self.subject(index);
                let ips = self.machine.state.ips.clone();
                self.spawn_result(async move {
                    let outcome = probe::run(&subject, probe, &ips).await;
                    Input::Probed { index, attempt, probe, outcome }
                });
            }
            Action::Signal { index, signal } => self.signal(index, signal),
            Action::KillAll { index } => self.subject(index).kill_all(),
            Action::Delete { index, attempt } => self.delete(index, attempt),
            Action::Discard { index } => self.discard(index),
            Action::Resize { pod, containers } => self.resize(pod, containers),
            Action::TearDown { remove } => self.tear_down(remove),
            Action::Emit(change) => self.emit(change, now.wall),
            Action::Reply { token, failures } => {
                if let Some(answer) = self.replies.remove(&token) {
                    let _ = answer.send(failures); // who hung up does not care
                }
            }
        }
    }

    fn subject(&self, index: Index) -> Subject {
        let cells = &self.machine.state.cells;
        let process = cells[index].process;
        let target = self.record.ephemeral(index).and_then(|added| {
            let name = added.target.as_ref()?;
            cells[self.record.containers.iter().position(|c| c.container == *name)?].process
        });
        Subject { process, target, ..Subject::new(&self.context, &self.record, index) }
    }

    /// Takes in containers that were added to the record.
    fn extend(&mut self, record: Rc<PodRecord>) {
        self.live.borrow_mut().resize_with(record.containers.len(), Live::default);
        self.machine.extend(Spec::of(&record, &self.context.machine.name, self.context.back_off));
        self.record = record;
    }

    fn emit(&self, change: Change, time: jiff::Timestamp) {
        publish::log(&self.context, &self.record, None, std::slice::from_ref(&change));
        self.context.hub.send(Event { time, pod: self.record.id.clone(), change });
    }

    /// Runs something slow; what it gives is fed to the machine.
    fn spawn_result(&self, task: impl Future<Output = Input> + 'static) {
        let sender = self.sender.clone();
        tokio::task::spawn_local(async move {
            let _ = sender.send(Message::Input(task.await)); // a pod that is over needs no result
        });
    }

    fn make_sandbox(&self) {
        let Driver { context, record, reservation, sender, .. } = self;
        let (context, record, sender) = (context.clone(), record.clone(), sender.clone());
        let reservation = reservation.clone();
        tokio::task::spawn_local(async move {
            if let Err(failure) = make_sandbox(&context, &record, &reservation, &sender).await {
                let _ = sender.send(Message::Input(Input::SandboxFailed(failure)));
            }
        });
    }

    fn create(&self, index: Index, attempt: u32, fresh: bool) {
        let (subject, live, sender) = (self.subject(index), self.live.clone(), self.sender.clone());
        tokio::task::spawn_local(async move {
            let begin = Instant::now();
            let result = subject.create(fresh).await;
            let (result, exit) = match result {
                Ok((process, made)) => {
                    live.borrow_mut()[index] = made;
                    (Ok(process), Some(subject.context.reaper.watch(process.pid, begin)))
                }
                Err(failure) => (Err(failure), None),
            };
            let _ = sender.send(Message::Input(Input::Created { index, attempt, result }));
            if let Some(Ok(exit)) = match exit {
                Some(exit) => Some(exit.await),
                None => None,
            } {
                let exit = exit.into();
                let _ = sender.send(Message::Input(Input::Exited { index, attempt, exit }));
            }
        });
    }

    fn start(&self, index: Index, attempt: u32) {
        let (subject, live) = (self.subject(index), self.live.clone());
        self.spawn_result(async move {
            let report = live.borrow_mut()[index].report.take();
            let result = subject.start(report).await;
            reach("supervisor.container.started");
            Input::Started { index, attempt, result }
        });
    }

    fn run_hook(&self, index: Index, attempt: u32, hook: Hook, limit: Option<u64>) {
        let subject = self.subject(index);
        let ips = self.machine.state.ips.clone();
        self.spawn_result(async move {
            let result = hook::run(&subject, hook, &ips, limit.map(Duration::from_millis)).await;
            Input::HookDone { index, attempt, hook, result }
        });
    }

    fn signal(&self, index: Index, signal: Signal) {
        let subject = self.subject(index);
        let number = match (signal, subject.spec()) {
            (Signal::Number(number), _) => number,
            (Signal::Stop, Some(spec)) => lower::stop_signal(spec, subject.container()),
            (Signal::Stop, None) => 15,
        };
        let pidfd = self.live.borrow()[index].pidfd.clone();
        let Some(pidfd) = pidfd else { return };
        if let Err(error) = sys::process::pidfd_send_signal(&*pidfd, number) {
            // Mostly a process that has just ended, which shows by itself.
            tracing::debug!(container = %subject.container().name, %error, "cannot send signal {number}");
        }
    }

    fn delete(&self, index: Index, attempt: u32) {
        let subject = self.subject(index);
        let live = std::mem::take(&mut self.live.borrow_mut()[index]);
        let exit = self.machine.state.cells[index].exit;
        self.spawn_result(async move {
            let deleted = subject.delete(live, exit).await;
            reach("supervisor.container.deleted");
            let super::container::Deleted { out_of_memory, message, problems } = deleted;
            Input::Deleted { index, attempt, out_of_memory, message, problems }
        });
    }

    /// Nothing waits for it, and what is left of it when it fails goes with the pod.
    fn discard(&self, index: Index) {
        if let Err(error) = self.subject(index).discard() {
            let container = &self.record.containers[index].name;
            tracing::error!(%container, "cannot remove the files of the ended container: {error}");
        }
    }

    fn resize(&self, pod: Resources, containers: Vec<(Index, u32, Resources)>) {
        let state = &self.machine.state;
        let of_pod = resize::Change::of_pod(&self.record, state.size.present.unwrap_or(pod), pod);
        let of_containers = containers.into_iter().map(|(index, attempt, wanted)| {
            let present = state.cells[index].size.present.unwrap_or(wanted);
            (index, attempt, resize::Change::of_container(self.subject(index).cgroup(), present, wanted))
        });
        let of_containers = of_containers.collect();
        let context = self.context.clone();
        self.spawn_result(async move { resize::run(&context, of_pod, of_containers).await });
    }

    fn tear_down(&self, remove: bool) {
        let Driver { context, record, reservation, .. } = self;
        let (context, record, reservation) = (context.clone(), record.clone(), reservation.clone());
        self.spawn_result(async move {
            let problems = tear_down(&context, &record).await;
            drop(reservation.borrow_mut().take());
            if remove {
                let (time, pod) = (now().wall, record.id.clone());
                publish::log(&context, &record, None, &[Change::Removed]);
                context.hub.send(Event { time, pod, change: Change::Removed });
            }
            Input::TornDown { problems }
        });
    }

    /// Takes up what was changed in the pod's record since it was read; the rest of it never changes.
    fn reload(&mut self) {
        let id = &self.record.id;
        let amended = match records::pod(&self.context.layout, id) {
            Ok(record) => record.pod,
            Err(error) => return tracing::error!(pod = %id, "{}", chain(&error)),
        };
        let mut record = (*self.record).clone();
        record.pod.amend(&amended);
        if record == *self.record {
            return;
        }
        self.machine.spec.amend(&record.pod);
        self.record = Rc::new(record);
        if let Some(handle) = self.context.pods.borrow_mut().get_mut(&self.record.id) {
            handle.record = self.record.clone();
        }
    }

    /// Puts new tokens in the place of those that are due. A pod that is down gets its own when it is made again.
    fn renew_tokens(&mut self) {
        self.renew_at = None;
        if !matches!(self.machine.state.sandbox, Sandbox::Namespaces | Sandbox::Up) {
            return;
        }
        let (context, record, sender) = (self.context.clone(), self.record.clone(), self.sender.clone());
        tokio::task::spawn_local(async move {
            if let Some(time) = refresh::renew(&context, &record).await {
                let _ = sender.send(Message::RenewAt(time)); // a pod that is over needs no tokens
            }
        });
    }

    /// Keeps who waits for an answer, under a number.
    fn expect(&mut self, answer: Answer) -> Token {
        let token = self.next_token;
        self.next_token += 1;
        self.replies.insert(token, answer);
        token
    }

    fn refresh_objects(&mut self, answer: Answer) {
        self.reload();
        let (resized, amended) = oneshot::channel();
        let token = self.expect(resized);
        self.feed(Input::Amended { token });
        let (context, record) = (self.context.clone(), self.record.clone());
        tokio::task::spawn_local(async move {
            let mut failures = match refresh::files(&context, &record).await {
                Ok(_) => Vec::new(),
                Err(message) => vec![Failure { subject: record.id.clone(), kind: FailureKind::Other, message }],
            };
            failures.extend(amended.await.unwrap_or_default()); // a pod that is over has nothing to change
            let _ = answer.send(failures); // who hung up does not care
        });
    }
}

async fn sleep(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}

/// A point whose failure has no meaning: only killing and waiting do.
fn reach(name: &str) {
    if let Err(text) = failpoint::reach(name) {
        tracing::warn!("{name}: {text}");
    }
}

async fn make_sandbox(
    context: &Rc<Context>,
    record: &Rc<PodRecord>,
    reservation: &RefCell<Option<Reservation>>,
    sender: &mpsc::UnboundedSender<Message>,
) -> Result<(), StartFailure> {
    let other = |message: String| StartFailure { kind: FailureKind::Other, message };
    reach("supervisor.sandbox.make");
    if let Some(request) = sandbox::network_request(record) {
        let held = context.networks.reserve(&request.ports);
        let held = held.map_err(|e| StartFailure { kind: FailureKind::PortInUse, message: chain(&e) })?;
        *reservation.borrow_mut() = Some(held);
    }
    let facts = context.pod_facts(record);
    let body = |reporter: &mut Reporter| sandbox::make(&context.layout, &context.networks, record, &facts, reporter);
    let mut launched: Launched = launch(&context.reaper, &[], body).map_err(|e| other(chain(&e)))?;
    loop {
        let report =
            launched.report().await.map_err(|e| other(format!("cannot make the pod's sandbox: {}", chain(&e))))?;
        let (input, last) = match report {
            sandbox::Report::Namespaces { renew_at } => {
                if let Some(time) = renew_at {
                    let _ = sender.send(Message::RenewAt(time)); // a pod that is over needs no tokens
                }
                (Input::NamespacesReady, false)
            }
            sandbox::Report::Network { ips } => (Input::NetworkReady { ips }, true),
            sandbox::Report::Failed { kind, message } => return Err(StartFailure { kind, message }),
        };
        let _ = sender.send(Message::Input(input)); // a pod that is over needs no result
        if last {
            return Ok(());
        }
    }
}

/// Takes away everything below `<run>` that belongs to the pod, its network and cgroups; goes on after failures.
pub(super) async fn tear_down(context: &Rc<Context>, record: &Rc<PodRecord>) -> Vec<String> {
    reach("supervisor.pod.teardown");
    let mut problems = Vec::new();
    if sandbox::is_on_networks(record) {
        problems.extend(context.network_queue.tear_down(&context.reaper, &context.networks, &record.id).await);
    }
    for index in 0..record.containers.len() {
        problems.extend(Subject::new(context, record, index).remove_run_dir());
    }
    problems.extend(sandbox::remove(&context.layout, record));
    let cgroup = lower::pod_cgroup(&record.id);
    if let Err(error) = crate::runtime::cgroup::remove_cgroup(&cgroup) {
        problems.push(format!("cannot remove cgroup `{cgroup}`: {error}"));
    }
    reach("supervisor.pod.torn_down");
    problems
}

impl From<sys::process::Exit> for Exit {
    fn from(exit: sys::process::Exit) -> Self {
        match exit {
            sys::process::Exit::Code(code) => Exit::Code(code),
            sys::process::Exit::Signal(signal) => Exit::Signal(signal),
        }
    }
}
