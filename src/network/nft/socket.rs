//! Sending transactions and asking for what is there.

use super::attributes::{Attributes, find};
use super::batch::{
    Batch, FAMILY_HEADER, GET_ELEMENTS, GET_TABLE, HEADER, REQUEST, SetElement, write_element, write_message,
};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with};
use std::io;
use std::os::fd::OwnedFd;

/// `NLMSG_ERROR`: an acknowledgement when its code is 0.
const ERROR: u16 = 2;
/// More than the kernel puts into one datagram here.
const BUFFER: usize = 32 * 1024;

/// Why the kernel refused.
#[derive(Debug, thiserror::Error)]
#[error("nftables refused message {message}: {source}")]
pub struct NftError {
    /// Number of the message in its transaction; 0 for the whole.
    pub message: u32,
    #[source]
    pub source: io::Error,
}

/// A connection to nftables in the network namespace it was opened in.
pub struct Socket {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

/// An answer of the kernel.
struct Answer<'a> {
    kind: u16,
    sequence: u32,
    /// Behind the netlink header.
    body: &'a [u8],
}

impl Socket {
    pub fn open() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(netlink::NETFILTER))?;
        Ok(Self { socket, buffer: vec![0; BUFFER] })
    }

    /// Carries the transaction out.
    ///
    /// The kernel answers before `send` returns: with one datagram for each message that failed, or an acknowledgement.
    pub fn commit(&mut self, batch: Batch) -> Result<(), NftError> {
        let whole = |source: io::Error| NftError { message: 0, source };
        self.send(&batch.finish()).map_err(whole)?;
        // What it stays when there is no answer at all.
        let mut outcome = Err(whole(io::ErrorKind::UnexpectedEof.into()));
        let mut failed = false;
        loop {
            let size = match recv(&self.socket, &mut self.buffer[..], RecvFlags::DONTWAIT) {
                Ok((_, size)) => size,
                Err(Errno::AGAIN) => return outcome,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(whole(error.into())),
            };
            for answer in answers(&self.buffer[..size]) {
                match answer.error() {
                    Some(source) if !failed => {
                        failed = true;
                        outcome = Err(NftError { message: answer.sequence, source });
                    }
                    None if !failed => outcome = Ok(()),
                    _ => {}
                }
            }
        }
    }

    /// The user data of a table; `None` when there is no such table.
    pub fn table_data(&mut self, table: &str) -> io::Result<Option<Vec<u8>>> {
        let answer = self.ask(GET_TABLE, |body| {
            body.text(1, table);
        })?;
        Ok(answer.map(|attributes| find(&attributes, 6).unwrap_or_default().to_vec()))
    }

    /// The element with the key of this one as it is in the table; `None` when it is not there.
    pub fn element(&mut self, table: &str, wanted: &SetElement) -> io::Result<Option<SetElement>> {
        let key = SetElement { value: None, ..wanted.clone() };
        let answer = self.ask(GET_ELEMENTS, |body| write_element(table, body, &key))?;
        let value = |attributes: Vec<u8>| {
            let item = find(find(&attributes, 3)?, 1)?;
            find(find(item, 2)?, 1).map(<[u8]>::to_vec)
        };
        Ok(answer.map(|attributes| SetElement { value: value(attributes), ..key.clone() }))
    }

    /// One question, one answer: its attributes, or `None` for `ENOENT`.
    fn ask(&mut self, kind: u16, body: impl FnOnce(&mut Attributes<'_>)) -> io::Result<Option<Vec<u8>>> {
        let mut message = Vec::with_capacity(256);
        write_message(&mut message, kind, REQUEST, 1, body);
        match self.exchange(&message) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            result => result.map(Some),
        }
    }

    /// Sends one message and waits for the answer: its attributes, or none for an acknowledgement.
    pub(super) fn exchange(&mut self, message: &[u8]) -> io::Result<Vec<u8>> {
        self.send(message)?;
        let (_, size) = rustix::io::retry_on_intr(|| recv(&self.socket, &mut self.buffer[..], RecvFlags::empty()))?;
        let answer = answers(&self.buffer[..size]).next().ok_or(io::ErrorKind::InvalidData)?;
        match answer.error() {
            Some(error) => Err(error),
            None => Ok(answer.body.get(FAMILY_HEADER..).unwrap_or_default().to_vec()),
        }
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        rustix::io::retry_on_intr(|| send(&self.socket, bytes, SendFlags::empty()))?;
        Ok(())
    }
}

impl Answer<'_> {
    fn error(&self) -> Option<io::Error> {
        let code = self.body.get(..4).and_then(|code| code.try_into().ok()).map(i32::from_ne_bytes);
        match code {
            Some(code) if self.kind == ERROR && code != 0 => Some(io::Error::from_raw_os_error(-code)),
            _ => None,
        }
    }
}

fn answers(mut bytes: &[u8]) -> impl Iterator<Item = Answer<'_>> {
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
        let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
        let sequence = u32::from_ne_bytes(bytes.get(8..12)?.try_into().ok()?);
        let body = bytes.get(HEADER..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Answer { kind, sequence, body })
    })
}
