//! Bearer tokens: fetched where the registry says, kept until they expire, one fetch at a time for each scope.

use super::client::{Endpoint, Table};
use super::credentials::Login;
use super::error::RegistryError;
use serde::Deserialize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use ureq::http::HeaderValue;

/// The least a token is good for, whatever the server says (distribution specification, "Token Response Fields").
const SHORTEST: u64 = 60;
/// Taken off the end, so that a token does not expire on its way.
const MARGIN: Duration = Duration::from_secs(5);

/// User of a login that is a refresh token.
pub(super) const REFRESH_TOKEN_USER: &str = "<token>";

#[derive(Default)]
pub(super) struct Tokens(Table<TokenKey, Slot>);

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct TokenKey {
    pub endpoint: Endpoint,
    pub scope: String,
    pub login: Option<Login>,
}

type Slot = Arc<Mutex<Option<Token>>>;

/// What goes into `Authorization`.
pub(super) struct Token {
    header: HeaderValue,
    expires: Instant,
}

/// Answer of a token server.
#[derive(Deserialize)]
pub(super) struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Tokens {
    /// A token that is good now; whoever asks for the same meanwhile waits for the one that is being fetched.
    pub fn get(
        &self,
        key: TokenKey,
        fetch: impl FnOnce() -> Result<Token, RegistryError>,
    ) -> Result<HeaderValue, RegistryError> {
        let slot = self.0.get_or_insert(key, Slot::default());
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = slot.as_ref().filter(|token| token.expires > Instant::now()) {
            return Ok(token.header.clone());
        }
        let token = fetch()?;
        Ok(slot.insert(token).header.clone())
    }

    /// Drops a token that was refused, unless there is a newer one already.
    pub fn forget(&self, key: &TokenKey, refused: &HeaderValue) {
        if let Some(slot) = self.0.get(key) {
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            if slot.as_ref().is_some_and(|token| token.header == refused) {
                *slot = None;
            }
        }
    }
}

impl Token {
    pub fn read(answer: TokenAnswer, asked_at: Instant, registry: &str) -> Result<Self, RegistryError> {
        let malformed = |what| RegistryError::Malformed { registry: registry.to_owned(), what };
        let TokenAnswer { token, access_token, expires_in } = answer;
        let token = token.filter(|token| !token.is_empty()).or(access_token).unwrap_or_default();
        if token.is_empty() {
            return Err(malformed("a token server that gives no token"));
        }
        let mut header =
            HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| malformed("a malformed token"))?;
        header.set_sensitive(true);
        // A year is as good as for ever, and does not overflow.
        let seconds = expires_in.unwrap_or(SHORTEST).clamp(SHORTEST, 365 * 24 * 3600);
        Ok(Self { header, expires: asked_at + Duration::from_secs(seconds) - MARGIN })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str, age: u64) -> Token {
        let answer = serde_json::from_str(text).unwrap();
        Token::read(answer, Instant::now().checked_sub(Duration::from_secs(age)).unwrap(), "a.test").unwrap()
    }

    fn key(scope: &str, secret: Option<&str>) -> TokenKey {
        let login = secret.map(|secret| Login { user: "me".into(), secret: secret.into() });
        let endpoint = Endpoint { registry: "a.test".into(), insecure: false };
        TokenKey { endpoint, scope: scope.into(), login }
    }

    #[test]
    fn tokens_are_kept_by_scope_and_login_until_they_expire() {
        let tokens = Tokens::default();
        let get = |key, text: &str, age| tokens.get(key, || Ok(token(text, age))).unwrap().to_str().unwrap().to_owned();
        assert_eq!(get(key("pull", None), r#"{"token":"one","expires_in":300}"#, 0), "Bearer one");
        assert_eq!(get(key("pull", None), r#"{"token":"two"}"#, 0), "Bearer one");
        assert_eq!(get(key("push", None), r#"{"access_token":"three","token":""}"#, 58), "Bearer three");
        assert_eq!(get(key("push", None), r#"{"token":"four","expires_in":1}"#, 0), "Bearer four", "the other expired");
        assert_eq!(get(key("pull", Some("x")), r#"{"token":"five"}"#, 0), "Bearer five");
        tokens.forget(&key("pull", None), &HeaderValue::from_static("Bearer other"));
        assert_eq!(get(key("pull", None), r#"{"token":"six"}"#, 0), "Bearer one");
        tokens.forget(&key("pull", None), &HeaderValue::from_static("Bearer one"));
        assert_eq!(get(key("pull", None), r#"{"token":"six"}"#, 0), "Bearer six");
        for bad in [r#"{}"#, r#"{"token":"a\nb"}"#] {
            assert!(Token::read(serde_json::from_str(bad).unwrap(), Instant::now(), "a.test").is_err(), "{bad}");
        }
    }
}
