//! What a command and a supervisor say to each other: JSON values, one a line, over a UNIX stream socket.
//!
//! A command opens the control socket (or holds the socket pair it gave the supervisor at birth), sends requests and reads
//! messages until the `Done` with its request's number has come. Progress arrives as [`Message::Event`] in between.

use crate::store::record::{ConditionStatus, ContainerState, PodPhase};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the sender, repeated in the answer.
    pub id: u64,
    pub op: Operation,
}

/// Pods and containers are named by their 64-digit ids.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Operation {
    Ping,
    /// Reads the records of these pods and starts them; done when every regular container runs, or one could not be started.
    StartPods {
        pods: Vec<String>,
    },
    /// Runs preStop hooks, sends the stop signal, waits `grace_seconds` (the pod's own when `None`), kills.
    StopPods {
        pods: Vec<String>,
        grace_seconds: Option<u64>,
    },
    RestartPods {
        pods: Vec<String>,
    },
    KillPods {
        pods: Vec<String>,
        signal: i32,
    },
    /// Stops what runs and takes away everything below `<run>` that belongs to the pods: namespaces, network, mounts, cgroups.
    /// What lies below `<root>` is the command's to remove afterwards.
    RemovePods {
        pods: Vec<String>,
        grace_seconds: Option<u64>,
    },
    StartContainers {
        containers: Vec<String>,
    },
    /// Reads the record of a running pod again, which has this container more than before, and starts it.
    AddContainer {
        pod: String,
        container: String,
    },
    StopContainers {
        containers: Vec<String>,
        grace_seconds: Option<u64>,
    },
    KillContainers {
        containers: Vec<String>,
        signal: i32,
    },
    /// Reads the records and objects of these pods again: takes up what was amended, CPU and memory
    /// too, and swaps their ConfigMap, Secret and
    /// downward API volumes.
    RefreshObjects {
        pods: Vec<String>,
    },
    /// Says of running pods whether conditions hold that their readiness gates ask for.
    SetConditions {
        pods: Vec<String>,
        conditions: Vec<(String, ConditionStatus)>,
    },
    /// Sends every event from now on until the connection closes.
    Subscribe,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Message {
    Event(Event),
    Done { id: u64, failures: Vec<Failure> },
}

/// A change the supervisor made or saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub time: jiff::Timestamp,
    /// Pod id.
    pub pod: String,
    pub change: Change,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// Namespaces and network stand.
    SandboxReady,
    Container {
        id: String,
        state: ContainerState,
    },
    Ready {
        id: String,
        ready: bool,
    },
    Probe {
        id: String,
        probe: String,
        ok: bool,
        message: String,
    },
    Phase {
        phase: PodPhase,
    },
    Removed,
}

/// Why a request failed for one pod or container; data, for the command to word.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// Pod or container id.
    pub subject: String,
    pub kind: FailureKind,
    /// What was attempted and what went wrong, causes joined by `: `.
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    NotFound,
    /// The program does not exist in the image: exit code 127.
    CommandNotFound,
    /// The program cannot be executed: exit code 126.
    CommandNotInvocable,
    PortInUse,
    InitFailed,
    /// An init container failed again and waits to be tried once more, as its policy says: nothing has failed for good.
    InitRetried,
    /// What the file asks for cannot be put together: a ConfigMap's key that is gone.
    Config,
    /// The layers of its image are not here.
    ImageMissing,
    /// A postStart hook failed.
    PostStart,
    /// A volume could not be made ready.
    Volume,
    /// CPU or memory of what runs could not be changed; what could was.
    Resize,
    Other,
}
