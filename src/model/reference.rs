//! Image references: what users type, and the one full name it stands for.
//!
//! Grammar and defaults are those of the distribution specification's reference implementation: `[host[:port]/]path[:tag][@digest]`;
//! the first component is a host when it has a dot or a colon or is `localhost`; without one the name belongs to `docker.io`,
//! and a single component there to `library/`.

use super::digest::{Digest, DigestError};
use std::fmt;
use std::str::FromStr;

/// A full reference: registry, repository, and a tag, a digest, or both.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// Host, with a port if there is one.
    pub registry: String,
    /// Path on the registry: `library/nginx`.
    pub repository: String,
    pub tag: Option<String>,
    pub digest: Option<Digest>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    #[error("image name is empty")]
    Empty,
    #[error("image name `{0}` has an upper-case letter: repository names are lower-case")]
    UpperCase(String),
    #[error(
        "image name `{0}` is malformed: components are lower-case letters and digits, joined by `.`, `_`, `__` or `-`"
    )]
    Malformed(String),
    #[error("image name `{0}` has the malformed host `{1}`")]
    Host(String, String),
    #[error(
        "image name `{0}` has the malformed tag `{1}`: up to 128 letters, digits, `_`, `.` and `-`, not starting with `.` or `-`"
    )]
    Tag(String, String),
    #[error("image name `{0}` is longer than 255 characters")]
    TooLong(String),
    #[error("image name `{name}` has a malformed digest")]
    Digest { name: String, source: DigestError },
}

impl Reference {
    /// Parses what a user typed. Without tag and digest the tag is `latest`.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        Self::parse_with(text, |_| ("docker.io", true))
    }

    /// Parses the name of something made here: without a host it belongs to `localhost`.
    pub fn parse_local(text: &str) -> Result<Self, ReferenceError> {
        Self::parse_with(text, |_| ("localhost", false))
    }

    fn parse_with<'a>(text: &str, default: impl Fn(&str) -> (&'a str, bool)) -> Result<Self, ReferenceError> {
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        let (rest, digest) = match text.split_once('@') {
            None => (text, None),
            Some((rest, digest)) => {
                let digest = digest.parse().map_err(|source| ReferenceError::Digest { name: text.into(), source })?;
                (rest, Some(digest))
            }
        };
        // A colon after the last slash begins a tag; one before it, a port.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        if let Some(tag) = tag.filter(|tag| !is_tag(tag)) {
            return Err(ReferenceError::Tag(text.into(), tag.into()));
        }
        let (registry, repository) = match name.split_once('/') {
            Some((host, path)) if is_host_like(host) => (host.to_owned(), path.to_owned()),
            _ => {
                let (registry, library) = default(name);
                let library = library && !name.contains('/');
                (registry.to_owned(), if library { format!("library/{name}") } else { name.to_owned() })
            }
        };
        let registry = if registry == "index.docker.io" { "docker.io".to_owned() } else { registry };
        let repository = match (registry.as_str(), repository.contains('/')) {
            ("docker.io", false) => format!("library/{repository}"),
            _ => repository,
        };
        check(text, &registry, &repository)?;
        let tag = match (tag, &digest) {
            (None, None) => Some("latest".to_owned()),
            (tag, _) => tag.map(str::to_owned),
        };
        Ok(Self { registry, repository, tag, digest })
    }

    /// Registry and repository, without tag and digest.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The key it is stored under: with a tag, and without the digest when there is a tag.
    pub fn tagged(&self) -> Option<String> {
        self.tag.as_ref().map(|tag| format!("{}:{tag}", self.name()))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        Self::parse(text)
    }
}

/// Repository and tag of a full name; one with a digest has no tag that counts.
pub fn split_name(name: &str) -> (&str, Option<&str>) {
    if let Some((name, _)) = name.split_once('@') {
        return (split_name(name).0, None);
    }
    // A colon before the last slash begins a port.
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (name, None),
    }
}

/// Names that `text` can stand for among the images of this machine, in the order in which they are tried: as typed, below
/// `localhost/`, below `docker.io/`.
pub fn local_candidates(text: &str) -> Result<Vec<Reference>, ReferenceError> {
    let full = Reference::parse(text)?;
    let typed = text.split(['@', ':']).next().unwrap_or(text);
    if typed.split_once('/').is_some_and(|(host, _)| is_host_like(host)) || has_port(text) {
        return Ok(vec![full]);
    }
    Ok(vec![Reference::parse_local(text)?, full])
}

fn has_port(text: &str) -> bool {
    text.split_once('/').is_some_and(|(host, _)| host.contains(':'))
}

fn is_host_like(text: &str) -> bool {
    text == "localhost" || text.contains(['.', ':'])
}

fn is_tag(tag: &str) -> bool {
    let mut bytes = tag.bytes();
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= 128 && bytes.next().is_some_and(word) && bytes.all(|b| word(b) || b == b'.' || b == b'-')
}

