//! Networks of a play.

use super::execute::{Actions, step};
use super::prepare::Prepared;
use super::progress::{Report, StepState};
use super::{Engine, EngineError};
use crate::graph::StepKind;
use crate::network::{DEFAULT_NETWORK, Definition, NetworkError, Networks};
use std::collections::BTreeMap;

impl Engine {
    pub(super) fn networks(&self) -> Networks {
        Networks::new(self.layout().networks(), self.layout().network_run())
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
