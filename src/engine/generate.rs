//! `kube generate`: the YAML that pods were played from.

use super::{Engine, EngineError};
use crate::generate;
use crate::graph::uses;
use crate::model::ObjectKind;
use crate::store::apps::{self, AppRow};
use crate::store::pods::PodRow;
use crate::store::{objects, volumes};
use std::collections::BTreeMap;

impl Engine {
    /// The YAML of pods (by pod or container name) with the ConfigMaps, Secrets, claims and the ServiceAccount they refer to, and of volumes, as it was
    /// played: in the order of the files, comments kept.
    pub fn generate(&mut self, names: &[String]) -> Result<String, EngineError> {
        self.recover()?;
        let mut wanted: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut text = String::new();
        for name in names {
            match self.objects_of(name)? {
                (Some(app), objects) => wanted.entry(app).or_default().extend(objects),
                (None, _) => generate::append(&mut text, &self.claim_text(name)?),
            }
        }
        for (app, names) in wanted {
            let Some(app) = apps::get(self.database.connection(), &app)? else { continue };
            let part = generate::from_sources(&app.sources, &recorded(&app, names))?;
            generate::append(&mut text, &part);
        }
        Ok(text)
    }

    /// Application of a pod, container or volume, and the objects it consists of, as `kind/name`; no application for a volume that
    /// none describes.
    fn objects_of(&self, name: &str) -> Result<(Option<String>, Vec<String>), EngineError> {
        let row = match self.pod_row(name) {
            Err(EngineError::NotFound { .. }) => match self.container_row(name) {
                Err(EngineError::NotFound { .. }) => return self.claim_of(name),
                found => found?.0,
            },
            found => found?,
        };
        let PodRow { record, .. } = row;
        let pod = &record.pod;
        let mut found = vec![match &pod.workload {
            Some(workload) => format!("deployment/{workload}"),
            None => format!("pod/{}", pod.name),
        }];
        let object = |(kind, name): (ObjectKind, String)| format!("{}/{name}", objects::kind_name(kind));
        found.extend(uses::objects(pod).into_iter().map(object));
        found.extend(uses::claims(pod).into_iter().map(|name| format!("persistentvolumeclaim/{name}")));
        found.push(format!("serviceaccount/{}", pod.service_account));
        Ok((Some(record.app), found))
    }

    fn claim_of(&self, name: &str) -> Result<(Option<String>, Vec<String>), EngineError> {
        let connection = self.database.connection();
        if volumes::existing(connection, [name])?.is_empty() {
            return Err(EngineError::NotFound { what: "pod, container or volume", name: name.to_owned() });
        }
        let claim = format!("persistentvolumeclaim/{name}");
        let app = match volumes::app(connection, name)? {
            Some(app) => apps::get(connection, &app)?,
            None => None,
        };
        let app = app.filter(|app| !recorded(app, vec![claim.clone()]).is_empty());
        Ok((app.map(|app| app.id), vec![claim]))
    }

    /// A claim that would make the volume, as podman writes it.
    fn claim_text(&mut self, name: &str) -> Result<String, EngineError> {
        let volumes = self.volumes()?;
        let labels = volumes.into_iter().find(|volume| volume.name == name).map(|volume| volume.labels);
        Ok(generate::claim(name, &labels.unwrap_or_default()))
    }
}

/// Those of the objects that a file of the application has: others come from elsewhere.
fn recorded(app: &AppRow, names: Vec<String>) -> Vec<String> {
    let has = |wanted: &String| {
        let documents = app.sources.iter().flat_map(|source| &source.documents);
        documents.map(|d| format!("{}/{}", d.kind, d.name)).any(|found| found.eq_ignore_ascii_case(wanted))
    };
    names.into_iter().filter(has).collect()
}
