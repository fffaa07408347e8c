//! Finding out what an earlier supervisor left, before its pods are taken over.

use super::container::{Live, Subject, pidfd_pin};
use super::context::Context;
use super::machine::{Cell, Exit, Found, Input, Process, Sandbox, State, Step};
use super::pod::Message;
use super::{pod, records, requests, sandbox};
use crate::store::record::PodRecord;
use crate::sys::process::{self, ProcessState};
use crate::sys::{namespace, readiness};
use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long the new parent of an orphan may take to reap it.
const REAPING_TRIES: u32 = 400;
const REAPING_PAUSE: Duration = Duration::from_millis(5);

/// Takes up every pod that an earlier supervisor of the application looked after.
///
/// Returns when all of them have been: from then on their status is of this process.
pub(super) async fn take_over(context: &Rc<Context>) -> std::io::Result<()> {
    let mut adopted = Vec::new();
    for id in records::saved_pods(&context.layout, &context.app)? {
        let record = match records::pod(&context.layout, &id) {
            Ok(record) => Rc::new(record),
            // It may be readable for the next supervisor: what runs must not be forgotten for want of a descriptor.
            Err(error) if !error.is_lost() => return Err(std::io::Error::other(error)),
            Err(error) => {
                // Without its record nothing can be done for it; `system check` finds what is left.
                tracing::error!(pod = %id, "{}", super::launcher::chain(&error));
                records::forget(&context.layout, &context.app, &id)?;
                continue;
            }
        };
        match records::load(&context.layout, &context.app, &id) {
            Ok(saved) if saved.boot_id == context.boot_id && saved.state.cells.len() <= record.containers.len() => {
                adopted.push(pod::spawn(context, record, Some(saved)));
            }
            Err(error) if !error.is_lost() => return Err(std::io::Error::other(error)),
            _ => {
                // Of another boot, or damaged: nothing of it is to go on.
                for failure in requests::sweep(context, &record).await {
                    tracing::error!(pod = %id, "{}", failure.message);
                }
                requests::settle(context, &record);
            }
        }
    }
    for pod in adopted {
        let _ = pod.await; // a pod that is over already needs no taking over
    }
    Ok(())
}

/// Looks for each container's process, clears away what was half made, and takes streams and processes up again.
pub(super) async fn find(
    context: &Rc<Context>,
    record: &Rc<PodRecord>,
    state: &State,
    live: &Rc<RefCell<Vec<Live>>>,
    sender: &mpsc::UnboundedSender<Message>,
) -> Vec<Found> {
    let mut found = vec![Found::Absent; state.cells.len()];
    let mut half_made = Vec::new();
    for (index, cell) in state.cells.iter().enumerate() {
        let subject = Subject::new(context, record, index);
        let process = look(&subject, cell);
        match (cell.step, &process) {
            (Step::Waiting | Step::Ended, _) => {}
            (Step::Creating | Step::Created, _) => half_made.push(index),
            (Step::Starting, Some((_, ProcessState::Alive))) if !runs_a_program(cell) => half_made.push(index),
            (Step::Starting, None) => half_made.push(index),
            (Step::Deleting, _) => {
                live.borrow_mut()[index].pumps = subject.resume_pumps();
            }
            // One whose end the kernel does not tell yet is waited for like one that lives.
            (_, Some((pidfd, ProcessState::Alive | ProcessState::Ended(None)))) => {
                found[index] = Found::Running;
                live.borrow_mut()[index] =
                    Live { pidfd: Some(pidfd.clone()), pumps: subject.resume_pumps(), report: None };
                watch(pidfd.clone(), index, cell.attempt, sender);
            }
            (_, Some((_, ProcessState::Ended(Some(exit))))) => {
                found[index] = Found::Gone((*exit).into());
                live.borrow_mut()[index].pumps = subject.resume_pumps();
            }
            (_, None) => live.borrow_mut()[index].pumps = subject.resume_pumps(),
        }
    }
    for problem in clean_up(context, record, &half_made).await {
        tracing::error!(pod = %record.id, "{problem}");
    }
    if matches!(state.sandbox, Sandbox::Making | Sandbox::Namespaces) {
        let mut problems = Vec::new();
        if sandbox::network_request(record).is_some() {
            problems.extend(context.network_queue.tear_down(&context.reaper, &context.networks, &record.id).await);
        }
        problems.extend(sandbox::remove(&context.layout, record));
        problems.iter().for_each(|problem| tracing::error!(pod = %record.id, "{problem}"));
    }
    found
}

