//! `volume ls`.

use super::super::context::Globals;
use super::super::error::CommandError;
use super::super::filter::{Filters, name_matches};
use super::super::listing::ListArgs;
use super::super::listing::{Listing, row};
use super::super::template::Headers;
use super::super::units::parse_time;
use crate::engine::VolumeView;
use clap::Args;

/// List volumes
///
/// Filters: name, label, driver, dangling, until.
#[derive(Debug, Args)]
pub struct LsArgs {
    #[command(flatten)]
    pub list: ListArgs,
    /// Print no headers
    #[arg(long)]
    pub noheading: bool,
}

const FILTERS: [&str; 5] = ["dangling", "driver", "label", "name", "until"];

const HEADERS: Headers = Headers(&[
    ("Driver", "DRIVER"),
    ("Name", "VOLUME NAME"),
    ("Mountpoint", "MOUNT POINT"),
    ("CreatedAt", "CREATED AT"),
    ("Labels", "LABELS"),
    ("Options", "OPTIONS"),
    ("Scope", "SCOPE"),
]);

pub fn run(globals: &Globals, args: &LsArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let filters = Filters::parse(&args.list.filter, &FILTERS)?;
    let until = match filters.values("until").next() {
        Some(text) => Some(parse_time(text, jiff::Timestamp::now()).map_err(CommandError::invalid)?),
        None => None,
    };
    let mut found = super::every(&mut engine)?;
    found.retain(|volume| holds(&filters, volume) && until.is_none_or(|then| volume.created < then));
    let listing = Listing {
        headers: HEADERS,
        standard: "{{.Driver}}\t{{.Name}}".to_owned(),
        rows: found.iter().map(template_row).collect(),
        json: found.iter().map(super::inspect::describe).collect(),
        ids: found.iter().map(|volume| volume.name.clone()).collect(),
    };
    listing.print(&args.list, !args.noheading)
}

fn holds(filters: &Filters, volume: &VolumeView) -> bool {
    filters.any("name", |wanted| name_matches(&volume.name, wanted))
        && filters.any("driver", |wanted| wanted == "local")
        && filters.any("dangling", |wanted| wanted == volume.used_by.is_empty().to_string())
        && filters.labels(&volume.labels)
}

fn template_row(volume: &VolumeView) -> super::super::template::Row {
    let pairs = |map: &std::collections::BTreeMap<String, String>| {
        map.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(",")
    };
    let mut fields = row(super::inspect::describe(volume));
    fields.insert("Labels".to_owned(), pairs(&volume.labels).into());
    fields.insert("Options".to_owned(), pairs(&volume.options).into());
    fields
}
