//! Tokens of service accounts on request, and what checks them.

use super::{Engine, EngineError};
use crate::account::{self, Grant, SigningKey, Subject, SubjectPod};
use crate::model::account::{DEFAULT_LIFETIME, LIFETIMES};
use crate::store::{apps, pods};
use crate::supervisor::machine_facts;
use std::time::Duration;

/// A token that is asked for.
#[derive(Debug, Clone, Default)]
pub struct TokenRequest {
    pub account: String,
    pub namespace: String,
    /// The issuer itself when empty.
    pub audiences: Vec<String>,
    /// An hour when unset.
    pub lifetime: Option<Duration>,
    /// The pod whose token it is to be; one of nobody in particular when unset.
    pub pod: Option<String>,
}

/// What others need to check tokens, as JSON.
#[derive(Debug, Clone)]
pub struct TokenKeys {
    /// A key set (RFC 7517).
    pub key_set: serde_json::Value,
    /// OpenID Connect Discovery 1.0.
    pub configuration: serde_json::Value,
}

impl Engine {
    /// Issues a token.
    ///
    /// # Errors
    /// No pod and no file that was played has such an account; the life of the token is out of range; the pod has another account.
    pub fn create_token(&mut self, request: &TokenRequest) -> Result<String, EngineError> {
        let TokenRequest { account, namespace, audiences, lifetime, pod } = request;
        let lifetime = lifetime.unwrap_or(Duration::from_secs(DEFAULT_LIFETIME));
        if !LIFETIMES.contains(&lifetime.as_secs()) {
            return Err(EngineError::BadOption {
                flag: "--duration",
                value: format!("{}s", lifetime.as_secs()),
                reason: format!("a token lives from {} to {} seconds", LIFETIMES.start(), LIFETIMES.end()),
            });
        }
        if !self.has_account(namespace, account)? {
            return Err(EngineError::NotFound { what: "service account", name: account.clone() });
        }
        let record = pod.as_ref().map(|pod| self.pod_row(pod)).transpose()?.map(|row| row.record);
        if let Some(record) = &record
            && (&record.pod.namespace, &record.pod.service_account) != (namespace, account)
        {
            return Err(EngineError::BadOption {
                flag: "--bound-object-name",
                value: record.pod.name.clone(),
                reason: format!(
                    "its service account is `{}` in namespace `{}`",
                    record.pod.service_account, record.pod.namespace
                ),
            });
        }
        let (node, _) = machine_facts(self.layout());
        let pod = record.as_ref().map(|record| SubjectPod { name: &record.pod.name, uid: &record.id, node: &node });
        let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default();
        let subject = Subject { namespace, account, pod };
        Ok(SigningKey::open(self.layout())?.issue(subject, Grant { audiences, lifetime, now })?)
    }

    /// The public key of this root, which makes one if it has none.
    pub fn token_keys(&self) -> Result<TokenKeys, EngineError> {
        let key = SigningKey::open(self.layout())?;
        Ok(TokenKeys { key_set: account::discovery::key_set(&key), configuration: account::discovery::configuration() })
    }

    /// Every namespace has an account `default`; others are those of pods, and those that files described.
    fn has_account(&self, namespace: &str, account: &str) -> Result<bool, EngineError> {
        let connection = self.database.connection();
        if account == "default" {
            return Ok(true);
        }
        let is_pods = |row: &pods::PodRow| {
            let pod = &row.record.pod;
            pod.namespace == namespace && pod.service_account == account
        };
        if pods::all(connection)?.iter().any(is_pods) {
            return Ok(true);
        }
        let applications = apps::all(connection)?;
        let mut documents = applications.iter().flat_map(|app| &app.sources).flat_map(|source| &source.documents);
        Ok(documents.any(|document| document.kind == "ServiceAccount" && document.name == account))
    }
}
