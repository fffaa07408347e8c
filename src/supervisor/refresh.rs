//! Files in volumes of running pods that are brought up to date: those of objects when the engine says so, tokens before they end.

use super::context::{Context, now};
use super::launcher::{Reporter, chain, launch};
use super::{records, volume};
use crate::store::record::PodRecord;
use std::rc::Rc;
use std::time::Duration;

/// After which tokens are tried again that could not be renewed: a fifth of their life, two minutes at least, is left then.
const RETRY: Duration = Duration::from_secs(30);
/// A clock that jumps makes nobody busy.
const SHORTEST_WAIT: u64 = 1;

/// Whether the pod holds tokens of its service account.
pub(super) fn has_tokens(record: &PodRecord) -> bool {
    record.pod.volumes.iter().any(|volume| volume.source.tokens().next().is_some())
}

/// How long it is until that second since the epoch.
pub(super) fn until(time: u64) -> Duration {
    Duration::from_secs(time.saturating_sub(seconds()).max(SHORTEST_WAIT))
}

/// Puts new tokens in the place of those that are due; when the next is, in seconds since the epoch.
pub(super) async fn renew(context: &Rc<Context>, record: &PodRecord) -> Option<u64> {
    files(context, record).await.unwrap_or_else(|error| {
        tracing::warn!(pod = %record.id, "cannot renew tokens: {error}");
        Some(seconds() + RETRY.as_secs())
    })
}

/// Swaps the files of volumes that changed, in a launcher: the values never enter this process. Returns when the first of the pod's
/// tokens is to be renewed, in seconds since the epoch.
pub(super) async fn files(context: &Rc<Context>, record: &PodRecord) -> Result<Option<u64>, String> {
    let facts = context.pod_facts(record);
    let body = |reporter: &mut Reporter| {
        let objects = records::objects(&context.layout, &record.id).map_err(|e| chain(&e));
        let refresh = |objects| volume::refresh(&context.layout, record, &objects, &facts).map_err(|e| chain(&e));
        reporter.send(&objects.and_then(refresh));
        0
    };
    let mut launched = launch(&context.reaper, &[], body).map_err(|e| chain(&e))?;
    launched.report().await.map_err(|e| chain(&e))?
}

fn seconds() -> u64 {
    u64::try_from(now().wall.as_second()).unwrap_or_default()
}
