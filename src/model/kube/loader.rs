//! Objects one after the other to an application, and the checks that need all of them.

use super::class::Classes;
use super::document::{self, Object};
use super::kinds::Kind;
use super::persistent::{self, Demand, Offer};
use super::pod::Draft;
use super::references::Index;
use super::spot::{Mark, Spot};
use super::{Input, Known, LoadOptions, Loaded, Session};
use super::{account, annotations, codes, form, metadata, object, pod, port, publish, references, spot, workload};
use crate::model::application::Source;
use crate::model::container::VolumeDevice;
use crate::model::diagnostic::{Diagnostic, Severity, SourceId, Sources, Span, has_errors, settle};
use crate::model::pod::LONGEST_HOST_NAME;
use crate::model::yaml::{self, Budgets, Dialect, TypedOptions, typed};
use crate::model::{Application, HostPathType, ObjectKind, VolumeSource};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Collects what the objects become.
pub(super) struct Loader<'a> {
    session: &'a Session,
    sources: Sources,
    application: Application,
    drafts: Vec<Draft>,
    /// What each claim of the application asks of PersistentVolumes.
    demands: Vec<Demand>,
    offers: Vec<Offer>,
    classes: Classes,
    index: Index,
    /// Names that are taken, by kind.
    names: BTreeMap<(Kind, String), Mark>,
    secrets: Vec<Span>,
}

impl<'a> Loader<'a> {
    pub fn new(session: &'a Session, known: &Known) -> Self {
        let mut index = Index::default();
        known.config_maps.iter().for_each(|(name, keys)| index.add(ObjectKind::ConfigMap, name, Some(keys.clone())));
        known.secrets.iter().for_each(|(name, keys)| index.add(ObjectKind::Secret, name, Some(keys.clone())));
        Self {
            session,
            sources: Sources::default(),
            application: Application::default(),
            drafts: Vec::new(),
            demands: Vec::new(),
            offers: Vec::new(),
            classes: Classes::default(),
            index,
            names: BTreeMap::new(),
            secrets: Vec::new(),
        }
    }

    pub fn load(mut self, inputs: &[Input], options: &LoadOptions) -> Loaded {
        for input in inputs {
            let (objects, source) = document::read(self.session, &mut self.sources, input, base_of(input, options));
            self.application.sources.push(source);
            objects.into_iter().for_each(|object| self.add(object));
        }
        self.add_extra_config_maps(options);
        self.finish(options)
    }

    fn add(&mut self, object: Object) {
        let Object { kind, label, node, base } = &object;
        let at = Spot::root(self.session, label, node);
        match kind {
            Kind::Pod => {
                let Some(k8s_openapi::api::core::v1::Pod { metadata, spec, status }) = self.read(&object) else {
                    return;
                };
                at.field("status").no_effect(status.is_some(), "a cluster sets it");
                let meta_at = at.field("metadata");
                let meta = metadata::lower(&meta_at, metadata);
                let spec_at = at.field("spec");
                if !spec_at.exists() {
                    at.missing("spec");
                }
                let mark = meta_at.field("name").mark();
                if spec_at.exists() && self.claim_name(*kind, &meta.name, &mark) {
                    self.drafts.push(pod::lower(&spec_at, spec.unwrap_or_default(), meta, base, mark));
                }
            }
            Kind::Deployment => {
                let Some(read) = self.read(&object) else { return };
                let (workload, drafts) = workload::deployment(&at, read, base);
                if self.claim_name(*kind, &workload.name, &name_mark(&at)) {
                    self.application.workloads.push(workload);
                    self.drafts.extend(drafts);
                }
            }
            Kind::ConfigMap => self.add_config_map(&object, &at),
            Kind::Secret => {
                self.secrets.extend(object::secret_values(node));
                let Some(read) = self.read(&object) else { return };
                let secret = object::secret(&at, read);
                self.index.add(ObjectKind::Secret, &secret.name, Some(secret.data.keys().cloned().collect()));
                if self.claim_name(*kind, &secret.name, &name_mark(&at)) {
                    self.application.secrets.push(secret);
                }
            }
            Kind::PersistentVolume => {
                let Some(read) = self.read(&object) else { return };
                let Some(offer) = persistent::volume(&at, read, base) else { return };
                if self.claim_name(*kind, offer.name(), &name_mark(&at)) {
                    self.offers.push(offer);
                }
            }
            Kind::StorageClass => {
                let Some(read) = self.read(&object) else { return };
                let name = persistent::storage_class(&at, read);
                self.claim_name(*kind, &name, &name_mark(&at));
            }
            Kind::PriorityClass => {
                let Some(read) = self.read(&object) else { return };
                let name = self.classes.add_priority(&at, read);
                self.add_class(*kind, &at, &name);
            }
            Kind::RuntimeClass => {
                let Some(read) = self.read(&object) else { return };
                let name = self.classes.add_runtime(&at, read);
                self.add_class(*kind, &at, &name);
            }
            Kind::PersistentVolumeClaim => {
                let Some(read) = self.read(&object) else { return };
                let (claim, demand) = object::claim(&at, read);
                if self.claim_name(*kind, &claim.name, &name_mark(&at)) {
                    self.application.claims.push(claim);
                    self.demands.push(demand);
                }
            }
            Kind::ServiceAccount => {
                let Some(read) = self.read(&object) else { return };
                let account = account::service_account(&at, read);
                if self.claim_name(*kind, &account.name, &name_mark(&at)) {
                    self.application.service_accounts.push(account);
                }
            }
        }
    }

