//! Probes and life cycle hooks of a container (Kubernetes, "Pod Lifecycle").

use super::codes;
use super::port::{self, DraftPort};
use super::spot::{Spot, did_you_mean};
use crate::model::diagnostic::Diagnostic;
use crate::model::{GrpcHealth, Handler, HttpGet, Lifecycle, Probe, TcpSocket};
use k8s_openapi::api::core::v1 as core;

/// Which probe of a container it is: their rules differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Startup,
    Readiness,
    Liveness,
}

const MAX: i64 = i32::MAX as i64;

/// Lowers a probe; one that cannot work is reported and left out.
pub(super) fn probe(at: &Spot<'_>, probe: core::Probe, kind: Kind, ports: &[DraftPort]) -> Option<Probe> {
    let core::Probe {
        exec,
        failure_threshold,
        grpc,
        http_get,
        initial_delay_seconds,
        period_seconds,
        success_threshold,
        tcp_socket,
        termination_grace_period_seconds,
        timeout_seconds,
    } = probe;
    // Kubernetes takes 0 for unset.
    let number = |field: &str, value: Option<i32>, default: i64| {
        let value = value.map_or(0, i64::from);
        let at = at.field(field);
        let value = if value == 0 { default } else { at.in_range(&format!("`{field}`"), value, default.min(1)..=MAX) };
        value as u32
    };
    let initial_delay_seconds = number("initialDelaySeconds", initial_delay_seconds, 0);
    let period_seconds = number("periodSeconds", period_seconds, 10);
    let timeout_seconds = number("timeoutSeconds", timeout_seconds, 1);
    let success_threshold = number("successThreshold", success_threshold, 1);
    let failure_threshold = number("failureThreshold", failure_threshold, 3);
    if kind != Kind::Readiness && success_threshold != 1 {
        at.field("successThreshold").wrong(codes::VALUE, "`successThreshold` of this probe must be 1");
    }
    let termination_grace_seconds =
        grace(&at.field("terminationGracePeriodSeconds"), termination_grace_period_seconds, kind);
    let handler = handler(at, Actions { exec, grpc, http_get, tcp_socket, sleep: None }, ports)?;
    Some(Probe {
        handler,
        initial_delay_seconds,
        period_seconds,
        timeout_seconds,
        success_threshold,
        failure_threshold,
        termination_grace_seconds,
    })
}

fn grace(at: &Spot<'_>, seconds: Option<i64>, kind: Kind) -> Option<u64> {
    let seconds = seconds?;
    if kind == Kind::Readiness {
        at.wrong(codes::CONFLICT, "a readiness probe stops nothing and has no grace period");
        return None;
    }
    Some(at.in_range("the grace period of a probe", seconds, 1..=i64::MAX) as u64)
}

/// Lowers the hooks of a container; `grace_seconds` bounds how long `preStop` may sleep.
pub(super) fn lifecycle(
    at: &Spot<'_>,
    lifecycle: core::Lifecycle,
    grace_seconds: u64,
    ports: &[DraftPort],
) -> Lifecycle {
    let core::Lifecycle { post_start, pre_stop, stop_signal } = lifecycle;
    let hook = |field: &str, hook: Option<core::LifecycleHandler>| {
        let core::LifecycleHandler { exec, http_get, sleep, tcp_socket } = hook?;
        let at = at.field(field);
        if tcp_socket.is_some() {
            let hint = "use `exec`, `httpGet` or `sleep`";
            at.field("tcpSocket").refused(true, "Kubernetes never made hooks of this form work", hint);
            return None;
        }
        if let Some(core::SleepAction { seconds }) = &sleep {
            let limit = i64::try_from(grace_seconds).unwrap_or(i64::MAX).max(1);
            let at = at.field("sleep");
            at.field("seconds").in_range("a hook's sleep", *seconds, 0..=limit);
        }
        handler(&at, Actions { exec, grpc: None, http_get, tcp_socket, sleep }, ports)
    };
    Lifecycle {
        post_start: hook("postStart", post_start),
        pre_stop: hook("preStop", pre_stop),
        stop_signal: stop_signal.and_then(|s| signal(&at.field("stopSignal"), &s)),
    }
}

struct Actions {
    exec: Option<core::ExecAction>,
    grpc: Option<core::GRPCAction>,
    http_get: Option<core::HTTPGetAction>,
    tcp_socket: Option<core::TCPSocketAction>,
    sleep: Option<core::SleepAction>,
}

impl Actions {
    fn count(&self) -> usize {
        let Self { exec, grpc, http_get, tcp_socket, sleep } = self;
        let present = [exec.is_some(), grpc.is_some(), http_get.is_some(), tcp_socket.is_some(), sleep.is_some()];
        present.into_iter().filter(|p| *p).count()
    }
}

