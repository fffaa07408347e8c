//! `kube wait`: until objects are as they should be.

use super::choice::{Choice, ChoiceArgs};
use super::jsonpath::{JsonPath, plain};
use super::resources::{self, Wanted};
use crate::cli::complete;
use crate::cli::context::{Globals, interruptible};
use crate::cli::error::{CommandError, Exit};
use crate::cli::output::Output;
use crate::cli::units::parse_span;
use crate::engine::{Engine, EngineError};
use crate::generate::object::{Object, Resource};
use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Wait until objects have a condition, a value, exist or are gone
///
/// Ends with exit code 1 when the time is over or an object does not exist.
#[derive(Debug, Args)]
pub struct WaitArgs {
    /// TYPE/NAME..., or TYPE with NAME..., `--all` or `-l`
    #[arg(required = true, value_name = "TYPE", add = ArgValueCompleter::new(complete::kube_objects))]
    pub objects: Vec<String>,
    /// condition=NAME[=VALUE], jsonpath=PATH[=VALUE], delete or create
    #[arg(long = "for", required = true, value_name = "WHAT")]
    pub what: String,
    #[command(flatten)]
    pub choice: ChoiceArgs,
    /// All objects of the type
    #[arg(long, conflicts_with = "selector")]
    pub all: bool,
    /// How long, as in 30s or 5m; 0 looks once, a negative one waits a week
    #[arg(long, default_value = "30s", value_name = "SPAN", allow_hyphen_values = true)]
    pub timeout: String,
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq)]
enum Goal {
    Condition {
        kind: String,
        status: String,
    },
    /// A value, or any.
    Path(JsonPath, Option<String>),
    Delete,
    Create,
}

#[derive(Debug, thiserror::Error)]
enum WaitError {
    #[error("`{0}` is nothing to wait for")]
    Goal(String),
    #[error("`{0}` is not a span of time such as `30s` or `5m`")]
    Timeout(String),
    #[error("no objects to wait for: name them, or give `--all` or `-l`")]
    Nothing,
    #[error("names and `--all` or `-l` exclude each other")]
    Both,
    #[error("timed out waiting for the condition on {0}")]
    TimedOut(String),
    #[error("no matching resources found")]
    NoMatch,
    #[error("{resource} \"{name}\" not found")]
    NotFound { resource: &'static str, name: String },
}

impl Goal {
    fn parse(text: &str) -> Result<Self, CommandError> {
        let wrong = || {
            let hint = "wait for `condition=Ready`, `condition=Ready=False`, `jsonpath={.status.phase}=Running`, \
                        `delete` or `create`";
            CommandError::invalid(WaitError::Goal(text.to_owned())).hint(hint)
        };
        if let Some(condition) = text.strip_prefix("condition=") {
            let (kind, status) = condition.split_once('=').unwrap_or((condition, "True"));
            let (kind, status) = (kind.to_owned(), status.to_owned());
            return if kind.is_empty() { Err(wrong()) } else { Ok(Self::Condition { kind, status }) };
        }
        if let Some(rest) = text.strip_prefix("jsonpath=") {
            // An `=` in the braces belongs to a filter.
            let end = rest.rfind('}').map_or(0, |at| at + 1);
            let (path, value) = match rest[end..].find('=') {
                Some(at) => (&rest[..end + at], Some(unquoted(&rest[end + at + 1..]))),
                None => (rest, None),
            };
            if path.is_empty() || value.as_deref() == Some("") {
                return Err(wrong());
            }
            let path = path.trim_matches(['\'', '"']);
            return Ok(Self::Path(JsonPath::parse_relaxed(path).map_err(CommandError::invalid)?, value));
        }
        match text.to_ascii_lowercase().as_str() {
            "delete" => Ok(Self::Delete),
            "create" => Ok(Self::Create),
            _ => Err(wrong()),
        }
    }

