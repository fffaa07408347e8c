//! Objects as an API server would show them.

use super::{ContainerView, Engine, EngineError, PodView};
use crate::generate::describe::{self, Subject};
use crate::generate::events::{self, Event};
use crate::generate::object::{self, Identity, Object, ObjectReference, Played, Resource, Users};
use crate::model::{ClaimTemplate, Source};
use crate::runtime;
use crate::store::apps::{self, AppRow};
use crate::store::objects;
use crate::store::{objects::Object as Stored, volumes};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// How long an API server keeps events.
const EVENTS_KEPT: SignedDuration = SignedDuration::from_hours(1);

/// The machine's name.
fn node_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Whom the pod's containers run as.
fn users(pod: &Arc<PodView>) -> Users {
    let running = pod.containers().filter(ContainerView::is_running);
    let user = |container: ContainerView| {
        let user = runtime::first_user(&pod.layout.container_run(container.id()))?;
        Some((container.record().container.clone(), object::user(&user)))
    };
    running.filter_map(user).collect()
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
            Resource::ServiceAccount
            | Resource::PersistentVolume
            | Resource::StorageClass
            | Resource::PriorityClass
            | Resource::RuntimeClass => self.kube_played(resource, now)?,
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
            object::pod(sources, &pod.record, &pod.status, &users(pod), &node, now)
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
            let names = app.claims.iter().map(|claim| claim.name.clone());
            let bound = volumes::existing(self.database.connection(), names)?;
            for claim in &app.claims {
                let identity = Identity { uid: None, created: app.created };
                found.push(object::claim(&app.sources, claim, bound.contains(&claim.name), identity, now));
            }
        }
        Ok(found)
    }

    /// Objects of a kind of which nothing is recorded but the files that have them.
    fn kube_played(&mut self, resource: Resource, now: Timestamp) -> Result<Vec<Object>, EngineError> {
        let mut found = Vec::new();
        for app in self.apps()? {
            let played = Played { sources: &app.sources, created: app.created, now };
            let documents = app.sources.iter().flat_map(|source| &source.documents);
            let names: BTreeSet<_> = documents.filter(|d| d.kind == resource.kind()).map(|d| &d.name).collect();
            for name in names {
                found.push(match resource {
                    Resource::PersistentVolume => {
                        let holder = self.holder(&app, name)?;
                        object::persistent_volume(played, name, holder.as_ref())
                    }
                    Resource::StorageClass => object::storage_class(played, name),
                    Resource::PriorityClass => object::priority_class(played, name),
                    Resource::RuntimeClass => object::runtime_class(played, name),
                    _ => object::service_account(played, name),
                });
            }
        }
        Ok(found)
    }

    /// The claim that has a PersistentVolume.
    fn holder(&self, app: &AppRow, volume: &str) -> Result<Option<ObjectReference>, EngineError> {
        let has_it = |claim: &&ClaimTemplate| claim.bound.as_ref().is_some_and(|bound| bound.name == volume);
        let Some(claim) = app.claims.iter().find(has_it) else { return Ok(None) };
        let there = volumes::existing(self.database.connection(), [claim.name.clone()])?;
        Ok((!there.is_empty()).then(|| object::claim_reference(&app.sources, &claim.name)))
    }

    fn kube_events(&mut self, now: Timestamp) -> Result<Vec<Object>, EngineError> {
        Ok(self.recent_events(now)?.iter().map(|event| event.object(now)).collect())
    }

    /// What happened to pods in the last hour, as long as an API server keeps it; the latest comes last.
    pub fn recent_events(&self, now: Timestamp) -> Result<Vec<Event>, EngineError> {
        let mut found = self.pod_events()?;
        found.retain(|event| now.duration_since(event.last) <= EVENTS_KEPT);
        Ok(found)
    }

    /// What happened to pods, as far back as the log goes.
    fn pod_events(&self) -> Result<Vec<Event>, EngineError> {
        let fail = |source| EngineError::File { attempt: "read", path: self.layout().events(), source };
        Ok(events::gather(self.events()?.next_batch().map_err(fail)?))
    }

    /// An object in the form of `kubectl describe`.
    pub fn describe(&mut self, object: &Object) -> Result<String, EngineError> {
        match object.resource {
            Resource::Pod => self.describe_pod(&object.name),
            Resource::PersistentVolumeClaim => {
                let users = volumes::users(self.database.connection(), &object.name)?;
                Ok(describe::claim(object, users))
            }
            _ => Ok(describe::object(object)),
        }
    }

    /// A pod, with all that happened to it.
    fn describe_pod(&mut self, name: &str) -> Result<String, EngineError> {
        let pod = self.pod(name)?;
        let app = apps::get(self.database.connection(), &pod.app.id)?;
        let sources = app.map(|app| app.sources).unwrap_or_default();
        let mut events = self.pod_events()?;
        events.retain(|event| event.pod_id == pod.id());
        let whole = object::full_pod(&sources, &pod.record, &pod.status, &users(&pod));
        let subject = Subject { pod: &whole, record: &pod.record, node: &node_name(), events: &events };
        Ok(describe::pod(&subject, Timestamp::now()))
    }

    fn apps(&mut self) -> Result<Vec<AppRow>, EngineError> {
        self.recover()?;
        Ok(apps::all(self.database.connection())?)
    }
}
