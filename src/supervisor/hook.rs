//! Lifecycle hooks (Kubernetes, "Container Lifecycle Hooks").

use super::container::Subject;
use super::machine::Hook;
use super::probe::{self, Ended, Finished};
use crate::model::Handler;
use std::net::IpAddr;
use std::time::Duration;

/// Runs a hook to its end, or to its limit.
pub(super) async fn run(subject: &Subject, hook: Hook, ips: &[IpAddr], limit: Option<Duration>) -> Result<(), String> {
    let lifecycle = subject.spec().map(|s| &s.lifecycle);
    let handler = lifecycle.and_then(|l| match hook {
        Hook::PostStart => l.post_start.as_ref(),
        Hook::PreStop => l.pre_stop.as_ref(),
    });
    let Some(handler) = handler else { return Ok(()) };
    let work = async {
        match handler {
            Handler::Sleep(seconds) => {
                tokio::time::sleep(Duration::from_secs(*seconds)).await;
                Ok(())
            }
            // Only whether there is an answer counts, not which.
            Handler::Http(get) => probe::http(subject, get, ips).await.map(drop),
            Handler::Tcp(tcp) => probe::tcp(subject, tcp, ips).await,
            Handler::Grpc(_) => Err("a hook makes no gRPC call".to_owned()),
            Handler::Exec(command) => match probe::exec(subject, command, limit).await? {
                Finished { ended: Ended::Code(0), .. } => Ok(()),
                finished => Err(finished.to_string()),
            },
        }
    };
    match limit {
        None => work.await,
        Some(limit) => match tokio::time::timeout(limit, work).await {
            Ok(result) => result,
            Err(_) => Err(format!("it did not end within {} s", limit.as_secs_f32())),
        },
    }
}
