//! Servers made of bytes: good ones, and such as mean no good.

use super::*;
use tokio::io::AsyncWriteExt;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200` of the static table (RFC 7541, appendix A).
const OK: &[u8] = &[0x88];

/// A frame (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header that is in no table.
fn header(name: &str, value: &str) -> Vec<u8> {
    [&[0, name.len() as u8], name.as_bytes(), &[value.len() as u8], value.as_bytes()].concat()
}

/// What an answer with that message and gRPC status is.
fn answer(message: &[u8], code: &str) -> Vec<u8> {
    let framed = [&[0, 0, 0, 0, message.len() as u8], message].concat();
    let trailers = header("grpc-status", code);
    [
        frame(HEADERS, END_HEADERS, 1, OK),
        frame(DATA, 0, 1, &framed),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &trailers),
    ]
    .concat()
}

/// Calls a server that says these bytes after its settings, over and over when `again`; gives what the check does, and what the
/// server heard.
fn ask(said: &[u8], again: bool, service: &str) -> (Result<String, String>, Vec<u8>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let (here, mut there) = tokio::io::duplex(1 << 20);
        let server = async {
            let mut heard = vec![0; 4096];
            let length = there.read(&mut heard).await.expect("a request");
            heard.truncate(length);
            there.write_all(&frame(SETTINGS, 0, 0, &[])).await.expect("the client is there");
            while there.write_all(said).await.is_ok() && again {}
            // Half closed: the client's part of the conversation goes on.
            let _ = there.shutdown().await;
            let mut rest = Vec::new();
            let _ = there.read_to_end(&mut rest).await;
            [heard, rest].concat()
        };
        let address = SocketAddr::from(([10, 0, 0, 2], 50051));
        let limited = tokio::time::timeout(Duration::from_secs(20), async {
            exchange(here, address, service).await.map_err(|error| error.to_string())
        });
        let (result, heard) = tokio::join!(limited, server);
        (result.expect("an end, long before the time is over"), heard)
    })
}

fn check(said: &[u8]) -> Result<String, String> {
    ask(said, false, "").0
}

#[test]
fn answers_are_understood() {
    assert_eq!(check(&answer(&[8, 1], "0")), Ok("SERVING".into()));
    // A field that is not known, and one that is split over two frames.
    assert_eq!(check(&answer(&[0x12, 1, b'x', 8, 1], "0")), Ok("SERVING".into()));
    let split = [
        frame(HEADERS, END_HEADERS, 1, OK),
        frame(DATA, 0, 1, &[0, 0, 0]),
        frame(DATA, 0, 1, &[0, 2, 8, 1]),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &header("grpc-status", "0")),
    ];
    assert_eq!(check(&split.concat()), Ok("SERVING".into()));
    for (message, word) in [(&[][..], "UNKNOWN"), (&[8, 2], "NOT_SERVING"), (&[8, 3], "SERVICE_UNKNOWN")] {
        let said = check(&answer(message, "0")).expect_err("not well");
        assert!(said.ends_with(&format!(": {word}")), "{said}");
    }
    assert!(check(&answer(&[8, 1], "14")).is_err_and(|e| e.contains("status 14")));
    let only_trailers = [OK, &header("grpc-status", "12")].concat();
    let said = check(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &only_trailers));
    assert!(said.is_err_and(|e| e.contains("does not implement")));
    // `:status: 404`
    let said = check(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x8d]));
    assert!(said.is_err_and(|e| e.contains("HTTP status 404")));
}

#[test]
fn the_service_is_asked_about() {
    let (result, heard) = ask(&answer(&[8, 1], "0"), false, "db");
    assert_eq!(result, Ok("SERVING".into()));
    let message = frame(DATA, END_STREAM, 1, &[0, 0, 0, 0, 4, 0x0a, 2, b'd', b'b']);
    assert!(heard.windows(message.len()).any(|w| w == message), "{heard:?}");
}

#[test]
fn what_is_no_answer_fails() {
    let headers = frame(HEADERS, END_HEADERS, 1, OK);
    for said in [
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        Vec::new(),
        headers.clone(),
        [headers.clone(), frame(DATA, END_STREAM, 1, &[])].concat(),
        [headers.clone(), frame(DATA, END_STREAM, 1, &[1, 0, 0, 0, 2, 8, 1])].concat(),
        [headers.clone(), frame(DATA, END_STREAM, 1, &[0, 0, 0, 0, 9, 8, 1])].concat(),
        [headers.clone(), frame(DATA, END_STREAM, 1, &[0, 0, 0, 0, 2, 0x0b, 1])].concat(),
        [headers, frame(DATA, END_STREAM, 1, &[0, 0, 0, 0, 11, 8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255])]
            .concat(),
    ] {
        assert!(check(&said).is_err(), "{said:?}");
    }
}

#[test]
fn floods_end_by_themselves() {
    let many = |one: Vec<u8>| one.repeat(64);
    let headers = frame(HEADERS, END_HEADERS, 1, OK);
    for (name, first, flood) in [
        ("empty DATA", headers.clone(), many(frame(DATA, 0, 1, &[]))),
        ("DATA", headers, frame(DATA, 0, 1, &[0; 1000])),
        ("CONTINUATION", frame(HEADERS, 0, 1, OK), many(frame(CONTINUATION, 0, 1, &[]))),
        ("headers", frame(HEADERS, 0, 1, OK), frame(CONTINUATION, 0, 1, &header("x", &"y".repeat(100)).repeat(100))),
        ("PING", Vec::new(), many(frame(PING, 0, 0, &[0; 8]))),
        ("SETTINGS", Vec::new(), many(frame(SETTINGS, 0, 0, &[]))),
    ] {
        // The first part is said again, too, which is one more thing that is wrong.
        let (result, _) = ask(&[first, flood].concat(), true, "");
        assert!(result.is_err(), "{name}: {result:?}");
    }
}
