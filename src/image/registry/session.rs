//! One registry and one login: requests with the proof that the registry wants (`authentication`), and redirects.
//!
//! `Authorization` is for the registry and goes nowhere else: a redirect or an upload location on another scheme, host or port
//! gets the bare request. Nothing goes from https to http.

use super::address::{Address, Scheme};
use super::client::{Endpoint, Pace, Shared};
use super::credentials::Login;
use super::error::{RegistryError, transport_error};
use super::refusal::refusal;
use super::retry::RetryPolicy;
use std::io::{self, Read as _};
use std::sync::Arc;
use ureq::http::header::{AUTHORIZATION, LOCATION};
use ureq::http::{self, HeaderMap, HeaderName, HeaderValue, Method};

const MAX_REDIRECTS: usize = 5;
const MAX_UNWANTED: u64 = 64 << 10;

#[derive(Clone)]
pub(super) struct Session {
    pub shared: Arc<Shared>,
    pub endpoint: Endpoint,
    pub login: Option<Login>,
    /// Who has something else to fall back on tries only once.
    pub once: bool,
}

/// A request.
pub(super) struct Ask<'a> {
    pub method: Method,
    pub to: To<'a>,
    pub headers: Vec<(HeaderName, String)>,
    pub body: Option<&'a [u8]>,
    /// What a token must allow (`repository:NAME:pull`), several with blanks between; empty for none.
    pub scope: String,
    pub pace: Pace,
    /// For errors: "tag `1` of `library/nginx`".
    pub what: String,
}

pub(super) enum To<'a> {
    Path(String),
    /// An upload location, or the next page of a list.
    Address(&'a Address),
}

/// An answer that says yes, but for those that the caller wants to see.
pub(super) struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// Where it came from at last.
    pub address: Address,
    pub body: ureq::Body,
}

impl Answer {
    pub fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Reads a body that nobody wants, so that the connection can be used again; a long one is not worth it.
    pub fn pass_over(self) {
        let mut body = self.body.into_reader().take(MAX_UNWANTED);
        // Whatever is wrong with it, the next request has a connection of its own then.
        let _ = io::copy(&mut body, &mut io::sink());
    }

    /// The whole body.
    pub fn bytes(self, registry: &str, what: &str, limit: u64) -> Result<Vec<u8>, RegistryError> {
        let mut bytes = Vec::new();
        let host = self.address.host_and_port();
        // One more than allowed tells that there is more.
        let read = self.body.into_reader().take(limit + 1).read_to_end(&mut bytes);
        read.map_err(|error| transport_error(error.into(), &host, registry))?;
        if bytes.len() as u64 > limit {
            return Err(RegistryError::TooLarge { registry: registry.to_owned(), what: what.to_owned(), limit });
        }
        Ok(bytes)
    }
}

impl Session {
    pub fn new(shared: Arc<Shared>, endpoint: Endpoint, login: Option<Login>) -> Self {
        Self { shared, endpoint, login, once: false }
    }

    /// The same for one who tells nobody who he is.
    pub fn without_login(self) -> Self {
        Self { login: None, ..self }
    }

    pub fn registry(&self) -> &str {
        &self.endpoint.registry
    }

    pub fn retry_policy(&self) -> RetryPolicy {
        let policy = self.shared.retry_policy();
        if self.once { RetryPolicy { retries: 0, ..policy } } else { policy }
    }

    /// One attempt, with a token fetched or renewed once where the registry asks for it. `accept` are statuses that are no
    /// errors though they are not 2xx.
    pub fn ask(&self, ask: &Ask<'_>, accept: &[u16]) -> Result<Answer, RegistryError> {
        let first = self.authorization(ask)?;
        let mut answer = self.reach(ask, first.as_ref())?;
        if answer.status == 401 && self.is_own(&answer.address) {
            self.learn(&answer, ask, first.as_ref())?;
            answer.pass_over();
            let second = self.authorization(ask)?;
            // The same again would be refused again.
            if second.is_none() || second == first {
                return Err(self.unauthorized(&ask.what));
            }
            answer = self.reach(ask, second.as_ref())?;
        }
        match answer.status {
            status if (200..300).contains(&status) || accept.contains(&status) => Ok(answer),
            401 => Err(self.unauthorized(&ask.what)),
            _ => Err(refusal(answer, self.registry(), &ask.what)),
        }
    }

    /// What `podkin login` checks: that the registry's front door opens.
    pub fn check_login(&self) -> Result<(), RegistryError> {
        let ask = Ask::get("/v2/".to_owned(), "`/v2/`");
        super::retry::retrying(self.retry_policy(), || self.ask(&ask, &[]).map(drop))
    }

    /// Where an answer sends to.
    pub fn location(&self, answer: &Answer) -> Result<Address, RegistryError> {
        let location = answer.header(LOCATION).unwrap_or_default();
        self.next(&answer.address, location)
    }

