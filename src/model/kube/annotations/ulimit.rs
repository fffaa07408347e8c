//! Limits of processes: `io.podman.annotations.ulimit`.

use super::super::codes;
use super::super::spot::{Spot, did_you_mean, shown};
use crate::model::Ulimit;
use crate::model::diagnostic::Diagnostic;

/// Limits of `setrlimit(2)`.
const LIMITS: [&str; 16] = [
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// Reads `name=soft[:hard],...`; -1 is unlimited.
pub(super) fn parse(at: &Spot<'_>, value: &str) -> Vec<Ulimit> {
    let mut limits = Vec::new();
    for part in value.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        match parse_one(part) {
            Some(limit) if LIMITS.contains(&limit.name.as_str()) => limits.push(limit),
            Some(Ulimit { name, .. }) => {
                let error = Diagnostic::error(codes::VALUE, format!("there is no limit `{name}`"));
                at.on_value(error, did_you_mean(&name, LIMITS.into_iter()).unwrap_or_default());
            }
            None => {
                let message = format!("`{}` is no limit", shown(part));
                at.wrong_hint(codes::FORM, message, "write name=soft:hard, as in nofile=1024:4096");
            }
        }
    }
    limits
}

fn parse_one(part: &str) -> Option<Ulimit> {
    let (name, values) = part.split_once('=')?;
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    let number = |text: &str| match text {
        "-1" | "unlimited" => Some(u64::MAX),
        digits => digits.parse().ok(),
    };
    let (soft, hard) = (number(soft)?, number(hard)?);
    let name = name.to_ascii_lowercase();
    (soft <= hard).then(|| Ulimit { name: name.strip_prefix("rlimit_").unwrap_or(&name).to_owned(), soft, hard })
}
