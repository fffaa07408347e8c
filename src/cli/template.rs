//! `--format`: Go templates (text/template) over rows of fields, by the crate gotmpl, with podman's functions.
//!
//! `table {{.ID}}\t{{.Names}}` puts headers on top and lays out the columns; without `table` each row is a line as it comes
//! out. A template that starts with `{{range .}}` is given all rows at once. An unknown field or function is an error that
//! names what there is.

use super::error::CommandError;
use super::table;
use gotmpl::parse::{Expr, ListNode, Node, PipeNode};
use gotmpl::{TemplateError, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One row: field names, exactly as templates spell them, and values.
pub type Row = BTreeMap<String, serde_json::Value>;

/// Why a template cannot be used.
#[derive(Debug, thiserror::Error)]
enum FormatError {
    #[error("the template `{template}` cannot be read")]
    Syntax {
        template: String,
        #[source]
        source: TemplateError,
    },
    #[error("template function `{name}` does not exist: there are {known}")]
    UnknownFunction { name: String, known: String },
    #[error("there is no field `.{name}`: there are {known}")]
    UnknownField { name: String, known: String },
    #[error("the template `{template}` failed")]
    Execution {
        template: String,
        #[source]
        source: TemplateError,
    },
}

/// Functions that gotmpl does not bring; with [`BUILTINS`] they are what an error lists.
const OWN: [&str; 8] = ["join", "json", "lower", "pad", "split", "title", "truncate", "upper"];
const BUILTINS: [&str; 19] = [
    "and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or", "print", "printf",
    "println", "slice", "urlquery",
];

/// A template that was read and can be rendered.
pub struct Template {
    source: String,
    inner: gotmpl::Template,
    table: bool,
    whole: bool,
}

impl Template {
    /// Reads a template as the user typed it; `\t` and `\n` typed as two characters are tab and newline.
    pub fn parse(text: &str) -> Result<Self, CommandError> {
        let normal = text.trim_start().replace("\\t", "\t").replace("\\n", "\n");
        let (table, body) = match normal.strip_prefix("table") {
            Some(rest) if rest.starts_with([' ', '\t']) => (true, columns(rest.trim())),
            _ => (false, normal),
        };
        let syntax = |source| CommandError::invalid(FormatError::Syntax { template: text.to_owned(), source });
        let inner = functions(gotmpl::Template::new("format")).parse(&body).map_err(syntax)?;
        let whole = body.trim_start().starts_with("{{range .}}") || body.trim_start().starts_with("{{ range . }}");
        let template = Self { source: text.to_owned(), inner, table, whole };
        template.check_functions()?;
        Ok(template)
    }

    /// Renders rows; `headers` gives the header of each field, and its keys are the fields there are.
    pub fn render(&self, rows: &[Row], headers: &Headers, heading: bool) -> Result<String, CommandError> {
        if let Some(first) = rows.first() {
            self.check_fields(first)?;
        }
        if self.whole {
            let list = Value::List(rows.iter().map(row_value).collect::<Vec<_>>().into());
            return self.execute(&list);
        }
        let mut text = String::new();
        if self.table && heading {
            text.push_str(&self.execute(&headers.values(rows.first()))?);
            text.push('\n');
        }
        for row in rows {
            text.push_str(&self.execute(&row_value(row))?);
            text.push('\n');
        }
        Ok(if self.table { table::render_tabbed(&text) } else { text })
    }

    /// Renders one JSON value, as `inspect --format` does, without a final newline.
    pub fn render_value(&self, value: &serde_json::Value) -> Result<String, CommandError> {
        if let serde_json::Value::Object(fields) = value {
            self.check_names(&fields.keys().map(String::as_str).collect::<Vec<_>>())?;
        }
        self.execute(&to_value(value))
    }

    fn execute(&self, data: &Value) -> Result<String, CommandError> {
        self.inner
            .execute_to_string(data)
            .map_err(|source| CommandError::invalid(FormatError::Execution { template: self.source.clone(), source }))
    }

    fn check_fields(&self, row: &Row) -> Result<(), CommandError> {
        self.check_names(&row.keys().map(String::as_str).collect::<Vec<_>>())
    }

    fn check_names(&self, known: &[&str]) -> Result<(), CommandError> {
        let mut used = Used::default();
        if let Some(body) = self.inner.lookup("format") {
            used.list(body, !self.whole);
        }
        let Some(name) = used.fields.into_iter().find(|name| !known.contains(&name.as_str())) else { return Ok(()) };
        let hint = super::suggest::closest(&name, known.iter().copied()).map(|k| format!("did you mean `.{k}`?"));
        let known = known.iter().map(|k| format!("`.{k}`")).collect::<Vec<_>>().join(", ");
        Err(CommandError::invalid(FormatError::UnknownField { name, known }).maybe_hint(hint))
    }

    fn check_functions(&self) -> Result<(), CommandError> {
        let mut used = Used::default();
        if let Some(body) = self.inner.lookup("format") {
            used.list(body, true);
        }
        let mut known: Vec<&str> = OWN.iter().chain(&BUILTINS).copied().collect();
        known.sort_unstable();
        match used.functions.into_iter().find(|name| !known.contains(&name.as_str())) {
            Some(name) => {
                let known = known.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
                Err(CommandError::invalid(FormatError::UnknownFunction { name, known }))
            }
            None => Ok(()),
        }
    }
}

/// Blanks between actions separate columns, as tabs do.
fn columns(body: &str) -> String {
    let mut parts = body.split("{{");
    let mut text = parts.next().unwrap_or_default().replace(' ', "\t");
    for part in parts {
        let (action, between) = part.split_once("}}").unwrap_or((part, ""));
        text.push_str("{{");
        text.push_str(action);
        if part.len() > action.len() {
            text.push_str("}}");
        }
        text.push_str(&between.replace(' ', "\t"));
    }
    text
}

/// The header of each field.
pub struct Headers(pub &'static [(&'static str, &'static str)]);

impl Headers {
    /// Headers as template data; fields without one of their own get their name in upper case.
    fn values(&self, row: Option<&Row>) -> Value {
        let mut map: BTreeMap<Arc<str>, Value> = BTreeMap::new();
        for name in row.into_iter().flat_map(|r| r.keys()) {
            map.insert(name.as_str().into(), Value::String(name.to_uppercase().into()));
        }
        for (field, header) in self.0 {
            map.insert((*field).into(), Value::String((*header).into()));
        }
        Value::Map(Arc::new(map))
    }
}

/// Names a template mentions.
#[derive(Default)]
struct Used {
    /// First segments of fields of the row itself.
    fields: Vec<String>,
    functions: Vec<String>,
}

impl Used {
    /// `at_row`: whether the dot is the row here, and not what `range` or `with` made of it.
    fn list(&mut self, list: &ListNode, at_row: bool) {
        list.nodes.iter().for_each(|node| self.node(node, at_row));
    }

    fn node(&mut self, node: &Node, at_row: bool) {
        match node {
            Node::List(list) => self.list(list, at_row),
            Node::Action(action) => self.pipe(&action.pipe, at_row),
            Node::If(branch) => self.branch(branch, at_row, at_row),
            Node::Range(branch) | Node::With(branch) => self.branch(branch, at_row, false),
            Node::Template(call) => call.pipe.iter().for_each(|pipe| self.pipe(pipe, at_row)),
            Node::Text(_) | Node::Define(_) | Node::Break(_) | Node::Continue(_) => {}
        }
    }

    fn branch(&mut self, branch: &gotmpl::parse::BranchNode, at_row: bool, inside: bool) {
        self.pipe(&branch.pipe, at_row);
        self.list(&branch.body, inside);
        branch.else_body.iter().for_each(|body| self.list(body, at_row));
    }

    fn pipe(&mut self, pipe: &PipeNode, at_row: bool) {
        let expressions = pipe.commands.iter().flat_map(|command| &command.args);
        expressions.for_each(|expression| self.expression(expression, at_row));
    }

    fn expression(&mut self, expression: &Expr, at_row: bool) {
        match expression {
            Expr::Field(_, path) if at_row => self.fields.extend(path.first().map(|name| name.to_string())),
            Expr::Identifier(_, name) => self.functions.push(name.to_string()),
            Expr::Pipe(_, pipe) => self.pipe(pipe, at_row),
            Expr::Chain(_, inner, _) => self.expression(inner, at_row),
            _ => {}
        }
    }
}

fn row_value(row: &Row) -> Value {
    Value::Map(Arc::new(row.iter().map(|(k, v)| (k.as_str().into(), to_value(v))).collect()))
}

fn to_value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Nil,
        serde_json::Value::Bool(b) => Value::Bool(*b),
        serde_json::Value::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(i), _) => Value::Int(i),
            (None, Some(u)) => Value::Uint(u),
            (None, None) => Value::Float(n.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(s) => Value::String(s.as_str().into()),
        serde_json::Value::Array(items) => Value::List(items.iter().map(to_value).collect::<Vec<_>>().into()),
        serde_json::Value::Object(fields) => {
            Value::Map(Arc::new(fields.iter().map(|(k, v)| (k.as_str().into(), to_value(v))).collect()))
        }
    }
}

fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Bool(b) => (*b).into(),
        Value::Int(i) => (*i).into(),
        Value::Uint(u) => (*u).into(),
        Value::Float(f) => (*f).into(),
        Value::String(s) => s.as_ref().into(),
        Value::List(items) => items.iter().map(to_json).collect::<Vec<_>>().into(),
        Value::Map(fields) => {
            fields.iter().map(|(k, v)| (k.to_string(), to_json(v))).collect::<serde_json::Map<_, _>>().into()
        }
        _ => serde_json::Value::Null,
    }
}

fn functions(template: gotmpl::Template) -> gotmpl::Template {
    template
        .func("json", |args| Ok(text(to_json(argument("json", args, 0, 1)?).to_string())))
        .func("lower", |args| Ok(text(argument("lower", args, 0, 1)?.to_string().to_lowercase())))
        .func("upper", |args| Ok(text(argument("upper", args, 0, 1)?.to_string().to_uppercase())))
        .func("title", |args| Ok(text(title(&argument("title", args, 0, 1)?.to_string()))))
        .func("join", |args| {
            let items = match argument("join", args, 0, 2)? {
                Value::List(items) => items.iter().map(ToString::to_string).collect::<Vec<_>>(),
                other => vec![other.to_string()],
            };
            Ok(text(items.join(&argument("join", args, 1, 2)?.to_string())))
        })
        .func("split", |args| {
            let whole = argument("split", args, 0, 2)?.to_string();
            let separator = argument("split", args, 1, 2)?.to_string();
            let parts = whole.split(separator.as_str()).map(|part| text(part.to_owned()));
            Ok(Value::List(parts.collect::<Vec<_>>().into()))
        })
        .func("truncate", |args| {
            let length = argument("truncate", args, 1, 2)?.as_int().unwrap_or(0).max(0) as usize;
            Ok(text(argument("truncate", args, 0, 2)?.to_string().chars().take(length).collect()))
        })
        .func("pad", |args| {
            let spaces = |at| -> gotmpl::Result<String> {
                Ok(" ".repeat(argument("pad", args, at, 3)?.as_int().unwrap_or(0).clamp(0, 1000) as usize))
            };
            let body = argument("pad", args, 0, 3)?.to_string();
            Ok(text(if body.is_empty() { body } else { format!("{}{body}{}", spaces(1)?, spaces(2)?) }))
        })
}

