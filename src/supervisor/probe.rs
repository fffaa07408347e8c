//! Asking a container how it is: by a program in it, over HTTP or gRPC, by connecting.
//!
//! Sockets are made in the pod's network namespace by this process, so these need neither a process nor anything in
//! the image.

use super::container::Subject;
use super::http::{self, Answer, HttpError, Target, Verdict};
use super::launcher::{Reporter, chain, launch};
use super::machine::{Outcome, ProbeKind, Process};
use crate::model::{Handler, HttpGet, TcpSocket};
use crate::runtime::Stdio;
use crate::runtime::exec::{self, ExecRequest, ExecTarget};
use crate::sys;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketType};
use rustix::pipe::PipeFlags;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Runs a container's probe once, within its timeout.
pub(super) async fn run(subject: &Subject, kind: ProbeKind, ips: &[IpAddr]) -> Outcome {
    let Some(probe) = subject.spec().and_then(|spec| kind.of(spec)) else {
        return Outcome { ok: true, message: String::new() };
    };
    let limit = Duration::from_secs(u64::from(probe.timeout_seconds.max(1)));
    let asked = async {
        match &probe.handler {
            Handler::Exec(command) => match exec(subject, command, Some(limit)).await? {
                Finished { ended: Ended::Code(0), .. } => Ok("exit code 0".to_owned()),
                finished => Err(finished.to_string()),
            },
            Handler::Http(get) => match http(subject, get, ips).await? {
                Verdict::Ok(message) => Ok(message),
                Verdict::Failed(message) => Err(message),
                Verdict::Follow(_) => Err(format!("more than {} redirects", http::MAX_REDIRECTS)),
            },
            Handler::Tcp(target) => tcp(subject, target, ips).await.map(|()| "connected".to_owned()),
            Handler::Grpc(health) => super::grpc::check(subject, health, ips, limit).await,
            Handler::Sleep(_) => Ok(String::new()),
        }
    };
    match tokio::time::timeout(limit, asked).await {
        Ok(Ok(message)) => Outcome { ok: true, message },
        Ok(Err(message)) => Outcome { ok: false, message },
        Err(_) => Outcome { ok: false, message: format!("no answer within {} s", limit.as_secs()) },
    }
}

/// Asks over HTTP, following redirects on the same host.
pub(super) async fn http(subject: &Subject, get: &HttpGet, ips: &[IpAddr]) -> Result<Verdict, String> {
    let mut target = Target::of(get, own_address(ips)).map_err(|e| e.to_string())?;
    for _ in 0..http::MAX_REDIRECTS {
        let answer = ask(subject, &target).await?;
        match target.judge(&answer) {
            Verdict::Follow(next) => target = next,
            verdict => return Ok(verdict),
        }
    }
    Ok(Verdict::Follow(target))
}

