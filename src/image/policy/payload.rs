//! What a signature signs: a JSON document that names an image and the digest of its manifest (containers-signature(5), "JSON data
//! format"). It is read only after the signature over it was verified, and strictly, so that later extensions fail closed.

use super::document::Unique;
use crate::image::digest::{Digest, DigestError};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

/// The two uses of the format, which must not be mistaken for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadKind {
    /// Simple signing.
    Simple,
    /// cosign.
    Sigstore,
}

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// The name that the image was signed under, as it stands there.
    pub identity: String,
    pub digest: Digest,
}

#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    #[error("what is signed is no image signature")]
    Json(#[from] serde_json::Error),
    #[error("what is signed is of the type {found:?}, not {wanted:?}")]
    Kind { found: String, wanted: &'static str },
    #[error("the signed digest cannot be compared")]
    Digest(#[from] DigestError),
    #[error("`optional.{0}` of what is signed is malformed")]
    Optional(&'static str),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<Optional> {
    critical: Critical,
    optional: Optional,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Critical {
    #[serde(rename = "type")]
    kind: String,
    image: Image,
    identity: Identity,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    #[serde(rename = "docker-reference")]
    reference: String,
}

/// An object, or nothing where cosign has nothing to say.
struct Optional(Option<Unique<Value>>);

impl<'de> Deserialize<'de> for Optional {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(Self)
    }
}

impl PayloadKind {
    /// `critical.type`.
    fn name(self) -> &'static str {
        match self {
            PayloadKind::Simple => "atomic container signature",
            PayloadKind::Sigstore => "cosign container image signature",
        }
    }
}

impl Payload {
    /// Reads what a verified signature signs.
    pub fn parse(text: &[u8], kind: PayloadKind) -> Result<Self, PayloadError> {
        let Document::<Optional> { critical: Critical { kind: found, image, identity }, optional } =
            serde_json::from_slice(text)?;
        if found != kind.name() {
            return Err(PayloadError::Kind { found, wanted: kind.name() });
        }
        check_optional(optional.0, kind)?;
        Ok(Self { identity: identity.reference, digest: image.digest.parse()? })
    }

    /// The document to sign; `timestamp` is in seconds since 1970.
    pub fn to_json(&self, kind: PayloadKind, creator: &str, timestamp: i64) -> Vec<u8> {
        let critical = Critical {
            kind: kind.name().to_owned(),
            image: Image { digest: self.digest.to_string() },
            identity: Identity { reference: self.identity.clone() },
        };
        let document = Document { critical, optional: json!({ "creator": creator, "timestamp": timestamp }) };
        serde_json::to_vec(&document).expect("the document has only string keys")
    }
}

/// Unknown members are allowed here; known ones must be what they should be.
fn check_optional(optional: Option<Unique<Value>>, kind: PayloadKind) -> Result<(), PayloadError> {
    let Some(Unique(members)) = optional else {
        return if kind == PayloadKind::Sigstore { Ok(()) } else { Err(PayloadError::Optional("")) };
    };
    if members.get("creator").is_some_and(|creator| !creator.is_string()) {
        return Err(PayloadError::Optional("creator"));
    }
    let whole = |time: &Value| time.is_i64() || time.as_f64().is_some_and(|time| time.fract() == 0.0);
    if members.get("timestamp").is_some_and(|time| !whole(time)) {
        return Err(PayloadError::Optional("timestamp"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f";

    fn good() -> Value {
        json!({
            "critical": {
                "type": "atomic container signature",
                "image": { "docker-manifest-digest": DIGEST },
                "identity": { "docker-reference": "quay.io/a:1" }
            },
            "optional": { "creator": "x 1", "timestamp": 1458239713, "other": [] }
        })
    }

    #[test]
    fn what_is_written_is_read() {
        let payload = Payload { identity: "quay.io/a:1".into(), digest: DIGEST.parse().unwrap() };
        assert_eq!(Payload::parse(good().to_string().as_bytes(), PayloadKind::Simple).unwrap(), payload);
        for kind in [PayloadKind::Simple, PayloadKind::Sigstore] {
            assert_eq!(Payload::parse(&payload.to_json(kind, "me", 5), kind).unwrap(), payload);
        }
        let mut cosign = good();
        cosign["critical"]["type"] = "cosign container image signature".into();
        cosign["optional"] = Value::Null;
        assert_eq!(Payload::parse(cosign.to_string().as_bytes(), PayloadKind::Sigstore).unwrap(), payload);
        assert!(Payload::parse(cosign.to_string().as_bytes(), PayloadKind::Simple).is_err());
    }

    #[test]
    fn anything_else_is_refused() {
        let changes: [(&str, Value); 14] = [
            ("/critical/type", "cosign container image signature".into()),
            ("/critical/type", Value::Null),
            ("/critical/image/docker-manifest-digest", "sha256:0f".into()),
            ("/critical/image/docker-manifest-digest", "sha512:0f".into()),
            ("/critical/image/docker-manifest-digest", 1.into()),
            ("/critical/image", json!({})),
            ("/critical/image", json!({ "docker-manifest-digest": DIGEST, "x": 1 })),
            ("/critical/identity", json!({})),
            ("/critical/identity", json!({ "docker-reference": "a", "x": 1 })),
            ("/critical", json!({})),
            ("/optional", Value::Null),
            ("/optional", json!([])),
            ("/optional/creator", 1.into()),
            ("/optional/timestamp", json!(1.5)),
        ];
        for (place, value) in changes {
            let mut document = good();
            *document.pointer_mut(place).unwrap() = value.clone();
            assert!(Payload::parse(document.to_string().as_bytes(), PayloadKind::Simple).is_err(), "{place} {value}");
        }
        let text = good().to_string();
        let twice = text.replacen("\"critical\":", "\"critical\":{},\"critical\":", 1);
        let more = text.replacen("\"type\":", "\"x\":1,\"type\":", 1);
        let top = text.replacen("\"critical\":", "\"x\":1,\"critical\":", 1);
        let creators = text.replacen("\"creator\":", "\"creator\":\"y\",\"creator\":", 1);
        for text in [twice, more, top, creators, text.replace("optional", "options"), format!("{text}{text}")] {
            assert!(Payload::parse(text.as_bytes(), PayloadKind::Simple).is_err(), "{text}");
        }
    }
}