/// Lowers the one action of a probe or hook.
fn handler(at: &Spot<'_>, actions: Actions, ports: &[DraftPort]) -> Option<Handler> {
    let count = actions.count();
    if count != 1 {
        let message = match count {
            0 => format!("`{}` does not say what to do", at.name()),
            _ => format!("`{}` has {count} actions, and can have one", at.name()),
        };
        at.on_key(
            Diagnostic::error(codes::CONFLICT, message).hint("give one of `exec`, `httpGet`, `tcpSocket`, `grpc`"),
            "",
        );
    }
    let Actions { exec, grpc, http_get, tcp_socket, sleep } = actions;
    if let Some(core::ExecAction { command }) = exec {
        let command = command.unwrap_or_default();
        if command.is_empty() {
            at.field("exec").missing("command");
            return None;
        }
        return Some(Handler::Exec(command));
    }
    if let Some(http) = http_get {
        return http_handler(&at.field("httpGet"), http, ports);
    }
    if let Some(core::TCPSocketAction { host, port }) = tcp_socket {
        let at = at.field("tcpSocket");
        let port = port::target(&at.field("port"), &port, ports)?;
        return Some(Handler::Tcp(TcpSocket { host: host.filter(|h| !h.is_empty()), port }));
    }
    if let Some(grpc) = grpc {
        return Some(Handler::Grpc(grpc_health(&at.field("grpc"), grpc)));
    }
    let core::SleepAction { seconds } = sleep?;
    Some(Handler::Sleep(u64::try_from(seconds).unwrap_or_default()))
}

fn grpc_health(at: &Spot<'_>, grpc: core::GRPCAction) -> GrpcHealth {
    let core::GRPCAction { mode, port, service } = grpc;
    let port = at.field("port").in_range("a port", port.into(), 1..=u16::MAX.into()) as u16;
    let mode = mode.filter(|m| !m.is_empty());
    let modes = [("Plaintext", false), ("TLS", true)];
    let tls = mode.and_then(|m| at.field("mode").one_of("mode", &m, &modes)).unwrap_or_default();
    GrpcHealth { port, service: service.unwrap_or_default(), tls }
}

fn http_handler(at: &Spot<'_>, http: core::HTTPGetAction, ports: &[DraftPort]) -> Option<Handler> {
    let core::HTTPGetAction { host, http_headers, path, port, protocol, scheme } = http;
    at.field("protocol").unsupported(protocol.is_some(), "probes speak HTTP/1.1", "remove it");
    let schemes = [("HTTP", false), ("HTTPS", true)];
    let scheme = scheme.filter(|s| !s.is_empty());
    let https = scheme.and_then(|s| at.field("scheme").one_of("scheme", &s, &schemes)).unwrap_or_default();
    let path = path.unwrap_or_default();
    if path.chars().any(|c| c.is_control() || c == ' ') {
        at.field("path").wrong(codes::FORM, "a path must not contain blanks and control characters");
    }
    let path = if path.starts_with('/') { path } else { format!("/{path}") };
    let headers_at = at.field("httpHeaders");
    let mut headers = Vec::new();
    for (i, core::HTTPHeader { name, value }) in http_headers.unwrap_or_default().into_iter().enumerate() {
        let at = headers_at.index(i);
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(token) {
            at.field("name").wrong(codes::FORM, format!("`{}` is no header name", super::spot::shown(&name)));
        } else if value.chars().any(|c| c.is_control() && c != '\t') {
            at.field("value").wrong(codes::FORM, "a header must not contain control characters");
        } else {
            headers.push((name, value));
        }
    }
    let port = port::target(&at.field("port"), &port, ports)?;
    Some(Handler::Http(HttpGet { host: host.filter(|h| !h.is_empty()), port, path, https, headers }))
}

const SIGNALS: [&str; 31] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

fn signal(at: &Spot<'_>, name: &str) -> Option<String> {
    let realtime = |prefix: &str, sign: char| {
        let offset = name.strip_prefix(prefix)?;
        let valid = offset.is_empty() || offset.strip_prefix(sign)?.parse::<u8>().is_ok_and(|n| n <= 15);
        valid.then_some(())
    };
    if SIGNALS.contains(&name) || realtime("SIGRTMIN", '+').is_some() || realtime("SIGRTMAX", '-').is_some() {
        return Some(name.to_owned());
    }
    let full = format!("SIG{name}");
    let guess = SIGNALS.contains(&full.as_str()).then(|| format!("did you mean `{full}`?"));
    let label = guess.or_else(|| did_you_mean(name, SIGNALS.into_iter())).unwrap_or_default();
    at.on_value(Diagnostic::error(codes::VALUE, format!("`{}` is no signal", super::spot::shown(name))), label);
    None
}
