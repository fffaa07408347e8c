//! Who an image must have been signed as: `signedIdentity` (containers-policy.json(5), "signedBy").

use super::scope::identity_text;
use crate::image::reference::{Reference, ReferenceError};
use serde::Deserialize;

/// What the identity in a signature must be.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum SignedIdentity {
    /// The image's name to the letter.
    MatchExact {},
    /// The image's name with its tag; for an image named by digest, its repository.
    MatchRepoDigestOrExact {},
    /// The image's repository.
    MatchRepository {},
    ExactReference {
        docker_reference: Name,
    },
    ExactRepository {
        docker_repository: Name,
    },
    /// As `MatchRepoDigestOrExact`, for the image's name with another beginning.
    RemapIdentity {
        prefix: Prefix,
        signed_prefix: Prefix,
    },
}

impl Default for SignedIdentity {
    fn default() -> Self {
        Self::MatchRepoDigestOrExact {}
    }
}

/// A name in a signature or a policy, made full as names that users type are, but for the tag: none is added.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Name(Reference);

impl Name {
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let mut reference = Reference::parse(text)?;
        let last = text.rsplit('/').next().unwrap_or(text);
        if !last.contains([':', '@']) {
            reference.tag = None;
        }
        Ok(Self(reference))
    }

    /// Registry and repository.
    fn repository(&self) -> String {
        self.0.name()
    }

    fn is_repository(&self) -> bool {
        self.0.tag.is_none() && self.0.digest.is_none()
    }

    /// To the letter; a tag beside a digest counts.
    fn text(&self) -> String {
        self.0.to_string()
    }
}

impl TryFrom<String> for Name {
    type Error = ReferenceError;

    fn try_from(text: String) -> Result<Self, ReferenceError> {
        Self::parse(&text)
    }
}

/// The beginning of full names: a host, a path on it, or a repository.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Prefix(String);

#[derive(Debug, thiserror::Error)]
#[error("prefix `{0}` is neither a host nor a full name without tag and digest")]
pub struct PrefixError(String);

impl TryFrom<String> for Prefix {
    type Error = PrefixError;

    fn try_from(text: String) -> Result<Self, PrefixError> {
        // A name below it must be full as it stands, with the prefix at its beginning.
        let below = format!("{text}/x/x");
        match Reference::parse(&below) {
            Ok(reference) if reference.name() == below => Ok(Self(text)),
            _ => Err(PrefixError(text)),
        }
    }
}

impl Prefix {
    /// What of `name` follows it: empty, or beginning with a slash.
    fn rest<'a>(&self, name: &'a str) -> Option<&'a str> {
        name.strip_prefix(self.0.as_str()).filter(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl SignedIdentity {
    /// Whether a signature for `signed` is one for `image`; images without a name match exact references only.
    pub fn accepts(&self, image: Option<&Reference>, signed: &str) -> bool {
        let Ok(signed) = Name::parse(signed) else { return false };
        match self {
            Self::ExactReference { docker_reference } => {
                !signed.is_repository() && docker_reference.text() == signed.text()
            }
            Self::ExactRepository { docker_repository } => docker_repository.repository() == signed.repository(),
            Self::MatchExact {} => image.is_some_and(|image| is_exact(&identity_text(image), &signed)),
            Self::MatchRepository {} => image.is_some_and(|image| image.name() == signed.repository()),
            Self::MatchRepoDigestOrExact {} => {
                image.is_some_and(|image| is_exact_or_digest(&image.name(), image, &signed))
            }
            Self::RemapIdentity { prefix, signed_prefix } => image.is_some_and(|image| {
                let name = image.name();
                let remapped = prefix.rest(&name).map(|rest| format!("{}{rest}", signed_prefix.0));
                is_exact_or_digest(&remapped.unwrap_or(name), image, &signed)
            }),
        }
    }

    /// Refuses an identity that nothing can match.
    pub fn problem(&self) -> Option<&'static str> {
        match self {
            Self::ExactReference { docker_reference } if docker_reference.is_repository() => {
                Some("`dockerReference` of `exactReference` needs a tag or a digest")
            }
            _ => None,
        }
    }
}

fn is_exact(image: &str, signed: &Name) -> bool {
    !signed.is_repository() && signed.text() == image
}

