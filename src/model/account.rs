//! Service accounts and what pods get of them (Kubernetes API, `ServiceAccount` and `ServiceAccountTokenProjection` v1 core).

use serde::{Deserialize, Serialize};

/// Shortest and longest life of a token in seconds (Kubernetes, `TokenRequestSpec`).
pub const LIFETIMES: std::ops::RangeInclusive<u64> = 600..=1 << 32;
/// Life of a token in seconds for which none is asked.
pub const DEFAULT_LIFETIME: u64 = 3600;

/// A ServiceAccount: what pods that name it have unless they say otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceAccount {
    pub name: String,
    /// `default` when unset.
    pub namespace: String,
    /// Names of Secrets with credentials of registries, for pods without `imagePullSecrets` of their own.
    pub image_pull_secrets: Vec<String>,
    /// `automountServiceAccountToken`, for pods that do not say.
    pub automount_token: Option<bool>,
}

/// A token in a projected volume, which is issued when the pod starts and renewed while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenProjection {
    /// Relative, without `..`.
    pub path: String,
    /// Whom the token is for; the issuer itself when unset.
    pub audience: Option<String>,
    /// One of [`LIFETIMES`].
    pub expiration_seconds: u64,
    /// Whom the file belongs to, when the source says so.
    pub user: Option<u32>,
}