fn check(text: &str, registry: &str, repository: &str) -> Result<(), ReferenceError> {
    if registry.len() + repository.len() + 1 > 255 {
        return Err(ReferenceError::TooLong(text.chars().take(60).collect()));
    }
    if !is_host(registry) {
        return Err(ReferenceError::Host(text.into(), registry.into()));
    }
    if repository.split('/').all(is_component) {
        return Ok(());
    }
    let upper = repository.bytes().any(|b| b.is_ascii_uppercase());
    let lower = repository.to_ascii_lowercase();
    if upper && lower.split('/').all(is_component) {
        return Err(ReferenceError::UpperCase(text.into()));
    }
    Err(ReferenceError::Malformed(text.into()))
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) => {
                let valid = !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
                return valid && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
            }
            None => return false,
        },
        None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
    };
    let label = |l: &str| {
        let dashed = l.starts_with('-') || l.ends_with('-');
        !l.is_empty() && !dashed && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    name.split('.').all(label) && port.is_none_or(is_port)
}

fn is_port(port: &str) -> bool {
    !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok()
}

/// Runs of lower-case letters and digits with separators between them: one dot, one or two underscores, any number of dashes.
fn is_component(component: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = component.as_bytes();
    let ends = bytes.first().copied().is_some_and(alphanumeric) && bytes.last().copied().is_some_and(alphanumeric);
    let separators = component.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    ends && separators.filter(|s| !s.is_empty()).all(|s| matches!(s, "." | "_" | "__") || s.bytes().all(|b| b == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(text: &str) -> String {
        Reference::parse(text).unwrap().to_string()
    }

    #[test]
    fn names_are_made_full() {
        assert_eq!(full("nginx"), "docker.io/library/nginx:latest");
        assert_eq!(full("nginx:1.27"), "docker.io/library/nginx:1.27");
        assert_eq!(full("bitnami/redis"), "docker.io/bitnami/redis:latest");
        assert_eq!(full("docker.io/nginx"), "docker.io/library/nginx:latest");
        assert_eq!(full("index.docker.io/a/b"), "docker.io/a/b:latest");
        assert_eq!(full("localhost/podkin-demo"), "localhost/podkin-demo:latest");
        assert_eq!(full("localhost:5000/x"), "localhost:5000/x:latest");
        assert_eq!(full("quay.io/a/b_c/d--e:v1"), "quay.io/a/b_c/d--e:v1");
        assert_eq!(full("[::1]:5000/x:1"), "[::1]:5000/x:1");
        let digest = format!("sha256:{}", "0f".repeat(32));
        assert_eq!(full(&format!("nginx@{digest}")), format!("docker.io/library/nginx@{digest}"));
        assert_eq!(full(&format!("nginx:1@{digest}")), format!("docker.io/library/nginx:1@{digest}"));
        assert_eq!(Reference::parse_local("web").unwrap().to_string(), "localhost/web:latest");
    }

    #[test]
    fn full_names_are_split() {
        assert_eq!(split_name("a.b:5000/c/d:1"), ("a.b:5000/c/d", Some("1")));
        assert_eq!(split_name("a.b:5000/c/d"), ("a.b:5000/c/d", None));
        assert_eq!(split_name("a.b/c:1@sha256:00"), ("a.b/c", None));
    }

    #[test]
    fn malformed_names_are_refused() {
        let long = "a/".repeat(140);
        let bad = [
            "",
            ":",
            "a:",
            "/a",
            "a/",
            "a//b",
            "a..b",
            "-a",
            "a-",
            "a___b",
            "Nginx",
            "a b",
            "a:b:c",
            "a:-x",
            "../etc",
            "a/../b",
            "a@sha256:12",
            "a@md5:00",
            "a@sha256:../../x",
            "host_x.y/a",
            "-h.x/a",
            "x.y:port/a",
            "x.y:99999/a",
            "a:.x",
            "é",
            &long,
        ];
        for text in bad {
            assert!(Reference::parse(text).is_err(), "{text} -> {:?}", Reference::parse(text));
        }
        assert!(matches!(Reference::parse("Nginx"), Err(ReferenceError::UpperCase(_))));
    }

    #[test]
    fn short_names_try_localhost_first() {
        let names = |text| local_candidates(text).unwrap().iter().map(Reference::to_string).collect::<Vec<_>>();
        assert_eq!(names("web"), ["localhost/web:latest", "docker.io/library/web:latest"]);
        assert_eq!(names("team/web:1"), ["localhost/team/web:1", "docker.io/team/web:1"]);
        assert_eq!(names("quay.io/web"), ["quay.io/web:latest"]);
        assert_eq!(names("localhost:5000/web:2"), ["localhost:5000/web:2"]);
    }
}