fn argument<'a>(name: &str, args: &'a [Value], at: usize, expected: usize) -> gotmpl::Result<&'a Value> {
    args.get(at).ok_or_else(|| TemplateError::ArgCount { name: name.to_owned(), expected, got: args.len() })
}

fn text(text: String) -> Value {
    Value::String(text.into())
}

fn title(text: &str) -> String {
    let mut start = true;
    let capital = |c: char| {
        let out = if start { c.to_uppercase().collect::<String>() } else { c.to_string() };
        start = c.is_whitespace();
        out
    };
    text.chars().map(capital).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const HEADERS: Headers = Headers(&[("ID", "CONTAINER ID"), ("Names", "NAMES")]);

    fn rows() -> Vec<Row> {
        let row = |id: &str, name: &str| -> Row {
            let fields =
                json!({"ID": id, "Names": name, "Labels": {"app": "web"}, "Ports": ["80/tcp", "81/tcp"], "Pid": 7});
            fields.as_object().unwrap().clone().into_iter().collect()
        };
        vec![row("aaaaaaaaaaaa", "one"), row("bbbbbbbbbbbb", "two")]
    }

    fn render(template: &str) -> Result<String, CommandError> {
        Template::parse(template)?.render(&rows(), &HEADERS, true)
    }

    #[test]
    fn rows_come_one_a_line() {
        assert_eq!(render("{{.ID}} {{.Names}}").unwrap(), "aaaaaaaaaaaa one\nbbbbbbbbbbbb two\n");
    }

    #[test]
    fn a_table_has_headers_and_columns() {
        let want = "CONTAINER ID  NAMES       PID\naaaaaaaaaaaa  one         7\nbbbbbbbbbbbb  two         7\n";
        assert_eq!(render(r"table {{.ID}}\t{{.Names}}\t{{.Pid}}").unwrap(), want);
        assert_eq!(render("table {{ .ID }} {{.Names}} {{printf \"%v\" .Pid}}").unwrap(), want, "blanks do, too");
    }

    #[test]
    fn range_gets_every_row() {
        assert_eq!(render("{{range .}}{{.Names}},{{end}}").unwrap(), "one,two,");
    }

    #[test]
    fn functions_are_podmans() {
        let one = |template: &str| render(template).unwrap().lines().next().unwrap().to_owned();
        assert_eq!(one("{{json .Ports}}"), r#"["80/tcp","81/tcp"]"#);
        assert_eq!(one(r#"{{join .Ports ", "}}"#), "80/tcp, 81/tcp");
        assert_eq!(one("{{upper .Names}} {{.Names | title}} {{lower \"AB\"}}"), "ONE One ab");
        assert_eq!(one("{{truncate .ID 3}}|{{pad .Names 1 2}}|{{slice .ID 0 2}}"), "aaa| one  |aa");
        assert_eq!(one(r#"{{index (split "a-b" "-") 1}} {{index .Labels "app"}}"#), "b web");
        assert_eq!(one(r#"{{if eq .Pid 7}}seven{{end}} {{printf "%05d" .Pid}}"#), "seven 00007");
    }

    #[test]
    fn what_does_not_exist_is_named_with_what_does() {
        let said = |template: &str| format!("{:?}", render(template).unwrap_err());
        let field = said("{{.Name}}");
        assert!(field.contains("there is no field `.Name`: there are `.ID`"), "{field}");
        assert!(field.contains("hint: did you mean `.Names`?"), "{field}");
        assert!(said("{{ddt .ID}}").contains("template function `ddt` does not exist: there are `and`, "));
        assert!(said("{{.ID").contains("cannot be read"));
        assert_eq!(render("{{.Nope}}").unwrap_err().exit_code(), 2);
    }

    #[test]
    fn fields_inside_range_and_with_are_not_the_rows() {
        assert_eq!(render("{{with .Labels}}{{.app}}{{end}}").unwrap(), "web\nweb\n");
        assert_eq!(render("{{range .Ports}}{{.}};{{end}}").unwrap(), "80/tcp;81/tcp;\n80/tcp;81/tcp;\n");
    }

    #[test]
    fn one_value_keeps_its_structure() {
        let value = json!({"State": {"Running": true}, "Mounts": [{"Source": "/a"}]});
        let show = |template: &str| Template::parse(template).unwrap().render_value(&value).unwrap();
        assert_eq!(show("{{.State.Running}} {{(index .Mounts 0).Source}}"), "true /a");
        assert_eq!(show("{{json .State}}"), r#"{"Running":true}"#);
    }
}