    /// Remembers a name of which there may be one.
    fn add_class(&mut self, kind: Kind, at: &Spot<'_>, name: &str) {
        self.claim_name(kind, name, &name_mark(at));
    }

    fn add_config_map(&mut self, object: &Object, at: &Spot<'_>) {
        let Some(read) = self.read(object) else { return };
        let map = object::config_map(at, read);
        self.index.add(ObjectKind::ConfigMap, &map.name, Some(map.data.keys().cloned().collect()));
        if self.claim_name(Kind::ConfigMap, &map.name, &name_mark(at)) {
            self.application.config_maps.push(map);
        }
    }

    /// Adds the ConfigMaps of `--configmap`, which are no part of what `generate` gives back.
    fn add_extra_config_maps(&mut self, options: &LoadOptions) {
        for input in &options.config_maps {
            let (objects, _) = document::read(self.session, &mut self.sources, input, base_of(input, options));
            for object in objects {
                let at = Spot::root(self.session, &object.label, &object.node);
                if object.kind == Kind::ConfigMap {
                    self.add_config_map(&object, &at);
                } else {
                    let message = format!("files of `--configmap` hold ConfigMaps only, not `{}`", object.label);
                    at.field("kind").wrong(codes::OPTION, message);
                }
            }
        }
    }

    /// The typed object; `None` when it cannot be read at all.
    fn read<T: serde::de::DeserializeOwned>(&mut self, object: &Object) -> Option<T> {
        let unknown_fields = self.session.validate.severity_of_unknown();
        let secret = object.kind == Kind::Secret;
        let (read, diagnostics) = typed(&object.node, TypedOptions { object: &object.label, unknown_fields, secret });
        diagnostics.into_iter().for_each(|d| self.session.report(d));
        if read.is_none() {
            self.add_unreadable(object);
        }
        read
    }

    /// Remembers an object that could not be read, so that references to it are not reported on top.
    fn add_unreadable(&mut self, object: &Object) {
        let name = object.node.get("metadata").and_then(|m| m.get("name")).and_then(|n| n.as_str());
        match (object.kind, name) {
            (Kind::ConfigMap, Some(name)) => self.index.add(ObjectKind::ConfigMap, name, None),
            (Kind::Secret, Some(name)) => self.index.add(ObjectKind::Secret, name, None),
            _ => {}
        }
    }

    /// Takes a name of a kind; a second object of that name is reported and left out.
    fn claim_name(&mut self, kind: Kind, name: &str, mark: &Mark) -> bool {
        if name.is_empty() {
            return false;
        }
        let Some(first) = self.names.insert((kind, name.to_owned()), mark.clone()) else { return true };
        let error = Diagnostic::error(codes::CLASH, format!("{} `{name}` is there twice", kind.name()));
        self.session.report(at_mark(error, mark).also(first.span, "first here").hint("give one of them another name"));
        false
    }

