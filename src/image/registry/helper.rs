//! Programs that keep passwords: `docker-credential-<name>`, which take a verb and answer in JSON.

use super::credentials::Login;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::io::{self, Write as _};
use std::process::{Command, Stdio};

#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    #[error("cannot run the credential helper `{program}`")]
    Start { program: String, source: io::Error },
    #[error("the credential helper `{program}` failed: {said}")]
    Failed { program: String, said: String },
    #[error("the credential helper `{program}` gave no JSON that is known")]
    Answer { program: String },
}

/// The name under which Docker keeps its own registry.
const DOCKER: &str = "https://index.docker.io/v1/";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Kept {
    username: String,
    secret: String,
}

/// What a helper knows about a registry.
pub fn get(helper: &str, host: &str) -> Result<Option<Login>, HelperError> {
    // Docker's helpers have the one name, those of podman the other.
    let names = if host == "docker.io" { &[DOCKER, host][..] } else { &[host] };
    for name in names {
        let Some(answer) = run(helper, "get", name.as_bytes())? else { continue };
        let Kept { username, secret } = parse(helper, &answer)?;
        // Some helpers answer so instead of saying that there is nothing.
        if !(username.is_empty() && secret.is_empty()) {
            return Ok(Some(Login { user: username, secret }));
        }
    }
    Ok(None)
}

/// Keeps a login.
pub fn store(helper: &str, host: &str, login: &Login) -> Result<(), HelperError> {
    let input = json!({ "ServerURL": host, "Username": login.user, "Secret": login.secret });
    run(helper, "store", input.to_string().as_bytes()).map(drop)
}

/// Forgets a login; false when there was none.
pub fn erase(helper: &str, host: &str) -> Result<bool, HelperError> {
    if get(helper, host)?.is_none() {
        return Ok(false);
    }
    Ok(run(helper, "erase", host.as_bytes())?.is_some())
}

/// Registries for which a helper has a login.
pub fn list(helper: &str) -> Result<Vec<String>, HelperError> {
    let answer = run(helper, "list", b"")?.unwrap_or_else(|| b"{}".to_vec());
    let kept: Map<String, Value> = parse(helper, &answer)?;
    Ok(kept.into_iter().map(|(server, _)| server).collect())
}

fn parse<T: for<'a> Deserialize<'a>>(helper: &str, answer: &[u8]) -> Result<T, HelperError> {
    serde_json::from_slice(answer).map_err(|_| HelperError::Answer { program: program(helper) })
}

fn program(helper: &str) -> String {
    format!("docker-credential-{helper}")
}

/// Standard output of a helper; `None` when it says that it has no such entry.
fn run(helper: &str, verb: &str, input: &[u8]) -> Result<Option<Vec<u8>>, HelperError> {
    let program = program(helper);
    let fail = |source| HelperError::Start { program: program.clone(), source };
    let mut command = Command::new(&program);
    command.arg(verb).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(fail)?;
    // A helper that reads nothing is judged by what it says.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input));
    let output = child.wait_with_output().map_err(fail)?;
    if output.status.success() {
        return Ok(Some(output.stdout));
    }
    let said = [output.stdout, output.stderr].concat();
    let said: String = String::from_utf8_lossy(&said).trim().chars().take(300).flat_map(char::escape_debug).collect();
    // The protocol has no code for it, only this sentence.
    if said.contains("credentials not found") { Ok(None) } else { Err(HelperError::Failed { program, said }) }
}
