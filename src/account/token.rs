//! What a token says: the claims of the API server's own tokens (Kubernetes, "Managing Service Accounts", bound tokens).

use super::{ISSUER, KeyError, SigningKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Tokens that live long are renewed when they are that old, whatever is left of them.
const OLDEST: u64 = 24 * 60 * 60;
/// Others when this part of their life is over.
const RENEWED_AT_PERCENT: u64 = 80;

/// Versions of UUIDs (RFC 9562, sections 5.4 and 5.8).
const RANDOM: u8 = 4;
const OWN_FORM: u8 = 8;

/// Whom a token speaks for.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub namespace: &'a str,
    pub account: &'a str,
    /// The pod that holds it.
    pub pod: Option<SubjectPod<'a>>,
}

#[derive(Debug, Clone, Copy)]
pub struct SubjectPod<'a> {
    pub name: &'a str,
    pub uid: &'a str,
    /// The machine it runs on.
    pub node: &'a str,
}

/// For whom and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Grant<'a> {
    /// The issuer itself when empty.
    pub audiences: &'a [String],
    pub lifetime: Duration,
    /// Seconds since the epoch.
    pub now: u64,
}

/// What is read back of a token that was issued here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Issued {
    aud: Vec<String>,
    sub: String,
    /// Seconds since the epoch.
    pub iat: u64,
    /// Seconds since the epoch.
    pub exp: u64,
    #[serde(rename = "kubernetes.io")]
    bound: Bound,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Bound {
    namespace: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<Named>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<Named>,
    serviceaccount: Named,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Named {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
}

impl SigningKey {
    /// A token in compact form (RFC 7515, section 3.1).
    pub fn issue(&self, subject: Subject<'_>, grant: Grant<'_>) -> Result<String, KeyError> {
        let Grant { audiences, lifetime, now } = grant;
        let claims = json!({
            "aud": audiences_or_issuer(audiences),
            "exp": now + lifetime.as_secs(),
            "iat": now,
            "iss": ISSUER,
            "jti": uuid(RANDOM, self.random()?),
            "kubernetes.io": self.bound(subject),
            "nbf": now,
            "sub": subject.name(),
        });
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(json!({ "alg": "ES256", "kid": self.id() })), part(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.sign(message.as_bytes())?);
        Ok(format!("{message}.{signature}"))
    }

    /// What a token says that this key has signed, by its header; the signature is not checked. `None` for any other text.
    pub fn read(&self, token: &str) -> Option<Issued> {
        #[derive(Deserialize)]
        struct Header {
            kid: String,
        }
        let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).ok());
        let header: Header = serde_json::from_slice(&parts.next()??).ok()?;
        let issued = serde_json::from_slice(&parts.next()??).ok()?;
        (header.kid == self.id()).then_some(issued)
    }

    /// Whether a token that was issued says what a new one would, but for its times.
    pub fn is_alike(&self, issued: &Issued, subject: Subject<'_>, grant: Grant<'_>) -> bool {
        issued.aud == audiences_or_issuer(grant.audiences)
            && issued.sub == subject.name()
            && issued.bound == self.bound(subject)
            && issued.exp.checked_sub(issued.iat) == Some(grant.lifetime.as_secs())
    }

    fn bound(&self, subject: Subject<'_>) -> Bound {
        let Subject { namespace, account, pod } = subject;
        let named = |name: &str, uid: Option<String>| Named { name: name.to_owned(), uid };
        Bound {
            namespace: namespace.to_owned(),
            node: pod.map(|pod| named(pod.node, None)),
            pod: pod.map(|pod| named(pod.name, Some(pod.uid.to_owned()))),
            serviceaccount: named(account, Some(self.account_uid(namespace, account))),
        }
    }

    /// No record of accounts is kept: an account is the same as long as the key is.
    fn account_uid(&self, namespace: &str, account: &str) -> String {
        let digest = Sha256::digest(format!("{}/{namespace}/{account}", self.id()));
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        uuid(OWN_FORM, bytes)
    }
}

impl Subject<'_> {
    fn name(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.account)
    }
}

impl Issued {
    /// When a new one is to take its place, in seconds since the epoch: with a fifth of its life left, and after a day at the latest,
    /// as the kubelet does it.
    pub fn renewed_at(&self) -> u64 {
        let life = self.exp.saturating_sub(self.iat);
        self.iat.saturating_add((life * RENEWED_AT_PERCENT / 100).min(OLDEST))
    }
}