    fn finish(mut self, options: &LoadOptions) -> Loaded {
        publish::apply(self.session, &mut self.sources, &mut self.drafts, &options.publish, options.publish_all);
        self.drafts.iter_mut().for_each(|draft| self.classes.admit(self.session, draft));
        self.drafts.iter_mut().for_each(|draft| account::admit(draft, &self.application.service_accounts));
        references::check(self.session, &self.index);
        persistent::bind(self.session, &mut self.application.claims, &self.demands, std::mem::take(&mut self.offers));
        self.check_single_pods();
        self.check_devices();
        let ports = self.drafts.iter().flat_map(|draft| {
            draft.ports.iter().flatten().map(|port| port::HostPort {
                pod: &draft.pod.name,
                host_network: draft.pod.host_network,
                draft: port,
            })
        });
        port::check_clashes(ports).into_iter().for_each(|d| self.session.report(d));
        self.apply_given("--annotation", &options.annotations);
        let users = options.user_namespace.iter().map(|mode| (annotations::USER_NAMESPACE.to_owned(), mode.clone()));
        self.apply_given("--userns", &users.collect::<Vec<_>>());
        self.check_names(options.no_pod_prefix);
        self.check_full_names();
        self.application.pods = std::mem::take(&mut self.drafts).into_iter().map(Draft::finish).collect();
        self.annotate(&options.annotations);
        self.application.name = self.name_application();
        self.check_empty();
        self.secrets.iter().for_each(|span| self.sources.mask(*span));
        let diagnostics = settle(self.session.diagnostics.take());
        let failed = has_errors(&diagnostics);
        Loaded { application: (!failed).then_some(self.application), diagnostics, sources: self.sources }
    }

    /// Reports claims that are devices for a container and none themselves.
    fn check_devices(&self) {
        for (claim, demand) in self.application.claims.iter().zip(&self.demands) {
            let is_device = claim.bound.as_ref().is_some_and(|bound| bound.kind == HostPathType::BlockDevice);
            let users = self.drafts.iter().flat_map(|draft| draft.pod.all_containers().map(|c| (&draft.pod, c)));
            for (pod, container) in users.filter(|_| !is_device) {
                let has = |device: &VolumeDevice| {
                    let volume = pod.volume(&device.volume);
                    volume.and_then(|volume| volume.claim(&pod.name)).is_some_and(|name| name == claim.name)
                };
                if container.devices.iter().any(has) {
                    let message = format!(
                        "container `{}` has claim `{}` as a device, which it is not",
                        container.name, claim.name
                    );
                    let error =
                        Diagnostic::error(codes::CONFLICT, message).hint("set `volumeMode: Block` of the claim");
                    self.session.report(at_mark(error, &demand.mark));
                }
            }
        }
    }

    /// Reports claims for one pod that several pods have.
    fn check_single_pods(&self) {
        for (claim, demand) in self.application.claims.iter().zip(&self.demands).filter(|(c, _)| c.is_for_one_pod()) {
            let has = |draft: &&Draft| {
                draft.pod.volumes.iter().any(|volume| match &volume.source {
                    VolumeSource::Claim { name, .. } => *name == claim.name,
                    _ => false,
                })
            };
            let pods: Vec<_> = self.drafts.iter().filter(has).map(|draft| draft.pod.name.as_str()).collect();
            if pods.len() > 1 {
                let message =
                    format!("claim `{}` is `ReadWriteOncePod`, and pods {} have it", claim.name, spot::list(&pods));
                let error = Diagnostic::error(codes::CONFLICT, message).hint("use `ReadWriteOnce`");
                self.session.report(at_mark(error, &demand.mark));
            }
        }
    }

    /// Reports pods and containers whose names on the machine would be the same.
    fn check_names(&self, no_pod_prefix: bool) {
        let mut pods: BTreeMap<&str, &Mark> = BTreeMap::new();
        let mut containers: BTreeMap<String, (&str, &str)> = BTreeMap::new();
        for draft in self.drafts.iter().filter(|d| !d.pod.name.is_empty()) {
            let pod = draft.pod.name.as_str();
            if let Some(first) = pods.insert(pod, &draft.name) {
                let error = Diagnostic::error(codes::CLASH, format!("two pods would be named `{pod}`"));
                let error = error.hint("pods of a Deployment are named `<name>-pod`, `<name>-pod-2` and on");
                self.session.report(at_mark(error, &draft.name).also(first.span, "first here"));
                continue;
            }
            for container in draft.pod.all_containers() {
                let name = match no_pod_prefix {
                    true => container.name.clone(),
                    false => format!("{pod}-{}", container.name),
                };
                if let Some((other, _)) = containers.insert(name.clone(), (pod, &container.name)).filter(|o| o.0 != pod)
                {
                    let message =
                        format!("pods `{other}` and `{pod}` would both have a container `{name}` on this machine");
                    let hint = match no_pod_prefix {
                        true => "play without `--no-pod-prefix`, or rename one",
                        false => "containers are named `<pod>-<container>`; rename one",
                    };
                    self.session.report(at_mark(Diagnostic::error(codes::CLASH, message).hint(hint), &draft.name));
                }
            }
        }
    }

