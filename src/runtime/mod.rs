//! One container: from a resolved configuration to a running process, by libcontainer behind a small trait.

pub mod config;
