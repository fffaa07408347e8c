//! Containers added to a running pod, to look into it (Kubernetes, "Ephemeral Containers").

use super::machine::{LONG_ID, random_id};
use super::{Engine, EngineError, PullRequest, PullWhen};
use crate::image::transfer::TransferEvent;
use crate::model::Container;
use crate::model::device::ContainerDevices;
use crate::store::events::LoggedEvent;
use crate::store::pods;
use crate::store::record::{ContainerRecord, EphemeralContainer, ImageRecord, PodRecord};
use crate::supervisor::protocol::Operation;

/// A container to add.
#[derive(Debug, Clone)]
pub struct DebugRequest {
    /// Name or id of the pod.
    pub pod: String,
    /// A name that no container of the pod has, and what to run.
    pub container: Container,
    /// Name of the container of the pod whose processes it is to see.
    pub target: Option<String>,
    pub pull: PullWhen,
}

impl Engine {
    /// Adds a container to a running pod and starts it; returns its id. It is never started again, and ends with the pod's run.
    ///
    /// # Errors
    /// [`EngineError::WrongState`] when the pod does not run, [`EngineError::NameTaken`], [`EngineError::NotFound`] for the pod
    /// and the target. A container that was added but could not be started stays, with the reason in its status.
    pub fn debug(
        &mut self,
        request: DebugRequest,
        report: &mut dyn FnMut(TransferEvent),
    ) -> Result<String, EngineError> {
        let pod = self.pod(&request.pod)?;
        let DebugRequest { pod: _, container, target, pull } = request;
        let image = self.debug_image(&container.image, pull, report)?;
        let app = pod.app.id.clone();
        let lock = self.lock_app(&app)?;
        let running = self.pod(pod.id())?;
        let name = running.record.pod.name.clone();
        if !running.is_running() || running.status.stopping.is_some() {
            return Err(EngineError::WrongState { what: "pod", name, state: "not running".to_owned() });
        }
        let record = extended(&running.record, container, target, image)?;
        let added = record.containers.last().cloned().expect("one was added");
        self.database.write(|t| {
            if let Some((_, pod)) = pods::container_owner(t, &added.name)? {
                let owner = Some(format!("in pod `{pod}`"));
                return Err(EngineError::NameTaken { what: "container", name: added.name.clone(), owner });
            }
            super::records::check_images(t, &record)?;
            Ok(pods::add_container(t, &record)?)
        })?;
        self.write_pod(&record)?;
        let event = LoggedEvent::now("container", "create", &added.id, &added.name);
        let event = event.with("image", &added.image.reference).with("podId", &record.id).with("podName", &name);
        self.log_events(&[event]);
        let mut connection = self.supervisor(&app)?;
        let wanted = connection.send(Operation::AddContainer { pod: record.id, container: added.id.clone() })?;
        let failures = match connection.settle(wanted)? {
            Some(failures) => failures,
            None => {
                drop(lock);
                self.until_done(&mut connection, wanted, |_| {})?
            }
        };
        match failures.into_iter().next() {
            None => Ok(added.id),
            Some(failure) => Err(EngineError::Supervisor {
                attempt: "start container",
                subject: added.name,
                message: failure.message,
                kind: super::supervisor::failure_kind(failure.kind),
            }),
        }
    }

    fn debug_image(
        &mut self,
        name: &str,
        when: PullWhen,
        report: &mut dyn FnMut(TransferEvent),
    ) -> Result<ImageRecord, EngineError> {
        if super::play_images::is_embedded(name) {
            self.images().ensure_demo()?;
            return Ok(self.images().to_record(name)?);
        }
        let request = PullRequest { name: name.to_owned(), platform: None, when };
        let pulled = self.pull(&[request], report)?.into_iter().next().expect("each request has a result")?;
        Ok(self.images().to_record(&pulled.id)?)
    }
}

/// The record with a container more.
fn extended(
    record: &PodRecord,
    mut spec: Container,
    target: Option<String>,
    image: ImageRecord,
) -> Result<PodRecord, EngineError> {
    let pod = record.pod.name.clone();
    if record.containers.iter().any(|container| container.container == spec.name) {
        let owner = Some(format!("in pod `{pod}`"));
        return Err(EngineError::NameTaken { what: "container", name: spec.name, owner });
    }
    if let Some(target) = target.as_ref().filter(|target| !record.containers.iter().any(|c| c.container == **target)) {
        return Err(EngineError::NotFound { what: "target container", name: target.clone() });
    }
    spec.restart_policy = Some(crate::model::RestartPolicy::Never);
    let mut record = record.clone();
    record.containers.push(ContainerRecord {
        pull: None,
        id: random_id(LONG_ID)?,
        name: format!("{pod}-{}", spec.name),
        container: spec.name.clone(),
        init: false,
        image,
        devices: ContainerDevices::default(),
    });
    record.ephemeral.push(EphemeralContainer { spec, target });
    Ok(record)
}
