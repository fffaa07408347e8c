//! Why an operation of the engine was refused or failed.

use super::{DeviceError, LoginError};
use crate::generate::GenerateError;
use crate::image::ImageError;
use crate::model::ObjectKind;
use crate::network::NetworkError;
use crate::storage::VolumeError;
use crate::store::StoreError;
use crate::supervisor::client::ClientError;
use std::io;
use std::path::PathBuf;

/// What an error means to the caller: one exit code and one HTTP status each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The input is wrong; diagnostics say where. Exit code 2.
    Input,
    /// No such pod, container, image...
    NotFound,
    /// It exists, or its state forbids the operation.
    Conflict,
    /// A container could not run its command: 126.
    NotInvocable,
    /// The command does not exist in the image: 127.
    CommandNotFound,
    /// The user ended it: 130.
    Interrupted,
    /// Everything else: 125.
    Failed,
}

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot read `{name}`")]
    Read { name: String, source: io::Error },
    #[error("cannot fetch `{url}`: {message}")]
    Fetch { url: String, message: String },
    #[error("no such {what} `{name}`")]
    NotFound { what: &'static str, name: String },
    #[error("`{prefix}` is the beginning of more than one {what} id: {}", matches.join(", "))]
    Ambiguous { what: &'static str, prefix: String, matches: Vec<String> },
    #[error("pods named in the input belong to different applications: {}", list(pods))]
    TwoApplications { pods: Vec<(String, String)> },
    #[error("pod{} {} in the input", plural(pods), differences(pods))]
    PodsDiffer { pods: Vec<(String, Vec<String>)> },
    #[error("{kind} `{name}` is immutable and differs from what was played before{}", place.as_ref().map(|p| format!(" ({p})")).unwrap_or_default())]
    Immutable {
        kind: ObjectKind,
        name: String,
        /// `file:line:column` of the differing one.
        place: Option<String>,
    },
    #[error("pod `{pod}` cannot be resized: {reason}{}", place.as_ref().map(|p| format!(" ({p})")).unwrap_or_default())]
    NotResizable {
        pod: String,
        reason: String,
        /// `file:line:column` of the pod, or of what owns it.
        place: Option<String>,
    },
    #[error("claim `{claim}` has {present}, and the input gives it {wanted}")]
    ClaimBound { claim: String, present: String, wanted: String },
    #[error("pod `{pod}` wants port {port} of this machine, which pod `{owner}` has")]
    PortTaken { pod: String, port: String, owner: String },
    #[error("{what} `{name}` already exists{}", owner.as_ref().map(|o| format!(", {o}")).unwrap_or_default())]
    NameTaken { what: &'static str, name: String, owner: Option<String> },
    /// None that may be pulled: made here, or `imagePullPolicy` is `Never`.
    #[error("image{} {} not on this machine and not to be pulled: {}", plural(images), if images.len() == 1 { "is" } else { "are" }, quoted(images))]
    MissingImages { images: Vec<String> },
    #[error("invalid value `{value}` for `{flag}`: {reason}")]
    BadOption { flag: &'static str, value: String, reason: String },
    /// Its volumes were to be mounted.
    #[error("image `{image}` declares no volumes, which container `{container}` is to have")]
    NoImageVolumes { image: String, container: String },
    #[error("no {count} user ids in one piece are free for a pod with a user namespace of its own")]
    NoUserIds { count: u32 },
    #[error("{what} `{name}` is {state}")]
    WrongState { what: &'static str, name: String, state: String },
    #[error("container `{container}` is part of pod `{pod}`")]
    PartOfPod { container: String, pod: String },
    #[error("{what} `{name}` is in use by {}", by.join(", "))]
    InUse { what: &'static str, name: String, by: Vec<String> },
    #[error("cannot {attempt} `{subject}`: {message}")]
    Supervisor { attempt: &'static str, subject: String, message: String, kind: ErrorKind },
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the supervisor ended before it answered: {message}")]
    SupervisorEnded { message: String },
    #[error("the status of pod `{pod}` has version {found}, which a newer podkin wrote")]
    NewerStatus { pod: String, found: u32 },
    #[error("interrupted")]
    Interrupted,
    /// At least two.
    #[error("{}", failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Several { failures: Vec<EngineError> },
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Account(#[from] crate::account::KeyError),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Login(Box<LoginError>),
    #[error(transparent)]
    Volume(#[from] VolumeError),
    #[error(transparent)]
    Generate(#[from] GenerateError),
    #[error("cannot {attempt} `{}`", path.display())]
    File { attempt: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Write(#[from] crate::store::atomic::WriteError),
    #[error(transparent)]
    Lock(#[from] crate::store::lock::LockError),
    #[error("{0}")]
    Failpoint(String),
}

impl From<rusqlite::Error> for EngineError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

impl EngineError {
    /// One error that stands for all of these: itself when it is the only one.
    pub fn several(mut failures: Vec<EngineError>) -> Self {
        match failures.len() {
            1 => failures.remove(0),
            _ => Self::Several { failures },
        }
    }

    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } | Self::MissingImages { .. } => ErrorKind::NotFound,
            Self::Ambiguous { .. }
            | Self::TwoApplications { .. }
            | Self::PodsDiffer { .. }
            | Self::Immutable { .. }
            | Self::NotResizable { .. }
            | Self::ClaimBound { .. }
            | Self::NameTaken { .. }
            | Self::PortTaken { .. }
            | Self::WrongState { .. }
            | Self::PartOfPod { .. }
            | Self::NoUserIds { .. }
            | Self::NoImageVolumes { .. }
            | Self::Device(_)
            | Self::InUse { .. } => ErrorKind::Conflict,
            Self::BadOption { .. } => ErrorKind::Input,
            Self::Supervisor { kind, .. } => *kind,
            Self::Interrupted => ErrorKind::Interrupted,
            Self::Several { failures } => failures.first().map_or(ErrorKind::Failed, Self::kind),
            Self::Store(_)
            | Self::Client(_)
            | Self::SupervisorEnded { .. }
            | Self::Network(_)
            | Self::Image(_)
            | Self::Account(_)
            | Self::Login(_)
            | Self::Volume(_)
            | Self::Generate(_)
            | Self::NewerStatus { .. }
            | Self::Read { .. }
            | Self::Fetch { .. }
            | Self::File { .. }
            | Self::Write(_)
            | Self::Lock(_)
            | Self::Failpoint(_) => ErrorKind::Failed,
        }
    }

    /// What the user may try.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::PodsDiffer { .. } => {
                Some("use `--replace` to remove these pods and create them as the input has them".to_owned())
            }
            Self::NotResizable { .. } => {
                Some("use `--replace` to remove the pod and create it as the input has it".to_owned())
            }
            Self::Immutable { kind, .. } => Some(format!(
                "give the changed {kind} another name and refer to that, or remove what was played: `podkin kube down`"
            )),
            Self::ClaimBound { claim, .. } => {
                Some(format!("give the claim another name, or remove what it has: `podkin volume rm {claim}`"))
            }
            Self::TwoApplications { .. } => {
                Some("play the files of one application together, or remove one of them first".to_owned())
            }
            Self::MissingImages { .. } => Some(
                "`podkin pull` gets images from registries, `podkin load -i ARCHIVE` from archives; `podkin images` lists what is here"
                    .to_owned(),
            ),
            Self::Image(ImageError::Pull(error)) => error.hint(),
            Self::Image(ImageError::Push(error)) => error.hint(),
            Self::Login(error) => error.hint(),
            Self::Device(error) => error.hint(),
            Self::NoUserIds { .. } => Some("give `podkin` a larger range in /etc/subuid and /etc/subgid".to_owned()),
            Self::PortTaken { owner, .. } => Some(format!("change `hostPort`, or remove pod `{owner}`")),
            Self::PartOfPod { pod, .. } => Some(format!("remove the pod: `podkin pod rm {pod}`")),
            Self::WrongState { state, .. } if state == "running" => Some("stop it first, or use `--force`".to_owned()),
            Self::Ambiguous { .. } => Some("give more digits of the id, or the name".to_owned()),
            Self::Generate(GenerateError::Unknown { objects, .. }) => Some(format!("it has {}", objects.join(", "))),
            Self::Store(StoreError::Newer { .. }) => {
                Some("use the podkin that wrote it, or another `--root`".to_owned())
            }
            Self::Store(StoreError::Damaged(_)) => Some("`podkin system check` says what is damaged".to_owned()),
            Self::Store(StoreError::DiskFull) => {
                Some("free some space: `podkin volume prune`, `podkin rmi`".to_owned())
            }
            _ => None,
        }
    }
}

fn plural<T>(items: &[T]) -> &'static str {
    if items.len() == 1 { "" } else { "s" }
}

fn quoted(items: &[String]) -> String {
    items.iter().map(|i| format!("`{i}`")).collect::<Vec<_>>().join(", ")
}

fn list(pods: &[(String, String)]) -> String {
    pods.iter().map(|(pod, app)| format!("`{pod}` to `{app}`")).collect::<Vec<_>>().join(", ")
}

fn differences(pods: &[(String, Vec<String>)]) -> String {
    let one = |(pod, fields): &(String, Vec<String>)| match fields.is_empty() {
        true => format!("`{pod}`"),
        false => format!("`{pod}` ({})", fields.join(", ")),
    };
    let all: Vec<_> = pods.iter().map(one).collect();
    format!(
        "{} {} and differ{}",
        all.join(", "),
        if pods.len() == 1 { "exists" } else { "exist" },
        if pods.len() == 1 { "s" } else { "" }
    )
}
