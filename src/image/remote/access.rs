//! What a command needs to talk to registries, read when it is needed.

use super::ahead::Ahead;
use crate::image::policy::{Lookaside, LookasideError, Policy, PolicyError, WhenMissing};
use crate::image::reference::Reference;
use crate::image::registry::{
    Client, ClientConfig, Credentials, CredentialsError, Login, PullSecret, Registries, RegistriesError, Repository,
    Source,
};
use std::path::PathBuf;

/// Where a user's configuration of registries lies, and what the command line says about it.
#[derive(Debug, Clone, Default)]
pub struct RegistrySettings {
    /// registries.conf and its drop-ins; later ones win.
    pub registries: Vec<PathBuf>,
    /// Auth files; the first that knows a registry counts, and the first is the one that is written.
    pub auth_files: Vec<PathBuf>,
    /// policy.json; the first that exists counts.
    pub policy: Vec<PathBuf>,
    /// Directories registries.d; the first that exists counts.
    pub registries_d: Vec<PathBuf>,
    /// Where simple signatures lie for which registries.d names no place.
    pub signatures: Option<PathBuf>,
    pub client: ClientConfig,
    /// `--creds`: instead of what auth files say.
    pub login: Option<Login>,
}

#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error(transparent)]
    Registries(#[from] RegistriesError),
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error(transparent)]
    Lookaside(#[from] LookasideError),
}

/// A user's configuration, read, and connections to registries.
pub struct RegistryAccess {
    pub registries: Registries,
    pub credentials: Credentials,
    pub policy: Policy,
    pub lookaside: Lookaside,
    pub client: Client,
    pub(super) ahead: Ahead,
    login: Option<Login>,
}

impl RegistryAccess {
    /// Reads the configuration; talks to nobody.
    pub fn open(settings: &RegistrySettings) -> Result<Self, AccessError> {
        let RegistrySettings { registries, auth_files, policy, registries_d, signatures, client, login } = settings;
        let registries = Registries::read(registries)?;
        let helpers = registries.credential_helpers.clone();
        Ok(Self {
            registries,
            credentials: Credentials { files: auth_files.clone(), helpers },
            // A machine without a policy of its own has none of podman's packages either, and trusts what its user names.
            policy: Policy::read(policy, WhenMissing::Accept)?,
            lookaside: Lookaside::read(registries_d, signatures.clone())?,
            client: Client::new(client.clone()),
            ahead: Ahead::default(),
            login: login.clone(),
        })
    }

    /// The repository at a place. Credentials are those of the place, not of the image's name: a mirror gets none that are meant
    /// for what it mirrors. `secrets` come before what the machine knows.
    pub fn repository(&self, place: &Source, secrets: &[PullSecret]) -> Result<Repository, AccessError> {
        Ok(self.client.repository(place, self.login(&place.reference, secrets)?))
    }

    /// What is known for an image at the place it is asked for.
    pub fn login(&self, reference: &Reference, secrets: &[PullSecret]) -> Result<Option<Login>, AccessError> {
        if let Some(login) = &self.login {
            return Ok(Some(login.clone()));
        }
        for secret in secrets {
            if let Some(login) = secret.find(reference) {
                return Ok(Some(login));
            }
        }
        Ok(self.credentials.find(reference)?)
    }
}
