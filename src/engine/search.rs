//! Looking for images at registries.

use super::{Engine, EngineError};
use crate::image::registry::{RegistriesError, SearchHit};
use crate::image::remote::{AccessError, PullError};
use crate::image::{ImageError, Reference};

/// What one registry has.
#[derive(Debug)]
pub struct SearchAnswer {
    /// `docker.io`
    pub registry: String,
    pub hits: Result<Vec<SearchHit>, EngineError>,
}

impl Engine {
    /// Repositories whose name or description has a term, `limit` of each registry at most: of the registry that the term begins
    /// with, else of those that registries.conf names.
    pub fn search(&self, term: &str, limit: usize) -> Result<Vec<SearchAnswer>, EngineError> {
        let access = self.registries()?;
        let (registries, term) = match term.split_once('/') {
            Some((host, rest)) if host == "localhost" || host.contains(['.', ':']) => (vec![host.to_owned()], rest),
            _ => (access.registries.search.clone(), term),
        };
        if registries.is_empty() {
            let none = RegistriesError::NoSearch { name: term.to_owned() };
            return Err(ImageError::from(PullError::from(AccessError::from(none))).into());
        }
        let ask = |registry: String| SearchAnswer { hits: self.search_one(&registry, term, limit), registry };
        Ok(registries.into_iter().map(ask).collect())
    }

    fn search_one(&self, registry: &str, term: &str, limit: usize) -> Result<Vec<SearchHit>, EngineError> {
        let access = self.registries()?;
        // Some repository, for what is said about the registry as such.
        let any = Reference::parse(&format!("{registry}/any")).map_err(ImageError::from)?;
        let denied = |error: AccessError| ImageError::from(PullError::from(error));
        access.registries.sources(&any).map_err(AccessError::from).map_err(denied)?;
        let login = access.login(&any, &[]).map_err(denied)?;
        let insecure = access.registries.is_insecure(registry);
        let found = access.client.search(registry, insecure, login.as_ref(), term, limit);
        Ok(found.map_err(|source| ImageError::Search { registry: registry.to_owned(), source: Box::new(source) })?)
    }
}
