//! One registry and one login: requests with the proof that the registry wants, and redirects.
//!
//! `Authorization` goes to the server that it is for and nowhere else: user and password to the registry itself (Basic) or
//! to the token server it names (Bearer), tokens to the registry. A redirect or an upload location on another scheme, host or
//! port gets the bare request. Nothing goes from https to http.

use super::address::{Address, Scheme, encode};
use super::challenge::{self, Challenge};
use super::client::{Endpoint, Pace, Shared};
use super::credentials::Login;
use super::error::{RegistryError, transport_error};
use super::refusal::refusal;
use super::retry::RetryPolicy;
use super::token::{REFRESH_TOKEN_USER, Token, TokenAnswer, TokenKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::io::Read as _;
use std::sync::Arc;
use std::time::Instant;
use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use ureq::http::{self, HeaderMap, HeaderName, HeaderValue, Method};

const MAX_REDIRECTS: usize = 5;
/// Tokens of large organisations have several KiB.
const MAX_TOKEN: u64 = 1 << 20;

#[derive(Clone)]
pub(super) struct Session {
    shared: Arc<Shared>,
    pub endpoint: Endpoint,
    login: Option<Login>,
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

    /// The whole body.
    pub fn bytes(self, registry: &str, what: &str, limit: u64) -> Result<Vec<u8>, RegistryError> {
        let mut bytes = Vec::new();
        let host = self.address.host_and_port();
        // One more than allowed tells that there is more.
        let read = self.body.into_reader().take(limit + 1).read_to_end(&mut bytes);
        read.map_err(|error| transport_error(error.into(), &host))?;
        if bytes.len() as u64 > limit {
            return Err(RegistryError::TooLarge { registry: registry.to_owned(), what: what.to_owned(), limit });
        }
        Ok(bytes)
    }
}

impl Session {
    pub fn new(shared: Arc<Shared>, endpoint: Endpoint, login: Option<Login>) -> Self {
        Self { shared, endpoint, login }
    }

    /// The same for one who tells nobody who he is.
    pub fn without_login(self) -> Self {
        Self { login: None, ..self }
    }

    pub fn registry(&self) -> &str {
        &self.endpoint.registry
    }

    pub fn retry_policy(&self) -> RetryPolicy {
        self.shared.retry_policy()
    }

    /// One attempt, with a token fetched or renewed once where the registry asks for it. `accept` are statuses that are no
    /// errors though they are not 2xx.
    pub fn ask(&self, ask: &Ask<'_>, accept: &[u16]) -> Result<Answer, RegistryError> {
        let first = self.authorization(&ask.scope)?;
        let mut answer = self.reach(ask, first.as_ref())?;
        if answer.status == 401 && self.is_own(&answer.address) {
            self.learn(&answer, ask, first.as_ref())?;
            let second = self.authorization(&ask.scope)?;
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
        let ask = Ask::get("/v2/".to_owned(), "itself");
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

    /// Sends to the registry, by http where an insecure one has no https.
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
        let (scheme, answer) = match go(Scheme::Https) {
            Err(error) if error.is_no_connection() => match go(Scheme::Http) {
                Ok(answer) => (Scheme::Http, answer),
                Err(plain) if matches!(error, RegistryError::PlainHttp { .. }) => return Err(plain),
                Err(_) => return Err(error),
            },
            answer => (Scheme::Https, answer?),
        };
        self.shared.schemes.insert(self.endpoint.clone(), scheme);
        Ok(answer)
    }

    fn address(&self, scheme: Scheme, path: &str) -> Result<Address, RegistryError> {
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
        }
        let (from, to) = (start.to_string(), address.to_string());
        Err(RegistryError::BadRedirect { from, to, reason: "these are too many redirects" })
    }

    fn send(
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
        let answer = answer.map_err(|error| transport_error(error, &address.host_and_port()))?;
        let (parts, body) = answer.into_parts();
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, address: address.clone(), body })
    }

    /// Notes what a refusal asks for, and drops the token that was refused.
    fn learn(&self, answer: &Answer, ask: &Ask<'_>, refused: Option<&HeaderValue>) -> Result<(), RegistryError> {
        if let Some(refused) = refused {
            self.shared.tokens.forget(&self.token_key(&ask.scope), refused);
        }
        let headers = answer.headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let usable = |challenge: &Challenge| match challenge {
            Challenge::Basic => self.basic().is_some(),
            Challenge::Bearer { .. } => true,
        };
        let chosen = challenge::parse(headers).into_iter().find(usable);
        let chosen = chosen.ok_or_else(|| self.unauthorized(&ask.what))?;
        self.shared.challenges.insert(self.endpoint.clone(), chosen);
        Ok(())
    }

    /// What to send along, as far as it is known what the registry wants.
    fn authorization(&self, scope: &str) -> Result<Option<HeaderValue>, RegistryError> {
        match self.shared.challenges.get(&self.endpoint) {
            None => Ok(None),
            Some(Challenge::Basic) => Ok(self.basic()),
            Some(Challenge::Bearer { realm, service, scope: more }) => {
                let realm = self.realm(&realm)?;
                // Some registries have a scope for everybody; one of another repository is not ours to ask for.
                let more = more.filter(|more| !more.starts_with("repository:") && !more.starts_with("registry:"));
                let scopes: Vec<&str> = scope.split(' ').chain(more.as_deref()).filter(|s| !s.is_empty()).collect();
                let fetch = || self.fetch_token(&realm, service.as_deref(), &scopes);
                self.shared.tokens.get(self.token_key(scope), fetch).map(Some)
            }
        }
    }

    fn basic(&self) -> Option<HeaderValue> {
        let login = self.login.as_ref().filter(|login| login.user != REFRESH_TOKEN_USER)?;
        let mut value =
            HeaderValue::try_from(format!("Basic {}", BASE64.encode(format!("{}:{}", login.user, login.secret))))
                .expect("base64 has no control characters");
        value.set_sensitive(true);
        Some(value)
    }

    fn token_key(&self, scope: &str) -> TokenKey {
        TokenKey { endpoint: self.endpoint.clone(), scope: scope.to_owned(), login: self.login.clone() }
    }

    /// The token server: over https, or as insecurely as the registry itself.
    fn realm(&self, realm: &str) -> Result<Address, RegistryError> {
        let scheme = match self.endpoint.insecure {
            true => self.shared.schemes.get(&self.endpoint).unwrap_or(Scheme::Https),
            false => Scheme::Https,
        };
        let registry = self.address(scheme, "/")?;
        let parsed = Address::parse(realm);
        let to = parsed.as_ref().map(Address::to_string).unwrap_or_default();
        let bad = |reason| RegistryError::BadRedirect { from: registry.to_string(), to, reason };
        match parsed {
            None => Err(bad("that is no address of a token server")),
            Some(realm) if realm.scheme == Scheme::Http && scheme == Scheme::Https => {
                Err(bad("a token server must not be plain HTTP"))
            }
            Some(realm) => Ok(realm),
        }
    }

    fn fetch_token(&self, realm: &Address, service: Option<&str>, scopes: &[&str]) -> Result<Token, RegistryError> {
        let asked_at = Instant::now();
        let what = "a token";
        let refresh = self.login.as_ref().filter(|login| login.user == REFRESH_TOKEN_USER);
        let answer = match refresh {
            Some(login) => self.send_refresh_token(realm, service, scopes, login)?,
            None => {
                let mut address = service.map_or(realm.clone(), |service| realm.clone().with("service", service));
                for scope in scopes {
                    address = address.with("scope", scope);
                }
                if let Some(login) = &self.login {
                    address = address.with("account", &login.user);
                }
                self.send(&address, &Ask::get(String::new(), what), self.basic().as_ref())?
            }
        };
        match answer.status {
            200..=299 => {}
            400 | 401 | 403 => return Err(self.unauthorized("a token")),
            // A password that was sent here is for here.
            301..=303 | 307 | 308 => {
                let to = self.location(&answer)?.to_string();
                let reason = "a token server must not send elsewhere";
                return Err(RegistryError::BadRedirect { from: realm.to_string(), to, reason });
            }
            _ => return Err(refusal(answer, &realm.host_and_port(), what)),
        }
        let malformed = |what| RegistryError::Malformed { registry: self.registry().to_owned(), what };
        let bytes = answer.bytes(self.registry(), what, MAX_TOKEN)?;
        let answer: TokenAnswer =
            serde_json::from_slice(&bytes).map_err(|_| malformed("a token server that gives no token"))?;
        Token::read(answer, asked_at, self.registry())
    }

    /// OAuth2, for those who have a refresh token instead of a password.
    fn send_refresh_token(
        &self,
        realm: &Address,
        service: Option<&str>,
        scopes: &[&str],
        login: &Login,
    ) -> Result<Answer, RegistryError> {
        let form = [
            ("grant_type", "refresh_token"),
            ("service", service.unwrap_or_default()),
            ("client_id", "podkin"),
            ("scope", &scopes.join(" ")),
            ("refresh_token", &login.secret),
        ];
        let form = form.map(|(name, value)| format!("{name}={}", encode(value))).join("&");
        let mut ask = Ask::get(String::new(), "a token");
        ask.method = Method::POST;
        ask.headers.push((CONTENT_TYPE, "application/x-www-form-urlencoded".to_owned()));
        ask.body = Some(form.as_bytes());
        self.send(realm, &ask, None)
    }

    fn unauthorized(&self, what: &str) -> RegistryError {
        let (registry, what) = (self.registry().to_owned(), what.to_owned());
        match &self.login {
            Some(login) => RegistryError::LoginRefused { registry, user: login.user.clone(), what },
            None => RegistryError::LoginNeeded { registry, what },
        }
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
