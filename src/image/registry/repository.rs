//! A repository on a registry: manifests, blobs and tags (distribution specification 1.1, "Pull", "Push", "Content Discovery",
//! "Content Management").

use super::blob::{Again, Blob};
use super::error::RegistryError;
use super::retry::retrying;
use super::session::{Answer, Ask, Session, To};
use super::upload::Upload;
use crate::image::config::MAX_DOCUMENT;
use crate::image::{Digest, Reference};
use serde::Deserialize;
use std::fmt;
use std::io::Read as _;
use ureq::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, LINK};
use ureq::http::{HeaderName, Method};

/// Media types of manifests and indexes that are asked for.
pub const MANIFEST_TYPES: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// A list of tags has an end; this is beyond it.
const MAX_TAGS: usize = 1_000_000;

/// A repository, with the login for it. Clones and threads share everything.
#[derive(Clone)]
pub struct Repository {
    pub(super) session: Session,
    pub(super) name: String,
}

/// What a manifest is asked for by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    Tag(String),
    Digest(Digest),
}

/// A manifest or an index, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Of `bytes`.
    pub digest: Digest,
    /// `Content-Type` without parameters; empty when the registry gave none.
    pub media_type: String,
    pub bytes: Vec<u8>,
}

/// A page of the list of tags.
#[derive(Deserialize)]
struct Tags {
    tags: Option<Vec<String>>,
}

impl Repository {
    pub(super) fn new(session: Session, name: String) -> Self {
        Self { session, name }
    }

    /// The same, where a failure is not tried again.
    pub fn once(&self) -> Self {
        let mut same = self.clone();
        same.session.once = true;
        same
    }

    /// Fetches a manifest or index, 4 MiB at most. Its digest is compared with the one asked for and with the one that the
    /// registry says it has.
    pub fn manifest(&self, which: &Which) -> Result<Fetched, RegistryError> {
        let ask = self.manifest_ask(Method::GET, which);
        let (headers, bytes) = retrying(self.session.retry_policy(), || {
            let answer = self.session.ask(&ask, &[])?;
            let headers = answer.headers.clone();
            Ok((headers, answer.bytes(self.session.registry(), &ask.what, MAX_DOCUMENT)?))
        })?;
        let digest = Digest::of(&bytes);
        let said = headers.get(CONTENT_DIGEST).and_then(|value| value.to_str().ok()?.parse::<Digest>().ok());
        let asked = match which {
            Which::Digest(digest) => Some(digest.clone()),
            Which::Tag(_) => None,
        };
        for expected in asked.into_iter().chain(said) {
            same_digest(&ask.what, expected, &digest)?;
        }
        let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        Ok(Fetched { digest, media_type: plain_type(media_type), bytes })
    }

    /// Digest and media type of a manifest, without fetching it where the registry tells them. `None` when it has none.
    pub fn manifest_digest(&self, which: &Which) -> Result<Option<(Digest, String)>, RegistryError> {
        let ask = self.manifest_ask(Method::HEAD, which);
        let answer = retrying(self.session.retry_policy(), || self.session.ask(&ask, &[404, 405, 501]))?;
        let said = answer.header(CONTENT_DIGEST).and_then(|digest| digest.parse().ok());
        match (answer.status, said) {
            (404, _) => Ok(None),
            (405 | 501, _) | (_, None) => match self.manifest(which) {
                Ok(fetched) => Ok(Some((fetched.digest, fetched.media_type))),
                Err(RegistryError::NotFound { .. }) => Ok(None),
                Err(error) => Err(error),
            },
            (_, Some(digest)) => {
                if let Which::Digest(asked) = which {
                    same_digest(&ask.what, asked.clone(), &digest)?;
                }
                Ok(Some((digest, plain_type(answer.header(CONTENT_TYPE)))))
            }
        }
    }

