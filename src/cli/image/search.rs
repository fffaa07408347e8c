//! `search`, `image search`.

use super::super::context::Globals;
use super::super::error::CommandError;
use super::super::filter::Filters;
use super::super::listing::{ListArgs, Listing, row, shorten};
use super::super::output::warn;
use super::super::registry::RegistryArgs;
use super::super::template::Headers;
use super::explained;
use crate::engine::{Engine, SearchAnswer};
use crate::image::registry::SearchHit;
use clap::Args;

/// Results of a registry when no limit is given.
const LIMIT: usize = 25;
/// Characters of a description that are shown.
const DESCRIPTION: usize = 47;

/// Look for images at registries
///
/// A term may begin with a registry, as in `quay.io/nginx`; else those are asked that registries.conf names. Filters: is-automated,
/// is-official, stars (at least).
#[derive(Debug, Args)]
pub struct SearchArgs {
    #[arg(value_name = "TERM")]
    pub term: String,
    /// Show only what matches, as KEY=VALUE
    #[arg(short, long, value_delimiter = ',', value_name = "KEY[=VALUE]")]
    pub filter: Vec<String>,
    /// Print `json`, or a Go template; `table TEMPLATE` adds headers
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Results of each registry
    #[arg(long, value_name = "N", default_value_t = LIMIT)]
    pub limit: usize,
    /// List the tags of the repository that is named
    #[arg(long, conflicts_with_all = ["filter", "compatible"])]
    pub list_tags: bool,
    /// Do not shorten descriptions
    #[arg(long)]
    pub no_trunc: bool,
    /// Show stars, and what is official and automated, too
    #[arg(long)]
    pub compatible: bool,
    #[command(flatten)]
    pub registry: RegistryArgs,
}

const HEADERS: Headers = Headers(&[
    ("Index", "INDEX"),
    ("Name", "NAME"),
    ("Description", "DESCRIPTION"),
    ("Stars", "STARS"),
    ("Official", "OFFICIAL"),
    ("Automated", "AUTOMATED"),
    ("Tag", "TAG"),
]);

#[derive(Debug, thiserror::Error)]
enum SearchError {
    #[error("`{0}` is no number of stars")]
    Stars(String),
    #[error("`{0}` is neither `true` nor `false`")]
    Boolean(String),
}

pub fn run(globals: &Globals, args: &SearchArgs) -> Result<(), CommandError> {
    let filters = Wanted::parse(&args.filter)?;
    let engine = globals.engine_with(args.registry.settings()?)?;
    match args.list_tags {
        true => tags(&engine, args),
        false => repositories(&engine, args, &filters),
    }
}

fn repositories(engine: &Engine, args: &SearchArgs, filters: &Wanted) -> Result<(), CommandError> {
    let limit = if args.limit == 0 { LIMIT } else { args.limit };
    let mut found: Vec<(String, SearchHit)> = Vec::new();
    let mut failures = Vec::new();
    let mut answered = false;
    for SearchAnswer { registry, hits } in engine.search(&args.term, limit).map_err(explained)? {
        match hits {
            Ok(hits) => {
                answered = true;
                found.extend(hits.into_iter().filter(|hit| filters.hold(hit)).map(|hit| (registry.clone(), hit)));
            }
            Err(error) => failures.push((registry, explained(error))),
        }
    }
    // One registry that cannot be asked does not hide what others have.
    if answered {
        failures.iter().for_each(|(registry, _)| warn(format!("`{registry}` could not be searched")));
    } else if !failures.is_empty() {
        return Err(CommandError::each(failures.into_iter().map(|(_, error)| error).collect()));
    }
    let standard = match args.compatible {
        true => "{{.Name}}\t{{.Description}}\t{{.Stars}}\t{{.Official}}\t{{.Automated}}",
        false => "{{.Name}}\t{{.Description}}",
    };
    let values: Vec<_> = found.iter().map(|(registry, hit)| describe(registry, hit, args.no_trunc)).collect();
    print(args, standard, values.clone(), values)
}

