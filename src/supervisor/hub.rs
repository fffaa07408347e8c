//! Telling followers what changed.

use super::protocol::{Event, Message};
use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use tokio::sync::mpsc;

/// A line for a connection's writer.
pub(super) type Outbox = mpsc::Sender<Rc<[u8]>>;

/// Which events a follower wants.
#[derive(Debug)]
pub(super) enum Interest {
    All,
    Pods(HashSet<String>),
}

#[derive(Debug, Default)]
pub(super) struct Hub {
    followers: RefCell<Vec<(u64, Interest, Outbox)>>,
    next: std::cell::Cell<u64>,
}

impl Hub {
    /// Sends matching events to the outbox until [`Hub::leave`]. A follower that does not read is dropped: its connection then
    /// misses events, and is closed by its writer.
    pub fn join(&self, interest: Interest, outbox: Outbox) -> u64 {
        let number = self.next.get();
        self.next.set(number + 1);
        self.followers.borrow_mut().push((number, interest, outbox));
        number
    }

    pub fn leave(&self, number: u64) {
        self.followers.borrow_mut().retain(|(n, ..)| *n != number);
    }

    pub fn send(&self, event: Event) {
        let mut followers = self.followers.borrow_mut();
        if followers.is_empty() {
            return;
        }
        let wants = |interest: &Interest| match interest {
            Interest::All => true,
            Interest::Pods(pods) => pods.contains(&event.pod),
        };
        let Some(line) = line(&Message::Event(event.clone())) else { return };
        followers.retain(|(_, interest, outbox)| !wants(interest) || outbox.try_send(line.clone()).is_ok());
    }
}

/// A message as it goes over the socket.
pub(super) fn line(message: &Message) -> Option<Rc<[u8]>> {
    let mut line = serde_json::to_vec(message).ok()?;
    line.push(b'\n');
    Some(line.into())
}
