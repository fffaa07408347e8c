//! Objects as an API server would show them.

use super::{Engine, EngineError, PodView};
use crate::generate::describe::{self, Subject};
use crate::generate::events::{self, Event};
use crate::generate::object::{self, Identity, Object, Resource};
use crate::model::Source;
use crate::store::apps::{self, AppRow};
use crate::store::objects;
use crate::store::{objects::Object as Stored, volumes};
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::sync::Arc;

/// How long an API server keeps events.
const EVENTS_KEPT: SignedDuration = SignedDuration::from_hours(1);

/// The machine's name.
fn node_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

impl Engine {
    /// Every object of a kind, by name.
    pub fn kube_objects(&mut self, resource: Resource) -> Result<Vec<Object>, EngineError> {
        let now = Timestamp::now();
        let mut found = match resource {
            Resource::Pod => self.kube_pods(now)?,
            Resource::Deployment => self.kube_deployments(now)?,
            Resource::ConfigMap | Resource::Secret => self.kube_data(resource, now)?,
            Resource::PersistentVolumeClaim => self.kube_claims(now)?,
            Resource::Event => self.kube_events(now)?,
        };
        if resource != Resource::Event {
            found.sort_by(|a, b| a.name.cmp(&b.name));
        }
        Ok(found)
    }

    fn kube_pods(&mut self, now: Timestamp) -> Result<Vec<Object>, EngineError> {
        let pods = self.pods()?;
        let sources = self.sources_of(&pods)?;
        let node = node_name();
        let object = |pod: &Arc<PodView>| {
            let sources = sources.get(&pod.app.id).map(Vec::as_slice).unwrap_or_default();
            object::pod(sources, &pod.record, &pod.status, &node, now)
        };
        Ok(pods.iter().map(object).collect())
    }

    /// What the applications of these pods were played from, by application.
    fn sources_of(&self, pods: &[Arc<PodView>]) -> Result<HashMap<String, Vec<Source>>, EngineError> {
        let mut found = HashMap::new();
        for pod in pods {
            if !found.contains_key(&pod.app.id) {
                let app = apps::get(self.database.connection(), &pod.app.id)?;
                found.insert(pod.app.id.clone(), app.map(|app| app.sources).unwrap_or_default());
            }
        }
        Ok(found)
    }

    fn kube_deployments(&mut self, now: Timestamp) -> Result<Vec<Object>, EngineError> {
        let pods = self.pods()?;
        let mut found = Vec::new();
        for app in self.apps()? {
            for workload in &app.workloads {
                let is_its =
                    |pod: &&Arc<PodView>| pod.app.id == app.id && workload.pods.iter().any(|p| p == pod.name());
                let statuses: Vec<_> = pods.iter().filter(is_its).map(|pod| &pod.status).collect();
                let identity = Identity { uid: None, created: app.created };
                found.push(object::deployment(&app.sources, workload, &statuses, identity, now));
            }
        }
        Ok(found)
    }

    fn kube_data(&mut self, resource: Resource, now: Timestamp) -> Result<Vec<Object>, EngineError> {
        let mut found = Vec::new();
        for app in self.apps()? {
            for row in objects::of_app(self.database.connection(), &app.id)? {
                let identity = Identity { uid: None, created: app.created };
                match &row.object {
                    Stored::ConfigMap(map) if resource == Resource::ConfigMap => {
                        found.push(object::config_map(&app.sources, map, identity, now));
                    }
                    Stored::Secret(secret) if resource == Resource::Secret => {
                        found.push(object::secret(&app.sources, secret, identity, now));
                    }
                    Stored::ConfigMap(_) | Stored::Secret(_) => {}
                }
            }
        }
        Ok(found)
    }

    fn kube_claims(&mut self, now: Timestamp) -> Result<Vec<Object>, EngineError> {
        let mut found = Vec::new();
        for app in self.apps()? {
            let names = app.claims.iter().map(|claim| claim.name.as_str());
            let bound = volumes::existing(self.database.connection(), names)?;
            for claim in &app.claims {
                let identity = Identity { uid: None, created: app.created };
                found.push(object::claim(&app.sources, &claim.name, bound.contains(&claim.name), identity, now));
            }
        }
        Ok(found)
    }

    /// Of the last hour, as an API server keeps them; the latest comes last.
    fn kube_events(&mut self, now: Timestamp) -> Result<Vec<Object>, EngineError> {
        let mut found = self.pod_events()?;
        found.retain(|event| now.duration_since(event.last) <= EVENTS_KEPT);
        Ok(found.iter().map(|event| event.object(now)).collect())
    }

    /// What happened to pods, as far back as the log goes.
    fn pod_events(&self) -> Result<Vec<Event>, EngineError> {
        let fail = |source| EngineError::File { attempt: "read", path: self.layout().events(), source };
        Ok(events::gather(self.events()?.next_batch().map_err(fail)?))
    }

    /// A pod in the form of `kubectl describe`, with all that happened to it.
    pub fn describe_pod(&mut self, name: &str) -> Result<String, EngineError> {
        let pod = self.pod(name)?;
        let app = apps::get(self.database.connection(), &pod.app.id)?;
        let sources = app.map(|app| app.sources).unwrap_or_default();
        let mut events = self.pod_events()?;
        events.retain(|event| event.pod_id == pod.id());
        let whole = object::full_pod(&sources, &pod.record, &pod.status);
        let subject = Subject { pod: &whole, record: &pod.record, node: &node_name(), events: &events };
        Ok(describe::pod(&subject, Timestamp::now()))
    }

    fn apps(&mut self) -> Result<Vec<AppRow>, EngineError> {
        self.recover()?;
        Ok(apps::all(self.database.connection())?)
    }
}
