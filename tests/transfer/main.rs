//! Pulling and pushing by the command line: against Debian's `docker-registry`, through a proxy that breaks what passes and
//! counts what is asked, and against servers that lie.
//!
//! Every command has a configuration of its own, so that the machine's says nothing.

#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code)] // a part of it is used here
#[path = "../registry/fake.rs"]
mod fake;

mod broken;
mod credentials;
mod full_disk;
mod hostile;
mod killed;
mod many;
mod names;
mod playing;
mod progress;
mod pulling;
mod pushing;
mod recipe;
mod scene;

use podkin::image::registry::ClientConfig;
use std::time::Duration;

/// Settings without pauses, for the servers in `fake`.
fn quick() -> ClientConfig {
    ClientConfig { roots: Vec::new(), retry_delay: Some(Duration::from_millis(5)), ..ClientConfig::default() }
}
