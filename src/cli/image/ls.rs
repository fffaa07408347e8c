//! `images`, `image ls`.

use super::super::complete;
use super::super::context::Globals;
use super::super::error::CommandError;
use super::super::filter::{Filters, id_matches};
use super::super::listing::ListArgs;
use super::super::listing::{Listing, row, shown_id};
use super::super::template::{Headers, Row};
use super::super::units::{ago, human_size};
use crate::image::ImageSummary;
use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use std::cmp::Reverse;

/// List images
///
/// Filters: id, reference, label, dangling, before, since.
#[derive(Debug, Args)]
pub struct LsArgs {
    /// Only images of that name
    #[arg(value_name = "IMAGE", add = ArgValueCompleter::new(complete::images))]
    pub name: Option<String>,
    #[command(flatten)]
    pub list: ListArgs,
    /// Show digests
    #[arg(long)]
    pub digests: bool,
    /// Print no headers
    #[arg(short, long)]
    pub noheading: bool,
    /// Order of the rows
    #[arg(long, value_enum, default_value_t = Sort::Created, value_name = "KEY")]
    pub sort: Sort,
    #[arg(short, long, hide = true)]
    pub all: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    Created,
    Id,
    Repository,
    Size,
    Tag,
}

const FILTERS: [&str; 6] = ["before", "dangling", "id", "label", "reference", "since"];

const HEADERS: Headers = Headers(&[
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("ID", "IMAGE ID"),
    ("Digest", "DIGEST"),
    ("Created", "CREATED"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Size", "SIZE"),
    ("Containers", "CONTAINERS"),
    ("Labels", "LABELS"),
]);

/// What stands for a name or a tag that an image does not have.
const NONE: &str = "<none>";

/// An image under one of its names.
struct Named<'a> {
    image: &'a ImageSummary,
    repository: &'a str,
    tag: &'a str,
}

pub fn run(globals: &Globals, args: &LsArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let filters = Filters::parse(&args.list.filter, &FILTERS)?;
    let all = engine.images().list()?;
    let wanted = match &args.name {
        Some(name) => Some(engine.images().resolve(name)?.map(|found| found.id)),
        None => None,
    };
    let bounds = Bounds::new(&filters, &all);
    let images: Vec<&ImageSummary> = all.iter().filter(|image| holds(&filters, image) && bounds.hold(image)).collect();
    let mut named: Vec<Named<'_>> = images.iter().flat_map(|image| names(image)).collect();
    named.retain(|one| match (&args.name, &wanted) {
        (Some(name), Some(id)) => id.as_ref() == Some(&one.image.id) || is_repository(one.repository, name),
        _ => true,
    });
    sort(&mut named, args.sort);
    let now = jiff::Timestamp::now();
    let mut json: Vec<&ImageSummary> = Vec::new();
    for one in &named {
        if json.iter().all(|image| image.id != one.image.id) {
            json.push(one.image);
        }
    }
    let columns = if args.digests { "{{.Repository}}\t{{.Tag}}\t{{.Digest}}" } else { "{{.Repository}}\t{{.Tag}}" };
    let listing = Listing {
        headers: HEADERS,
        standard: format!("{columns}\t{{{{.ID}}}}\t{{{{.CreatedSince}}}}\t{{{{.Size}}}}"),
        rows: named.iter().map(|one| template_row(one, now, args.list.no_trunc)).collect(),
        json: json.iter().map(|image| describe(image)).collect(),
        ids: json.iter().map(|image| super::shown_digest(&image.id, args.list.no_trunc)).collect(),
    };
    listing.print(&args.list, !args.noheading)
}

/// An image once for each of its names; once without a name when it has none.
fn names(image: &ImageSummary) -> Vec<Named<'_>> {
    let split = |name: &'_ String| -> (usize, usize) {
        let end = name.rfind(':').filter(|at| !name[*at..].contains('/')).unwrap_or(name.len());
        (end, (end + 1).min(name.len()))
    };
    if image.names.is_empty() {
        return vec![Named { image, repository: NONE, tag: NONE }];
    }
    let named = image.names.iter().map(|name| {
        let (end, start) = split(name);
        Named { image, repository: &name[..end], tag: if start < name.len() { &name[start..] } else { NONE } }
    });
    named.collect()
}

/// Whether a repository is what a user typed: with or without its registry.
fn is_repository(repository: &str, typed: &str) -> bool {
    repository == typed || repository.ends_with(&format!("/{typed}"))
}

