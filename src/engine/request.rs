//! What operations are asked for, and what they answer.

use super::EngineError;
use super::view::AppRef;
use crate::graph::{Cause, Plan, StepKind};
use crate::model::Application;
use crate::store::record::LogConfig;
use std::net::IpAddr;

/// `kube play` of an application.
#[derive(Debug, Clone)]
pub struct PlayRequest {
    pub application: Application,
    /// Recreate pods that differ; when the input is all that the application was played from, remove the pods that it lacks.
    pub replace: bool,
    /// `--start=false` clears it: create only.
    pub start: bool,
    /// `--network`, in order; empty joins the default network.
    pub networks: Vec<NetworkRequest>,
    /// `--ip`: for the n-th pod.
    pub ips: Vec<IpAddr>,
    /// `--mac-address`: for the n-th pod.
    pub macs: Vec<String>,
    pub no_hosts: bool,
    pub no_hostname: bool,
    pub no_pod_prefix: bool,
    pub log: LogConfig,
    /// Leave what was made when the run fails.
    pub keep_on_error: bool,
    /// Pods worked on at a time; 0 for as many as there are.
    pub parallel: usize,
}

/// One `--network`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkRequest {
    Host,
    None,
    /// A named network with `ip=`, `mac=`, `alias=`, `interface_name=` options.
    Named {
        name: String,
        ips: Vec<IpAddr>,
        mac: Option<String>,
        aliases: Vec<String>,
        interface: Option<String>,
    },
}

/// What a play did.
#[derive(Debug)]
pub struct PlayReport {
    pub app: AppRef,
    pub plan: Plan,
    /// Volumes made.
    pub volumes: Vec<String>,
    /// Name and id of secrets stored.
    pub secrets: Vec<(String, String)>,
    /// Every pod of the application, in file order.
    pub pods: Vec<PlayedPod>,
    /// What `--replace` took away first.
    pub removed: Removed,
    /// Containers that could not be started although the pods were made (with `keep_on_error`).
    pub failures: Vec<EngineError>,
}

impl PlayReport {
    /// True when there was nothing to do.
    pub fn is_unchanged(&self) -> bool {
        self.plan.is_empty()
    }

    /// Pods that were removed because the input no longer has them.
    pub fn pruned(&self) -> impl Iterator<Item = &str> {
        self.plan.steps().filter_map(|step| match (&step.kind, &step.cause) {
            (StepKind::RemovePod { pod }, Cause::NotInFile) => Some(pod.as_str()),
            _ => None,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlayedPod {
    pub id: String,
    pub name: String,
    pub outcome: PodOutcome,
    /// Name and id of each container, in start order.
    pub containers: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodOutcome {
    Created,
    Started,
    Replaced,
    Refreshed,
    Unchanged,
}

/// `kube down`.
#[derive(Debug, Clone)]
pub struct DownRequest {
    /// The files, as far as they could be read: names and paths find what was recorded.
    pub application: Application,
    /// Volumes, too.
    pub force: bool,
    /// Seconds, instead of each pod's own.
    pub grace_seconds: Option<u64>,
}

/// What was taken away. Names where podman prints names, ids where it prints ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// Pod ids.
    pub stopped: Vec<String>,
    /// Pod ids.
    pub pods: Vec<String>,
    /// Secret ids.
    pub secrets: Vec<String>,
    pub volumes: Vec<String>,
}

/// What a down did; it goes on after a failure and returns all of them.
#[derive(Debug, Default)]
pub struct DownReport {
    pub removed: Removed,
    pub failures: Vec<EngineError>,
}

/// What became of one of several named things.
#[derive(Debug)]
pub struct Outcome {
    /// As the user gave it.
    pub given: String,
    /// Id when it was found.
    pub id: Option<String>,
    pub name: Option<String>,
    pub result: Result<(), EngineError>,
}
