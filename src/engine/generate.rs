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
    /// The YAML of pods (by pod or container name) with the ConfigMaps, Secrets and claims they refer to, and of volumes, as it was
    /// played: in the order of the files, comments kept.
    pub fn generate(&mut self, names: &[String]) -> Result<String, EngineError> {
        self.recover()?;
        let mut wanted: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for name in names {
            let (app, objects) = self.objects_of(name)?;
            wanted.entry(app).or_default().extend(objects);
        }
        let mut text = String::new();
        for (app, names) in wanted {
            let Some(app) = apps::get(self.database.connection(), &app)? else { continue };
            let part = generate::from_sources(&app.sources, &recorded(&app, names))?;
            if !text.is_empty() && !part.starts_with("---") {
                text.push_str("---\n");
            }
            text.push_str(&part);
        }
        Ok(text)
    }

    /// Application of a pod, container or volume, and the objects it consists of, as `kind/name`.
    fn objects_of(&self, name: &str) -> Result<(String, Vec<String>), EngineError> {
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
        Ok((record.app, found))
    }

    fn claim_of(&self, name: &str) -> Result<(String, Vec<String>), EngineError> {
        let missing = || EngineError::NotFound { what: "pod, container or volume", name: name.to_owned() };
        let app = volumes::app(self.database.connection(), name)?.ok_or_else(missing)?;
        Ok((app, vec![format!("persistentvolumeclaim/{name}")]))
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
