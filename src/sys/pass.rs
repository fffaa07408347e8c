//! Handing a descriptor to another process over a UNIX socket (unix(7), `SCM_RIGHTS`).

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Sends one descriptor; the receiver gets one of its own for the same open file.
pub fn send(socket: impl AsFd, descriptor: BorrowedFd<'_>) -> io::Result<()> {
    send_with(socket, b"d", Some(descriptor))
}

/// Receives what [`send`] sent; close-on-exec. `UnexpectedEof` when the other side sent none.
pub fn receive(socket: impl AsFd) -> io::Result<OwnedFd> {
    receive_with(socket, &mut [0])?.1.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// Sends a message, with a descriptor if there is one.
pub fn send_with(socket: impl AsFd, message: &[u8], descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = descriptor.as_slice();
    if !descriptors.is_empty() {
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(descriptors)), "the buffer was made for one descriptor");
    }
    rustix::net::sendmsg(socket, &[IoSlice::new(message)], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives a message, at most as long as the buffer: its length, and the descriptor that came with it, close-on-exec.
pub fn receive_with(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received =
        rustix::net::recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let mut descriptors = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut rights) => rights.next(),
        _ => None,
    });
    Ok((received.bytes, descriptors.next()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_descriptor_arrives() -> io::Result<()> {
        let (here, there) = UnixStream::pair()?;
        let (mut reader, writer) = UnixStream::pair()?;
        send(&here, writer.as_fd())?;
        drop(writer);
        UnixStream::from(receive(&there)?).write_all(b"hello")?;
        let mut text = String::new();
        reader.read_to_string(&mut text)?;
        assert_eq!(text, "hello");
        drop(here);
        assert!(receive(&there).is_err());
        Ok(())
    }
}