    /// Begins to fetch a blob of that size. See [`Blob`] for what it survives and checks.
    pub fn blob(&self, digest: &Digest, size: u64) -> Result<Blob, RegistryError> {
        Blob::open(self.clone(), digest.clone(), size, None)
    }

    /// [`Repository::blob`]; `again` is told whenever something has to be asked for again.
    pub fn blob_telling(&self, digest: &Digest, size: u64, again: Again) -> Result<Blob, RegistryError> {
        Blob::open(self.clone(), digest.clone(), size, Some(again))
    }

    /// A small blob: a configuration, 4 MiB at most.
    pub fn blob_bytes(&self, digest: &Digest, size: u64) -> Result<Vec<u8>, RegistryError> {
        let what = self.blob_name(digest);
        if size > MAX_DOCUMENT {
            let registry = self.session.registry().to_owned();
            return Err(RegistryError::TooLarge { registry, what, limit: MAX_DOCUMENT });
        }
        let mut bytes = Vec::new();
        match self.blob(digest, size)?.read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(error) => Err(error
                .downcast()
                .unwrap_or_else(|source| RegistryError::Broken { host: self.session.registry().to_owned(), source })),
        }
    }

    /// Size of a blob; `None` when the repository does not have it.
    pub fn has_blob(&self, digest: &Digest) -> Result<Option<u64>, RegistryError> {
        let ask = Ask { method: Method::HEAD, ..self.blob_ask(digest) };
        let answer = retrying(self.session.retry_policy(), || self.session.ask(&ask, &[404]))?;
        match (answer.status, answer.header(CONTENT_LENGTH).and_then(|length| length.parse().ok())) {
            (404, _) => Ok(None),
            (_, Some(length)) => Ok(Some(length)),
            (_, None) => Err(self.malformed("a blob without size")),
        }
    }

    /// Takes a blob over from another repository of the same registry, without sending it. False when the registry does not
    /// do that, and it must be uploaded.
    pub fn mount_blob(&self, digest: &Digest, from: &str) -> Result<bool, RegistryError> {
        Upload::mount(self, digest, from)
    }

    /// Begins an upload whose digest need not be known yet.
    pub fn upload(&self) -> Result<Upload, RegistryError> {
        Upload::begin(self.clone())
    }

    /// Uploads a manifest or index; what it refers to must be there. Gives its digest.
    pub fn put_manifest(&self, which: &Which, media_type: &str, bytes: &[u8]) -> Result<Digest, RegistryError> {
        let mut ask = self.manifest_ask(Method::PUT, which);
        ask.headers = vec![(CONTENT_TYPE, media_type.to_owned())];
        ask.body = Some(bytes);
        ask.pace = super::client::Pace::Patient;
        ask.scope = self.scope("pull,push");
        let answer = retrying(self.session.retry_policy(), || self.session.ask(&ask, &[]))?;
        let digest = Digest::of(bytes);
        if let Some(said) = answer.header(CONTENT_DIGEST).and_then(|said| said.parse().ok()) {
            same_digest(&ask.what, digest.clone(), &said)?;
        }
        Ok(digest)
    }

    /// Deletes a manifest, and with it every tag that has it. Many registries do not allow it.
    pub fn delete_manifest(&self, digest: &Digest) -> Result<(), RegistryError> {
        let ask =
            Ask { scope: self.scope("delete"), ..self.manifest_ask(Method::DELETE, &Which::Digest(digest.clone())) };
        retrying(self.session.retry_policy(), || self.session.ask(&ask, &[])).map(drop)
    }

    /// Every tag, in the registry's order.
    pub fn tags(&self) -> Result<Vec<String>, RegistryError> {
        let first = Ask {
            scope: self.scope("pull"),
            ..Ask::get(format!("/v2/{}/tags/list?n=1000", self.name), format!("repository `{}`", self.name))
        };
        let mut tags = Vec::new();
        pages(&self.session, first, &mut |bytes| {
            let page: Tags = serde_json::from_slice(bytes).map_err(|_| self.malformed("a list of tags"))?;
            tags.extend(page.tags.unwrap_or_default());
            if tags.len() > MAX_TAGS { Err(self.malformed("tags without end")) } else { Ok(true) }
        })?;
        Ok(tags)
    }

    pub(super) fn scope(&self, actions: &str) -> String {
        format!("repository:{}:{actions}", self.name)
    }

    pub(super) fn malformed(&self, what: &'static str) -> RegistryError {
        RegistryError::Malformed { registry: self.session.registry().to_owned(), what }
    }

    pub(super) fn blob_name(&self, digest: &Digest) -> String {
        format!("blob {digest} of `{}`", self.name)
    }

    pub(super) fn blob_ask(&self, digest: &Digest) -> Ask<'static> {
        let path = format!("/v2/{}/blobs/{digest}", self.name);
        Ask { scope: self.scope("pull"), ..Ask::get(path, self.blob_name(digest)) }
    }

    fn manifest_ask(&self, method: Method, which: &Which) -> Ask<'static> {
        let path = format!("/v2/{}/manifests/{which}", self.name);
        let what = match which {
            Which::Tag(tag) => format!("tag `{tag}` of `{}`", self.name),
            Which::Digest(digest) => format!("manifest {digest} of `{}`", self.name),
        };
        let headers = vec![(ACCEPT, MANIFEST_TYPES.join(", "))];
        Ask { method, headers, scope: self.scope("pull"), ..Ask::get(path, what) }
    }
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Repository({}/{})", self.session.registry(), self.name)
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => write!(f, "{digest}"),
        }
    }
}