fn audiences_or_issuer(audiences: &[String]) -> Vec<String> {
    if audiences.is_empty() { vec![ISSUER.to_owned()] } else { audiences.to_vec() }
}

/// The text of a UUID of that version (RFC 9562, section 4).
fn uuid(version: u8, mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | version << 4;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = bytes.map(|byte| format!("{byte:02x}"));
    [&digits[..4], &digits[4..6], &digits[6..8], &digits[8..10], &digits[10..]].map(|group| group.concat()).join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::layout::Layout;
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    fn with_key(name: &str, test: impl FnOnce(&SigningKey)) {
        let base = std::env::temp_dir().join(format!("podkin-token-{}-{name}", std::process::id()));
        let layout = Layout::new(base.join("root"), base.join("run"));
        std::fs::create_dir_all(&layout.root).expect("a directory");
        test(&SigningKey::open(&layout).expect("a key"));
        std::fs::remove_dir_all(base).expect("goes");
    }

    fn subject(pod: &str) -> Subject<'_> {
        let pod = Some(SubjectPod { name: pod, uid: "u1", node: "machine" });
        Subject { namespace: "shop", account: "robot", pod }
    }

    fn grant(audiences: &[String], lifetime: u64) -> Grant<'_> {
        Grant { audiences, lifetime: Duration::from_secs(lifetime), now: 1_000_000 }
    }

    #[test]
    fn a_token_has_the_claims_of_kubernetes_and_a_signature_that_holds() {
        with_key("claims", |key| {
            let audiences = ["vault".to_owned()];
            let token = key.issue(subject("web"), grant(&audiences, 600)).unwrap();
            let parts: Vec<_> = token.split('.').collect();
            let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
            let header: serde_json::Value = serde_json::from_slice(&decode(parts[0])).unwrap();
            assert_eq!(header, json!({ "alg": "ES256", "kid": key.id() }));
            let claims: serde_json::Value = serde_json::from_slice(&decode(parts[1])).unwrap();
            let (jti, account) = (&claims["jti"], &claims["kubernetes.io"]["serviceaccount"]["uid"]);
            assert_eq!((jti.as_str().unwrap().len(), account.as_str().unwrap().len()), (36, 36));
            let expected = json!({
                "aud": ["vault"], "exp": 1_000_600, "iat": 1_000_000, "iss": ISSUER, "jti": jti,
                "kubernetes.io": {
                    "namespace": "shop", "node": {"name": "machine"}, "pod": {"name": "web", "uid": "u1"},
                    "serviceaccount": {"name": "robot", "uid": account},
                },
                "nbf": 1_000_000, "sub": "system:serviceaccount:shop:robot",
            });
            assert_eq!(claims, expected);
            let (x, y) = key.point();
            let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, [&[4], x, y].concat());
            let message = format!("{}.{}", parts[0], parts[1]);
            public.verify(message.as_bytes(), &decode(parts[2])).expect("the signature holds");
        });
    }

    #[test]
    fn a_token_is_known_again() {
        with_key("again", |key| {
            let vault = ["vault".to_owned()];
            let token = key.issue(subject("web"), grant(&[], 3600)).unwrap();
            let issued = key.read(&token).unwrap();
            assert!(key.is_alike(&issued, subject("web"), grant(&[], 3600)));
            assert!(!key.is_alike(&issued, subject("web"), grant(&vault, 3600)), "another audience");
            assert!(!key.is_alike(&issued, subject("api"), grant(&[], 3600)), "another pod");
            assert!(!key.is_alike(&issued, subject("web"), grant(&[], 600)), "another life");
            assert_eq!(key.read("no token"), None);
            with_key("other", |other| assert_eq!(other.read(&token), None, "another key"));
        });
    }

    #[test]
    fn renewal_comes_before_the_end_and_once_a_day() {
        with_key("renewal", |key| {
            let at = |lifetime| {
                let token = key.issue(subject("web"), grant(&[], lifetime)).unwrap();
                key.read(&token).unwrap().renewed_at() - 1_000_000
            };
            assert_eq!([at(600), at(3600), at(1 << 32)], [480, 2880, 86_400]);
        });
    }
}
