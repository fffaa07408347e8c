//! Proving who one is: what a registry asks for, and where the proof comes from.
//!
//! User and password go to the registry itself (Basic) or to the token server that it names (Bearer), a refresh token to the
//! token server, in exchange for a token. A token server is spoken to by https, or as insecurely as the registry itself, and
//! must not send elsewhere.

use super::address::{Address, Scheme, encode};
use super::challenge::{self, Challenge};
use super::credentials::Login;
use super::error::RegistryError;
use super::refusal::refusal;
use super::session::{Answer, Ask, Session};
use super::token::{REFRESH_TOKEN_USER, Token, TokenAnswer, TokenKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::time::Instant;
use ureq::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use ureq::http::{HeaderValue, Method};

/// Tokens of large organisations have several KiB.
const MAX_TOKEN: u64 = 1 << 20;

impl Session {
    /// Notes what a refusal asks for, and drops the token that was refused.
    pub fn learn(&self, answer: &Answer, ask: &Ask<'_>, refused: Option<&HeaderValue>) -> Result<(), RegistryError> {
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
    pub fn authorization(&self, ask: &Ask<'_>) -> Result<Option<HeaderValue>, RegistryError> {
        match self.shared.challenges.get(&self.endpoint) {
            None => Ok(None),
            Some(Challenge::Basic) => Ok(self.basic()),
            Some(Challenge::Bearer { realm, service, scope: more }) => {
                let realm = self.realm(&realm)?;
                // Some registries have a scope for everybody; one of another repository is not ours to ask for.
                let more = more.filter(|more| !more.starts_with("repository:") && !more.starts_with("registry:"));
                let scopes: Vec<&str> = ask.scope.split(' ').chain(more.as_deref()).filter(|s| !s.is_empty()).collect();
                let fetch = || self.fetch_token(&realm, service.as_deref(), &scopes, &ask.what);
                self.shared.tokens.get(self.token_key(&ask.scope), fetch).map(Some)
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

    /// `wanted` is what the token is for.
    fn fetch_token(
        &self,
        realm: &Address,
        service: Option<&str>,
        scopes: &[&str],
        wanted: &str,
    ) -> Result<Token, RegistryError> {
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
            401 | 403 => return Err(self.unauthorized(wanted)),
            // OAuth2 says so when a refresh token is no longer good.
            400 if refresh.is_some() => return Err(self.unauthorized(wanted)),
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

    pub fn unauthorized(&self, what: &str) -> RegistryError {
        let (registry, what) = (self.registry().to_owned(), what.to_owned());
        match &self.login {
            Some(login) => RegistryError::LoginRefused { registry, user: login.user.clone(), what },
            None => RegistryError::LoginNeeded { registry, what },
        }
    }
}
