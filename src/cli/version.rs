//! `version`.

use super::error::CommandError;
use super::listing::{is_json, json_lines, row};
use super::output::Output;
use super::template::Template;
use clap::Args;
use serde_json::json;

/// Show the version
#[derive(Debug, Args)]
pub struct VersionArgs {
    /// Print `json`, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
}

/// Version of the Kubernetes API whose fields are known.
pub const KUBERNETES_API: &str = "v1.34";

pub fn run(args: &VersionArgs) -> Result<(), CommandError> {
    let client = json!({
        "APIVersion": env!("CARGO_PKG_VERSION"),
        "Version": env!("CARGO_PKG_VERSION"),
        "KubernetesAPI": KUBERNETES_API,
        "OsArch": format!("{}/{}", std::env::consts::OS, architecture()),
        "Os": std::env::consts::OS,
    });
    let mut out = Output::new();
    match args.format.as_deref() {
        Some(format) if is_json(format) => out.text(json_lines(&json!({ "Client": client })))?,
        Some(format) => {
            let mut fields = row(client.clone());
            fields.insert("Client".to_owned(), client);
            let value = serde_json::Value::Object(fields.into_iter().collect());
            out.line(Template::parse(format)?.render_value(&value)?)?;
        }
        None => {
            let line =
                |name: &str, value: &serde_json::Value| format!("{name:<16}{}", value.as_str().unwrap_or_default());
            out.line("Client:         podkin")?;
            out.line(line("Version:", &client["Version"]))?;
            out.line(line("Kubernetes API:", &client["KubernetesAPI"]))?;
            out.line(line("OS/Arch:", &client["OsArch"]))?;
        }
    }
    out.finish()
}

/// The machine's architecture as OCI and Go spell it.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}
