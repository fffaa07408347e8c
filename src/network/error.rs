//! What can go wrong with a network. Serialisable, because setup runs in a process of its own and reports through a pipe.

use crate::model::container::Protocol;
use crate::model::diagnostic::with_causes;
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::net::IpAddr;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum NetworkError {
    #[error("no network `{0}`")]
    NotFound(String),
    #[error("network `{0}` already exists")]
    Exists(String),
    #[error("network `{network}` is used by pod `{pod}`")]
    InUse { network: String, pod: String },
    #[error("`{0}` is no valid network name")]
    InvalidName(String),
    #[error("invalid network option `{option}`: {reason}")]
    InvalidOption { option: String, reason: String },
    #[error("network definition `{path}` cannot be used")]
    Definition { path: String, source: Cause },
    #[error("subnet {subnet} overlaps {with}")]
    SubnetInUse { subnet: String, with: String },
    #[error("no free subnet left for network `{0}`")]
    NoFreeSubnet(String),
    #[error("network `{0}` has no free address left")]
    NoFreeAddress(String),
    #[error("address {address} is not one of network `{network}`")]
    AddressOutside { network: String, address: IpAddr },
    #[error("address {address} of network `{network}` is taken")]
    AddressInUse { network: String, address: IpAddr },
    #[error("port {}{port}/{} is already in use{}", host(.address), .protocol.as_str(), holder(.by))]
    PortInUse {
        port: u16,
        protocol: Protocol,
        /// Host address, every one when `None`.
        address: Option<IpAddr>,
        /// Name of the pod that publishes it; `None` when it is another program's.
        by: Option<String>,
    },
    #[error("port {port} cannot be published on {address}: the pod has no address of that family")]
    PortUnreachable { port: u16, address: IpAddr },
    #[error("cannot bind port {port}/{}", .protocol.as_str())]
    PortRefused { port: u16, protocol: Protocol, source: Cause },
    #[error("cannot {action}")]
    System { action: String, source: Cause },
}

/// The reason below an error: the texts of a chain of errors, joined by `: `.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{0}")]
pub struct Cause(String);

impl Cause {
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        Self(with_causes(error))
    }

    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl NetworkError {
    /// For `map_err`: says what was attempted.
    pub(crate) fn while_<E: Error + 'static>(action: impl Into<String>) -> impl FnOnce(E) -> Self {
        move |error| Self::System { action: action.into(), source: Cause::of(&error) }
    }
}

fn host(address: &Option<IpAddr>) -> String {
    match address {
        Some(IpAddr::V6(address)) => format!("[{address}]:"),
        Some(IpAddr::V4(address)) => format!("{address}:"),
        None => String::new(),
    }
}

fn holder(by: &Option<String>) -> String {
    by.as_ref().map(|pod| format!(" by pod `{pod}`")).unwrap_or_default()
}
