//! `system df`.

use super::context::{Globals, explain};
use super::error::CommandError;
use super::image::ls::{NONE, names};
use super::listing::{is_json, json_lines, row, short_id};
use super::output::Output;
use super::table;
use super::template::{Headers, Row, Template};
use super::units::{exact_size, human_duration};
use crate::engine::{DiskUsage, Total};
use clap::Args;
use jiff::Timestamp;

/// Show what images, containers and volumes take of the disk
///
/// Images count with the sizes of their unpacked layers, each layer once; containers and volumes with the blocks they have on disk.
#[derive(Debug, Args)]
pub struct DfArgs {
    /// Every image, container and volume
    #[arg(short, long, conflicts_with = "format")]
    pub verbose: bool,
    /// Print `json`, or a Go template; `table TEMPLATE` adds headers
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
}

const HEADERS: Headers = Headers(&[
    ("Type", "TYPE"),
    ("Total", "TOTAL"),
    ("Active", "ACTIVE"),
    ("Size", "SIZE"),
    ("Reclaimable", "RECLAIMABLE"),
]);

const STANDARD: &str = "table {{.Type}}\t{{.Total}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}";

pub fn run(globals: &Globals, args: &DfArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let usage = engine.disk_usage().map_err(|error| explain(&mut engine, error))?;
    let mut out = Output::new();
    if args.verbose {
        out.text(details(&usage, Timestamp::now()))?;
        return out.finish();
    }
    let totals = [
        describe("Images", usage.image_total()),
        describe("Containers", usage.container_total()),
        describe("Local Volumes", usage.volume_total()),
    ];
    match args.format.as_deref() {
        Some(format) if is_json(format) => out.text(json_lines(&totals.to_vec().into()))?,
        format => {
            let rows: Vec<Row> = totals.into_iter().map(row).collect();
            out.text(Template::parse(format.unwrap_or(STANDARD))?.render(&rows, &HEADERS, true)?)?;
        }
    }
    out.finish()
}

/// A line of the summary; podman's field names.
fn describe(kind: &str, total: Total) -> serde_json::Value {
    let Total { count, active, size, reclaimable } = total;
    let percent = (u128::from(reclaimable) * 100).checked_div(u128::from(size)).unwrap_or(0);
    serde_json::json!({
        "Type": kind,
        "Total": count,
        "TotalCount": count,
        "Active": active,
        "Size": exact_size(size),
        "RawSize": size,
        "Reclaimable": format!("{} ({percent}%)", exact_size(reclaimable)),
        "RawReclaimable": reclaimable,
    })
}

fn details(usage: &DiskUsage, now: Timestamp) -> String {
    format!(
        "Images space usage:\n\n{}\nContainers space usage:\n\n{}\nLocal Volumes space usage:\n\n{}",
        images(usage, now),
        containers(usage, now),
        volumes(usage)
    )
}

fn heading(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn age(created: Option<Timestamp>, now: Timestamp) -> String {
    created.map_or("N/A".to_owned(), |time| human_duration(now.duration_since(time)))
}

fn images(usage: &DiskUsage, now: Timestamp) -> String {
    let columns = ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "SHARED SIZE", "UNIQUE SIZE", "CONTAINERS"];
    let mut rows = vec![heading(&columns)];
    for one in &usage.images {
        let image = &one.image;
        for name in names(image) {
            rows.push(vec![
                name.repository.to_owned(),
                name.tag.to_owned(),
                short_id(&image.id).to_owned(),
                age(image.created, now),
                exact_size(image.size),
                exact_size(one.shared),
                exact_size(one.unique),
                image.containers.to_string(),
            ]);
        }
    }
    table::render(&rows)
}

fn containers(usage: &DiskUsage, now: Timestamp) -> String {
    let columns = ["CONTAINER ID", "IMAGE", "COMMAND", "LOCAL VOLUMES", "SIZE", "CREATED", "STATUS", "NAMES"];
    let mut rows = vec![heading(&columns)];
    for one in &usage.containers {
        let container = &one.container;
        rows.push(vec![
            short_id(container.id()).to_owned(),
            match short_id(container.image_id()) {
                "" => NONE.to_owned(),
                id => id.to_owned(),
            },
            // A line is a line, whatever the command has in it.
            container.command().join(" ").replace(['\n', '\t'], " "),
            one.volumes.to_string(),
            exact_size(one.size),
            age(Some(container.created()), now),
            container.state().as_str().to_owned(),
            container.name().to_owned(),
        ]);
    }
    table::render(&rows)
}

fn volumes(usage: &DiskUsage) -> String {
    let mut rows = vec![heading(&["VOLUME NAME", "LINKS", "SIZE"])];
    for one in &usage.volumes {
        let links = one.volume.used_by.len().to_string();
        rows.push(vec![one.volume.name.clone(), links, exact_size(one.size)]);
    }
    table::render(&rows)
}
