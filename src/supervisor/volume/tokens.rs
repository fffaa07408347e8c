//! Tokens of service accounts in volumes: those that are there stay while they are fresh, others are issued.

use super::files;
use crate::account::{Grant, KeyError, SigningKey, Subject, SubjectPod};
use crate::model::environment::PodFacts;
use crate::model::payload::Tokens;
use crate::model::{Pod, TokenProjection, VolumeSource};
use crate::store::layout::Layout;
use std::path::Path;
use std::time::Duration;

/// Longest token that is read back; audiences may make them long.
const MAX_TOKEN: u64 = 64 << 10;

/// Issues what the volumes of one pod need.
pub struct Issuer<'a> {
    layout: &'a Layout,
    pod: &'a Pod,
    facts: &'a PodFacts,
    /// Read at its first use: most pods have no tokens.
    key: Option<SigningKey>,
    /// Seconds since the epoch.
    now: u64,
    /// When the first of the tokens is to be renewed, in seconds since the epoch.
    pub renewed_at: Option<u64>,
}

impl<'a> Issuer<'a> {
    pub fn new(layout: &'a Layout, pod: &'a Pod, facts: &'a PodFacts) -> Self {
        let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default();
        Self { layout, pod, facts, key: None, now, renewed_at: None }
    }

    /// The tokens of the volume at `directory`.
    pub fn tokens(&mut self, directory: &Path, source: &VolumeSource) -> Result<Tokens, KeyError> {
        source.tokens().map(|wanted| Ok((wanted.path.clone(), self.token(directory, wanted)?))).collect()
    }

    fn token(&mut self, directory: &Path, wanted: &TokenProjection) -> Result<String, KeyError> {
        let key = match self.key.take() {
            Some(key) => key,
            None => SigningKey::open(self.layout)?,
        };
        let key = &*self.key.insert(key);
        let pod = SubjectPod { name: &self.pod.name, uid: &self.facts.uid, node: &self.facts.node_name };
        let subject = Subject { namespace: &self.pod.namespace, account: &self.pod.service_account, pod: Some(pod) };
        let grant = Grant {
            audiences: wanted.audience.as_slice(),
            lifetime: Duration::from_secs(wanted.expiration_seconds),
            now: self.now,
        };
        let present = files::current(directory, &wanted.path, MAX_TOKEN).and_then(|data| String::from_utf8(data).ok());
        let fresh = present.filter(|token| {
            // One from the future was issued before the clock was set back.
            key.read(token).is_some_and(|issued| {
                key.is_alike(&issued, subject, grant) && (issued.iat..issued.renewed_at()).contains(&self.now)
            })
        });
        let token = match fresh {
            Some(token) => token,
            None => key.issue(subject, grant)?,
        };
        let renewed_at = key.read(&token).map(|issued| issued.renewed_at());
        self.renewed_at = self.renewed_at.into_iter().chain(renewed_at).min();
        Ok(token)
    }
}
