//! The forms of names, labels, keys and paths (Kubernetes, "Object Names and IDs", "Labels and Selectors").
//!
//! Each rule returns why a text does not have the form.

type Form = Result<(), &'static str>;

fn require(holds: bool, reason: &'static str) -> Form {
    if holds { Ok(()) } else { Err(reason) }
}

fn is_lower_alphanumeric(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

fn has_ends(text: &str, rule: impl Fn(char) -> bool) -> bool {
    text.starts_with(&rule) && text.ends_with(&rule)
}

/// DNS-1123 label: containers, volumes, host names.
pub fn dns_label(text: &str) -> Form {
    require(text.len() <= 63, "it may have at most 63 characters")?;
    require(
        has_ends(text, is_lower_alphanumeric) && text.chars().all(|c| is_lower_alphanumeric(c) || c == '-'),
        "only lower-case letters, digits and `-`, and a letter or digit first and last",
    )
}

/// DNS-1123 subdomain: names of objects.
pub fn dns_subdomain(text: &str) -> Form {
    require(text.len() <= 253, "it may have at most 253 characters")?;
    let label = |l: &str| has_ends(l, is_lower_alphanumeric) && l.chars().all(|c| is_lower_alphanumeric(c) || c == '-');
    require(
        text.split('.').all(label),
        "only lower-case letters, digits, `-` and `.`, and a letter or digit first and last",
    )
}

/// Key of a label or annotation: an optional DNS prefix, `/`, and a name.
pub fn qualified_name(text: &str) -> Form {
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    if let Some(prefix) = prefix {
        require(dns_subdomain(prefix).is_ok(), "what stands before the `/` must be a lower-case DNS name")?;
    }
    require(!name.is_empty(), "the name must not be empty")?;
    require(name.len() <= 63, "the name may have at most 63 characters")?;
    require(
        is_label_text(name),
        "only letters, digits, `-`, `_` and `.`, a letter or digit first and last, and at most one `/`",
    )
}

/// Value of a label.
pub fn label_value(text: &str) -> Form {
    require(text.len() <= 63, "it may have at most 63 characters")?;
    require(
        text.is_empty() || is_label_text(text),
        "only letters, digits, `-`, `_` and `.`, and a letter or digit first and last",
    )
}

fn is_label_text(text: &str) -> bool {
    has_ends(text, |c| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// IANA service name: the name of a port.
pub fn port_name(text: &str) -> Form {
    require(!text.is_empty() && text.len() <= 15, "it must have 1 to 15 characters")?;
    require(
        has_ends(text, is_lower_alphanumeric) && text.chars().all(|c| is_lower_alphanumeric(c) || c == '-'),
        "only lower-case letters, digits and `-`, and a letter or digit first and last",
    )?;
    require(text.chars().any(|c| c.is_ascii_lowercase()), "it must have at least one letter")?;
    require(!text.contains("--"), "it must not have two `-` in a row")
}

/// Key of a ConfigMap or Secret.
pub fn config_key(text: &str) -> Form {
    require(!text.is_empty() && text.len() <= 253, "it must have 1 to 253 characters")?;
    require(
        text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')),
        "only letters, digits, `-`, `_` and `.`",
    )?;
    require(text != "." && !text.starts_with(".."), "it must not be `.` or start with `..`")
}

/// Name of an environment variable.
pub fn variable_name(text: &str) -> Form {
    require(!text.is_empty(), "it must not be empty")?;
    require(crate::model::environment::is_variable_name(text), "only printable ASCII characters without `=`")
}

/// Host name or address of another machine.
pub fn host(text: &str) -> Form {
    require(!text.is_empty() && text.len() <= 253, "it must have 1 to 253 characters")?;
    require(
        text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == ':')
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '%')),
        "it must be a host name or an address",
    )
}

/// A path inside a volume: relative, without `..`.
pub fn path_below(text: &str) -> Form {
    require(!text.is_empty(), "it must not be empty")?;
    require(!text.starts_with('/'), "it must be relative")?;
    require(!text.split('/').any(|step| step == ".."), "it must not contain `..`")?;
    require(!text.contains('\0'), "it must not contain a NUL character")
}

/// A file that podkin puts into a volume.
pub fn file_path(text: &str) -> Form {
    path_below(text)?;
    require(!text.starts_with(".."), "it must not start with `..`")?;
    require(text.len() <= 4096 && text.split('/').all(|s| s.len() <= 255), "it is too long for a file system")?;
    require(text.split('/').all(|s| !s.is_empty() && s != "."), "it must name a file")
}

/// Where a volume is mounted in a container.
pub fn mount_path(text: &str) -> Form {
    require(!text.is_empty(), "it must not be empty")?;
    require(text.starts_with('/'), "it must be absolute")?;
    require(!text.contains(':'), "it must not contain `:`")?;
    require(!text.split('/').any(|step| step == ".."), "it must not contain `..`")?;
    require(!text.contains('\0'), "it must not contain a NUL character")
}

/// A path without empty steps, `.` and a slash at its end.
pub fn cleaned(path: &str) -> String {
    let steps: Vec<_> = path.split('/').filter(|s| !s.is_empty() && *s != ".").collect();
    let slash = if path.starts_with('/') { "/" } else { "" };
    format!("{slash}{}", steps.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rule: fn(&str) -> Form, good: &[&str], bad: &[&str]) {
        good.iter().for_each(|t| assert_eq!(rule(t), Ok(()), "{t}"));
        bad.iter().for_each(|t| assert!(rule(t).is_err(), "{t}"));
    }

    #[test]
    fn forms() {
        let (long, longer) = ("a".repeat(63), "a".repeat(64));
        table(dns_label, &["a", "web-1", "0", &long], &["", "-a", "a-", "A", "a.b", "a_b", &longer, "ä"]);
        table(dns_subdomain, &["a", "a.b-c.d1"], &["", ".a", "a..b", "a.", "A.b", "a_b", "a-.b"]);
        table(
            qualified_name,
            &["app", "App_1.x", "example.com/app", "app.kubernetes.io/name"],
            &["", "/a", "a/", "a/b/c", "Example.com/a", "-a", "a b", &longer],
        );
        table(label_value, &["", "v1.2_x-Y"], &["-a", "a b", "a/b", &longer]);
        table(port_name, &["http", "a1-b"], &["", "1", "a--b", "-a", "Http", "sixteen-letters-"]);
        table(config_key, &["a", "A.b_c-1", ".hidden"], &["", ".", "..", "..a", "a/b", "a b"]);
        table(variable_name, &["A", "a.b-c", "1A", "A B"], &["", "A=B", "Ä", "A\n"]);
        table(path_below, &["a", "a/b", "..a"], &["", "/a", "../a", "a/../b", "a\0"]);
        table(file_path, &["a", "a/b", ".a"], &["", "/a", "..data", "a/", "a//b", "a/./b", "a/.."]);
        table(mount_path, &["/", "/a/b"], &["", "a", "/a:ro", "/a/../b"]);
        assert_eq!(cleaned("/a//b/./c/"), "/a/b/c");
        assert_eq!(cleaned("/"), "/");
        assert_eq!(cleaned("a/./b"), "a/b");
    }
}
