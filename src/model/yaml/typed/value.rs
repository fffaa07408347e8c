//! What a node is as an integer, a string, a quantity, and what is said when it is none.

use super::Reader;
use crate::model::diagnostic::Diagnostic;
use crate::model::quantity::Quantity;
use crate::model::yaml::node::{Entry, Node, Style, Value};
use crate::model::yaml::{Dialect, base64, scalar, suggest};

impl<'n> Reader<'n, '_, '_> {
    /// Reports that the value is of the wrong kind.
    pub(super) fn mismatch(&self, expected: &str) {
        let (node, cx) = (self.node, self.cx);
        let subject = cx.subject();
        let found = self.found();
        let wants_string = expected == "a string";
        let scalar = !matches!(node.value, Value::Sequence(_) | Value::Mapping(_));
        let code = if wants_string && scalar { "K103" } else { "K102" };
        let mut finding = Diagnostic::error(code, format!("{subject} must be {expected}, and this is {found}"))
            .at(cx.mark(node), format!("expected {expected}"));
        finding.hint = self.remedy(expected);
        cx.find(node, finding);
    }

    /// The value's kind, with the value where it may be shown and says more.
    fn found(&self) -> String {
        let node = self.node;
        match &node.value {
            _ if self.cx.options.secret => node.kind_name().to_owned(),
            Value::Bool(b) if !node.raw.eq_ignore_ascii_case(if *b { "true" } else { "false" }) => {
                format!("a boolean: YAML reads `{}` as {b}", node.raw)
            }
            Value::String(s) if node.style == Style::Quoted && integer_text(s) => "a quoted string".to_owned(),
            _ => node.kind_name().to_owned(),
        }
    }

    fn remedy(&self, expected: &str) -> Option<String> {
        let shown = |text: &str| {
            let short = text.len() <= 40 && !text.contains('\n') && !self.cx.options.secret;
            short.then(|| text.to_owned())
        };
        match (expected, &self.node.value) {
            ("a string", Value::Bool(_) | Value::Int(_) | Value::Float(_)) => Some(match shown(&self.node.raw) {
                Some(text) => format!("quote it: \"{text}\""),
                None => "quote it".to_owned(),
            }),
            ("an integer", Value::String(s)) if integer_text(s) => Some(match shown(s) {
                Some(text) => format!("take the quotes away: {text}"),
                None => "take the quotes away".to_owned(),
            }),
            ("a boolean", Value::String(s)) if matches!(&**s, "true" | "false") => {
                Some(format!("take the quotes away: {s}"))
            }
            ("a boolean", _) => Some("write true or false".to_owned()),
            ("a list", Value::String(s)) => shown(s).map(|text| {
                let words: Vec<String> = text.split_whitespace().map(|w| format!("{w:?}")).collect();
                format!("write a list: [{}]", words.join(", "))
            }),
            ("a list", Value::Mapping(_)) if self.cx.subject() == "`env`" => {
                Some("each variable is an element: `- name: ...` and below it `value: ...`".to_owned())
            }
            ("a list", Value::Mapping(_)) => Some("start each element with `- `".to_owned()),
            ("a list", Value::Int(_) | Value::Float(_) | Value::Bool(_)) => {
                let words = matches!(self.cx.subject().as_str(), "`args`" | "`command`");
                let quote = if words { "\"" } else { "" };
                shown(&self.node.raw).map(|text| format!("write a list: [{quote}{text}{quote}]"))
            }
            ("a mapping", Value::Sequence(_)) => Some("write `key: value` lines without `- `".to_owned()),
            ("a mapping", Value::String(s)) if s.contains('=') && self.cx.subject().starts_with("`env[") => {
                Some("write `name: ...` and `value: ...`".to_owned())
            }
            ("a mapping", _) => Some("write `key: value` lines below it, indented".to_owned()),
            ("a string", Value::Mapping(_) | Value::Sequence(_)) => Some(match self.node.style {
                Style::Flow => "quote the value when it is meant as text".to_owned(),
                _ => "put `|` behind the colon when the lines below are meant as text".to_owned(),
            }),
            _ => None,
        }
    }

