//! The policy shown as a table, and changed (`image trust`).

use super::document::{self, DocumentError};
use super::keys::{KeyError, Keys};
use super::lookaside::Lookaside;
use super::openpgp::{Gpg, OpenPgpError};
use super::{Policy, Requirement, read_document};
use crate::image::reference::Reference;
use crate::store::atomic::{self, Durability};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// One requirement of one scope, in podman's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrustRow {
    /// `all` for the default, `repository` for registries.
    pub transport: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub repo_name: String,
    /// Where signatures are read from.
    #[serde(rename = "sigstore", skip_serializing_if = "String::is_empty")]
    pub store: String,
    /// `accept`, `reject`, `signed`, `sigstoreSigned`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Mail addresses of the keys.
    #[serde(rename = "gpg_id", skip_serializing_if = "String::is_empty")]
    pub keys: String,
}

/// The owners of keys could not be found out.
#[derive(Debug, thiserror::Error)]
pub enum KeyOwnerError {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    OpenPgp(#[from] OpenPgpError),
}

/// What is to hold for a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    Accept,
    Reject,
    /// Simple signatures, one by each of these keys.
    SignedBy(Vec<PathBuf>),
    /// Signatures of cosign, one by each of these keys.
    SigstoreSigned(Vec<PathBuf>),
}

