//! Addresses of registries, and where they send us: enough of URLs to tell one server from another.

use std::fmt;
use ureq::http::Uri;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// An absolute `http` or `https` address. `Display` leaves path and query out: signatures of storage services are in them.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub scheme: Scheme,
    /// Lower-case; brackets around an address of IP version 6.
    pub host: String,
    pub port: u16,
    /// Path and query, beginning with `/`.
    pub rest: String,
}

impl Address {
    /// `None` for what is no address, has another scheme, or has a user in it.
    pub fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let scheme = match uri.scheme_str()?.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return None,
        };
        let authority = uri.authority()?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return None;
        }
        let port = match authority.as_str().strip_prefix(authority.host())? {
            "" => scheme.port(),
            port => port.strip_prefix(':')?.parse().ok()?,
        };
        let rest = uri.path_and_query().map_or("/", |rest| rest.as_str());
        let rest = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
        Some(Self { scheme, host: authority.host().to_ascii_lowercase(), port, rest })
    }

    /// What `Location` or `Link` of an answer from here means (RFC 3986, section 5, without dot segments).
    pub fn join(&self, location: &str) -> Option<Self> {
        if location.starts_with("//") {
            return Self::parse(&format!("{}:{location}", self.scheme.name()));
        }
        let rest = match location.as_bytes().first()? {
            b'/' => location.to_owned(),
            b'?' => format!("{}{location}", self.path()),
            _ if location.contains("://") => return Self::parse(location),
            _ => format!("{}/{location}", self.path().rsplit_once('/').map_or("", |(directory, _)| directory)),
        };
        Self::parse(&format!("{}{rest}", self.origin()))
    }

    /// True for the same scheme, host and port: the one to which a password may go.
    pub fn is_same_server(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.host == other.host && self.port == other.port
    }

    /// Adds a parameter to the query.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.rest.push(if self.rest.contains('?') { '&' } else { '?' });
        self.rest.push_str(&format!("{name}={}", encode(value)));
        self
    }

    /// The whole address, for a request and nothing else.
    pub fn request_target(&self) -> String {
        format!("{}{}", self.origin(), self.rest)
    }

    /// `host[:port]`, as a user would write it.
    pub fn host_and_port(&self) -> String {
        if self.port == self.scheme.port() { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }

    fn origin(&self) -> String {
        format!("{}://{}", self.scheme.name(), self.host_and_port())
    }

    fn path(&self) -> &str {
        self.rest.split('?').next().unwrap_or(&self.rest)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// Percent-encodes what may have a meaning in a query or a form.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_joined_to_where_they_came_from() {
        let base = Address::parse("https://a.test:5000/v2/x/blobs/uploads/?q=1").unwrap();
        let join = |location: &str| base.join(location).map(|address| address.request_target());
        assert_eq!(join("/v2/y?s=2").as_deref(), Some("https://a.test:5000/v2/y?s=2"));
        assert_eq!(join("one").as_deref(), Some("https://a.test:5000/v2/x/blobs/uploads/one"));
        assert_eq!(join("?n=2").as_deref(), Some("https://a.test:5000/v2/x/blobs/uploads/?n=2"));
        assert_eq!(join("//b.test/z").as_deref(), Some("https://b.test/z"));
        assert_eq!(join("HTTP://B.test:80/z").as_deref(), Some("http://b.test/z"));
        for bad in ["", "ftp://b.test/", "https://me:pass@b.test/", "https://", "https://a b/", "https://a:99999/"] {
            assert_eq!(join(bad), None, "{bad}");
        }
    }

    #[test]
    fn another_port_or_scheme_is_another_server() {
        let parse = |text: &str| Address::parse(text).unwrap();
        let base = parse("https://a.test/v2/");
        assert!(base.is_same_server(&parse("https://A.test:443/other")));
        for other in ["http://a.test/", "https://a.test:5000/", "https://b.a.test/", "https://a.test.b.test/"] {
            assert!(!base.is_same_server(&parse(other)), "{other}");
        }
        let signed = parse("https://s3.test/blob?X-Signature=hidden");
        assert!(!format!("{signed} {signed:?}").contains("hidden"));
        assert_eq!(base.with("scope", "repository:a/b:pull,push").rest, "/v2/?scope=repository%3Aa%2Fb%3Apull%2Cpush");
    }
}
