//! Just enough HTTP/1.1 to ask a container how it is (RFC 9112; Kubernetes, "Configure Probes", HTTP requests).

use crate::model::HttpGet;
use std::net::{IpAddr, SocketAddr};

/// Most that is read of an answer's head.
pub const HEAD_LIMIT: usize = 64 * 1024;
/// Redirects that are followed.
pub const MAX_REDIRECTS: usize = 10;
/// Who asks, as servers tell probes from people by it.
pub const USER_AGENT: &str = "kube-probe/podkin";

/// What is asked, and of whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub address: SocketAddr,
    pub https: bool,
    /// With query.
    pub path: String,
    /// As written in the probe, or the address.
    pub host: String,
    headers: Vec<(String, String)>,
}

/// What came back, as far as a probe cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub location: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    #[error("`{0}` is not an address")]
    Host(String),
    #[error("the answer is not HTTP")]
    NotHttp,
    #[error("the head of the answer is longer than {HEAD_LIMIT} bytes")]
    TooLong,
    #[error("the answer ends before its head does")]
    Short,
}

/// What to do after an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Ok(String),
    Failed(String),
    Follow(Target),
}

impl Target {
    /// The first request of a probe or hook; `pod` is asked when it names no host.
    pub fn of(get: &HttpGet, pod: IpAddr) -> Result<Self, HttpError> {
        let address = host_address(get.host.as_deref(), pod)?;
        Ok(Self {
            address: SocketAddr::new(address, get.port),
            https: get.https,
            path: if get.path.starts_with('/') { get.path.clone() } else { format!("/{}", get.path) },
            host: format!("{}:{}", get.host.clone().unwrap_or_else(|| bracketed(address)), get.port),
            headers: get.headers.clone(),
        })
    }

    /// The request's text. Headers of the probe replace ours; `User-Agent` and `Accept` without a value are not sent, and there is
    /// one `Host` at any rate.
    pub fn request(&self) -> Vec<u8> {
        let own = [("Host", self.host.as_str()), ("User-Agent", USER_AGENT), ("Accept", "*/*")];
        let mut text = format!("GET {} HTTP/1.1\r\n", self.path);
        for (name, value) in own {
            let given =
                self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
            match given {
                Some("") if name != "Host" => {}
                None | Some("") => text.push_str(&format!("{name}: {value}\r\n")),
                Some(given) => text.push_str(&format!("{name}: {given}\r\n")),
            }
        }
        let is_own = |name: &str| own.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        for (name, value) in self.headers.iter().filter(|(name, _)| !is_own(name)) {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("Connection: close\r\n\r\n");
        text.into_bytes()
    }

    /// What an answer means: 200 to 399 is well; a redirect to another host is well, too, and not followed.
    pub fn judge(&self, answer: &Answer) -> Verdict {
        let said = format!("HTTP status {}", answer.status);
        match (answer.status, &answer.location) {
            (301 | 302 | 303 | 307 | 308, Some(location)) => match self.redirected(location) {
                Some(target) => Verdict::Follow(target),
                None => Verdict::Ok(format!("{said}, redirected to another host")),
            },
            (200..=399, _) => Verdict::Ok(said),
            _ => Verdict::Failed(said),
        }
    }

    fn redirected(&self, location: &str) -> Option<Self> {
        let (https, rest) = match location.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some(_) => return None,
            None if location.starts_with('/') => return Some(Self { path: clean(location), ..self.clone() }),
            None => {
                let directory = self.path.split('?').next().and_then(|p| p.rsplit_once('/')).map_or("", |(d, _)| d);
                return Some(Self { path: clean(&format!("{directory}/{location}")), ..self.clone() });
            }
        };
        let split = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(split);
        if name_of(host) != name_of(&self.host) {
            return None;
        }
        let port = port_of(host).unwrap_or(if https { 443 } else { 80 });
        let path = if path.starts_with('/') { clean(path) } else { clean(&format!("/{path}")) };
        let address = SocketAddr::new(self.address.ip(), port);
        Some(Self { address, https, path, host: host.to_owned(), headers: self.headers.clone() })
    }
}

/// The address that a probe's `host` names: the pod's own when it names none.
pub fn host_address(host: Option<&str>, pod: IpAddr) -> Result<IpAddr, HttpError> {
    match host {
        None | Some("") => Ok(pod),
        Some("localhost") => Ok(IpAddr::from([127, 0, 0, 1])),
        Some(host) => host.trim_matches(['[', ']']).parse().map_err(|_| HttpError::Host(host.to_owned())),
    }
}

/// Reads the head of an answer; `None` while it is not complete.
pub fn parse(bytes: &[u8], complete: bool) -> Result<Option<Answer>, HttpError> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").or_else(|| bytes.windows(2).position(|w| w == b"\n\n"));
    let head = match end {
        Some(end) => &bytes[..end],
        None if bytes.len() > HEAD_LIMIT => return Err(HttpError::TooLong),
        None if complete && bytes.is_empty() => return Err(HttpError::Short),
        // A server that sends a status line and nothing else has said what counts.
        None if complete => bytes,
        None => return Ok(None),
    };
    let text = String::from_utf8_lossy(head);
    let mut lines = text.lines();
    let status = lines.next().and_then(status_of).ok_or(HttpError::NotHttp)?;
    let location = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("location"))
        .map(|(_, value)| value.trim().to_owned());
    // 1xx announces the answer proper.
    if (100..200).contains(&status) && status != 101 {
        return match end {
            Some(end) => parse(bytes[end..].trim_ascii_start(), complete),
            None => Err(HttpError::Short),
        };
    }
    Ok(Some(Answer { status, location }))
}

