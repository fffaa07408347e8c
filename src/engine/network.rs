//! Networks of a play.

use super::execute::{Actions, step};
use super::prepare::Prepared;
use super::progress::{Report, StepState};
use super::{Engine, EngineError};
use crate::graph::StepKind;
use crate::network::{DEFAULT_NETWORK, Definition, NetworkError, Networks};
use std::collections::BTreeMap;
use std::time::Duration;

/// Looks, a millisecond apart, at whether the last of other threads has ended.
const ENDING_LOOKS: usize = 50;

impl Engine {
    pub(super) fn networks(&self) -> Networks {
        Networks::new(self.layout().networks(), self.layout().network_run())
    }

    /// Starts the name server again when somebody killed it; whether it had to. Its pods would resolve nothing until another one
    /// is set up.
    pub(super) fn revive_names(&self) -> Result<bool, EngineError> {
        // Only a process with one thread may start it; a command that has more leaves it to the next one.
        // Threads that have done their work may still be ending: a scope does not wait for that.
        let mut looks = 0;
        while crate::sys::process::thread_count() != 1 {
            if looks == ENDING_LOOKS {
                return Ok(false);
            }
            looks += 1;
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(self.networks().revive_names()?)
    }

    /// Puts the rules of all pods back, as when somebody has flushed the machine's.
    pub(super) fn reload_rules(&self) -> Result<(), EngineError> {
        Ok(self.networks().reload()?)
    }

    /// Whether the network exists; an unknown one that is not made on demand is an error.
    pub(super) fn has_network(&self, name: &str) -> Result<bool, EngineError> {
        match self.networks().get(name) {
            Ok(_) => Ok(true),
            Err(NetworkError::NotFound(_)) if name == DEFAULT_NETWORK => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The networks that new pods join; those that are missing are made.
    pub(super) fn network_definitions(
        &self,
        actions: &Actions,
        prepared: &Prepared,
        report: Report<'_>,
    ) -> Result<BTreeMap<String, Definition>, EngineError> {
        let mut definitions = BTreeMap::new();
        if actions.create.is_empty() {
            return Ok(definitions);
        }
        for name in prepared.pods.iter().flat_map(|pod| pod.network.names()) {
            if !definitions.contains_key(&name) {
                definitions.insert(name.clone(), self.networks().get_or_create(&name)?);
            }
        }
        for network in &actions.networks {
            report(step(StepKind::CreateNetwork { network: network.clone() }, StepState::Done));
        }
        Ok(definitions)
    }
}