/// Kills and removes what was made of these containers.
pub(super) async fn clean_up(context: &Rc<Context>, record: &Rc<PodRecord>, containers: &[usize]) -> Vec<String> {
    let tasks: Vec<_> = containers
        .iter()
        .map(|index| {
            let subject = Subject::new(context, record, *index);
            tokio::task::spawn_local(async move {
                let problems = subject.clean_up().await;
                if let Err(error) = namespace::unpin(&pidfd_pin(&subject.context.layout, &subject.container().id)) {
                    tracing::debug!(%error, "cannot unpin");
                }
                problems
            })
        })
        .collect();
    let mut problems = Vec::new();
    for task in tasks {
        problems.extend(task.await.unwrap_or_default());
    }
    problems
}

/// The container's process as far as anything is known of it.
fn look(subject: &Subject, cell: &Cell) -> Option<(Rc<OwnedFd>, ProcessState)> {
    let pin = pidfd_pin(&subject.context.layout, &subject.container().id);
    let pinned = namespace::open_pinned_pidfd(&pin).ok();
    let pidfd = pinned.filter(is_pidfd).or_else(|| by_number(cell.process?))?;
    let state = process::exit_info(&pidfd).ok()?;
    Some((Rc::new(pidfd), state))
}

/// The pin may be missing, and the file that it would cover be there.
fn is_pidfd(fd: &OwnedFd) -> bool {
    // A plain file is readable at any time, just like the pidfd of a process that has ended.
    const PIDFS: i64 = 0x5049_4446;
    rustix::fs::fstatfs(fd).is_ok_and(|stat| stat.f_type == PIDFS)
}

fn by_number(known: Process) -> Option<OwnedFd> {
    let pidfd = process::pidfd_open(known.pid).ok()?;
    // Compared after opening: the descriptor stays with the process whatever becomes of the number.
    (process::start_ticks(known.pid).ok()? == known.start_ticks).then_some(pidfd)
}

/// Whether the process got beyond this program's own code, which it runs until it is started.
fn runs_a_program(cell: &Cell) -> bool {
    let Some(process) = cell.process else { return false };
    let program = |pid: &str| {
        let stat = rustix::fs::stat(format!("/proc/{pid}/exe")).ok()?;
        Some((stat.st_dev, stat.st_ino))
    };
    match (program(&process.pid.to_string()), program("self")) {
        (Some(theirs), Some(ours)) => theirs != ours,
        _ => false,
    }
}

/// Feeds the machine the end of a process that is not this one's child.
fn watch(pidfd: Rc<OwnedFd>, index: usize, attempt: u32, sender: &mpsc::UnboundedSender<Message>) {
    let sender = sender.clone();
    tokio::task::spawn_local(async move {
        let exit = match wait(&pidfd).await {
            Ok(exit) => exit.map_or(Exit::Unknown, Exit::from),
            Err(error) => {
                tracing::error!(%error, "cannot wait for an adopted process");
                return;
            }
        };
        let _ = sender.send(Message::Input(Input::Exited { index, attempt, exit })); // a pod that is over needs no result
    });
}

async fn wait(pidfd: &OwnedFd) -> std::io::Result<Option<process::Exit>> {
    let watched = readiness::readable(pidfd.try_clone()?)?;
    loop {
        let mut guard = watched.readable().await?;
        match process::exit_info(pidfd)? {
            ProcessState::Ended(Some(exit)) => return Ok(Some(exit)),
            ProcessState::Alive => guard.clear_ready(),
            ProcessState::Ended(None) => {
                // Ended but not reaped yet by whoever is its parent now: the kernel tells the code only afterwards.
                for _ in 0..REAPING_TRIES {
                    tokio::time::sleep(REAPING_PAUSE).await;
                    if let ProcessState::Ended(Some(exit)) = process::exit_info(pidfd)? {
                        return Ok(Some(exit));
                    }
                }
                return Ok(None);
            }
        }
    }
}
