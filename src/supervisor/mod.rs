//! The process of one application: pod state machines, restarts, probes, hooks, logs, control socket.
//!
//! Started by the command that needs it as `podkin supervisor ...` (hidden), and gone when its last pod is.
//!
//! ```text
//! client      a command's side of the socket           protocol   what both say
//! process     arguments, start, end                    server     connections        requests   operations -> pods
//! pod         one task a pod: feeds the machine, saves, publishes, acts
//! machine     the pod's life, pure                     publish    status file, events, followers (hub)
//! container   create, start, delete                    sandbox, pid_namespace   namespaces, files, network       volume, lower
//! probe, hook, http(s), grpc                           adopt      what an earlier supervisor left
//! refresh     files of objects and tokens, in running pods
//! housekeeping   what pods take of the disk, against their limits
//! keeper      holds pipes and terminals when there is no supervisor
//! launcher    forked children                          reaper     their ends, and all others'
//! logs        pipes to files, and back to lines
//! ```
//!
//! One thread, always: it forks children that run Rust code. Nothing here blocks; what would, happens in a launcher.

mod adopt;
pub mod client;
mod container;
mod context;
mod failpoints;
mod grpc;
mod hook;
mod housekeeping;
mod http;
mod https;
mod hub;
mod keeper;
mod launcher;
pub mod logs;
mod lower;
mod machine;
mod network_queue;
mod pid_namespace;
mod pod;
mod probe;
mod process;
pub mod protocol;
mod publish;
mod reaper;
mod records;
mod refresh;
mod requests;
mod resize;
mod sandbox;
mod server;
mod shares;
mod volume;

pub use context::machine_facts;
pub use failpoints::FAILPOINTS;
pub use keeper::{console, end_keeper, standard_input};
pub use lower::{capabilities, signal_number};
pub use process::run;
pub use volume::{env_file, is_read_only, source_path};

/// Name of the hidden sub-command.
pub const COMMAND: &str = "supervisor";

/// Exit code of a supervisor that found another one living.
pub const EXIT_BUSY: i32 = 75;