/// The digest where there is one: it cannot change.
impl From<&Reference> for Which {
    fn from(reference: &Reference) -> Self {
        match (&reference.digest, &reference.tag) {
            (Some(digest), _) => Self::Digest(digest.clone()),
            (None, Some(tag)) => Self::Tag(tag.clone()),
            (None, None) => Self::Tag("latest".to_owned()),
        }
    }
}

/// Reads a list page by page, following `Link`, until `take` has enough.
pub(super) fn pages(
    session: &Session,
    first: Ask<'_>,
    take: &mut dyn FnMut(&[u8]) -> Result<bool, RegistryError>,
) -> Result<(), RegistryError> {
    let mut next = None;
    loop {
        let (link, bytes) = retrying(session.retry_policy(), || {
            let to = next.as_ref().map(To::Address);
            let ask = Ask { scope: first.scope.clone(), ..Ask::get(String::new(), first.what.clone()) };
            let answer = match to {
                Some(to) => session.ask(&Ask { to, ..ask }, &[])?,
                None => session.ask(&first, &[])?,
            };
            let link = next_page(session, &answer)?;
            Ok((link, answer.bytes(session.registry(), &first.what, MAX_DOCUMENT)?))
        })?;
        let more = take(&bytes)?;
        match link {
            // A page that is its own successor would never end.
            Some(link) if more && next.as_ref() != Some(&link) => next = Some(link),
            _ => return Ok(()),
        }
    }
}

/// `Link: </v2/...>; rel="next"` (RFC 8288).
fn next_page(session: &Session, answer: &Answer) -> Result<Option<super::address::Address>, RegistryError> {
    let Some(link) = answer.header(LINK) else { return Ok(None) };
    let target = link.split(',').find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let mut parameters = parameters.split(';').map(|p| p.trim().replace('"', ""));
        parameters.any(|p| p.eq_ignore_ascii_case("rel=next")).then_some(target)
    });
    target.map(|target| session.next(&answer.address, target)).transpose()
}

fn same_digest(what: &str, expected: Digest, found: &Digest) -> Result<(), RegistryError> {
    if expected == *found {
        return Ok(());
    }
    Err(RegistryError::WrongDigest { what: what.to_owned(), expected, found: found.clone() })
}

fn plain_type(header: Option<&str>) -> String {
    header.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
