//! The gRPC health check: one call of `grpc.health.v1.Health/Check` (grpc/grpc, "GRPC Health Checking Protocol"; Kubernetes,
//! "Define a gRPC liveness probe").
//!
//! The server may be hostile: what is read of it is bounded in all, whatever frames it is made of, and the caller bounds the time.

mod tls;

use super::container::Subject;
use super::http::USER_AGENT;
use super::probe;
use crate::model::GrpcHealth;
use bytes::{BufMut, Bytes, BytesMut};
use h2::client::Builder;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

/// Most that is read of a server: headers, settings and all. An answer has less than a hundredth.
const ANSWER_LIMIT: u64 = 64 * 1024;
/// Most that the headers of an answer may be once they are unpacked.
const HEADER_LIMIT: u32 = 16 * 1024;
/// Length and compression flag before each message (gRPC over HTTP2, `Length-Prefixed-Message`).
const PREFIX: usize = 5;
/// `HealthCheckResponse.ServingStatus`.
const STATUSES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
const SERVING: u64 = 1;
/// The gRPC status code `UNIMPLEMENTED`.
const UNIMPLEMENTED: &[u8] = b"12";

/// Why a check gave no answer, or not the one that is wanted.
#[derive(Debug, thiserror::Error)]
enum GrpcError {
    #[error("the server does not speak gRPC")]
    Http(#[from] h2::Error),
    #[error("the server answered with HTTP status {0}")]
    Status(u16),
    #[error("the server does not implement `grpc.health.v1.Health`")]
    Unimplemented,
    #[error("the server answered with gRPC status {0}")]
    Code(String),
    #[error("the answer is no health status")]
    Message,
    #[error("the service is not healthy: {0}")]
    Unhealthy(&'static str),
}

/// Asks a server of the pod; the words of its answer, or why it is not well. The caller sees to the time.
pub(super) async fn check(
    subject: &Subject,
    health: &GrpcHealth,
    ips: &[IpAddr],
    limit: Duration,
) -> Result<String, String> {
    let address = SocketAddr::new(probe::own_address(ips), health.port);
    if health.tls {
        return tls::check(subject, address, &health.service, limit).await;
    }
    let stream = probe::connect(subject, address).await?;
    exchange(stream, address, &health.service).await.map_err(|error| super::launcher::chain(&error))
}

/// Makes the call over a connection that stands.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    address: SocketAddr,
    service: &str,
) -> Result<String, GrpcError> {
    let (read, write) = tokio::io::split(stream);
    let bounded = tokio::io::join(read.take(ANSWER_LIMIT), write);
    let builder = Builder::new().enable_push(false).max_header_list_size(HEADER_LIMIT).to_owned();
    let (sender, connection) = builder.handshake::<_, Bytes>(bounded).await?;
    let mut call = pin!(call(sender, address, service));
    let lost = tokio::select! {
        biased;
        answer = &mut call => return answer,
        ended = connection => ended.err(),
    };
    // A server may close once it has answered: what came before that still counts.
    match (call.await, lost) {
        (Err(GrpcError::Http(_)), Some(error)) => Err(error.into()),
        (answer, _) => answer,
    }
}

async fn call(sender: h2::client::SendRequest<Bytes>, address: SocketAddr, service: &str) -> Result<String, GrpcError> {
    let mut request = http::Request::new(());
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = format!("http://{address}/grpc.health.v1.Health/Check").parse().unwrap_or_default();
    let headers = [("content-type", "application/grpc"), ("te", "trailers"), ("user-agent", USER_AGENT)];
    let headers =
        headers.map(|(name, value)| (http::HeaderName::from_static(name), http::HeaderValue::from_static(value)));
    request.headers_mut().extend(headers);
    let (response, mut stream) = sender.ready().await?.send_request(request, false)?;
    stream.send_data(request_message(service), true)?;
    let (head, mut body) = response.await?.into_parts();
    if head.status != http::StatusCode::OK {
        return Err(GrpcError::Status(head.status.as_u16()));
    }
    // An answer that is an error has its status here, and no message.
    check_status(&head.headers)?;
    let mut message = Vec::new();
    while let Some(data) = body.data().await {
        message.extend_from_slice(&data?);
    }
    check_status(&body.trailers().await?.unwrap_or_default())?;
    let status = serving_status(&message).ok_or(GrpcError::Message)?;
    let name = usize::try_from(status).ok().and_then(|s| STATUSES.get(s)).ok_or(GrpcError::Message)?;
    if status == SERVING { Ok((*name).to_owned()) } else { Err(GrpcError::Unhealthy(name)) }
}

fn check_status(headers: &http::HeaderMap) -> Result<(), GrpcError> {
    match headers.get("grpc-status").map(http::HeaderValue::as_bytes) {
        None | Some(b"0") => Ok(()),
        Some(UNIMPLEMENTED) => Err(GrpcError::Unimplemented),
        Some(code) => Err(GrpcError::Code(String::from_utf8_lossy(&code[..code.len().min(16)]).into_owned())),
    }
}

/// `HealthCheckRequest { string service = 1; }` with its prefix.
fn request_message(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        message.put_u8(0x0a);
        put_varint(&mut message, service.len() as u64);
        message.put_slice(service.as_bytes());
    }
    let mut framed = BytesMut::with_capacity(PREFIX + message.len());
    framed.put_u8(0);
    framed.put_u32(message.len() as u32);
    framed.put_slice(&message);
    framed.freeze()
}

fn put_varint(to: &mut BytesMut, mut value: u64) {
    while value >= 0x80 {
        to.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    to.put_u8(value as u8);
}

/// `status` of `HealthCheckResponse { ServingStatus status = 1; }` behind its prefix; `None` when the bytes are none.
fn serving_status(framed: &[u8]) -> Option<u64> {
    let (prefix, mut message) = framed.split_at_checked(PREFIX)?;
    let length = u32::from_be_bytes(prefix[1..].try_into().ok()?);
    if prefix[0] != 0 || usize::try_from(length).ok()? != message.len() {
        return None;
    }
    let mut status = 0;
    while !message.is_empty() {
        let tag = take_varint(&mut message)?;
        let value = match tag & 7 {
            0 => take_varint(&mut message)?,
            // Fields that a later version may have added.
            kind => {
                let length = match kind {
                    1 => 8,
                    2 => usize::try_from(take_varint(&mut message)?).ok()?,
                    5 => 4,
                    _ => return None,
                };
                message = message.get(length..)?;
                continue;
            }
        };
        if tag >> 3 == 1 {
            status = value;
        }
    }
    Some(status)
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests;
