//! Why an operation of the engine was refused or failed.

use crate::store::StoreError;
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
    #[error("{what} `{name}` already exists{}", owner.as_ref().map(|o| format!(", {o}")).unwrap_or_default())]
    NameTaken { what: &'static str, name: String, owner: Option<String> },
    #[error("no such image{}: {}", plural(images), quoted(images))]
    MissingImages { images: Vec<String> },
    #[error("port {port} is already published by pod `{pod}`")]
    PortTaken { port: String, pod: String },
    #[error("no address is free in network `{network}`")]
    NoAddress { network: String },
    #[error("cannot use address {ip} in network `{network}`: {reason}")]
    BadAddress { network: String, ip: String, reason: String },
    #[error("invalid value `{value}` for `{flag}`: {reason}")]
    BadOption { flag: &'static str, value: String, reason: String },
    #[error("{what} `{name}` is {state}")]
    WrongState { what: &'static str, name: String, state: String },
    #[error("{what} `{name}` is in use by {}", by.join(", "))]
    InUse { what: &'static str, name: String, by: Vec<String> },
    #[error("cannot {attempt} {subject}: {message}")]
    Supervisor { attempt: &'static str, subject: String, message: String, kind: ErrorKind },
    #[error("interrupted")]
    Interrupted,
    #[error("cannot {attempt} `{}`", path.display())]
    File { attempt: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Write(#[from] crate::store::atomic::WriteError),
    #[error(transparent)]
    Lock(#[from] crate::store::lock::LockError),
    #[error("{0}")]
    Failpoint(String),
}

impl EngineError {
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } | Self::MissingImages { .. } => ErrorKind::NotFound,
            Self::Ambiguous { .. }
            | Self::TwoApplications { .. }
            | Self::PodsDiffer { .. }
            | Self::NameTaken { .. }
            | Self::PortTaken { .. }
            | Self::NoAddress { .. }
            | Self::WrongState { .. }
            | Self::InUse { .. } => ErrorKind::Conflict,
            Self::BadAddress { .. } | Self::BadOption { .. } => ErrorKind::Failed,
            Self::Supervisor { kind, .. } => *kind,
            Self::Interrupted => ErrorKind::Interrupted,
            Self::Store(_)
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
            Self::TwoApplications { .. } => {
                Some("play the files of one application together, or remove one of them first".to_owned())
            }
            Self::MissingImages { .. } => Some(
                "load the image with `podkin load -i ARCHIVE` or `podkin import`; `podkin images` lists what is here"
                    .to_owned(),
            ),
            Self::Ambiguous { .. } => Some("give more digits of the id, or the name".to_owned()),
            Self::Store(StoreError::Newer { .. }) => {
                Some("use the podkin that wrote it, or another `--root`".to_owned())
            }
            Self::Store(StoreError::Damaged(_)) => Some("`podkin system check` says what is damaged".to_owned()),
            Self::Store(StoreError::DiskFull) => {
                Some("free some space: `podkin volume prune`, `podkin rmi`".to_owned())
            }
            Self::PortTaken { .. } => Some("change `hostPort` in the input, or stop that pod".to_owned()),
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