/// `name` is the repository that `image` counts as. The digest of an image that was named by it has been compared with the
/// manifest, so that the tag in a signature need not be.
fn is_exact_or_digest(name: &str, image: &Reference, signed: &Name) -> bool {
    if signed.is_repository() {
        return false;
    }
    match (&image.digest, &image.tag) {
        (Some(_), _) => signed.repository() == name,
        (None, Some(tag)) => signed.text() == format!("{name}:{tag}"),
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f";

    fn identity(json: &str) -> SignedIdentity {
        serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
    }

    fn accepts(json: &str, image: &str, signed: &str) -> bool {
        let image = Reference::parse(image).unwrap();
        identity(json).accepts(Some(&image), signed)
    }

    #[test]
    fn each_kind_accepts_what_it_says() {
        let by_digest = format!("quay.io/a/b@{DIGEST}");
        let exact = r#"{"type":"matchExact"}"#;
        let usual = r#"{"type":"matchRepoDigestOrExact"}"#;
        let repository = r#"{"type":"matchRepository"}"#;
        let one = r#"{"type":"exactReference","dockerReference":"quay.io/z/z:9"}"#;
        let one_repository = r#"{"type":"exactRepository","dockerRepository":"quay.io/z/z"}"#;
        let remap = r#"{"type":"remapIdentity","prefix":"mirror:5000/v","signedPrefix":"quay.io"}"#;
        let cases = [
            (exact, "quay.io/a/b:1", "quay.io/a/b:1", true),
            (exact, "quay.io/a/b:1", "quay.io/a/b:2", false),
            (exact, "quay.io/a/b", "quay.io/a/b", false),
            (exact, &by_digest, "quay.io/a/b:1", false),
            (exact, &by_digest, &by_digest, true),
            (exact, "busybox", "busybox:latest", true),
            (usual, "quay.io/a/b:1", "quay.io/a/b:1", true),
            (usual, "quay.io/a/b:1", "quay.io/a/b:2", false),
            (usual, "quay.io/a/b:1", "quay.io/a/b", false),
            (usual, &by_digest, "quay.io/a/b:2", true),
            (usual, &by_digest, "quay.io/a/c:2", false),
            (usual, &by_digest, "quay.io/a/b", false),
            (repository, "quay.io/a/b:1", "quay.io/a/b", true),
            (repository, "quay.io/a/b:1", "quay.io/a/b:7", true),
            (repository, "quay.io/a/b:1", "quay.io/a/bb", false),
            (one, "quay.io/a/b:1", "quay.io/z/z:9", true),
            (one, "quay.io/a/b:1", "quay.io/z/z", false),
            (one, "quay.io/z/z:8", "quay.io/z/z:8", false),
            (one_repository, "quay.io/a/b:1", "quay.io/z/z:3", true),
            (one_repository, "quay.io/a/b:1", "quay.io/a/b:1", false),
            (remap, "mirror:5000/v/x:1", "quay.io/x:1", true),
            (remap, "mirror:5000/v/x:1", "mirror:5000/v/x:1", false),
            (remap, "mirror:5000/vv/x:1", "quay.io/x:1", false),
            (remap, "mirror:5000/vv/x:1", "mirror:5000/vv/x:1", true),
            (usual, "quay.io/a/b:1", "QUAY.io/a/b:1", false),
            (repository, "quay.io/a/b:1", "not a name", false),
            (repository, "quay.io/a/b:1", "", false),
        ];
        for (json, image, signed, expected) in cases {
            assert_eq!(accepts(json, image, signed), expected, "{json} {image} {signed}");
        }
    }

    #[test]
    fn an_image_without_a_name_needs_an_exact_one() {
        assert!(!SignedIdentity::default().accepts(None, "quay.io/a:1"));
        assert!(!identity(r#"{"type":"matchRepository"}"#).accepts(None, "quay.io/a:1"));
        let exact = identity(r#"{"type":"exactReference","dockerReference":"quay.io/a:1"}"#);
        assert!(exact.accepts(None, "quay.io/a:1"));
    }

    #[test]
    fn malformed_identities_are_refused() {
        let bad = [
            r#"{"type":"matchAll"}"#,
            r#"{"type":"matchExact","x":1}"#,
            r#"{"type":"matchRepoDigestOrExact","x":1}"#,
            r#"{"type":"matchRepository","type":"matchRepository"}"#,
            r#"{"type":"exactReference"}"#,
            r#"{"type":"exactReference","dockerReference":"UPPER"}"#,
            r#"{"type":"remapIdentity","prefix":"quay.io/a:1","signedPrefix":"quay.io"}"#,
            r#"{"type":"remapIdentity","prefix":"a/b","signedPrefix":"quay.io"}"#,
            r#"{"type":"remapIdentity","prefix":"","signedPrefix":"quay.io"}"#,
            r#"{"type":"remapIdentity","prefix":"quay.io"}"#,
            "{}",
        ];
        for json in bad {
            assert!(serde_json::from_str::<SignedIdentity>(json).is_err(), "{json}");
        }
        assert!(identity(r#"{"type":"exactReference","dockerReference":"quay.io/a"}"#).problem().is_some());
    }
}
