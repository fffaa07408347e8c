//! Carries out a plan, journals each step, undoes a failed run; the operations that the command line (and later REST) offers.
//!
//! One [`Engine`] serves one command. Each operation first brings a state that a dead command left behind back in order, does
//! what it is asked, and reports it as data; nothing here prints.
//!
//! ```text
//! input                          files to an application
//! identity, command              which application it is; one command at a time on each
//! prepare, play, execute, records   plan and carry out; files and rows of what is made
//! undo, removal, down            taking back, taking away
//! listing, status, view          records joined with what supervisors say
//! lifecycle                      start, stop, restart, kill, remove, wait
//! kube, changes                  objects as an API server would show them; waking up when they change
//! image, volume, network         the stores
//! devices                        what pods get of the machine's devices
//! login                          credentials of registries
//! account                        tokens of service accounts
//! pull, play_images, push        images from registries, on request and for a play, and to them
//! save, manifest, search         images to archives, manifest lists, what registries have
//! diff, export                   files of images and containers
//! info, usage, check, reset      the machine, the state directories
//! ```

pub mod error;
pub mod progress;
pub mod request;
pub mod view;

mod account;
mod changes;
mod check;
mod command;
mod debug;
mod devices;
mod diff;
mod down;
mod execute;
mod export;
mod failpoints;
mod generate;
mod identity;
mod image;
mod info;
mod input;
mod kube;
mod lifecycle;
mod listing;
mod login;
mod machine;
mod manifest;
mod network;
mod play;
mod play_images;
mod prepare;
mod pull;
mod push;
mod records;
mod removal;
mod reset;
mod save;
mod search;
mod status;
mod supervisor;
mod undo;
mod usage;
mod user_ids;
mod volume;

pub use account::{TokenKeys, TokenRequest};
pub use check::Problem;
pub use debug::DebugRequest;
pub use devices::DeviceError;
pub use diff::DiffKind;
pub use error::{EngineError, ErrorKind};
pub use failpoints::FAILPOINTS;
pub use image::ImageRemoval;
pub use info::Info;
pub use input::{Input, LoadRequest, Loaded, Validation, names};
pub use login::LoginError;
pub use machine::random_id;
pub use manifest::{InstanceChange, ListPush};
pub use progress::{Progress, StepState};
pub use pull::{PullRequest, PullWhen, Pulled};
pub use request::{
    DownReport, DownRequest, NetworkRequest, Outcome, PlayReport, PlayRequest, PlayedPod, PodOutcome, Removed,
};
pub use save::SaveTo;
pub use search::SearchAnswer;
pub use usage::{ContainerUsage, DiskUsage, ImageUsage, Total, VolumeUsage};
pub use view::{AppRef, ContainerView, MountView, PodState, PodView, PortView, RunState, VolumeView};

use crate::image::remote::RegistrySettings;
use crate::store::events::Reader;
use crate::store::layout::Layout;
use crate::store::{Database, StoreError};
use failpoints::fault;
use pull::LazyRegistries;
use std::fmt;
use std::path::PathBuf;

/// What the caller knows and the engine must not look up itself.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    pub layout: Layout,
    pub cgroup_manager: CgroupManager,
    /// This program, for starting supervisors: `/proc/self/exe` resolved.
    pub binary: PathBuf,
    /// Where the configuration of registries lies.
    pub registries: RegistrySettings,
    /// Where CDI specs are; a later directory wins.
    pub cdi_directories: Vec<PathBuf>,
    /// Where programs of the machine are that pods need.
    pub program_directories: Vec<PathBuf>,
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
pub struct Engine {
    config: EngineConfig,
    database: Database,
    /// Read when the first image is asked of a registry.
    registries: LazyRegistries,
    interrupt: Interrupt,
    waits: Waits,
}

/// Whom the engine tells that it has to wait.
#[derive(Default)]
struct Waits(Option<Tell>);

type Tell = Box<dyn Fn(&str)>;

impl Waits {
    fn tell(&self, what: &str) {
        if let Some(tell) = &self.0 {
            tell(what);
        }
    }
}

impl fmt::Debug for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Waits(told)" } else { "Waits(untold)" })
    }
}

/// How the engine learns that the user has had enough.
struct Interrupt(Box<dyn Fn() -> bool>);

impl Default for Interrupt {
    fn default() -> Self {
        Self(Box::new(|| false))
    }
}

impl fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Interrupt")
    }
}

impl Engine {
    /// Opens the state, making it when there is none.
    pub fn open(config: EngineConfig) -> Result<Self, StoreError> {
        Self::open_asking(config, &[])
    }

    /// [`Engine::open`], while registries are asked already for images that will be pulled whether they are here or not.
    pub fn open_asking(config: EngineConfig, images: &[&str]) -> Result<Self, StoreError> {
        let registries = LazyRegistries::new(config.registries.clone());
        registries.ask_ahead(images);
        let database = Database::open(&config.layout)?;
        Ok(Self { registries, config, database, interrupt: Interrupt::default(), waits: Waits::default() })
    }

    /// Sets what is asked between steps, after each signal while waiting, and while images come: true ends a play, which then undoes
    /// itself, and waits.
    pub fn interrupt_when(&mut self, check: impl Fn() -> bool + 'static) {
        self.interrupt = Interrupt(Box::new(check));
    }

    /// Sets what is told, in words for a user, when an operation has to wait for another command.
    pub fn when_waiting(&mut self, tell: impl Fn(&str) + 'static) {
        self.waits = Waits(Some(Box::new(tell)));
    }

    pub fn config(&self) -> &EngineConfig {
        &self.config
    }

    pub fn layout(&self) -> &Layout {
        &self.config.layout
    }

    /// The event log from its beginning.
    pub fn events(&self) -> Result<Reader, EngineError> {
        let fail = |source| EngineError::File { attempt: "read", path: self.layout().events(), source };
        Reader::open(self.layout()).map_err(fail)
    }

    fn check_interrupt(&self) -> Result<(), EngineError> {
        if (self.interrupt.0)() { Err(EngineError::Interrupted) } else { Ok(()) }
    }
}