fn describe(registry: &str, hit: &SearchHit, no_trunc: bool) -> serde_json::Value {
    let SearchHit { name, description, stars, official, automated } = hit;
    let mark = |fact: bool| if fact { "[OK]" } else { "" };
    let description = description.replace('\n', " ");
    serde_json::json!({
        "Index": registry,
        "Name": name,
        "Description": if no_trunc { description } else { shorten(&description, DESCRIPTION) },
        "Stars": stars,
        "Official": mark(*official),
        "Automated": mark(*automated),
    })
}

fn tags(engine: &Engine, args: &SearchArgs) -> Result<(), CommandError> {
    let name = args.term.strip_prefix("docker://").unwrap_or(&args.term);
    let mut tags = engine.remote_tags(name).map_err(explained)?;
    if args.limit > 0 {
        tags.truncate(args.limit);
    }
    let rows = tags.iter().map(|tag| serde_json::json!({ "Name": name, "Tag": tag })).collect();
    print(args, "{{.Name}}\t{{.Tag}}", rows, vec![serde_json::json!({ "Name": name, "Tags": tags })])
}

fn print(
    args: &SearchArgs,
    standard: &str,
    rows: Vec<serde_json::Value>,
    json: Vec<serde_json::Value>,
) -> Result<(), CommandError> {
    let SearchArgs { format, no_trunc, .. } = args;
    let list = ListArgs { filter: Vec::new(), format: format.clone(), no_trunc: *no_trunc, quiet: false };
    let rows = rows.into_iter().map(row).collect();
    Listing { headers: HEADERS, standard: standard.to_owned(), rows, json, ids: Vec::new() }.print(&list, true)
}

/// What a repository must have to be shown.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    stars: u64,
    official: Option<bool>,
    automated: Option<bool>,
}

impl Wanted {
    fn parse(texts: &[String]) -> Result<Self, CommandError> {
        // `is-official` alone means that it is.
        let full = |text: &String| match text.as_str() {
            "is-official" | "is-automated" => format!("{text}=true"),
            _ => text.clone(),
        };
        let texts: Vec<String> = texts.iter().map(full).collect();
        let mut wanted = Self::default();
        for (key, value) in Filters::parse(&texts, &["is-automated", "is-official", "stars"])?.pairs() {
            let invalid = |error: SearchError| CommandError::invalid(error);
            match key.as_str() {
                "stars" => wanted.stars = value.parse().map_err(|_| invalid(SearchError::Stars(value)))?,
                "is-official" => wanted.official = Some(boolean(value).map_err(invalid)?),
                "is-automated" => wanted.automated = Some(boolean(value).map_err(invalid)?),
                "is-official!" => wanted.official = Some(!boolean(value).map_err(invalid)?),
                "is-automated!" => wanted.automated = Some(!boolean(value).map_err(invalid)?),
                _ => return Err(invalid(SearchError::Stars(format!("!={value}")))),
            }
        }
        Ok(wanted)
    }

    fn hold(&self, hit: &SearchHit) -> bool {
        let Self { stars, official, automated } = self;
        hit.stars >= *stars
            && official.is_none_or(|official| official == hit.official)
            && automated.is_none_or(|automated| automated == hit.automated)
    }
}

fn boolean(value: String) -> Result<bool, SearchError> {
    match value.as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(SearchError::Boolean(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_say_what_is_wanted() {
        let parse = |texts: &[&str]| Wanted::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        let wanted = parse(&["stars=3", "is-official", "is-automated=false"]).unwrap();
        assert_eq!(wanted, Wanted { stars: 3, official: Some(true), automated: Some(false) });
        let hit = |stars, official| SearchHit {
            name: "docker.io/library/x".into(),
            description: String::new(),
            stars,
            official,
            automated: false,
        };
        assert!(wanted.hold(&hit(3, true)) && !wanted.hold(&hit(2, true)) && !wanted.hold(&hit(9, false)));
        assert_eq!(parse(&["is-official!=true"]).unwrap().official, Some(false));
        for bad in ["stars=x", "stars!=1", "stars", "is-official=perhaps", "name=x"] {
            assert!(parse(&[bad]).is_err(), "{bad}");
        }
    }
}
