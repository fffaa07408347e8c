//! `kube get`: objects in kubectl's forms.

use super::choice::{Choice, ChoiceArgs};
use super::get_output::{Form, TableOptions};
use super::resources::{self, Wanted};
use super::sort::Order;
use crate::cli::complete;
use crate::cli::context::{Globals, explain};
use crate::cli::error::CommandError;
use crate::cli::output::{Output, notice};
use crate::cli::table::Table;
use crate::engine::{Engine, EngineError};
use crate::generate::object::{Object, Resource};
use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use std::collections::BTreeMap;

/// Show pods and other objects as kubectl does
///
/// Types: pods, deployments, configmaps, secrets, serviceaccounts, persistentvolumeclaims, persistentvolumes, storageclasses,
/// priorityclasses, runtimeclasses, events, each in kubectl's short forms too; `all` stands for pods and deployments.
#[derive(Debug, Args)]
pub struct GetArgs {
    /// TYPE[,TYPE...] [NAME...], or TYPE/NAME...
    #[arg(required = true, value_name = "TYPE", add = ArgValueCompleter::new(complete::kube_objects))]
    pub objects: Vec<String>,
    /// wide, yaml, json, name, jsonpath=TEMPLATE, go-template=TEMPLATE, custom-columns=HEADER:PATH,...
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<String>,
    #[command(flatten)]
    pub choice: ChoiceArgs,
    /// Sort by a field, as in .metadata.creationTimestamp
    #[arg(long, value_name = "PATH")]
    pub sort_by: Option<String>,
    /// Show the labels
    #[arg(long)]
    pub show_labels: bool,
    /// Show these labels in columns of their own
    #[arg(short = 'L', long, value_delimiter = ',', value_name = "LABEL")]
    pub label_columns: Vec<String>,
    /// Print no headers
    #[arg(long)]
    pub no_headers: bool,
    /// No error for a name that does not exist
    #[arg(long)]
    pub ignore_not_found: bool,
    /// Go on showing objects that change
    #[arg(short, long)]
    pub watch: bool,
}

#[derive(Debug, thiserror::Error)]
enum WatchError {
    #[error("objects of one type can be watched at a time")]
    Several,
    #[error("events are not watched here")]
    Events,
}

pub fn run(globals: &Globals, args: &GetArgs) -> Result<(), CommandError> {
    let form = Form::parse(args.output.as_deref())?;
    let wanted = resources::parse(&args.objects)?;
    let choice = args.choice.parse()?;
    let order = args.sort_by.as_deref().map(Order::parse).transpose()?;
    let mut engine = globals.engine()?;
    if args.watch {
        return match &wanted[..] {
            [Wanted { resource: Resource::Event, .. }] => {
                Err(CommandError::invalid(WatchError::Events).hint("`kube events --watch` shows those that come"))
            }
            [one] => watch(&mut engine, args, &form, one, &choice),
            _ => Err(CommandError::invalid(WatchError::Several)),
        };
    }
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for wanted in &wanted {
        let (mut objects, errors) = resources::find(&mut engine, wanted, &choice)?;
        if let Some(order) = &order {
            order.sort(&mut objects)?;
        }
        found.push(objects);
        missing.extend(errors);
    }
    let is_list = wanted.len() > 1 || wanted.iter().any(|wanted| wanted.names.len() != 1);
    print(args, &form, &found, is_list)?;
    if args.ignore_not_found || missing.is_empty() {
        if missing.is_empty() && found.iter().all(Vec::is_empty) && form.has_rows() {
            notice("No resources found");
        }
        return Ok(());
    }
    Err(all(&mut engine, missing))
}

impl GetArgs {
    fn table(&self) -> TableOptions<'_> {
        TableOptions {
            no_headers: self.no_headers,
            namespaces: self.choice.all_namespaces,
            show_labels: self.show_labels,
            label_columns: &self.label_columns,
            typed_names: false,
        }
    }
}

fn print(args: &GetArgs, form: &Form, found: &[Vec<Object>], is_list: bool) -> Result<(), CommandError> {
    let mut out = Output::new();
    if form.has_rows() {
        let options = TableOptions { typed_names: found.len() > 1, ..args.table() };
        for (index, objects) in found.iter().filter(|objects| !objects.is_empty()).enumerate() {
            if index > 0 {
                out.line("")?;
            }
            out.text(Table::kubectl().render(&form.rows(objects, options)?))?;
        }
    } else {
        let objects = found.concat();
        // One name that there is not is an error alone.
        if is_list || !objects.is_empty() {
            out.text(form.document(&objects, is_list)?)?;
        }
    }
    out.finish()
}

/// Shows objects, then each that changed, until it is ended by a signal.
fn watch(
    engine: &mut Engine,
    args: &GetArgs,
    form: &Form,
    wanted: &Wanted,
    choice: &Choice,
) -> Result<(), CommandError> {
    let mut table = Table::kubectl();
    let mut shown: BTreeMap<String, Object> = BTreeMap::new();
    let mut options = args.table();
    loop {
        let changed = engine.until(None, |engine| {
            let (found, missing) = resources::find(engine, wanted, choice)?;
            if let Some(error) = missing.into_iter().next().filter(|_| shown.is_empty()) {
                return Err(error);
            }
            let is_new = |object: &&Object| shown.get(&object.name).is_none_or(|old| differs(old, object));
            let changed: Vec<_> = found.iter().filter(is_new).cloned().collect();
            shown.retain(|name, _| found.iter().any(|object| object.name == *name));
            Ok((!changed.is_empty()).then_some(changed))
        });
        let changed = changed.map_err(|error| explain(engine, error))?.unwrap_or_default();
        let mut out = Output::new();
        match form.has_rows() {
            true => out.text(table.render(&form.rows(&changed, options)?))?,
            false => {
                for object in &changed {
                    let separator = if matches!(form, Form::Yaml) && !shown.is_empty() { "---\n" } else { "" };
                    out.text(format!("{separator}{}", form.document(std::slice::from_ref(object), false)?))?;
                }
            }
        }
        out.finish()?;
        options.no_headers = true;
        shown.extend(changed.into_iter().map(|object| (object.name.clone(), object)));
    }
}

/// Whether more than the age is different.
fn differs(old: &Object, new: &Object) -> bool {
    old.value != new.value
}

/// One error, or all of them.
pub fn all(engine: &mut Engine, mut errors: Vec<EngineError>) -> CommandError {
    match errors.len() {
        1 => explain(engine, errors.remove(0)),
        _ => CommandError::each(errors.into_iter().map(Into::into).collect()),
    }
}
