//! Logins to registries: checked, kept, forgotten.

use super::{Engine, EngineError};
use crate::image::ImageError;
use crate::image::registry::{CredentialsError, Login, Registries, RegistryError};
use crate::image::remote::{AccessError, PullError};

/// A login that a registry does not take.
#[derive(Debug, thiserror::Error)]
#[error("cannot log in to `{registry}`")]
pub struct LoginError {
    registry: String,
    source: RegistryError,
}

impl LoginError {
    /// What to try.
    pub fn hint(&self) -> Option<String> {
        match &self.source {
            RegistryError::LoginRefused { .. } => Some("check name and password".to_owned()),
            source => source.hint(),
        }
    }
}

impl Engine {
    /// What is kept for a registry, or a part of one (`host[:port][/path]`).
    pub fn login_of(&self, registry: &str) -> Result<Option<Login>, EngineError> {
        self.registries()?.credentials.find_exactly(registry).map_err(keeping)
    }

    /// Asks a registry whether it takes a login.
    pub fn check_login(&self, registry: &str, login: &Login) -> Result<(), EngineError> {
        let access = self.registries()?;
        let host = registry.split('/').next().unwrap_or(registry);
        let insecure = access.registries.is_insecure(host);
        let failed = |source| EngineError::Login(Box::new(LoginError { registry: registry.to_owned(), source }));
        access.client.log_in(host, insecure, login).map_err(failed)
    }

    /// Keeps a login that the registry takes.
    pub fn log_in(&self, registry: &str, login: &Login) -> Result<(), EngineError> {
        self.check_login(registry, login)?;
        self.registries()?.credentials.store(registry, login).map_err(keeping)
    }

    pub fn log_out(&self, registry: &str) -> Result<(), EngineError> {
        self.registries()?.credentials.remove(registry).map_err(keeping)
    }

    pub fn log_out_everywhere(&self) -> Result<(), EngineError> {
        self.registries()?.credentials.remove_all().map_err(keeping)
    }

    /// Registries that are searched for a short name; reads registries.conf only, whatever is wrong with other files.
    pub(super) fn search_registries(&self) -> Result<Vec<String>, EngineError> {
        let registries = Registries::read(&self.config().registries.registries);
        let registries = registries.map_err(AccessError::from).map_err(PullError::from).map_err(ImageError::from)?;
        Ok(registries.search)
    }

    /// The registry that is searched first for a short name.
    pub fn first_search_registry(&self) -> Result<Option<String>, EngineError> {
        Ok(self.registries()?.registries.search.first().cloned())
    }
}

fn keeping(error: CredentialsError) -> EngineError {
    ImageError::from(PullError::from(AccessError::from(error))).into()
}
