//! `--publish [[ip:]hostPort:]containerPort[/protocol]` and `--publish-all`, laid over the ports of the files.

use super::Session;
use super::codes;
use super::pod::Draft;
use super::port::DraftPort;
use super::spot::Mark;
use crate::model::diagnostic::{Diagnostic, Sources, Span};
use crate::model::{Port, Protocol};
use std::net::IpAddr;

/// One published port of an option.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Published {
    ip: Option<IpAddr>,
    host: u16,
    container: u16,
    protocol: Protocol,
}

/// Why an option is no port specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum SpecError {
    #[error("a port is a number from 1 to 65535, or a range such as 8000-8010")]
    Port,
    #[error("the protocol must be tcp, udp or sctp")]
    Protocol,
    #[error("the address before the ports is no IP address; IPv6 goes in brackets")]
    Address,
    #[error("the two ranges differ in length")]
    Lengths,
}

/// Applies the options to all pods. An option goes to the pods of which a container lists that port; when none does, to the
/// first container of every pod. It replaces what the file publishes for that port and protocol.
pub(super) fn apply(session: &Session, sources: &mut Sources, drafts: &mut [Draft], specs: &[String], all: bool) {
    if all {
        for port in drafts.iter_mut().flat_map(|d| d.ports.iter_mut().flatten()) {
            port.port.host_port.get_or_insert(port.port.container_port);
        }
    }
    for spec in specs {
        let source = sources.add("--publish", spec.as_str());
        let span = Span { source, start: 0, end: spec.len() };
        match parse(spec) {
            Ok(ports) => ports.iter().for_each(|port| publish(drafts, port, span)),
            Err(reason) => {
                let message = format!("`{spec}` is no port to publish: {reason}");
                let hint = "write [[ip:]hostPort:]containerPort[/protocol], as in 8080:80/tcp";
                session.report(Diagnostic::error(codes::OPTION, message).hint(hint).at(span, ""));
            }
        }
    }
}

fn publish(drafts: &mut [Draft], published: &Published, span: Span) {
    let matches = |p: &DraftPort| p.port.container_port == published.container && p.port.protocol == published.protocol;
    let listed = drafts.iter().any(|d| d.ports.iter().flatten().any(matches));
    for draft in drafts.iter_mut().filter(|d| !d.pod.host_network) {
        let holder = draft.ports.iter().position(|ports| ports.iter().any(matches));
        let index = match holder {
            Some(index) => index,
            None if listed => continue,
            None => draft.pod.init_containers.len(),
        };
        let Some(ports) = draft.ports.get_mut(index) else { continue };
        let name = ports.iter().find(|p| matches(p)).and_then(|p| p.port.name.clone());
        let position = ports.iter().position(matches).unwrap_or(ports.len());
        ports.retain(|p| !matches(p));
        let port = Port {
            name,
            container_port: published.container,
            host_port: Some(published.host),
            host_ip: published.ip.filter(|ip| !ip.is_unspecified()),
            protocol: published.protocol,
        };
        ports.insert(position.min(ports.len()), DraftPort { port, mark: Mark { span, path: None } });
    }
}

fn parse(spec: &str) -> Result<Vec<Published>, SpecError> {
    let (rest, protocol) = match spec.split_once('/') {
        Some((rest, protocol)) => (rest, parse_protocol(protocol)?),
        None => (spec, Protocol::Tcp),
    };
    let (rest, container) = match rest.rsplit_once(':') {
        Some((rest, container)) => (Some(rest), parse_range(container)?),
        None => (None, parse_range(rest)?),
    };
    let (ip, host) = match rest {
        None => (None, container.clone()),
        Some(rest) => match rest.rsplit_once(':') {
            None => (None, parse_range(rest)?),
            // `ip::port`: the same number on that address.
            Some((ip, "")) => (Some(parse_ip(ip)?), container.clone()),
            Some((ip, host)) => (Some(parse_ip(ip)?), parse_range(host)?),
        },
    };
    if host.len() != container.len() {
        return Err(SpecError::Lengths);
    }
    Ok(host.zip(container).map(|(host, container)| Published { ip, host, container, protocol }).collect())
}

fn parse_protocol(text: &str) -> Result<Protocol, SpecError> {
    match text.to_ascii_lowercase().as_str() {
        "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        "sctp" => Ok(Protocol::Sctp),
        _ => Err(SpecError::Protocol),
    }
}

fn parse_ip(text: &str) -> Result<IpAddr, SpecError> {
    let plain = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    match plain.parse() {
        Ok(IpAddr::V6(_)) if plain == text => Err(SpecError::Address),
        Ok(ip) => Ok(ip),
        Err(_) => Err(SpecError::Address),
    }
}

fn parse_range(text: &str) -> Result<std::ops::RangeInclusive<u16>, SpecError> {
    let port = |t: &str| {
        let digits = !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
        t.parse::<u16>().ok().filter(|p| digits && *p != 0).ok_or(SpecError::Port)
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port(first)?, port(last)?);
    if first > last { Err(SpecError::Port) } else { Ok(first..=last) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specifications() {
        let one = |ip: Option<&str>, host, container, protocol| {
            Ok(vec![Published { ip: ip.map(|ip| ip.parse().unwrap()), host, container, protocol }])
        };
        assert_eq!(parse("8080:80"), one(None, 8080, 80, Protocol::Tcp));
        assert_eq!(parse("80"), one(None, 80, 80, Protocol::Tcp));
        assert_eq!(parse("53:53/udp"), one(None, 53, 53, Protocol::Udp));
        assert_eq!(parse("127.0.0.1:8080:80/TCP"), one(Some("127.0.0.1"), 8080, 80, Protocol::Tcp));
        assert_eq!(parse("127.0.0.1::80"), one(Some("127.0.0.1"), 80, 80, Protocol::Tcp));
        assert_eq!(parse("[::1]:8080:80"), one(Some("::1"), 8080, 80, Protocol::Tcp));
        let range = parse("8000-8002:80-82").unwrap();
        assert_eq!(
            range.iter().map(|p| (p.host, p.container)).collect::<Vec<_>>(),
            [(8000, 80), (8001, 81), (8002, 82)]
        );
        for (spec, error) in [
            ("", SpecError::Port),
            ("0:80", SpecError::Port),
            ("80:65536", SpecError::Port),
            ("+80:80", SpecError::Port),
            ("90-80", SpecError::Port),
            (":80", SpecError::Port),
            ("web:80", SpecError::Port),
            ("80/http", SpecError::Protocol),
            ("host:80:80", SpecError::Address),
            ("::1:80:80", SpecError::Address),
            ("80-82:80", SpecError::Lengths),
        ] {
            assert_eq!(parse(spec), Err(error), "{spec}");
        }
    }
}
