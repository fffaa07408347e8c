//! Pods and containers, all of them or one by name.

use super::status::Statuses;
use super::view::{AppRef, ContainerView, PodView};
use super::{Engine, EngineError};
use crate::store::pods::{self, PodRow};
use crate::store::record::{PodRecord, PodStatus};
use std::sync::Arc;

impl Engine {
    /// Every pod in order of creation, oldest first.
    pub fn pods(&mut self) -> Result<Vec<Arc<PodView>>, EngineError> {
        self.recover()?;
        let rows = pods::all(self.database.connection())?;
        self.views_by(rows, |statuses, record| statuses.shown(record))
    }

    /// Every container in order of creation, oldest first; those of a pod in start order.
    pub fn containers(&mut self) -> Result<Vec<ContainerView>, EngineError> {
        let pods = self.pods()?;
        Ok(pods.iter().flat_map(|pod| pod.containers()).collect())
    }

    /// The pod of that name or id prefix.
    pub fn pod(&mut self, name: &str) -> Result<Arc<PodView>, EngineError> {
        self.recover()?;
        let row = self.pod_row(name)?;
        Ok(self.views_by(vec![row], |statuses, record| statuses.shown(record))?.remove(0))
    }

    /// The container of that name or id prefix.
    pub fn container(&mut self, name: &str) -> Result<ContainerView, EngineError> {
        self.recover()?;
        let (pod, id) = self.container_row(name)?;
        let pod = self.views_by(vec![pod], |statuses, record| statuses.shown(record))?.remove(0);
        let found = pod.containers().find(|container| container.id() == id);
        found.ok_or_else(|| EngineError::NotFound { what: "container", name: name.to_owned() })
    }

    /// The container with that id as its pod remembers it, should it have been removed by itself when it ended.
    pub fn ended_container(&mut self, id: &str) -> Result<ContainerView, EngineError> {
        let (pod, id) = self.container_row(id)?;
        let pod = self.view(pod)?;
        let found = pod.all_containers().find(|container| container.id() == id);
        found.ok_or_else(|| EngineError::NotFound { what: "container", name: id })
    }

    pub(super) fn view(&self, row: PodRow) -> Result<Arc<PodView>, EngineError> {
        let mut views = self.views(vec![row])?;
        Ok(views.remove(0))
    }

    /// Of pods that are to be changed: their applications are supervised afterwards.
    pub(super) fn views(&self, rows: Vec<PodRow>) -> Result<Vec<Arc<PodView>>, EngineError> {
        self.views_by(rows, |statuses, record| statuses.of(record))
    }

    fn views_by(
        &self,
        rows: Vec<PodRow>,
        look: impl Fn(&mut Statuses<'_>, &PodRecord) -> Result<PodStatus, EngineError>,
    ) -> Result<Vec<Arc<PodView>>, EngineError> {
        let mut statuses = Statuses::new(self)?;
        let layout = Arc::new(self.layout().clone());
        let view = |PodRow { record, app_name, removing: _ }: PodRow| {
            let status = look(&mut statuses, &record)?;
            let app = AppRef { id: record.app.clone(), name: app_name };
            Ok(Arc::new(PodView { app, record, status, layout: Arc::clone(&layout) }))
        };
        rows.into_iter().map(view).collect()
    }

    /// The row of a pod by name, else by the beginning of its id.
    pub(super) fn pod_row(&self, name: &str) -> Result<PodRow, EngineError> {
        let connection = self.database.connection();
        if let Some(row) = pods::by_name(connection, name)? {
            return Ok(row);
        }
        let matches = if is_id(name) { pods::ids_by_prefix(connection, name)? } else { Vec::new() };
        let id = only("pod", name, matches)?;
        pods::get(connection, &id)?.ok_or_else(|| EngineError::NotFound { what: "pod", name: name.to_owned() })
    }

    /// The row of a container's pod and the container's id, by name, else by the beginning of its id.
    pub(super) fn container_row(&self, name: &str) -> Result<(PodRow, String), EngineError> {
        let connection = self.database.connection();
        let row = match pods::container_by_name(connection, name)? {
            Some(row) => row,
            None => {
                let mut rows = if is_id(name) { pods::containers_by_prefix(connection, name)? } else { Vec::new() };
                let id = only("container", name, rows.iter().map(|row| row.id.clone()).collect())?;
                let position = rows.iter().position(|row| row.id == id).unwrap_or_default();
                rows.swap_remove(position)
            }
        };
        let missing = || EngineError::NotFound { what: "container", name: name.to_owned() };
        Ok((pods::get(connection, &row.pod)?.ok_or_else(missing)?, row.id))
    }
}

/// Whether a name can be the beginning of an id.
fn is_id(name: &str) -> bool {
    !name.is_empty() && name.len() <= 64 && name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn only(what: &'static str, name: &str, mut matches: Vec<String>) -> Result<String, EngineError> {
    match matches.len() {
        0 => Err(EngineError::NotFound { what, name: name.to_owned() }),
        1 => Ok(matches.remove(0)),
        _ => {
            let matches = matches.iter().map(|id| id[..12.min(id.len())].to_owned()).collect();
            Err(EngineError::Ambiguous { what, prefix: name.to_owned(), matches })
        }
    }
}
