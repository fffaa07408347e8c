//! The control socket: one task reads a connection's requests, one writes what it is to be told.

use super::context::{Busy, Context};
use super::hub::{Interest, Outbox, line};
use super::launcher::chain;
use super::protocol::{Failure, FailureKind, Message, Operation, Request};
use super::{client, requests};
use crate::sys::failpoint;
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

/// Messages a connection may leave unread before it is given up.
const OUTBOX: usize = 4096;
/// Longest request, in bytes: thousands of ids.
const LONGEST_REQUEST: u64 = 16 << 20;

/// Listens at the application's control socket; what a dead supervisor left there is replaced.
pub(super) fn listen(context: &Context) -> io::Result<UnixListener> {
    let path = context.layout.control_socket(&context.app);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = client::with_short_path(&path, |short| std::os::unix::net::UnixListener::bind(short))?;
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// Waits for the next connection.
pub(super) async fn accept(listener: &UnixListener) -> UnixStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                // Out of descriptors, most likely: let some requests end.
                tracing::error!(%error, "cannot accept a connection");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

/// Serves a connection in the background.
pub(super) fn serve(context: &Rc<Context>, stream: UnixStream) {
    let (read, write) = stream.into_split();
    let (outbox, inbox) = mpsc::channel(OUTBOX);
    let (context, busy) = (context.clone(), context.keep_alive());
    tokio::task::spawn_local(write_all(write, inbox));
    tokio::task::spawn_local(read_all(context, busy, read, outbox));
}

async fn write_all(mut stream: OwnedWriteHalf, mut inbox: mpsc::Receiver<Rc<[u8]>>) {
    while let Some(line) = inbox.recv().await {
        if stream.write_all(&line).await.is_err() {
            // Gone: what else it should have been told is nobody's concern.
            return;
        }
    }
}

async fn read_all(context: Rc<Context>, busy: Busy, stream: OwnedReadHalf, outbox: Outbox) {
    // A subscriber does not keep the process alive, but every request does.
    let busy = RefCell::new(Some(busy));
    let mut subscriptions = Vec::new();
    let mut reader = BufReader::new(stream);
    loop {
        let mut bytes = Vec::new();
        match (&mut reader).take(LONGEST_REQUEST).read_until(b'\n', &mut bytes).await {
            Ok(1..) if bytes.ends_with(b"\n") => {}
            _ => break,
        }
        match serde_json::from_slice::<Request>(&bytes) {
            Ok(Request { id, op: Operation::Subscribe }) => {
                subscriptions.push(context.hub.join(Interest::All, outbox.clone()));
                busy.borrow_mut().take();
                tell(&outbox, &Message::Done { id, failures: Vec::new() }).await;
            }
            Ok(request) => {
                tokio::task::spawn_local(answer(context.clone(), request, outbox.clone()));
            }
            Err(error) => {
                let message = format!("not a request: {}", chain(&error));
                let failure = Failure { subject: String::new(), kind: FailureKind::Other, message };
                tell(&outbox, &Message::Done { id: 0, failures: vec![failure] }).await;
                break;
            }
        }
    }
    subscriptions.into_iter().for_each(|number| context.hub.leave(number));
}

async fn answer(context: Rc<Context>, request: Request, outbox: Outbox) {
    let _busy = context.keep_alive();
    let Request { id, op } = request;
    let pods = requests::pods_of(&context, &op);
    let following = (!pods.is_empty()).then(|| {
        let interest = Interest::Pods(pods.into_iter().collect());
        context.hub.join(interest, outbox.clone())
    });
    if let Err(text) = failpoint::reach("supervisor.request.received") {
        tracing::warn!("supervisor.request.received: {text}");
    }
    let failures = requests::carry_out(&context, op).await;
    if let Some(number) = following {
        context.hub.leave(number);
    }
    if let Err(text) = failpoint::reach("supervisor.request.done") {
        tracing::warn!("supervisor.request.done: {text}");
    }
    tell(&outbox, &Message::Done { id, failures }).await;
}

async fn tell(outbox: &Outbox, message: &Message) {
    if let Some(line) = line(message) {
        let _ = outbox.send(line).await; // a connection that is gone needs no answer
    }
}
