//! Carries out a plan, journals each step, undoes a failed run; the operations that the command line (and later REST) offers.
//!
//! One [`Engine`] serves one command. Each operation first brings a state that a dead command left behind back in order
//! ([`recover`]), does what it is asked, and reports it as data; nothing here prints.
//!
//! ```text
//! load -> plan -> play      input files, what would be done, doing it       input, play
//! down                      by what the play recorded                       down
//! containers, pods          views: records joined with what supervisors say view, lookup, status
//! start stop restart kill rm wait                                           lifecycle
//! images volumes objects    the stores                                      image, volume
//! info check reset          the machine, the state directories              info, check, reset
//! ```

pub mod error;
pub mod input;
pub mod progress;
pub mod request;
pub mod view;

mod api;

pub use error::{EngineError, ErrorKind};
pub use input::{Input, LoadRequest, Loaded, Validation};
pub use progress::{Progress, StepState};
pub use request::{
    DownReport, DownRequest, NetworkRequest, Outcome, PlayReport, PlayRequest, PlayedPod, PodOutcome, Removed,
};
pub use view::{AppRef, ContainerView, MountView, PodState, PodView, PortView, RunState, VolumeView};

use crate::store::layout::Layout;
use crate::store::{Database, StoreError};
use std::path::PathBuf;

/// What the caller knows and the engine must not look up itself.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    pub layout: Layout,
    pub cgroup_manager: CgroupManager,
    /// This program, for starting supervisors: `/proc/self/exe` resolved.
    pub binary: PathBuf,
    /// `--log-level`, handed on to supervisors.
    pub log_level: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CgroupManager {
    #[default]
    Cgroupfs,
    Systemd,
}

impl CgroupManager {
    /// As `--cgroup-manager` and the records spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cgroupfs => "cgroupfs",
            Self::Systemd => "systemd",
        }
    }
}

/// The operations on one state directory.
#[derive(Debug)]
pub struct Engine {
    config: EngineConfig,
    database: Database,
}

impl Engine {
    /// Opens the state, making it when there is none.
    pub fn open(config: EngineConfig) -> Result<Self, StoreError> {
        let database = Database::open(&config.layout)?;
        Ok(Self { config, database })
    }

    pub fn config(&self) -> &EngineConfig {
        &self.config
    }

    pub fn layout(&self) -> &Layout {
        &self.config.layout
    }
}
