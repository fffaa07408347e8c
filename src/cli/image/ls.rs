//! `images`, `image ls`.

use super::super::complete;
use super::super::context::Globals;
use super::super::error::CommandError;
use super::super::listing::ListArgs;
use super::super::listing::{Listing, row, shown_id};
use super::super::template::{Headers, Row};
use super::super::units::{ago, human_size};
use super::filter::{ImageFilters, KEYS};
use crate::image::ImageSummary;
use crate::image::reference::split_name;
use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use std::cmp::Reverse;

/// List images
///
/// Filters, also negated as `key!=value`: after, before, containers, dangling, digest, id, intermediate, label, manifest,
/// readonly, reference (with `*`, `?` and `[...]`), since, until.
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
    /// Also images that only stand between others
    #[arg(short, long)]
    pub all: bool,
    /// Show every name an image has
    #[arg(long)]
    pub history: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    Created,
    Id,
    Repository,
    Size,
    Tag,
}

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
    ("History", "HISTORY"),
]);

/// What stands for a name or a tag that an image does not have.
pub(in crate::cli) const NONE: &str = "<none>";

/// An image under one of its names.
pub(in crate::cli) struct Named<'a> {
    image: &'a ImageSummary,
    pub(in crate::cli) repository: &'a str,
    pub(in crate::cli) tag: &'a str,
}

pub fn run(globals: &Globals, args: &LsArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let filters = ImageFilters::parse(&args.list.filter, &KEYS, &mut engine)?;
    let shows_all = args.all || args.list.filter.iter().any(|filter| filter.starts_with("intermediate"));
    let mut all = engine.images().list()?;
    all.extend(engine.images().list_summaries()?);
    let wanted = match &args.name {
        Some(name) => match engine.images().resolve(name)? {
            Some(found) => Some(Some(found.id)),
            None => Some(engine.images().find_list(name)?.map(|list| list.id)),
        },
        None => None,
    };
    let shown = |image: &&ImageSummary| (shows_all || !image.is_intermediate()) && filters.hold(image);
    let images: Vec<&ImageSummary> = all.iter().filter(shown).collect();
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
    let history = if args.history { "\t{{.History}}" } else { "" };
    let listing = Listing {
        headers: HEADERS,
        standard: format!("{columns}\t{{{{.ID}}}}\t{{{{.CreatedSince}}}}\t{{{{.Size}}}}{history}"),
        rows: named.iter().map(|one| template_row(one, now, args.list.no_trunc)).collect(),
        json: json.iter().map(|image| describe(image)).collect(),
        ids: json.iter().map(|image| super::shown_digest(&image.id, args.list.no_trunc)).collect(),
    };
    listing.print(&args.list, !args.noheading)
}

/// An image once for each of its names; once without a name when it has none.
pub(in crate::cli) fn names(image: &ImageSummary) -> Vec<Named<'_>> {
    if image.names.is_empty() {
        return vec![Named { image, repository: NONE, tag: NONE }];
    }
    let named = image.names.iter().map(|name| {
        let (repository, tag) = split_name(name);
        Named { image, repository, tag: tag.unwrap_or(NONE) }
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
        "History": image.names.join(", "),
        "ParentId": image.parent.as_deref().unwrap_or_default(),
        "ReadOnly": false,
        "Dangling": image.is_dangling(),
    }))
}

/// What `--format json` says of an image; podman's field names.
fn describe(image: &ImageSummary) -> serde_json::Value {
    let ImageSummary {
        id,
        digest,
        names,
        created,
        size,
        containers,
        labels,
        architecture,
        os,
        parent,
        has_children: _,
        repo_digests,
        is_list,
    } = image;
    let tags: Vec<&String> = names.iter().filter(|name| split_name(name).1.is_some()).collect();
    serde_json::json!({
        "Id": id,
        "ParentId": parent.as_deref().unwrap_or_default(),
        "RepoTags": tags,
        "RepoDigests": repo_digests,
        "Size": size,
        "SharedSize": 0,
        "VirtualSize": size,
        "Labels": labels,
        "Containers": containers,
        "Names": names,
        "Digest": digest,
        "Created": created.map(|time| time.as_second()),
        "CreatedAt": created.map(|time| time.to_string()),
        "History": names,
        "Dangling": image.is_dangling(),
        "Arch": architecture,
        "Os": os,
        "IsManifestList": is_list,
    })
}
