//! The registry client: against Debian's `docker-registry`, through a proxy that breaks what passes, and against servers of
//! the test's own that write down what they are sent.

#[path = "../common/mod.rs"]
mod common;
mod fake;
mod faults;
mod helpers;
mod pull;
mod push;
mod secrets;
mod trust;

use podkin::image::registry::{ClientConfig, RegistryError};
use std::time::Duration;

/// Settings without pauses, and without trust in anything.
fn quick() -> ClientConfig {
    ClientConfig {
        roots: Vec::new(),
        retries: 2,
        retry_delay: Some(Duration::from_millis(5)),
        stall_timeout: Duration::from_millis(500),
        upload_timeout: Duration::from_secs(5),
        ..ClientConfig::default()
    }
}

/// Bytes that no two places have in common.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// An error with all its causes.
fn chain(error: &RegistryError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
