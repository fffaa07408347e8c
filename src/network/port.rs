//! Published ports: their form, and holding them.
//!
//! Packets to a published port are redirected before any socket sees them, so nothing has to listen. But another program
//! could bind the port and wonder why it hears nothing, and a second publisher on the machine would win or lose in silence.
//! So the supervisor holds a bound socket for each port of its pods: it does not listen (a connection that arrives before the
//! rules do is refused and not left hanging), and it lets nobody else bind.

use super::{Cause, NetworkError, Networks};
use crate::model::container::Protocol;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, ipproto, socket_with, sockopt};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;

/// One port of a pod that the host answers on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PublishedPort {
    /// Not 0.
    pub host_port: u16,
    /// Not 0.
    pub container_port: u16,
    pub protocol: Protocol,
    /// Host address to answer on; every one when `None` or unspecified.
    pub host_ip: Option<IpAddr>,
}

impl PublishedPort {
    /// The host address, unless it stands for every one of its family.
    pub fn bound_address(&self) -> Option<IpAddr> {
        self.host_ip.filter(|a| !a.is_unspecified())
    }

    /// Whether both cannot be published at once.
    pub fn clashes_with(&self, other: &Self) -> bool {
        let addresses = match (self.bound_address(), other.bound_address()) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        };
        addresses && self.host_port == other.host_port && self.protocol == other.protocol
    }

    pub(super) fn in_use(&self) -> NetworkError {
        let (port, protocol, address) = (self.host_port, self.protocol, self.bound_address());
        NetworkError::PortInUse { port, protocol, address, by: None }
    }
}

/// Ports held for a pod; they are free again when it is dropped. Descriptors are close-on-exec.
#[derive(Debug, Default)]
pub struct Reservation {
    _sockets: Vec<OwnedFd>,
}

/// Binds each port in the host's network namespace and keeps it.
///
/// To be called before [`Networks::setup`] by the process that stays, and dropped after [`Networks::teardown`].
///
/// # Errors
/// [`NetworkError::PortInUse`] for the first port somebody else has; [`NetworkError::PortRefused`] when the address is not one
/// of this machine or the right to bind is missing. Nothing is held then.
pub fn reserve(ports: &[PublishedPort]) -> Result<Reservation, NetworkError> {
    let mut sockets = Vec::with_capacity(ports.len());
    for port in ports {
        match hold(port) {
            Ok(socket) => sockets.push(socket),
            // Nothing on this machine speaks SCTP, so nothing can hold the port.
            Err(Errno::PROTONOSUPPORT | Errno::SOCKTNOSUPPORT) => {}
            Err(Errno::ADDRINUSE) => return Err(port.in_use()),
            Err(error) => {
                let source = Cause::of(&std::io::Error::from(error));
                return Err(NetworkError::PortRefused { port: port.host_port, protocol: port.protocol, source });
            }
        }
    }
    Ok(Reservation { _sockets: sockets })
}

impl Networks {
    /// As [`reserve`]; when a pod of this root has the port, the error names it.
    pub fn reserve(&self, ports: &[PublishedPort]) -> Result<Reservation, NetworkError> {
        reserve(ports).map_err(|error| {
            let NetworkError::PortInUse { port, protocol, address, by: None } = error else { return error };
            let wanted = PublishedPort { host_port: port, container_port: port, protocol, host_ip: address };
            // Not being able to tell who has it is no reason to hide that somebody has.
            let pods = self.all_registered().unwrap_or_default();
            let holder = pods.into_iter().find(|pod| pod.ports.iter().any(|port| port.clashes_with(&wanted)));
            NetworkError::PortInUse { port, protocol, address, by: holder.map(|pod| pod.pod_name) }
        })
    }
}

fn hold(port: &PublishedPort) -> Result<OwnedFd, Errno> {
    match bound_socket(port, false) {
        // Connections of a program that ended a moment ago (TIME_WAIT) are in the way of a plain bind and harmless; a socket that
        // listens refuses this one too.
        Err(Errno::ADDRINUSE) if port.protocol == Protocol::Tcp => bound_socket(port, true),
        result => result,
    }
}

fn bound_socket(port: &PublishedPort, reuse: bool) -> Result<OwnedFd, Errno> {
    let address = SocketAddr::new(port.host_ip.unwrap_or(Ipv4Addr::UNSPECIFIED.into()), port.host_port);
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let (kind, protocol) = match port.protocol {
        Protocol::Tcp => (SocketType::STREAM, ipproto::TCP),
        Protocol::Udp => (SocketType::DGRAM, ipproto::UDP),
        Protocol::Sctp => (SocketType::STREAM, ipproto::SCTP),
    };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, Some(protocol))?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    if reuse {
        sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    if port.protocol == Protocol::Udp {
        // Nobody reads it: what arrives before the rules stand is dropped early.
        sockopt::set_socket_recv_buffer_size(&socket, 0)?;
    }
    bind(&socket, &address)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn local(port: u16) -> PublishedPort {
        let host_ip = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        PublishedPort { host_port: port, container_port: 80, protocol: Protocol::Tcp, host_ip }
    }

    #[test]
    fn clashes() {
        let every = PublishedPort { host_ip: None, ..local(80) };
        assert!(local(80).clashes_with(&every) && every.clashes_with(&local(80)));
        assert!(!local(80).clashes_with(&local(81)));
        assert!(!local(80).clashes_with(&PublishedPort { protocol: Protocol::Udp, ..every }));
        let other = PublishedPort { host_ip: Some(IpAddr::from([127, 0, 0, 2])), ..every };
        assert!(!local(80).clashes_with(&other));
    }

    #[test]
    fn a_listener_and_a_reservation_exclude_each_other() -> Result<(), Box<dyn std::error::Error>> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        assert_eq!(reserve(&[local(port)]).err(), Some(local(port).in_use()));
        drop(listener);
        let held = reserve(&[local(port)])?;
        // `TcpListener::bind` asks for SO_REUSEADDR, as servers do.
        assert!(TcpListener::bind(("127.0.0.1", port)).is_err());
        assert!(reserve(&[local(port)]).is_err());
        drop(held);
        TcpListener::bind(("127.0.0.1", port))?;
        Ok(())
    }

    #[test]
    fn a_connection_to_a_held_port_is_refused_at_once() -> Result<(), Box<dyn std::error::Error>> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let _held = reserve(&[local(port)])?;
        let error = std::net::TcpStream::connect(("127.0.0.1", port)).expect_err("nobody listens");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        Ok(())
    }
}