    /// Whether an object is as it should be.
    fn holds(&self, value: &Value) -> bool {
        match self {
            Self::Condition { kind, status } => {
                let conditions = value.pointer("/status/conditions").and_then(Value::as_array);
                let is = |condition: &Value, key: &str, wanted: &str| {
                    condition.get(key).and_then(Value::as_str).is_some_and(|text| text.eq_ignore_ascii_case(wanted))
                };
                conditions.into_iter().flatten().any(|c| is(c, "type", kind) && is(c, "status", status))
            }
            // A path that cannot be followed yet may lead somewhere later.
            Self::Path(path, wanted) => match path.find(value).as_deref() {
                Ok([one]) => wanted.as_ref().is_none_or(|wanted| plain(one) == *wanted),
                Ok([]) | Err(_) => false,
                Ok(many) => many.iter().all(|one| wanted.as_ref().is_none_or(|wanted| plain(one) == *wanted)),
            },
            Self::Create => true,
            Self::Delete => false,
        }
    }
}

/// Without the quotes that a shell left.
fn unquoted(text: &str) -> String {
    let quoted = ['"', '\''].into_iter().find_map(|q| text.strip_prefix(q)?.strip_suffix(q));
    quoted.unwrap_or(text).to_owned()
}

pub fn run(globals: &Globals, args: &WaitArgs) -> Result<(), CommandError> {
    let goal = Goal::parse(&args.what)?;
    let timeout = timeout(&args.timeout)?;
    let wanted = resources::parse(&args.objects)?;
    let choice = args.choice.parse()?;
    let chosen = args.all || args.choice.selector.is_some() || args.choice.field_selector.is_some();
    let named = wanted.iter().any(|wanted| !wanted.names.is_empty());
    match (chosen, named) {
        (false, false) => return Err(CommandError::invalid(WaitError::Nothing)),
        (true, true) => return Err(CommandError::invalid(WaitError::Both)),
        _ => {}
    }
    let mut engine = globals.engine()?;
    interruptible(&mut engine)?;
    let deadline = Instant::now().checked_add(timeout);
    let targets = targets(&mut engine, &wanted, &choice, &goal, deadline)?;
    let mut failures = Vec::new();
    let mut out = Output::new();
    for (resource, name) in targets {
        match wait(&mut engine, resource, &name, &goal, deadline)? {
            Ended::Met => out.line(format!("{}/{name} condition met", resource.singular()))?,
            Ended::TimedOut => failures.push(WaitError::TimedOut(format!("{}/{name}", resource.plural()))),
            Ended::Gone => failures.push(WaitError::NotFound { resource: resource.plural(), name }),
        }
        out.flush()?;
    }
    out.finish()?;
    match failures.is_empty() {
        true => Ok(()),
        false => Err(CommandError::each(failures.into_iter().map(negative).collect())),
    }
}

/// The answer is no.
fn negative(error: WaitError) -> CommandError {
    CommandError::new(Exit::Negative, error)
}

fn timeout(text: &str) -> Result<Duration, CommandError> {
    const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
    if text.starts_with('-') {
        return Ok(WEEK);
    }
    let span = parse_span(text).or_else(|| text.parse().ok().map(jiff::SignedDuration::from_secs));
    let span = span.and_then(|span| Duration::try_from(span).ok());
    span.ok_or_else(|| CommandError::invalid(WaitError::Timeout(text.to_owned())))
}

/// What is there to be waited for; names that do not exist are errors, but for what is to be made or gone.
fn targets(
    engine: &mut Engine,
    wanted: &[Wanted],
    choice: &Choice,
    goal: &Goal,
    deadline: Option<Instant>,
) -> Result<Vec<(Resource, String)>, CommandError> {
    let mut targets = Vec::new();
    for wanted in wanted {
        let resource = wanted.resource;
        if !wanted.names.is_empty() {
            targets.extend(wanted.names.iter().map(|name| (resource, name.clone())));
            continue;
        }
        let found = engine.until(deadline.filter(|_| *goal == Goal::Create), |engine| {
            let (found, _) = resources::find(engine, wanted, choice)?;
            Ok((!found.is_empty() || *goal != Goal::Create).then_some(found))
        })?;
        targets.extend(found.unwrap_or_default().into_iter().map(|object| (resource, object.name)));
    }
    if targets.is_empty() && *goal != Goal::Delete {
        return Err(negative(WaitError::NoMatch));
    }
    Ok(targets)
}

enum Ended {
    Met,
    TimedOut,
    /// It does not exist, or no longer.
    Gone,
}

fn wait(
    engine: &mut Engine,
    resource: Resource,
    name: &str,
    goal: &Goal,
    deadline: Option<Instant>,
) -> Result<Ended, EngineError> {
    let ended = engine.until(deadline, |engine| {
        let objects = engine.kube_objects(resource)?;
        let found: Option<&Object> = objects.iter().find(|object| object.name == name);
        Ok(match (found, goal) {
            (None, Goal::Delete) => Some(Ended::Met),
            (None, Goal::Create) => None,
            (None, _) => Some(Ended::Gone),
            (Some(object), goal) => goal.holds(&object.value).then_some(Ended::Met),
        })
    })?;
    Ok(ended.unwrap_or(Ended::TimedOut))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn goals_hold_of_objects() {
        let pod = json!({
            "spec": {"containers": [{"name": "a", "ready": true}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]},
        });
        for (goal, expected) in [
            ("condition=Ready", false),
            ("condition=Ready=False", true),
            ("condition=ready=false", true),
            ("condition=Other", false),
            ("jsonpath={.status.phase}=Running", true),
            ("jsonpath='{.status.phase}'=\"Running\"", true),
            ("jsonpath=.status.phase=Running", true),
            ("jsonpath={.status.phase}=Failed", false),
            ("jsonpath={.status.podIP}", false),
            ("jsonpath={.status.phase}", true),
            ("jsonpath={.spec.containers[?(@.name==\"a\")].ready}=true", true),
            ("delete", false),
            ("create", true),
        ] {
            assert_eq!(Goal::parse(goal).unwrap().holds(&pod), expected, "{goal}");
        }
        for wrong in ["", "ready", "condition=", "jsonpath=", "jsonpath={.a}=", "jsonpath={.a"] {
            assert!(Goal::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn timeouts_are_spans() {
        assert_eq!(timeout("5m").unwrap(), Duration::from_secs(300));
        assert_eq!(timeout("0").unwrap(), Duration::ZERO);
        assert_eq!(timeout("-1s").unwrap(), Duration::from_secs(7 * 24 * 3600));
        assert!(timeout("soon").is_err());
    }
}
