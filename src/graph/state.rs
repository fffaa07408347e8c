//! The two inputs of a plan: what is wanted and what there is.

use crate::model::{Application, ConfigMap, Pod, Secret};
use std::collections::{BTreeMap, BTreeSet};

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Desired<'a> {
    pub application: &'a Application,
    /// In file order.
    pub pods: Vec<DesiredPod<'a>>,
    /// Pods that differ may be removed and made anew.
    pub replace: bool,
    /// The input is all that the application was played from: with `replace`, what it lacks goes.
    pub whole: bool,
    /// Containers are to be started, not only recorded.
    pub start: bool,
}

impl Desired<'_> {
    /// Whether what the input lacks is to go.
    pub fn prunes(&self) -> bool {
        self.replace && self.whole
    }
}

#[derive(Debug, Clone)]
pub struct DesiredPod<'a> {
    pub pod: &'a Pod,
    /// Digest of the pod and of the options that shape it.
    pub spec_hash: String,
    pub amendment: Amendment,
    /// Digest of what its variables take from ConfigMaps and Secrets, as those will be.
    pub environment_hash: String,
    /// The images of [`Pod::images`], in that order.
    pub images: Vec<DesiredImage>,
    /// Networks it joins.
    pub networks: Vec<String>,
}

impl DesiredPod<'_> {
    /// Whether it is recorded, and differs from that in what a running pod takes up.
    pub fn is_amended(&self) -> bool {
        self.amendment == Amendment::Possible
    }
}

/// Whether a recorded pod differs from a wanted one in what a running pod takes up alone ([`Pod::amend`]).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Amendment {
    /// It is the same, or differs in more than that.
    #[default]
    None,
    Possible,
    /// In that alone, and it may not get the other resources, because of this.
    Refused(String),
}

/// An image that a container is to be made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DesiredImage {
    /// Is in the store; its id.
    Here(String),
    /// Comes from a registry, and will have this id.
    Pull(String),
    /// The program carries it, and the store does not have it yet.
    Embedded,
}

impl DesiredImage {
    fn id(&self) -> Option<&str> {
        match self {
            Self::Here(id) | Self::Pull(id) => Some(id),
            Self::Embedded => None,
        }
    }

    /// Whether it is another one than that of a container.
    pub fn differs(&self, id: &str) -> bool {
        self.id().is_some_and(|wanted| wanted != id)
    }
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
    /// Digest of what its variables took from ConfigMaps and Secrets when it was made.
    pub environment_hash: String,
    /// Id of each of the images of [`Pod::images`], in that order.
    pub images: Vec<String>,
    pub state: ObservedState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObservedState {
    /// Is being started, by a command that may have died.
    Starting,
    /// Has been started and runs.
    Running,
    /// Ran to its end, as its restart policy has it: not to be started again.
    Completed,
    /// Not running, and could be.
    Stopped,
}

impl ObservedState {
    /// Whether it has processes, or will have.
    pub fn is_alive(self) -> bool {
        matches!(self, Self::Starting | Self::Running)
    }
}