    /// Obeys podman's annotations among those that an option gives, for every pod that they fit.
    fn apply_given(&mut self, option: &str, given: &[(String, String)]) {
        for (key, value) in given {
            let text = serde_json::json!({ key: value }).to_string();
            let source = self.sources.add(option, &text);
            let (documents, _) = yaml::parse(source, &text, Dialect::Kubernetes, &Budgets::default());
            let Some(document) = documents.first() else { continue };
            let at = Spot::root(self.session, option, &document.root);
            let none_has_it = self.drafts.iter().all(|draft| annotations::is_of_other(key, &draft.pod));
            let fitting = |draft: &&mut Draft| none_has_it || !annotations::is_of_other(key, &draft.pod);
            let drafts = self.drafts.iter_mut().filter(fitting);
            // Of a container that no pod has it is said once.
            let most = if none_has_it { 1 } else { usize::MAX };
            drafts.take(most).for_each(|draft| annotations::apply_given(&at, key, value, &mut draft.pod));
        }
    }

    /// Reports full names that the kernel would not take.
    fn check_full_names(&self) {
        for draft in &self.drafts {
            let name = draft.pod.kernel_name();
            let Some(mark) = draft.full_name.as_ref().filter(|_| name.len() > LONGEST_HOST_NAME) else { continue };
            let message =
                format!("a host name may have at most {LONGEST_HOST_NAME} characters, `{name}` has {}", name.len());
            let error = Diagnostic::error(codes::VALUE, message).hint("shorten `hostname` or `subdomain`");
            self.session.report(at_mark(error, mark));
        }
    }

    fn annotate(&mut self, annotations: &[(String, String)]) {
        for (key, value) in annotations {
            if let Err(reason) = form::qualified_name(&key.to_lowercase()) {
                let source = self.sources.add("--annotation", format!("{key}={value}"));
                let message = format!("`{}` is not a valid annotation key: {reason}", spot::shown(key));
                let span = Span { source, start: 0, end: key.len() };
                self.session.report(Diagnostic::error(codes::OPTION, message).at(span, ""));
            }
            let pods = self.application.pods.iter_mut().map(|p| &mut p.annotations);
            for map in pods.chain(self.application.claims.iter_mut().map(|c| &mut c.annotations)) {
                map.insert(key.clone(), value.clone());
            }
        }
    }

    /// Name of the first workload or pod in file order; else of the first object.
    fn name_application(&self) -> String {
        let first = self.application.pods.first().map(|p| p.workload.clone().unwrap_or_else(|| p.name.clone()));
        let documents = || self.application.sources.iter().flat_map(|s| &s.documents);
        let workload = || documents().find(|d| matches!(d.kind.as_str(), "Pod" | "Deployment"));
        let stated = workload().or_else(|| documents().next()).map(|d| d.name.clone());
        stated.filter(|name| !name.is_empty()).or(first).unwrap_or_default()
    }

    /// Files without any object that is played are a mistake, whatever `--validate` says.
    fn check_empty(&mut self) {
        let Application { name: _, sources, workloads, pods, config_maps, secrets, claims, service_accounts: _ } =
            &self.application;
        let counts = [workloads.len(), pods.len(), config_maps.len(), secrets.len(), claims.len()];
        let errors = self.session.diagnostics.borrow().iter().any(|d| d.severity == Severity::Error);
        if errors || counts.iter().any(|n| *n > 0) {
            return;
        }
        let names: Vec<_> = sources.iter().map(|s: &Source| s.name.as_str()).collect();
        let hint = match self.names.keys().next() {
            None => format!("no object of a played kind is in {}", spot::list(&names)),
            Some((kind, _)) => {
                format!("a {} is read for what is played beside it: play their files together", kind.name())
            }
        };
        let error = Diagnostic::error(codes::HEADER, "there is nothing to play").hint(hint);
        // The sources were added in this order, before all others.
        let span = Span { source: SourceId(0), start: 0, end: 0 };
        self.session.report(if sources.is_empty() { error } else { error.at(span, "") });
    }
}

fn name_mark(at: &Spot<'_>) -> Mark {
    at.field("metadata").field("name").mark()
}

pub(super) fn at_mark(mut diagnostic: Diagnostic, mark: &Mark) -> Diagnostic {
    diagnostic.path.clone_from(&mark.path);
    diagnostic.at(mark.span, "")
}

fn base_of(input: &Input, options: &LoadOptions) -> PathBuf {
    let directory = input.path.as_ref().and_then(|p| p.parent());
    directory.map_or_else(|| options.base_dir.clone(), |d| d.to_owned())
}
