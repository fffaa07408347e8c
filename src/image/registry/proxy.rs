//! Proxies as the environment variables of the same names give them. The caller reads those; here is what they mean.

use super::address::{Address, Scheme};
use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;

/// Values of `http_proxy`, `https_proxy` and `no_proxy`; an empty one counts as none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ProxyConfig {
    /// For `http://` addresses.
    pub http: Option<String>,
    /// For `https://` addresses.
    pub https: Option<String>,
    /// What is reached directly, with commas between: a host (and all below it), `.domain` or `*.domain` (only what is below
    /// it), an address, a network (`10.0.0.0/8`), each but the last with an optional `:port`; `*` is everything. This machine
    /// itself (`localhost`, loopback addresses) is always reached directly.
    pub no_proxy: Option<String>,
}

/// Proxies have passwords in their addresses.
impl fmt::Debug for ProxyConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = |value: &Option<String>| value.as_ref().map(|_| "set");
        f.debug_struct("ProxyConfig")
            .field("http", &set(&self.http))
            .field("https", &set(&self.https))
            .field("no_proxy", &self.no_proxy)
            .finish()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Its text may have a password in it and is not shown.
    #[error("the value of `{variable}` is no address of a proxy (`http://host:port`)")]
    Address { variable: &'static str },
}

impl ProxyConfig {
    /// The proxy to reach an address through.
    pub(super) fn of(&self, address: &Address) -> Result<Option<ureq::Proxy>, ProxyError> {
        let (variable, value) = match address.scheme {
            Scheme::Http => ("http_proxy", &self.http),
            Scheme::Https => ("https_proxy", &self.https),
        };
        match value.as_deref().map(str::trim).filter(|value| !value.is_empty()) {
            Some(value) if !self.is_direct(&address.host, address.port) => {
                ureq::Proxy::new(value).map(Some).map_err(|_| ProxyError::Address { variable })
            }
            _ => Ok(None),
        }
    }

    fn is_direct(&self, host: &str, port: u16) -> bool {
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let address = bare.parse::<IpAddr>().ok();
        if bare == "localhost" || address.is_some_and(|address| address.is_loopback()) {
            return true;
        }
        let entries = self.no_proxy.as_deref().unwrap_or_default().split(',');
        entries.map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| fits(entry, &bare, address, port))
    }
}

fn fits(entry: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    if let Ok(network) = entry.parse::<IpNet>() {
        return address.is_some_and(|address| network.contains(&address));
    }
    let (name, only_port) = split_port(entry);
    if only_port.is_some_and(|only| only != port) {
        return false;
    }
    if let Ok(wanted) = name.parse::<IpAddr>() {
        return address == Some(wanted);
    }
    let name = name.to_ascii_lowercase();
    match name.strip_prefix('*').unwrap_or(&name).strip_prefix('.') {
        Some(domain) => below(host, domain),
        None => host == name || below(host, &name),
    }
}

fn below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|sub| sub.len() > 1 && sub.ends_with('.'))
}

fn split_port(entry: &str) -> (&str, Option<u16>) {
    if let Some((address, rest)) = entry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (address, rest.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    // More than one colon is an address of IP version 6.
    match entry.split_once(':') {
        Some((name, port)) if !port.contains(':') => (name, port.parse().ok()),
        _ => (entry, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direct(no_proxy: &str, host: &str, port: u16) -> bool {
        ProxyConfig { no_proxy: Some(no_proxy.into()), ..ProxyConfig::default() }.is_direct(host, port)
    }

    #[test]
    fn no_proxy_has_names_suffixes_networks_and_ports() {
        assert!(direct("a.test, b.test", "b.test", 443));
        assert!(direct("b.test", "sub.B.test", 443));
        assert!(!direct("b.test", "ab.test", 443));
        assert!(direct(".b.test", "sub.b.test", 443) && !direct(".b.test", "b.test", 443));
        assert!(direct("*.b.test", "sub.b.test", 443) && !direct("*.b.test", "b.test", 443));
        assert!(direct("b.test:5000", "b.test", 5000) && !direct("b.test:5000", "b.test", 443));
        assert!(direct("10.0.0.0/8", "10.2.3.4", 80) && !direct("10.0.0.0/8", "11.2.3.4", 80));
        assert!(direct("192.0.2.1:5000", "192.0.2.1", 5000) && !direct("192.0.2.1", "192.0.2.11", 80));
        assert!(direct("fd00::/8", "[fd00::1]", 80) && direct("[fd00::1]:80", "[fd00::1]", 80));
        assert!(direct("*", "anything.test", 1));
        assert!(!direct("", "a.test", 1) && direct("", "localhost", 1) && direct("", "127.0.0.9", 1));
    }

    #[test]
    fn each_scheme_has_its_proxy_and_no_password_is_shown() {
        let config = ProxyConfig {
            http: Some("http://me:hidden@plain.test:3128".into()),
            https: Some(" secure.test:3129 ".into()),
            no_proxy: None,
        };
        let host = |address: &str| {
            config
                .of(&Address::parse(address).unwrap())
                .unwrap()
                .map(|proxy| format!("{}:{}", proxy.host(), proxy.port()))
        };
        assert_eq!(host("http://a.test/").as_deref(), Some("plain.test:3128"));
        assert_eq!(host("https://a.test/").as_deref(), Some("secure.test:3129"));
        assert!(!format!("{config:?}").contains("hidden"));
        let wrong = ProxyConfig { https: Some("ftp://me:hidden@x".into()), ..ProxyConfig::default() };
        let error = wrong.of(&Address::parse("https://a.test/").unwrap()).unwrap_err();
        assert!(!format!("{error:?} {error}").contains("hidden"));
    }
}
