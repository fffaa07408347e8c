//! Forgetting connections (`linux/netfilter/nfnetlink_conntrack.h`).
//!
//! The kernel decides about translation with the first packet. A peer that keeps sending from one UDP port, as resolvers and
//! telephones do, would be bound to the absence of a pod, or to a pod that is gone, for as long as it sends.

use super::batch::{REQUEST, write_message};
use super::socket::Socket;
use std::io;

/// `NFNL_SUBSYS_CTNETLINK`, `IPCTNL_MSG_CT_DELETE`.
const DELETE: u16 = 1 << 8 | 2;
const ACK: u16 = 0x4;
const UDP: u8 = 17;
/// Which parts of the tuple must match: number of the protocol and destination port.
const PROTOCOL_AND_PORT: u32 = 1 << 3 | 1 << 5;

impl Socket {
    /// Forgets every UDP connection that was opened to this port, in one address family (`AF_INET`, `AF_INET6`).
    ///
    /// Kernels before 5.8 refuse.
    pub fn forget_udp(&mut self, family: u8, port: u16) -> io::Result<()> {
        let mut message = Vec::with_capacity(96);
        write_message(&mut message, DELETE, REQUEST | ACK, 1, |body| {
            body.nested(1, |tuple| {
                tuple.nested(2, |protocol| {
                    protocol.bytes(1, &[UDP]).bytes(3, &port.to_be_bytes());
                });
            });
            body.nested(25, |filter| {
                filter.bytes(1, &PROTOCOL_AND_PORT.to_ne_bytes()).bytes(2, &0u32.to_ne_bytes());
            });
        });
        message[super::batch::HEADER] = family;
        self.exchange(&message).map(|_| ())
    }
}
