//! Reaping every child, expected or not: a zombie in a pid namespace keeps its pid 1 from ending.
//!
//! The kernel may tell of an end before anybody knows that the process concerns him (a container's pid comes in a launcher's
//! report), so ends nobody asked for are kept for a while.

use crate::sys::process::{self, Exit};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// How long an end that nobody asked for is remembered: far longer than a report needs to come.
const MEMORY: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Reaper {
    waiting: RefCell<HashMap<i32, oneshot::Sender<Exit>>>,
    ended: RefCell<HashMap<i32, (Instant, Exit)>>,
}

impl Reaper {
    /// Waits for a child made at `since` or later, which may have ended already. To be asked once for each child.
    pub fn watch(&self, pid: i32, since: Instant) -> oneshot::Receiver<Exit> {
        let (sender, receiver) = oneshot::channel();
        // An older end was that of another process of the same number.
        match self.ended.borrow_mut().remove(&pid).filter(|(ended, _)| *ended >= since) {
            Some((_, exit)) => drop(sender.send(exit)),
            None => drop(self.waiting.borrow_mut().insert(pid, sender)),
        }
        receiver
    }

    /// Reaps for as long as the process lives.
    pub async fn run(self: Rc<Self>) -> io::Result<()> {
        let mut signals = signal(SignalKind::child())?;
        loop {
            self.reap()?;
            signals.recv().await;
        }
    }

    fn reap(&self) -> io::Result<()> {
        let now = Instant::now();
        while let Some((pid, exit)) = process::reap_any()? {
            match self.waiting.borrow_mut().remove(&pid) {
                // Who no longer waits does not care.
                Some(sender) => drop(sender.send(exit)),
                None => drop(self.ended.borrow_mut().insert(pid, (now, exit))),
            }
        }
        self.ended.borrow_mut().retain(|_, (since, _)| now.duration_since(*since) < MEMORY);
        Ok(())
    }
}
