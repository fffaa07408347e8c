//! Columns that hold more than SQL knows: JSON and times.

use super::StoreError;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(super) fn encode<T: Serialize>(subject: &str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|source| StoreError::Record { subject: subject.to_owned(), source })
}

pub(super) fn decode<T: DeserializeOwned>(subject: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|source| StoreError::Record { subject: subject.to_owned(), source })
}

/// A time that this program wrote; the epoch when something else did.
pub(super) fn timestamp(text: &str) -> jiff::Timestamp {
    text.parse().unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}
