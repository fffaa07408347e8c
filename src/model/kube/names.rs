//! Documents to the names in them.

use super::document;
use super::kinds::Kind;
use super::{Input, Loaded, Session};
use crate::model::application::{Application, Workload, WorkloadKind};
use crate::model::diagnostic::{Sources, settle};
use crate::model::{ClaimTemplate, ConfigMap, Pod, Secret, ServiceAccount};
use std::path::PathBuf;

pub(super) fn load(session: &Session, inputs: &[Input]) -> Loaded {
    let mut sources = Sources::default();
    let mut application = Application::default();
    let mut found = false;
    for input in inputs {
        let (objects, source) = document::read(session, &mut sources, input, PathBuf::new());
        application.sources.push(source);
        for object in objects {
            let name = object.node.get("metadata").and_then(|m| m.get("name")).and_then(|name| name.as_str());
            let Some(name) = name.map(str::to_owned) else { continue };
            found = true;
            match object.kind {
                Kind::Pod => application.pods.push(Pod { name, ..Pod::default() }),
                Kind::Deployment => {
                    // The first of its pods has this name; how many there are is on record.
                    let pod = format!("{name}-pod");
                    application.pods.push(Pod { name: pod.clone(), ..Pod::default() });
                    let kind = WorkloadKind::Deployment;
                    application.workloads.push(Workload { kind, name, replicas: 1, pods: vec![pod] });
                }
                // Nothing of them is on record.
                Kind::PriorityClass | Kind::RuntimeClass => {}
                Kind::ConfigMap => application.config_maps.push(ConfigMap { name, ..ConfigMap::default() }),
                Kind::Secret => application.secrets.push(Secret { name, ..Secret::default() }),
                Kind::PersistentVolumeClaim => {
                    application.claims.push(ClaimTemplate { name, ..ClaimTemplate::default() })
                }
                // They are part of the claims that get them.
                Kind::PersistentVolume | Kind::StorageClass => {}
                Kind::ServiceAccount => {
                    application.service_accounts.push(ServiceAccount { name, ..ServiceAccount::default() })
                }
            }
        }
    }
    let diagnostics = if found { Vec::new() } else { settle(session.diagnostics.take()) };
    Loaded { application: (found || diagnostics.is_empty()).then_some(application), diagnostics, sources }
}

#[cfg(test)]
mod tests {
    use super::super::names;
    use super::*;

    #[test]
    fn names_are_found_in_what_does_not_hold_together() {
        let text = "kind: Pod\napiVersion: v1\nmetadata: {name: web}\nspec: {containers: [{image: 5, ports: x}], no: 1}\n\
                    ---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: many}\n---\napiVersion: v1\n\
                    kind: Secret\nmetadata: {name: pw}\ndata: {a: '%'}\n---\napiVersion: x.test/v1\nkind: Other\n\
                    metadata: {name: o}\n";
        let input = Input { name: "-".into(), path: None, text: text.into() };
        let loaded = names(&[input]);
        let application = loaded.application.unwrap();
        let pods: Vec<_> = application.pods.iter().map(|pod| pod.name.as_str()).collect();
        assert_eq!(pods, ["web", "many-pod"]);
        assert_eq!(application.secrets[0].name, "pw");
        assert!(loaded.diagnostics.is_empty());
    }

    #[test]
    fn what_is_no_yaml_is_told() {
        let input = Input { name: "-".into(), path: None, text: "a: [".into() };
        let loaded = names(&[input]);
        assert!(loaded.application.is_none() && !loaded.diagnostics.is_empty());
    }
}
