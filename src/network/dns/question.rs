//! One question to a name server (RFC 1035, section 4).

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

const PORT: u16 = 53;
const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
const CLASS_IN: u16 = 1;
const ID: u16 = 0x706b;
const HEADER: usize = 12;
/// The server is on this machine: it answers at once or is still starting.
const PATIENCE: Duration = Duration::from_millis(20);

/// Whether the server answers that `name` has this address. `false` when nobody listens yet.
pub(super) fn has(server: IpAddr, name: &str, address: IpAddr) -> io::Result<bool> {
    let local: SocketAddr = match server {
        IpAddr::V4(_) => ([0; 4], 0).into(),
        IpAddr::V6(_) => ([0u16; 8], 0).into(),
    };
    let socket = UdpSocket::bind(local)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut buffer = [0; 4096];
    let mut exchange = || {
        socket.connect((server, PORT))?;
        socket.send(&question(name, address))?;
        socket.recv(&mut buffer)
    };
    match exchange() {
        Ok(size) => Ok(mentions(&buffer[..size], address)),
        Err(error) if is_not_yet(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

fn question(name: &str, address: IpAddr) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER + name.len() + 6);
    // One question, recursion not desired.
    for word in [ID, 0, 1, 0, 0, 0] {
        message.extend_from_slice(&word.to_be_bytes());
    }
    for label in name.split('.').filter(|label| !label.is_empty()) {
        // Labels have 63 octets at most; a longer one is no name and gets no answer.
        message.push(label.len().min(63) as u8);
        message.extend_from_slice(&label.as_bytes()[..label.len().min(63)]);
    }
    message.push(0);
    let kind = if address.is_ipv4() { TYPE_A } else { TYPE_AAAA };
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&CLASS_IN.to_be_bytes());
    message
}

/// Whether the answer is ours, no error, and has the address among its data. Data of a record is preceded by its length.
fn mentions(answer: &[u8], address: IpAddr) -> bool {
    let data = match address {
        IpAddr::V4(address) => [&[0, 4][..], &address.octets()].concat(),
        IpAddr::V6(address) => [&[0, 16][..], &address.octets()].concat(),
    };
    let is_ours = answer.len() > HEADER && answer[..2] == ID.to_be_bytes() && answer[3] & 0xf == 0;
    is_ours && answer[HEADER..].windows(data.len()).any(|window| window == data)
}

fn is_not_yet(error: &io::Error) -> bool {
    use io::ErrorKind::*;
    matches!(
        error.kind(),
        ConnectionRefused | WouldBlock | TimedOut | Interrupted | NetworkUnreachable | HostUnreachable
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_of_a_question() {
        let message = question("web.x", IpAddr::from([10, 0, 0, 1]));
        assert_eq!(message[..HEADER], [0x70, 0x6b, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(message[HEADER..], *b"\x03web\x01x\0\0\x01\0\x01");
    }

    #[test]
    fn an_answer_must_be_ours_and_have_the_address() {
        let address = IpAddr::from([10, 89, 0, 2]);
        let mut answer = question("web", address);
        assert!(!mentions(&answer, address));
        answer.extend_from_slice(&[0, 4, 10, 89, 0, 2]);
        assert!(mentions(&answer, address));
        assert!(!mentions(&answer, IpAddr::from([10, 89, 0, 3])));
        answer[3] = 3;
        assert!(!mentions(&answer, address));
    }
}