#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    #[error("at least one key file must be given for the type `{0}`")]
    NoKey(&'static str),
    #[error("`{0}` is neither `default`, nor a host, a path on it, or an image")]
    Scope(String),
    #[error("no image belongs to the scope `{scope}`: names are full there")]
    ShortName { scope: String, full: String },
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` is no policy", path.display())]
    Document { path: PathBuf, source: DocumentError },
    #[error("cannot make the directory `{}`", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Write(#[from] atomic::WriteError),
}

impl TrustError {
    /// What to try.
    pub fn hint(&self) -> Option<String> {
        match self {
            TrustError::ShortName { full, .. } => Some(format!("write `{full}`")),
            _ => None,
        }
    }
}

/// The policy, a row for each requirement; and what went wrong while the owners of keys were looked up.
pub fn rows(policy: &Policy, lookaside: &Lookaside, gpg: &Gpg) -> (Vec<TrustRow>, Vec<KeyOwnerError>) {
    let mut failures = Vec::new();
    let mut owners = |requirement: &Requirement| {
        owners(requirement, gpg).unwrap_or_else(|error| {
            failures.push(error);
            String::new()
        })
    };
    let mut rows = Vec::new();
    let mut add = |transport: &str, name: &str, repo_name: &str, scope: &str, requirements: &[Requirement]| {
        rows.extend(requirements.iter().map(|requirement| TrustRow {
            transport: transport.to_owned(),
            name: name.to_owned(),
            repo_name: repo_name.to_owned(),
            store: lookaside.named_for(scope).unwrap_or_default().to_owned(),
            kind: shown_kind(requirement).to_owned(),
            keys: owners(requirement),
        }));
    };
    add("all", "* (default)", "default", "", &policy.default);
    for (transport, scopes) in &policy.transports {
        let transport = if transport == "docker" { "repository" } else { transport };
        for (scope, requirements) in scopes {
            add(transport, scope, scope, scope, requirements);
        }
    }
    (rows, failures)
}

fn shown_kind(requirement: &Requirement) -> &'static str {
    match requirement {
        Requirement::AcceptAnything => "accept",
        Requirement::SignedBy { .. } | Requirement::Unsupported { kind: "signedBy", .. } => "signed",
        other => other.kind(),
    }
}

/// Mail addresses of the owners of the keys of a requirement.
fn owners(requirement: &Requirement, gpg: &Gpg) -> Result<String, KeyOwnerError> {
    match requirement {
        Requirement::SignedBy { keys, .. } => mail_addresses(keys, gpg),
        Requirement::SigstoreSigned { .. } | Requirement::Unsupported { .. } => Ok("N/A".to_owned()),
        Requirement::AcceptAnything | Requirement::Reject => Ok(String::new()),
    }
}

fn mail_addresses(keys: &Keys, gpg: &Gpg) -> Result<String, KeyOwnerError> {
    let mut addresses = Vec::new();
    for key in keys.read()? {
        addresses.extend(gpg.user_ids(&key.content)?.iter().map(|id| mail_address(id)));
    }
    Ok(addresses.join(", "))
}

/// `Name (comment) <mail>` without all but the mail; what has none stays. Control characters are no part of either.
fn mail_address(user_id: &str) -> String {
    let mail = user_id.rsplit_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(mail, _)| mail);
    mail.unwrap_or(user_id).chars().filter(|c| !c.is_control()).collect()
}

/// Changes what holds for a scope - `default`, or a scope of registries - and keeps everything else in the file.
///
/// A scope that another transport has already is changed there, as podman does. Without a file there is one afterwards, whose
/// default is what held without it: every image is accepted.
pub fn set(path: &Path, scope: &str, trust: &Trust) -> Result<(), TrustError> {
    let requirements = requirements(trust)?;
    // The file itself changes where the path is a link to it.
    let path = &std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let (mut file, mode) = read(path)?;
    match scope {
        "default" => drop(file.insert("default".to_owned(), requirements)),
        scope => put(&mut file, scope, requirements)?,
    }
    let text = format!("{}\n", indented(&Value::Object(file)));
    let invalid = |source| TrustError::Document { path: path.clone(), source };
    document::parse(text.as_bytes()).map_err(invalid)?;
    if let Some(directory) = path.parent() {
        let failed = |source| TrustError::Directory { path: directory.to_owned(), source };
        std::fs::create_dir_all(directory).map_err(failed)?;
    }
    Ok(atomic::replace_with_mode(path, text.as_bytes(), mode, Durability::Synced)?)
}

/// The file, known to be a policy, and its mode.
fn read(path: &Path) -> Result<(Map<String, Value>, u32), TrustError> {
    let failed = |source| TrustError::Read { path: path.to_owned(), source };
    let text = match read_document(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let accept = json!({ "default": [{ "type": "insecureAcceptAnything" }] });
            return Ok((accept.as_object().cloned().unwrap_or_default(), 0o644));
        }
        Err(source) => return Err(failed(source)),
    };
    let invalid = |source| TrustError::Document { path: path.to_owned(), source };
    document::parse(&text).map_err(invalid)?;
    let file = serde_json::from_slice(&text).map_err(|error| invalid(error.into()))?;
    let mode = std::fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
    Ok((file, mode))
}

fn put(file: &mut Map<String, Value>, scope: &str, requirements: Value) -> Result<(), TrustError> {
    let transports = file.entry("transports").or_insert_with(|| json!({}));
    let transports = transports.as_object_mut().expect("a policy that was read has an object there");
    let having = transports.iter().find(|(_, scopes)| scopes.get(scope).is_some()).map(|(name, _)| name.clone());
    let transport = match having {
        Some(transport) => transport,
        None => {
            check_scope(scope)?;
            "docker".to_owned()
        }
    };
    transports.entry(transport).or_insert_with(|| json!({}))[scope] = requirements;
    Ok(())
}

/// Refuses a scope that no image can belong to.
fn check_scope(scope: &str) -> Result<(), TrustError> {
    let malformed = || TrustError::Scope(scope.to_owned());
    let parses_as_itself = |text: &str| Reference::parse(text).is_ok_and(|full| full.name() == text);
    if let Some(domain) = scope.strip_prefix("*.") {
        let valid = !domain.contains(['/', ':']) && parses_as_itself(&format!("x.{domain}/x/x"));
        return if valid { Ok(()) } else { Err(malformed()) };
    }
    // A host or a path: full names can be made by adding to it.
    if parses_as_itself(&format!("{scope}/x/x")) {
        return Ok(());
    }
    let full = Reference::parse(scope).map_err(|_| malformed())?;
    let named = super::scope::identity_text(&full);
    if named == scope {
        return Ok(());
    }
    let tagged = scope.rsplit('/').next().is_some_and(|last| last.contains([':', '@']));
    let full = if tagged { named } else { full.name() };
    Err(TrustError::ShortName { scope: scope.to_owned(), full })
}

fn requirements(trust: &Trust) -> Result<Value, TrustError> {
    let each = |keys: &[PathBuf], kind: &'static str, requirement: &dyn Fn(&PathBuf) -> Value| match keys {
        [] => Err(TrustError::NoKey(kind)),
        keys => Ok(keys.iter().map(requirement).collect()),
    };
    match trust {
        Trust::Accept => Ok(json!([{ "type": "insecureAcceptAnything" }])),
        Trust::Reject => Ok(json!([{ "type": "reject" }])),
        Trust::SignedBy(keys) => {
            each(keys, "signedBy", &|key| json!({ "type": "signedBy", "keyType": "GPGKeys", "keyPath": key }))
        }
        Trust::SigstoreSigned(keys) => {
            each(keys, "sigstoreSigned", &|key| json!({ "type": "sigstoreSigned", "keyPath": key }))
        }
    }
}

/// With four spaces, as podman writes the file.
fn indented(value: &Value) -> String {
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let written = value.serialize(&mut serde_json::Serializer::with_formatter(&mut text, formatter));
    written.expect("JSON values have string keys");
    String::from_utf8(text).expect("JSON is UTF-8")
}

#[cfg(test)]
mod tests;
