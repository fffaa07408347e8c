//! The operations, by signature.

use super::progress::Report;
use super::{
    ContainerView, DownReport, DownRequest, Engine, EngineError, LoadRequest, Loaded, Outcome, PlayReport, PlayRequest,
    PodView, VolumeView,
};
use crate::graph::Plan;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

#[allow(unused_variables)]
impl Engine {
    /// Reads and lowers input. Diagnostics, errors among them, are part of the result; `Err` is for what could not be read at all.
    pub fn load(&mut self, request: &LoadRequest) -> Result<Loaded, EngineError> {
        todo!()
    }

    /// What [`Engine::play`] would do now; changes nothing.
    pub fn plan(&mut self, request: &PlayRequest) -> Result<Plan, EngineError> {
        todo!()
    }

    /// Makes reality as `request` has it.
    pub fn play(&mut self, request: &PlayRequest, report: Report<'_>) -> Result<PlayReport, EngineError> {
        todo!()
    }

    /// Removes what a play of these files recorded.
    pub fn down(&mut self, request: &DownRequest, report: Report<'_>) -> Result<DownReport, EngineError> {
        todo!()
    }

    /// Every container in order of creation, oldest first.
    pub fn containers(&mut self) -> Result<Vec<ContainerView>, EngineError> {
        todo!()
    }

    /// Every pod in order of creation, oldest first.
    pub fn pods(&mut self) -> Result<Vec<Arc<PodView>>, EngineError> {
        todo!()
    }

    /// The container of that name or id prefix.
    pub fn container(&mut self, name: &str) -> Result<ContainerView, EngineError> {
        todo!()
    }

    /// The pod of that name or id prefix.
    pub fn pod(&mut self, name: &str) -> Result<Arc<PodView>, EngineError> {
        todo!()
    }

    pub fn start_pods(&mut self, names: &[String]) -> Result<Vec<Outcome>, EngineError> {
        todo!()
    }

    pub fn stop_pods(&mut self, names: &[String], grace_seconds: Option<u64>) -> Result<Vec<Outcome>, EngineError> {
        todo!()
    }

    pub fn restart_pods(&mut self, names: &[String]) -> Result<Vec<Outcome>, EngineError> {
        todo!()
    }

    pub fn kill_pods(&mut self, names: &[String], signal: i32) -> Result<Vec<Outcome>, EngineError> {
        todo!()
    }

    /// Removes pods; a running one only with `force`. `ignore_missing` makes an unknown name a success.
    pub fn remove_pods(
        &mut self,
        names: &[String],
        force: bool,
        ignore_missing: bool,
        grace_seconds: Option<u64>,
    ) -> Result<Vec<Outcome>, EngineError> {
        todo!()
    }

    pub fn start_containers(&mut self, names: &[String]) -> Result<Vec<Outcome>, EngineError> {
        todo!()
    }

    pub fn stop_containers(
        &mut self,
        names: &[String],
        grace_seconds: Option<u64>,
    ) -> Result<Vec<Outcome>, EngineError> {
        todo!()
    }

    pub fn restart_containers(
        &mut self,
        names: &[String],
        grace_seconds: Option<u64>,
    ) -> Result<Vec<Outcome>, EngineError> {
        todo!()
    }

    pub fn kill_containers(&mut self, names: &[String], signal: i32) -> Result<Vec<Outcome>, EngineError> {
        todo!()
    }

    /// A container goes with its pod: refused with the pod's name, unless it is the pod's only one.
    pub fn remove_containers(
        &mut self,
        names: &[String],
        force: bool,
        ignore_missing: bool,
        grace_seconds: Option<u64>,
    ) -> Result<Vec<Outcome>, EngineError> {
        todo!()
    }

    /// Waits until each container has ended for good; exit codes in the order of `names`, `None` when nobody could know it.
    pub fn wait_containers(&mut self, names: &[String], interval: Duration) -> Result<Vec<Option<i32>>, EngineError> {
        todo!()
    }

    pub fn volumes(&mut self) -> Result<Vec<VolumeView>, EngineError> {
        todo!()
    }

    pub fn volume(&mut self, name: &str) -> Result<VolumeView, EngineError> {
        todo!()
    }

    /// Makes a named volume; a random name when `None`.
    pub fn create_volume(
        &mut self,
        name: Option<&str>,
        labels: BTreeMap<String, String>,
        options: BTreeMap<String, String>,
        ignore_existing: bool,
    ) -> Result<String, EngineError> {
        todo!()
    }

    /// Removes volumes; one in use only with `force`, together with the pods that use it.
    pub fn remove_volumes(
        &mut self,
        names: &[String],
        force: bool,
        ignore_missing: bool,
    ) -> Result<Vec<Outcome>, EngineError> {
        todo!()
    }

    /// Removes volumes nobody refers to; their names.
    pub fn prune_volumes(&mut self, filters: &[(String, String)]) -> Result<Vec<String>, EngineError> {
        todo!()
    }
}