fn status_of(line: &str) -> Option<u16> {
    let mut words = line.split_ascii_whitespace();
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    words.next().filter(|code| code.len() == 3)?.parse().ok().filter(|code| (100..=599).contains(code))
}

fn clean(path: &str) -> String {
    path.split('#').next().unwrap_or("/").to_owned()
}

fn bracketed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

fn name_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => authority,
    }
}

fn port_of(authority: &str) -> Option<u16> {
    authority.rsplit_once(':')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(host: Option<&str>, path: &str, headers: &[(&str, &str)]) -> HttpGet {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        HttpGet { host: host.map(str::to_owned), port: 8080, path: path.into(), https: false, headers }
    }

    fn target(host: Option<&str>, path: &str, headers: &[(&str, &str)]) -> Result<Target, HttpError> {
        Target::of(&get(host, path, headers), IpAddr::from([10, 0, 0, 2]))
    }

    #[test]
    fn requests_carry_the_probes_headers() -> Result<(), HttpError> {
        let text = |t: Target| String::from_utf8_lossy(&t.request()).into_owned();
        assert_eq!(
            text(target(None, "/ready?x=1", &[])?),
            "GET /ready?x=1 HTTP/1.1\r\nHost: 10.0.0.2:8080\r\nUser-Agent: kube-probe/podkin\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        );
        let headers = [("host", "example.org"), ("host", "second"), ("Accept", ""), ("X-A", "b"), ("X-B", "")];
        assert_eq!(
            text(target(None, "/", &headers)?),
            "GET / HTTP/1.1\r\nHost: example.org\r\nUser-Agent: kube-probe/podkin\r\nX-A: b\r\nX-B: \r\nConnection: close\r\n\r\n"
        );
        let headers = [("Host", ""), ("user-agent", ""), ("accept", "text/plain")];
        assert_eq!(
            text(target(None, "/", &headers)?),
            "GET / HTTP/1.1\r\nHost: 10.0.0.2:8080\r\nAccept: text/plain\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(target(Some("localhost"), "/", &[])?.address.to_string(), "127.0.0.1:8080");
        assert!(target(Some("example.org"), "/", &[]).is_err());
        Ok(())
    }

    #[test]
    fn heads_are_read_whole() {
        let head = |text: &str| parse(text.as_bytes(), true);
        let status = |text: &str| head(text).map(|a| a.map(|a| a.status));
        assert_eq!(status("HTTP/1.1 204 No Content\r\n\r\n"), Ok(Some(204)));
        assert_eq!(status("HTTP/1.0 500\r\nA: b\r\n\r\nbody"), Ok(Some(500)));
        assert_eq!(status("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n"), Ok(Some(404)));
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\nA: b\r\n", false), Ok(None));
        assert_eq!(status(""), Err(HttpError::Short));
        for text in ["SSH-2.0-x\r\n\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 abc\r\n\r\n"] {
            assert_eq!(status(text), Err(HttpError::NotHttp), "{text}");
        }
        assert_eq!(parse(&vec![b'x'; HEAD_LIMIT + 1], false), Err(HttpError::TooLong));
        let moved = head("HTTP/1.1 302 Found\r\nlocation:  /x \r\n\r\n").map(|a| a.and_then(|a| a.location));
        assert_eq!(moved, Ok(Some("/x".into())));
    }

    #[test]
    fn answers_are_judged_as_the_kubelet_does() -> Result<(), HttpError> {
        let target = target(None, "/a/b?c", &[])?;
        let judge =
            |status, location: Option<&str>| target.judge(&Answer { status, location: location.map(str::to_owned) });
        assert!(matches!(judge(200, None), Verdict::Ok(_)));
        assert!(matches!(judge(399, None), Verdict::Ok(_)));
        assert!(matches!(judge(302, None), Verdict::Ok(_)));
        assert!(matches!(judge(199, None), Verdict::Failed(_)));
        assert!(matches!(judge(400, None), Verdict::Failed(_)));
        assert!(matches!(judge(302, Some("http://example.org/")), Verdict::Ok(_)));
        for (location, path, address) in [
            ("/x", "/x", "10.0.0.2:8080"),
            ("x#y", "/a/x", "10.0.0.2:8080"),
            ("http://10.0.0.2:9090/z?q", "/z?q", "10.0.0.2:9090"),
            ("http://10.0.0.2", "/", "10.0.0.2:80"),
        ] {
            match judge(307, Some(location)) {
                Verdict::Follow(to) => assert_eq!((to.path.as_str(), to.address.to_string().as_str()), (path, address)),
                other => panic!("{location} gives {other:?}"),
            }
        }
        Ok(())
    }
}