fn sort(named: &mut [Named<'_>], sort: Sort) {
    match sort {
        Sort::Created => named.sort_by_key(|one| Reverse(one.image.created)),
        Sort::Id => named.sort_by(|a, b| a.image.id.cmp(&b.image.id)),
        Sort::Repository => named.sort_by(|a, b| a.repository.cmp(b.repository)),
        Sort::Size => named.sort_by_key(|one| one.image.size),
        Sort::Tag => named.sort_by(|a, b| a.tag.cmp(b.tag)),
    }
}

fn holds(filters: &Filters, image: &ImageSummary) -> bool {
    filters.any("id", |wanted| id_matches(&image.id, wanted.strip_prefix("sha256:").unwrap_or(wanted)))
        && filters.any("dangling", |wanted| wanted == image.names.is_empty().to_string())
        && filters.labels(&image.labels)
        && filters.any("reference", |wanted| {
            names(image).iter().any(|one| {
                is_match(one.repository, wanted) || is_match(&format!("{}:{}", one.repository, one.tag), wanted)
            })
        })
}

/// A name, its registry left out if the pattern has none, against a pattern with `*`.
fn is_match(name: &str, pattern: &str) -> bool {
    let short = name.rsplit_once('/').map_or(name, |(_, last)| last);
    glob(name, pattern) || glob(short, pattern)
}

fn glob(text: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => text == pattern,
        Some((start, rest)) => {
            let Some(text) = text.strip_prefix(start) else { return false };
            text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| glob(&text[at..], rest))
        }
    }
}

/// `before` and `since`: creation times of the images they name.
struct Bounds {
    before: Option<jiff::Timestamp>,
    since: Option<jiff::Timestamp>,
}

impl Bounds {
    fn new(filters: &Filters, all: &[ImageSummary]) -> Self {
        let created = |wanted: &str| {
            let is = |image: &&ImageSummary| {
                id_matches(&image.id, wanted) || names(image).iter().any(|one| is_repository(one.repository, wanted))
            };
            all.iter().find(is).and_then(|image| image.created)
        };
        let before = filters.values("before").filter_map(created).min();
        Self { before, since: filters.values("since").filter_map(created).max() }
    }

    fn hold(&self, image: &ImageSummary) -> bool {
        self.before.is_none_or(|then| image.created.is_some_and(|time| time < then))
            && self.since.is_none_or(|then| image.created.is_some_and(|time| time > then))
    }
}

fn template_row(one: &Named<'_>, now: jiff::Timestamp, no_trunc: bool) -> Row {
    let image = one.image;
    let labels: Vec<String> = image.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let since = image.created.map_or("N/A".to_owned(), |time| ago(time, now));
    row(serde_json::json!({
        "Repository": one.repository,
        "Tag": one.tag,
        "ID": super::shown_digest(&image.id, no_trunc),
        "Id": shown_id(&image.id, no_trunc),
        "Digest": image.digest,
        "Created": since,
        "CreatedSince": since,
        "CreatedAt": image.created.map(|time| time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string()),
        "CreatedTime": image.created.map(|time| time.to_string()),
        "Size": human_size(image.size),
        "VirtualSize": human_size(image.size),
        "Containers": image.containers,
        "Labels": labels.join(","),
        "Names": image.names.join(","),
    }))
}

/// What `--format json` says of an image; podman's field names.
fn describe(image: &ImageSummary) -> serde_json::Value {
    let ImageSummary { id, digest, names, created, size, containers, labels, architecture, os } = image;
    serde_json::json!({
        "Id": id,
        "ParentId": "",
        "RepoTags": names,
        "RepoDigests": names.iter().map(|name| digest_name(name, digest)).collect::<Vec<_>>(),
        "Size": size,
        "SharedSize": 0,
        "VirtualSize": size,
        "Labels": labels,
        "Containers": containers,
        "Names": names,
        "Digest": digest,
        "Created": created.map(|time| time.as_second()),
        "CreatedAt": created.map(|time| time.to_string()),
        "Dangling": names.is_empty(),
        "Arch": architecture,
        "Os": os,
    })
}

/// `repository@sha256:...` for a name with a tag.
fn digest_name(name: &str, digest: &str) -> String {
    let end = name.rfind(':').filter(|at| !name[*at..].contains('/')).unwrap_or(name.len());
    format!("{}@{digest}", &name[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_with_stars_and_without_registries() {
        assert!(is_match("localhost/podkin-demo", "podkin-*") && is_match("localhost/podkin-demo", "podkin-demo"));
        assert!(is_match("docker.io/library/redis:7", "redis:*") && !is_match("docker.io/library/redis", "nginx*"));
        assert!(glob("abcabc", "*abc") && glob("abc", "a*b*c") && !glob("abd", "a*c"));
    }
}
