//! gRPC checks over TLS: made by a launcher, as HTTPS probes are, on a connection that is waited for with poll(2).

use super::super::container::Subject;
use super::super::https;
use super::super::launcher::{Reporter, chain, launch};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::{ClientConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What TLS negotiates for gRPC (RFC 7301, `h2`).
const PROTOCOL: &[u8] = b"h2";

/// Asks without looking at the certificate.
pub(super) async fn check(
    subject: &Subject,
    address: SocketAddr,
    service: &str,
    limit: Duration,
) -> Result<String, String> {
    let body = |reporter: &mut Reporter| {
        let result = https::enter(subject).and_then(|()| exchange(address, service, limit));
        reporter.send(&result);
        0
    };
    let mut launched = launch(&subject.context.reaper, &[], body).map_err(|e| chain(&e))?;
    launched.report::<Result<String, String>>().await.map_err(|e| chain(&e))?
}

fn exchange(address: SocketAddr, service: &str, limit: Duration) -> Result<String, String> {
    let deadline = Instant::now() + limit;
    let lost = |error: io::Error| format!("cannot talk to {address}: {error}");
    let socket =
        TcpStream::connect_timeout(&address, limit).map_err(|error| format!("cannot connect to {address}: {error}"))?;
    socket.set_nonblocking(true).map_err(lost)?;
    let waited = socket.try_clone().map_err(lost)?;
    let connection: ClientConnection =
        https::client(&address.to_string(), &[PROTOCOL]).map_err(|error| format!("cannot start TLS: {error}"))?;
    let answer = super::exchange(Waiting(StreamOwned::new(connection, socket)), address, service);
    drive(answer, &waited, deadline).map_err(lost)?.map_err(|error| chain(&error))
}

/// Runs a future that waits for nothing but this socket.
fn drive<T>(future: impl Future<Output = T>, socket: &TcpStream, deadline: Instant) -> io::Result<T> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Ok(value);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        // What is written fits into the socket's buffer: only answers are waited for.
        let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&left)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// A stream whose `WouldBlock` is `Pending`.
struct Waiting(StreamOwned<ClientConnection, TcpStream>);

fn pending<T>(result: io::Result<T>) -> Poll<io::Result<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        other => Poll::Ready(other),
    }
}

impl AsyncRead for Waiting {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let count = match pending(self.0.read(buffer.initialize_unfilled())) {
            Poll::Ready(Ok(count)) => count,
            // Many servers close without saying so first.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        };
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Waiting {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        pending(self.0.write(bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        pending(self.0.flush())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.conn.send_close_notify();
        pending(self.0.flush())
    }
}
