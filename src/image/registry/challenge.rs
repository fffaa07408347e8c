//! `WWW-Authenticate`: what a registry wants to see (RFC 9110, section 11.6.1).

/// One way to prove who one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password, sent with each request.
    Basic,
    /// A token from another server.
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

/// Known challenges of the headers, in their order. Other ways are left out, and so is a Bearer without realm.
pub(super) fn parse<'a>(headers: impl IntoIterator<Item = &'a str>) -> Vec<Challenge> {
    headers.into_iter().flat_map(|header| Scanner { rest: header }.challenges()).filter_map(known).collect()
}

/// A scheme in lower case and its parameters.
type Raw = (String, Vec<(String, String)>);

fn known((scheme, parameters): Raw) -> Option<Challenge> {
    let get = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    match scheme.as_str() {
        "basic" => Some(Challenge::Basic),
        "bearer" => Some(Challenge::Bearer { realm: get("realm")?, service: get("service"), scope: get("scope") }),
        _ => None,
    }
}

struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn challenges(mut self) -> Vec<Raw> {
        let mut found: Vec<Raw> = Vec::new();
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', ',']);
            let word = self.token();
            if word.is_empty() {
                return found;
            }
            self.rest = self.rest.trim_start();
            // A word before `=` is a parameter of the scheme before it; any other begins a challenge.
            match self.rest.strip_prefix('=') {
                Some(rest) => {
                    self.rest = rest.trim_start();
                    let value = self.value();
                    if let Some((_, parameters)) = found.last_mut() {
                        parameters.push((word.to_ascii_lowercase(), value));
                    }
                }
                None => found.push((word.to_ascii_lowercase(), Vec::new())),
            }
        }
    }

    fn token(&mut self) -> &'a str {
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let end = self.rest.find(|c| !is_token(c)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        token
    }

    /// A quoted string, or everything up to the next comma or blank: some registries leave the quotes out.
    fn value(&mut self) -> String {
        let Some(quoted) = self.rest.strip_prefix('"') else {
            let end = self.rest.find([',', ' ', '\t']).unwrap_or(self.rest.len());
            let (value, rest) = self.rest.split_at(end);
            self.rest = rest;
            return value.to_owned();
        };
        let mut value = String::new();
        let mut characters = quoted.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.rest = &quoted[at + 1..];
                    return value;
                }
                '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
                other => value.push(other),
            }
        }
        self.rest = "";
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Challenge::Bearer { realm: realm.to_owned(), service: owned(service), scope: owned(scope) }
    }

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#;
        let expected =
            bearer("https://auth.docker.io/token", Some("registry.docker.io"), Some("repository:a/b:pull,push"));
        assert_eq!(parse([hub]), [expected]);
        assert_eq!(parse([r#"Basic realm="a \"quoted\", realm""#]), [Challenge::Basic]);
        assert_eq!(parse([r#"bearer Realm = "x" , basic"#]), [bearer("x", None, None), Challenge::Basic]);
        assert_eq!(parse([r#"Negotiate, Digest nonce="a,b", Basic"#, "BEARER realm=y"]).len(), 2);
        assert_eq!(
            parse(["Bearer realm=https://y.test/token,service=z"]),
            [bearer("https://y.test/token", Some("z"), None)]
        );
        for nonsense in ["", ",,,", "=", "\"", "Bearer", "Bearer realm", "Bearer service=\"x", "é"] {
            assert_eq!(parse([nonsense]), [], "{nonsense}");
        }
    }
}