async fn ask(subject: &Subject, target: &Target) -> Result<Answer, String> {
    if target.https {
        return super::https::ask(subject, target).await;
    }
    let mut stream = connect(subject, target.address).await?;
    let lost = |error: std::io::Error| format!("cannot talk to {}: {error}", target.address);
    stream.write_all(&target.request()).await.map_err(lost)?;
    let mut bytes = Vec::new();
    loop {
        let complete = stream.read_buf(&mut bytes).await.map_err(lost)? == 0;
        match http::parse(&bytes, complete) {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Connects and closes.
pub(super) async fn tcp(subject: &Subject, target: &TcpSocket, ips: &[IpAddr]) -> Result<(), String> {
    let address = http::host_address(target.host.as_deref(), own_address(ips)).map_err(|e: HttpError| e.to_string())?;
    connect(subject, SocketAddr::new(address, target.port)).await.map(drop)
}

pub(super) fn own_address(ips: &[IpAddr]) -> IpAddr {
    ips.first().copied().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

pub(super) async fn connect(subject: &Subject, address: SocketAddr) -> Result<TcpStream, String> {
    let refused = |error: std::io::Error| format!("cannot connect to {address}: {error}");
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let path = match super::sandbox::network_request(&subject.record) {
        Some(_) => subject.context.layout.pod_namespace(&subject.record.id, "net"),
        None => "/proc/self/ns/net".into(),
    };
    let netns = std::fs::File::open(path).map_err(refused)?;
    let socket = sys::net::socket_in_netns(netns.as_fd(), family, SocketType::STREAM).map_err(refused)?;
    let socket = tokio::net::TcpSocket::from_std_stream(std::net::TcpStream::from(socket));
    socket.connect(address).await.map_err(refused)
}

/// What of a program's output is kept, in bytes: as much as an event may say.
const OUTPUT_LIMIT: usize = 1024;

/// A program that was run in a container to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finished {
    pub ended: Ended,
    /// The beginning of what it printed.
    pub output: String,
}

impl fmt::Display for Finished {
    /// What it printed, as a kubelet tells it; how it ended when it printed nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.output.trim() {
            "" => self.ended.fmt(f),
            output => f.write_str(output),
        }
    }
}

/// How a program run in a container ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Code(i32),
    Signal(i32),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Code(code) => write!(f, "exit code {code}"),
            Ended::Signal(signal) => write!(f, "killed by signal {signal}"),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
enum ExecReport {
    Code(i32, String),
    Signal(i32, String),
    TimedOut,
    Failed(String),
}

/// Runs a program in the container and waits for its end. Past the limit it is killed.
pub(super) async fn exec(subject: &Subject, command: &[String], limit: Option<Duration>) -> Result<Finished, String> {
    let Some(process) = subject.process else { return Err("the container is not running".to_owned()) };
    let body = |reporter: &mut Reporter| {
        reporter.send(&match exec_in_launcher(&subject.run_dir(), process, command, limit) {
            Ok(report) => report,
            Err(error) => ExecReport::Failed(error),
        });
        0
    };
    let mut launched = launch(&subject.context.reaper, &[], body).map_err(|e| chain(&e))?;
    match launched.report().await.map_err(|e| chain(&e))? {
        ExecReport::Code(code, output) => Ok(Finished { ended: Ended::Code(code), output }),
        ExecReport::Signal(signal, output) => Ok(Finished { ended: Ended::Signal(signal), output }),
        ExecReport::TimedOut => Err(format!("it did not end within {} s", limit.unwrap_or_default().as_secs_f32())),
        ExecReport::Failed(error) => Err(error),
    }
}

fn exec_in_launcher(
    run_dir: &Path,
    process: Process,
    command: &[String],
    limit: Option<Duration>,
) -> Result<ExecReport, String> {
    let system = |error: io::Error| error.to_string();
    let stdin = File::options().read(true).open("/dev/null").map_err(system)?.into();
    let (printed, stdout) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(|e| system(e.into()))?;
    let stderr = stdout.try_clone().map_err(system)?;
    rustix::io::ioctl_fionbio(&printed, true).map_err(|e| system(e.into()))?;
    let stdio = Stdio::Descriptors { stdin, stdout, stderr };
    let request = ExecRequest { args: command.to_vec(), ..ExecRequest::default() };
    let target = ExecTarget::open(run_dir, process.pid, process.start_ticks).map_err(|e| chain(&e))?;
    let child = exec::exec(&target, &request, stdio).map_err(|e| chain(&e))?.child;
    let (ended, output) = hear(&child.pidfd, &printed, limit).map_err(system)?;
    if !ended {
        sys::process::pidfd_kill(&child.pidfd).map_err(|e| e.to_string())?;
    }
    Ok(match sys::process::wait(&child.pidfd).map_err(|e| e.to_string())? {
        _ if !ended => ExecReport::TimedOut,
        sys::process::Exit::Code(code) => ExecReport::Code(code, output),
        sys::process::Exit::Signal(signal) => ExecReport::Signal(signal, output),
    })
}

/// Reads what a process prints until it ends, whoever else holds its output; whether it did within the limit.
fn hear(pidfd: &OwnedFd, printed: &OwnedFd, limit: Option<Duration>) -> io::Result<(bool, String)> {
    let deadline = limit.map(|limit| Instant::now() + limit);
    let (mut output, mut open, mut ended) = (Vec::new(), true, false);
    while !ended {
        let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
        let left = left.map(|t| Timespec { tv_sec: t.as_secs() as i64, tv_nsec: i64::from(t.subsec_nanos()) });
        let mut both = [PollFd::new(pidfd, PollFlags::IN), PollFd::new(printed, PollFlags::IN)];
        // One that closed its output is waited for all the same.
        match poll(if open { &mut both } else { &mut both[..1] }, left.as_ref()) {
            Ok(0) => break,
            Ok(_) => ended = !both[0].revents().is_empty(),
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        open = open && drain(printed, &mut output)?;
    }
    Ok((ended, String::from_utf8_lossy(&output).into_owned()))
}

/// Takes some of what is there, and keeps the beginning; false when nobody can write any more.
fn drain(printed: &OwnedFd, output: &mut Vec<u8>) -> io::Result<bool> {
    let mut chunk = [0; 4096];
    // Who prints without end must not keep the deadline from being seen.
    for _ in 0..16 {
        match rustix::io::read(printed, &mut chunk) {
            Ok(0) => return Ok(false),
            Ok(count) => output.extend(chunk[..count].iter().take(OUTPUT_LIMIT.saturating_sub(output.len()))),
            Err(rustix::io::Errno::AGAIN) => return Ok(true),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}
