//! Networks of pods: definitions, addresses, bridges, port mapping, DNS. Wraps netavark and aardvark-dns.
//!
//! ```text
//! option      what `--network` says                    definition  what a network is; <root>/networks/<name>.json
//! address     pure choice of addresses                 request     what one pod needs of the network, and what it got
//! resolver, hosts_file: the text of two files          port        published ports: clashes, holding them
//! lifecycle   setup and teardown of one pod            bridge      links, addresses, routes (netavark, netlink)
//! firewall    one nftables table per root              nft         the nftables part of netlink
//! dns         one name server per root                 registry    <run>/networks/pods/<pod id>.json: who is set up
//! ```
//!
//! Everything that changes the machine runs under one lock, `<run>/networks/lock`, in a process with one thread that is in the
//! host's network namespace. netavark makes the pod's link, addresses and routes; it is told that the bridge is somebody else's
//! (`mode=unmanaged`), because the bridge, the rules and the name server belong to a root and not to a pod, and because the
//! managed mode opens a D-Bus connection that leaves threads behind.
//!
//! Nothing here knows of records, supervisors or databases: the caller passes paths, addresses and names.

pub mod address;
mod bridge;
pub mod definition;
pub mod dns;
mod error;
mod file;
mod firewall;
pub mod hosts_file;
mod lifecycle;
mod nft;
pub mod option;
pub mod port;
mod registry;
mod request;
pub mod resolver;
mod subnet;

pub use definition::{Definition, NetworkWish, Networks};
pub use error::{Cause, NetworkError};
pub use option::{NetworkChoice, NetworkJoin};
pub use port::{PublishedPort, Reservation, reserve};
pub use request::{Attachment, HostRequest, InterfaceStatus, NetworkStatus, SetupRequest};

/// Name of the network that pods join when nothing else is said; made on demand.
pub const DEFAULT_NETWORK: &str = "podkin";

/// Domain under which the names of pods and containers resolve. The name server answers for all of it and asks nobody else, so that
/// the search domains of pods, which lie in it, cost no more than a question on this machine.
pub const SEARCH_DOMAIN: &str = crate::model::pod::CLUSTER_DOMAIN;