    /// An address that an answer from `from` names.
    pub fn next(&self, from: &Address, location: &str) -> Result<Address, RegistryError> {
        let bad = |to: String, reason| RegistryError::BadRedirect { from: from.to_string(), to, reason };
        let to = from.join(location).ok_or_else(|| bad(String::new(), "that is no address"))?;
        if from.scheme == Scheme::Https && to.scheme == Scheme::Http {
            return Err(bad(to.to_string(), "that is plain HTTP"));
        }
        Ok(to)
    }

    /// Sends to the registry; to an insecure one by http where it has no https. One on this machine is asked by http first, as
    /// nobody listens on the way.
    fn reach(&self, ask: &Ask<'_>, authorization: Option<&HeaderValue>) -> Result<Answer, RegistryError> {
        let path = match &ask.to {
            To::Path(path) => path,
            To::Address(address) => return self.follow((*address).clone(), ask, authorization),
        };
        let go = |scheme| self.follow(self.address(scheme, path)?, ask, authorization);
        if !self.endpoint.insecure {
            return go(Scheme::Https);
        }
        if let Some(scheme) = self.shared.schemes.get(&self.endpoint) {
            return go(scheme);
        }
        if self.endpoint.is_local() {
            match go(Scheme::Http) {
                // What servers with TLS say to those without, if anything.
                Ok(answer) if answer.status == 400 => {}
                Ok(answer) => return Ok(self.spoken(Scheme::Http, answer)),
                Err(error) if error.is_no_connection() => {}
                Err(error) => return Err(error),
            }
        }
        let error = match go(Scheme::Https) {
            Err(error) if error.is_no_connection() => error,
            answer => return answer.map(|answer| self.spoken(Scheme::Https, answer)),
        };
        match (go(Scheme::Http), &error) {
            // It was only the connection with TLS that failed.
            (Ok(answer), error) if answer.status != 400 || matches!(error, RegistryError::PlainHttp { .. }) => {
                Ok(self.spoken(Scheme::Http, answer))
            }
            (Err(plain), RegistryError::PlainHttp { .. }) => Err(plain),
            _ => Err(error),
        }
    }

    /// Remembers how an insecure registry answered.
    fn spoken(&self, scheme: Scheme, answer: Answer) -> Answer {
        self.shared.schemes.insert(self.endpoint.clone(), scheme);
        answer
    }

    pub fn address(&self, scheme: Scheme, path: &str) -> Result<Address, RegistryError> {
        let malformed = || RegistryError::Malformed { registry: self.registry().to_owned(), what: "no such address" };
        self.endpoint.address(scheme, path).ok_or_else(malformed)
    }

    /// True for the registry itself, as it is spoken to.
    fn is_own(&self, address: &Address) -> bool {
        let scheme = match self.endpoint.insecure {
            true => self.shared.schemes.get(&self.endpoint).unwrap_or(address.scheme),
            false => Scheme::Https,
        };
        self.endpoint.address(scheme, "/").is_some_and(|own| own.is_same_server(address))
    }

    /// Sends, and follows redirects. The authorization is for the registry.
    fn follow(
        &self,
        mut address: Address,
        ask: &Ask<'_>,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, RegistryError> {
        let start = address.clone();
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.send(&address, ask, authorization.filter(|_| self.is_own(&address)))?;
            let reading = matches!(ask.method, Method::GET | Method::HEAD);
            let to_follow = match answer.status {
                301..=303 => reading,
                307 | 308 => true,
                _ => return Ok(answer),
            };
            if !to_follow {
                return Ok(answer);
            }
            address = self.location(&answer)?;
            answer.pass_over();
        }
        let (from, to) = (start.to_string(), address.to_string());
        Err(RegistryError::BadRedirect { from, to, reason: "these are too many redirects" })
    }

    pub fn send(
        &self,
        address: &Address,
        ask: &Ask<'_>,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, RegistryError> {
        let agent = self.shared.agent(&self.endpoint, address, ask.pace)?;
        let mut request = http::Request::builder().method(ask.method.clone()).uri(address.request_target());
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let malformed = |_| RegistryError::Malformed { registry: self.registry().to_owned(), what: "no such address" };
        let answer = match ask.body {
            Some(body) => agent.run(request.body(body).map_err(malformed)?),
            None => agent.run(request.body(()).map_err(malformed)?),
        };
        let answer = answer.map_err(|error| transport_error(error, &address.host_and_port(), self.registry()))?;
        let (parts, body) = answer.into_parts();
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, address: address.clone(), body })
    }
}

impl Ask<'_> {
    /// A plain question, with no scope.
    pub fn get(path: String, what: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            to: To::Path(path),
            headers: Vec::new(),
            body: None,
            scope: String::new(),
            pace: Pace::Quick,
            what: what.into(),
        }
    }
}
