//! A gRPC server that knows one call, `grpc.health.v1.Health/Check`, and one service that is not well: `sick`.

use crate::sys::{self, Fd};
use alloc::vec::Vec;

const PREFACE: usize = 24;
const FRAME_HEAD: usize = 9;
const DATA: u8 = 0;
const END_STREAM: u8 = 1;
/// Empty settings, and that those of the client are taken.
const SETTINGS: [u8; 18] = [0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0];
/// Headers of stream 1: `:status: 200`.
const HEADERS: [u8; 10] = [0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88];
/// Headers of stream 1 that end it: `grpc-status: 0`.
const TRAILERS: [u8; 24] = *b"\0\0\x0f\x01\x05\0\0\0\x01\0\x0bgrpc-status\x010";

/// Answers the first call of a connection.
pub fn answer(peer: &Fd) {
    let _ = sys::send(peer, &SETTINGS, &[]);
    let mut heard = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = sys::read(peer.0, &mut buffer) {
        heard.extend_from_slice(&buffer[..length]);
        let Some(message) = message(&heard) else { continue };
        let status = if message.windows(4).any(|word| word == b"sick") { 2 } else { 1 };
        // DATA of stream 1: a message of two bytes, `status` of the response.
        let data = [0, 0, 7, DATA, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 8, status];
        let _ = sys::send(peer, &[&HEADERS[..], &data, &TRAILERS].concat(), &[]);
        heard.clear();
    }
}

/// The payload of the frame that ends the request, once it is there.
fn message(heard: &[u8]) -> Option<&[u8]> {
    let mut rest = heard.get(PREFACE..)?;
    loop {
        let head = rest.get(..FRAME_HEAD)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let payload = rest.get(FRAME_HEAD..FRAME_HEAD + length)?;
        if head[3] == DATA && head[4] & END_STREAM != 0 {
            return Some(payload);
        }
        rest = &rest[FRAME_HEAD + length..];
    }
}
