//! The forms in which `kube get` shows objects: `-o`.

use super::jsonpath::{JsonPath, plain};
use crate::cli::error::CommandError;
use crate::cli::listing::json_lines;
use crate::cli::table::Table;
use crate::cli::template::Template;
use crate::generate::object::{Object, Resource};
use serde_json::{Value, json};

/// What `-o` asks for.
pub enum Form {
    Table {
        wide: bool,
    },
    Yaml,
    Json,
    Name,
    JsonPath(JsonPath),
    GoTemplate(Box<Template>),
    /// Header and path of each column.
    Columns(Vec<(String, JsonPath)>),
}

/// How tables are drawn.
#[derive(Debug, Clone, Copy, Default)]
pub struct TableOptions<'a> {
    pub no_headers: bool,
    /// Begin each line with its namespace.
    pub namespaces: bool,
    pub show_labels: bool,
    /// Labels with a column of their own.
    pub label_columns: &'a [String],
    /// Put the type before each name: objects of several types are listed.
    pub typed_names: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum FormError {
    #[error("there is no output format `{0}`")]
    Unknown(String),
    #[error("the output format `{0}` needs a template behind `=`")]
    NoTemplate(String),
    #[error("`{0}` is no `HEADER:PATH`")]
    Column(String),
    #[error("cannot evaluate the template")]
    Evaluate(#[source] super::jsonpath::EvaluateError),
}

impl Form {
    pub fn parse(text: Option<&str>) -> Result<Self, CommandError> {
        let text = text.unwrap_or_default();
        let (kind, template) = text.split_once('=').map_or((text, None), |(kind, template)| (kind, Some(template)));
        let needed = || match template {
            Some(template) if !template.is_empty() => Ok(template),
            _ => Err(CommandError::invalid(FormError::NoTemplate(kind.to_owned()))),
        };
        Ok(match kind {
            "" => Self::Table { wide: false },
            "wide" => Self::Table { wide: true },
            "yaml" => Self::Yaml,
            "json" => Self::Json,
            "name" => Self::Name,
            "jsonpath" => Self::JsonPath(JsonPath::parse(needed()?).map_err(CommandError::invalid)?),
            "go-template" => Self::GoTemplate(Box::new(Template::parse(needed()?)?)),
            "custom-columns" => Self::Columns(needed()?.split(',').map(column).collect::<Result<_, _>>()?),
            _ => {
                let forms = "formats: wide, yaml, json, name, jsonpath=TEMPLATE, go-template=TEMPLATE, \
                             custom-columns=HEADER:PATH,...";
                return Err(CommandError::invalid(FormError::Unknown(text.to_owned())).hint(forms));
            }
        })
    }

    /// Whether rows are shown, and headers above the first.
    pub fn has_rows(&self) -> bool {
        matches!(self, Self::Table { .. } | Self::Columns(_))
    }

    /// The rows of objects of one kind.
    pub fn rows(&self, objects: &[Object], options: TableOptions<'_>) -> Result<Vec<Vec<String>>, CommandError> {
        let mut rows = Vec::new();
        match (self, objects.first()) {
            (Self::Columns(columns), _) => {
                if !options.no_headers {
                    rows.push(columns.iter().map(|(header, _)| header.clone()).collect());
                }
                for object in objects {
                    rows.push(columns.iter().map(|(_, path)| cell(path, &object.value)).collect::<Result<_, _>>()?);
                }
            }
            (Self::Table { wide }, Some(first)) => {
                if !options.no_headers {
                    rows.push(headers(first.resource, *wide, options));
                }
                rows.extend(objects.iter().map(|object| row(object, *wide, options)));
            }
            _ => {}
        }
        Ok(rows)
    }

    /// Everything but tables: one object alone, or a list.
    pub fn document(&self, objects: &[Object], is_list: bool) -> Result<String, CommandError> {
        let whole = || match objects {
            [one] if !is_list => one.value.clone(),
            many => {
                let items: Vec<_> = many.iter().map(|object| object.value.clone()).collect();
                json!({ "apiVersion": "v1", "items": items, "kind": "List", "metadata": { "resourceVersion": "" } })
            }
        };
        Ok(match self {
            Self::Yaml => crate::model::yaml::write(&whole()),
            Self::Json => json_lines(&whole()),
            Self::Name => {
                objects.iter().map(|object| format!("{}/{}\n", object.resource.singular(), object.name)).collect()
            }
            Self::JsonPath(path) => {
                path.render(&whole()).map_err(|error| CommandError::invalid(FormError::Evaluate(error)))?
            }
            Self::GoTemplate(template) => template.render_value(&whole())?,
            Self::Table { .. } | Self::Columns(_) => {
                Table::kubectl().render(&self.rows(objects, TableOptions::default())?)
            }
        })
    }
}

fn column(text: &str) -> Result<(String, JsonPath), CommandError> {
    let wrong = || CommandError::invalid(FormError::Column(text.to_owned()));
    let (header, path) =
        text.split_once(':').filter(|(header, path)| !header.is_empty() && !path.is_empty()).ok_or_else(wrong)?;
    Ok((header.to_owned(), JsonPath::parse_relaxed(path).map_err(CommandError::invalid)?))
}

fn cell(path: &JsonPath, value: &Value) -> Result<String, CommandError> {
    let found = path.find(value).map_err(|error| CommandError::invalid(FormError::Evaluate(error)))?;
    Ok(match found.is_empty() {
        true => "<none>".to_owned(),
        false => found.into_iter().map(plain).collect::<Vec<_>>().join(","),
    })
}

fn headers(resource: Resource, wide: bool, options: TableOptions<'_>) -> Vec<String> {
    let TableOptions { no_headers: _, namespaces, show_labels, label_columns, typed_names: _ } = options;
    let columns = resource.columns().iter().filter(|column| column.is_in(wide)).map(|column| column.header());
    // Of `example.com/tier` the last part.
    let labels = label_columns.iter().map(|label| label.rsplit('/').next().unwrap_or_default().to_uppercase());
    let namespace = (namespaces && resource.is_namespaced()).then_some("NAMESPACE");
    let mut headers: Vec<_> = namespace.into_iter().chain(columns).map(str::to_owned).chain(labels).collect();
    headers.extend(show_labels.then(|| "LABELS".to_owned()));
    headers
}

fn row(object: &Object, wide: bool, options: TableOptions<'_>) -> Vec<String> {
    let TableOptions { no_headers: _, namespaces, show_labels, label_columns, typed_names } = options;
    let Object { resource, namespace, labels, cells, .. } = object;
    let none = || "<none>".to_owned();
    let shown = cells.iter().zip(resource.columns()).filter(|(_, column)| column.is_in(wide));
    let mut cells: Vec<_> = shown
        .map(|(cell, column)| match column.header() {
            "NAME" if typed_names && *resource != Resource::Event => format!("{}/{cell}", resource.singular()),
            _ => cell.clone(),
        })
        .collect();
    if namespaces && resource.is_namespaced() {
        cells.insert(0, namespace.clone().unwrap_or_default());
    }
    cells.extend(label_columns.iter().map(|label| labels.get(label).cloned().unwrap_or_else(none)));
    if show_labels {
        let all: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        cells.push(if all.is_empty() { none() } else { all.join(",") });
    }
    cells
}
