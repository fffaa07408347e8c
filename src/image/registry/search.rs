//! Looking for images: Docker's own search, which some registries have, and the catalogue of repositories, which others show.

use super::address::encode;
use super::error::RegistryError;
use super::repository::pages;
use super::retry::retrying;
use super::session::{Ask, Session};
use crate::image::config::MAX_DOCUMENT;
use serde::Deserialize;

/// A repository that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchHit {
    /// With the registry in front: `docker.io/library/nginx`.
    pub name: String,
    /// Empty where the registry says nothing.
    pub description: String,
    pub stars: u64,
    pub official: bool,
    pub automated: bool,
}

/// Answer of `/v1/search`.
#[derive(Deserialize)]
struct Results {
    results: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    star_count: u64,
    #[serde(default)]
    is_official: bool,
    #[serde(default)]
    is_automated: bool,
}

/// Answer of `/v2/_catalog`.
#[derive(Deserialize)]
struct Catalogue {
    repositories: Option<Vec<String>>,
}

/// See [`super::Client::search`]. `session` begins a conversation with a host.
pub(super) fn search(
    session: &dyn Fn(&str) -> Session,
    registry: &str,
    term: &str,
    limit: usize,
) -> Result<Vec<SearchHit>, RegistryError> {
    // Search needs no login, and Docker's is on another host than its images.
    let host = if registry == "docker.io" { "index.docker.io" } else { registry };
    if !term.is_empty() {
        match by_term(&session(host).without_login(), registry, term, limit) {
            // A registry without search says so in many ways.
            Err(
                RegistryError::NotFound { .. }
                | RegistryError::Denied { .. }
                | RegistryError::LoginNeeded { .. }
                | RegistryError::Malformed { .. }
                | RegistryError::Said { status: 400..500, .. },
            ) if registry != "docker.io" => {}
            found => return found,
        }
    }
    in_catalogue(&session(registry), registry, term, limit)
}

fn by_term(session: &Session, registry: &str, term: &str, limit: usize) -> Result<Vec<SearchHit>, RegistryError> {
    let ask = Ask::get(format!("/v1/search?q={}&n={limit}", encode(term)), "search");
    let bytes = retrying(session.retry_policy(), || {
        session.ask(&ask, &[])?.bytes(session.registry(), &ask.what, MAX_DOCUMENT)
    })?;
    let malformed = |_| RegistryError::Malformed { registry: registry.to_owned(), what: "no results of a search" };
    let results: Results = serde_json::from_slice(&bytes).map_err(malformed)?;
    let hit = |found: Found| {
        let Found { name, description, star_count: stars, is_official: official, is_automated: automated } = found;
        let library = if registry == "docker.io" && !name.contains('/') { "library/" } else { "" };
        let name = format!("{registry}/{library}{name}");
        SearchHit { name, description: description.unwrap_or_default(), stars, official, automated }
    };
    Ok(results.results.into_iter().take(limit).map(hit).collect())
}

fn in_catalogue(session: &Session, registry: &str, term: &str, limit: usize) -> Result<Vec<SearchHit>, RegistryError> {
    let first = Ask { scope: "registry:catalog:*".to_owned(), ..Ask::get("/v2/_catalog".to_owned(), "catalogue") };
    let mut hits = Vec::new();
    pages(session, first, &mut |bytes| {
        let malformed = |_| RegistryError::Malformed { registry: registry.to_owned(), what: "no catalogue" };
        let page: Catalogue = serde_json::from_slice(bytes).map_err(malformed)?;
        let found = page.repositories.unwrap_or_default().into_iter().filter(|name| name.contains(term));
        hits.extend(found.take(limit - hits.len()).map(|name| SearchHit {
            name: format!("{registry}/{name}"),
            description: String::new(),
            stars: 0,
            official: false,
            automated: false,
        }));
        Ok(hits.len() < limit)
    })?;
    Ok(hits)
}