    pub(super) fn integer(&self, bits: u32, signed: bool) -> i128 {
        let (low, high) = match signed {
            true => (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1),
            false => (0, (1i128 << bits) - 1),
        };
        let value = match self.node.value {
            Value::Int(i) => i,
            Value::Null => 0,
            // JSON knows one kind of number: Kubernetes takes 80.0 for 80.
            Value::Float(f) if f.fract() == 0.0 && f.abs() < 2f64.powi(63) => self.whole_float(f),
            _ => {
                self.mismatch("an integer");
                return 0;
            }
        };
        if (low..=high).contains(&value) {
            return value;
        }
        let subject = self.cx.subject();
        let message = format!("{subject} is out of range: it must be from {low} to {high}");
        self.cx.find(self.node, Diagnostic::error("K104", message).at(self.cx.mark(self.node), ""));
        0
    }

    fn whole_float(&self, value: f64) -> i128 {
        let whole = value as i128;
        let message = format!("{} is written as a decimal number and read as {whole}", self.cx.subject());
        let mut finding = Diagnostic::warning("K105", message).at(self.cx.mark(self.node), "");
        finding.hint = Some(match self.node.raw.trim_start_matches(['+', '-']).starts_with('0') {
            true => "a leading 0 means octal, which has no digits 8 and 9; leave the 0 away".to_owned(),
            false => format!("write {whole}"),
        });
        self.cx.find(self.node, finding);
        whole
    }

    pub(super) fn string(&self) -> &'n str {
        match &self.node.value {
            Value::String(s) => s,
            Value::Null => "",
            _ => {
                self.mismatch("a string");
                ""
            }
        }
    }

    /// Base64 in the form that strict decoders take: no line breaks, no stray bits.
    pub(super) fn base64(&self) -> String {
        let text = self.string();
        if let Some(bytes) = base64::decode(text) {
            return base64::encode(&bytes);
        }
        let padded = format!("{}{}", text.trim_end(), "=".repeat((4 - text.trim_end().len() % 4) % 4));
        let hint = match base64::decode(&padded) {
            Some(_) => "the `=` at the end is missing, or part of the text",
            None => "put plain text under `stringData` (Secret) or `data` (ConfigMap), or encode it with `base64 -w0`",
        };
        let finding = Diagnostic::error("K106", format!("{} is not valid base64", self.cx.subject()));
        self.cx.find(self.node, finding.at(self.cx.mark(self.node), "").hint(hint));
        String::new()
    }

    pub(super) fn time(&self) -> &'n str {
        const PLACEHOLDER: &str = "1970-01-01T00:00:00Z";
        let text = self.string();
        if text.parse::<jiff::Timestamp>().is_ok() {
            return text;
        }
        if !text.is_empty() {
            let message = format!("{} is not a time", self.cx.subject());
            let finding = Diagnostic::error("K109", message).at(self.cx.mark(self.node), "");
            self.cx.find(self.node, finding.hint("write it as 2026-01-31T12:00:00Z"));
        }
        PLACEHOLDER
    }

    pub(super) fn quantity(&self) -> String {
        let text: &str = match &self.node.value {
            Value::String(s) => s,
            Value::Int(i) => return i.to_string(),
            Value::Float(f) => return f.to_string(),
            Value::Null => return String::new(),
            _ => {
                self.mismatch("a quantity, such as 500m or 1Gi");
                return "0".to_owned();
            }
        };
        match text.parse::<Quantity>() {
            Ok(_) => text.to_owned(),
            Err(error) => {
                let message = format!("{} is not a quantity: {error}", self.cx.subject());
                let mut finding = Diagnostic::error("K107", message).at(self.cx.mark(self.node), "");
                finding.hint = suggest::quantity(text).map(|better| format!("did you mean {better}?"));
                self.cx.find(self.node, finding);
                "0".to_owned()
            }
        }
    }

    pub(super) fn items(&self) -> &'n [Node] {
        if !matches!(self.node.value, Value::Sequence(_) | Value::Null) {
            self.mismatch("a list");
        }
        self.node.items()
    }

    pub(super) fn entries(&self) -> &'n [Entry] {
        if !matches!(self.node.value, Value::Mapping(_) | Value::Null) {
            self.mismatch("a mapping");
        }
        self.node.entries()
    }
}

fn integer_text(text: &str) -> bool {
    matches!(scalar::resolve(text, Dialect::Kubernetes), Value::Int(_))
}
