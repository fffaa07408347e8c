//! Registries: where images may come from, and who asks.

pub mod configuration;
pub mod credentials;
pub mod helper;
