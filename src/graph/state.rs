//! The two inputs of a plan: what is wanted and what there is.

use crate::model::{Application, ConfigMap, Pod, Secret};
use std::collections::{BTreeMap, BTreeSet};

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Desired<'a> {
    pub application: &'a Application,
    /// In file order.
    pub pods: Vec<DesiredPod<'a>>,
    /// Pods that differ may be removed and made anew, and pods that the file no longer has removed.
    pub replace: bool,
    /// Containers are to be started, not only recorded.
    pub start: bool,
}

#[derive(Debug, Clone)]
pub struct DesiredPod<'a> {
    pub pod: &'a Pod,
    /// Digest of the pod and of the options that shape it.
    pub spec_hash: String,
    /// Id of each container's image, in start order; `None` for one that the program carries and the store does not have yet.
    pub images: Vec<Option<String>>,
    /// Networks it joins.
    pub networks: Vec<String>,
}

/// What there is of the application, and of what it refers to.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Oldest first.
    pub pods: Vec<ObservedPod>,
    pub config_maps: BTreeMap<String, ConfigMap>,
    pub secrets: BTreeMap<String, Secret>,
    pub volumes: BTreeSet<String>,
    pub networks: BTreeSet<String>,
}

#[derive(Debug, Clone)]
pub struct ObservedPod {
    pub pod: Pod,
    pub spec_hash: String,
    /// Id of each container's image, in start order.
    pub images: Vec<String>,
    pub state: ObservedState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObservedState {
    /// Runs, or is being started.
    Running,
    /// Ran to its end, as its restart policy has it: not to be started again.
    Completed,
    /// Not running, and could be.
    Stopped,
}
