//! Where in an object the lowering is, and how it reports what it finds there.
//!
//! Typed objects have no positions. The lowering walks them and the tree they came from side by side: a [`Spot`] is a path into
//! the tree, linked to the spot of the parent on the stack, and finds its span only when there is something to say.

use super::Session;
use super::codes;
use crate::model::diagnostic::{Diagnostic, Span};
use crate::model::yaml::{Node, Path, PathElem, Place, Value};

/// A field or element of an object, whether it is in the text or not.
#[derive(Clone, Copy)]
pub(super) struct Spot<'a> {
    pub session: &'a Session,
    /// `Pod/web`
    label: &'a str,
    parent: Option<&'a Spot<'a>>,
    step: Step<'a>,
    /// The node here; of the nearest ancestor in the text when `exists` is false.
    place: Place<'a>,
    exists: bool,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Field(&'a str),
    Index(usize),
}

/// A spot that outlives the walk, for what can be checked only when everything is read.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub span: Span,
    pub path: Option<String>,
}

impl<'a> Spot<'a> {
    pub fn root(session: &'a Session, label: &'a str, node: &'a Node) -> Self {
        let place = Place { node, key: None };
        Self { session, label, parent: None, step: Step::Root, place, exists: true }
    }

    pub fn field<'b>(&'b self, name: &'b str) -> Spot<'b>
    where
        'a: 'b,
    {
        let entry = if self.exists { self.place.node.entry(name) } else { None };
        let found = entry.map(|e| Place { node: &e.value, key: Some(&e.key) });
        self.below(Step::Field(name), found)
    }

    pub fn index<'b>(&'b self, index: usize) -> Spot<'b>
    where
        'a: 'b,
    {
        let item = if self.exists { self.place.node.items().get(index) } else { None };
        self.below(Step::Index(index), item.map(|node| Place { node, key: None }))
    }

    /// Another field of the object this field belongs to.
    pub fn sibling<'b>(&'b self, name: &'b str) -> Option<Spot<'b>>
    where
        'a: 'b,
    {
        self.parent.map(|parent| parent.field(name))
    }

    fn below<'b>(&'b self, step: Step<'b>, found: Option<Place<'b>>) -> Spot<'b>
    where
        'a: 'b,
    {
        Spot {
            session: self.session,
            label: self.label,
            parent: Some(self),
            step,
            place: found.unwrap_or(self.place),
            exists: found.is_some(),
        }
    }

    /// Whether the text has this field.
    pub fn exists(&self) -> bool {
        self.exists
    }

    /// Reports with the value marked (of a collection its key), `label` below the marker.
    pub fn on_value(&self, diagnostic: Diagnostic, label: impl Into<String>) {
        let span = if self.exists { self.place.value_span() } else { self.place.key_span() };
        self.push(diagnostic, span, label.into());
    }

    /// Reports with the key marked; of an element of a sequence its first line.
    pub fn on_key(&self, diagnostic: Diagnostic, label: impl Into<String>) {
        self.push(diagnostic, self.place.key_span(), label.into());
    }

    fn push(&self, diagnostic: Diagnostic, span: Span, label: String) {
        self.session.report(diagnostic.at(span, label).path(self.path()));
    }

    /// The place of the value, for later.
    pub fn mark(&self) -> Mark {
        let span = if self.exists { self.place.value_span() } else { self.place.key_span() };
        Mark { span, path: Some(self.path()) }
    }

    /// The place of the key, for later.
    pub fn key_mark(&self) -> Mark {
        Mark { span: self.place.key_span(), path: Some(self.path()) }
    }

    /// `Pod/web · spec.containers[0]`
    fn path(&self) -> String {
        let mut steps = Vec::new();
        let mut spot = Some(self);
        while let Some(s) = spot {
            match s.step {
                Step::Root => {}
                Step::Field(name) => steps.push(PathElem::Field(name.to_owned())),
                Step::Index(index) => steps.push(PathElem::Index(index)),
            }
            spot = s.parent;
        }
        let mut path = Path::root();
        steps.into_iter().rev().for_each(|step| path.push(step));
        if path.is_empty() { self.label.to_owned() } else { format!("{} · {path}", self.label) }
    }

    /// An error about the value.
    pub fn wrong(&self, code: &'static str, message: impl Into<String>) {
        self.on_value(Diagnostic::error(code, message), "");
    }

    /// An error about the value, with what to do.
    pub fn wrong_hint(&self, code: &'static str, message: impl Into<String>, hint: impl Into<String>) {
        self.on_value(Diagnostic::error(code, message).hint(hint), "");
    }

    /// The error for a field that must be there. Silent when the text has something there: it had the wrong type, which the
    /// typed reader has reported.
    pub fn missing(&self, name: &str) {
        let message = format!("required field `{name}` is missing or empty");
        let field = self.field(name);
        match (field.exists(), &field.place.node.value) {
            (false, _) => self.on_key(Diagnostic::error(codes::REQUIRED, message), format!("needs `{name}`")),
            (true, Value::Null) => field.on_value(Diagnostic::error(codes::REQUIRED, message), "is empty"),
            (true, Value::Int(0)) => field.wrong(codes::VALUE, format!("`{name}` must not be 0")),
            (true, Value::String(s)) if s.is_empty() => {
                field.on_value(Diagnostic::error(codes::REQUIRED, message), "is empty");
            }
            (true, _) if field.place.node.items().is_empty() && field.place.node.kind_name() == "a list" => {
                field.on_value(Diagnostic::error(codes::REQUIRED, message), "is empty");
            }
            (true, _) => {}
        }
    }

    /// Checks a value against the possible ones; `None` reports and says which they are.
    pub fn one_of<T: Copy>(&self, what: &str, value: &str, options: &[(&str, T)]) -> Option<T> {
        if let Some((_, found)) = options.iter().find(|(name, _)| *name == value) {
            return Some(*found);
        }
        let names: Vec<_> = options.iter().map(|(name, _)| *name).filter(|n| !n.is_empty()).collect();
        let error = Diagnostic::error(codes::VALUE, format!("`{value}` is no {what}"));
        let label = did_you_mean(value, names.iter().copied()).unwrap_or_default();
        self.on_value(error.hint(format!("possible: {}", list(&names))), label);
        None
    }

    /// Checks the form of a value with a rule of [`super::form`].
    pub fn check(&self, what: &str, value: &str, rule: impl Fn(&str) -> Result<(), &'static str>) -> bool {
        match rule(value) {
            Ok(()) => true,
            Err(reason) => {
                let message = format!("`{}` is not a valid {what}: {reason}", shown(value));
                let label = mended(value, rule).map(|m| format!("did you mean `{m}`?")).unwrap_or_default();
                self.on_value(Diagnostic::error(codes::FORM, message), label);
                false
            }
        }
    }

    /// Checks a number against a range; values outside are reported and cut.
    pub fn in_range(&self, what: &str, value: i64, range: std::ops::RangeInclusive<i64>) -> i64 {
        if !range.contains(&value) {
            let limits = match *range.end() {
                i64::MAX | COUNT_MAX => format!("at least {}", range.start()),
                end => format!("from {} to {end}", range.start()),
            };
            self.wrong(codes::VALUE, format!("{what} must be {limits}, not {value}"));
        }
        value.clamp(*range.start(), *range.end())
    }

    /// Says that this field is there and means nothing on one machine.
    pub fn no_effect(&self, present: bool, reason: &str) {
        if present {
            let name = self.name();
            self.on_key(Diagnostic::info(codes::NO_EFFECT, format!("`{name}`{NO_EFFECT}{reason}")), "");
        }
    }

    /// Says that this field is there and not supported: an error, a warning or a note, as `--validate` has it.
    pub fn unsupported(&self, present: bool, reason: &str, hint: &str) {
        if present {
            let severity = self.session.validate.severity_of_unsupported();
            let name = self.name();
            let message = format!("`{name}`{UNSUPPORTED}{reason}");
            self.on_key(Diagnostic::new(codes::UNSUPPORTED, severity, message).hint(hint), "");
        }
    }

    /// Like [`Spot::unsupported`], for what must never be ignored.
    pub fn refused(&self, present: bool, reason: &str, hint: &str) {
        if present {
            let message = format!("`{}`{UNSUPPORTED}{reason}", self.name());
            self.on_key(Diagnostic::error(codes::UNSUPPORTED, message).hint(hint), "");
        }
    }

    /// The field's name; of an element the name of its list.
    pub fn name(&self) -> &'a str {
        match self.step {
            Step::Field(name) => name,
            Step::Index(_) | Step::Root => self.parent.map_or(self.label, |p| p.name()),
        }
    }
}

/// What stands between a field's name and the reason.
const NO_EFFECT: &str = " has no effect here: ";
const UNSUPPORTED: &str = " is not supported: ";

/// The reason in a message of [`Spot::no_effect`], [`Spot::unsupported`] or [`Spot::refused`]; of others the whole message.
pub(super) fn reason_of(message: &str) -> &str {
    [NO_EFFECT, UNSUPPORTED].iter().find_map(|word| message.split_once(word)).map_or(message, |(_, reason)| reason)
}

/// The end of counts and seconds, which is no limit anyone would meet.
const COUNT_MAX: i64 = i32::MAX as i64;

/// "did you mean `x`?" for the candidate nearest to a name, when one is near.
pub(super) fn did_you_mean<'c>(name: &str, candidates: impl Iterator<Item = &'c str>) -> Option<String> {
    nearest(name, candidates).map(|c| format!("did you mean `{c}`?"))
}

/// The candidate that was probably meant: the same but for case, or a slip of the fingers away.
pub(super) fn nearest<'c>(name: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    let folded = name.to_lowercase();
    let scored = candidates.filter(|c| *c != name).map(|c| {
        let other = c.to_lowercase();
        (strsim::damerau_levenshtein(&folded, &other), strsim::jaro_winkler(&folded, &other), c)
    });
    let allowed = 1 + folded.chars().count() / 5;
    scored
        .filter(|(edits, likeness, _)| *edits <= allowed && *likeness > 0.6)
        .min_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)))
        .map(|(_, _, c)| c)
}

/// `a`, `b` or `c`, cut when there are many.
pub(super) fn list<S: AsRef<str>>(names: &[S]) -> String {
    const MOST: usize = 12;
    let quoted: Vec<_> = names.iter().take(MOST).map(|n| format!("`{}`", n.as_ref())).collect();
    let more = names.len().saturating_sub(MOST);
    if more > 0 { format!("{} and {more} more", quoted.join(", ")) } else { quoted.join(", ") }
}

/// The value with its usual slips mended, when that gives it the right form.
fn mended(value: &str, rule: impl Fn(&str) -> Result<(), &'static str>) -> Option<String> {
    let is_path = value.contains('/');
    let dashed = if is_path { value.to_owned() } else { value.trim().to_lowercase().replace(['_', ' ', '.'], "-") };
    let candidates = [value.trim().to_owned(), dashed, format!("/{value}"), value.trim_start_matches('/').to_owned()];
    candidates.into_iter().find(|candidate| candidate != value && rule(candidate).is_ok())
}

/// A value short enough for a message.
pub(super) fn shown(value: &str) -> String {
    const MOST: usize = 80;
    match value.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let kinds = ["Pod", "Deployment", "ConfigMap", "Secret", "Service"];
        let near = |name: &str| nearest(name, kinds.into_iter());
        assert_eq!(near("pod"), Some("Pod"));
        assert_eq!(near("Podd"), Some("Pod"));
        assert_eq!(near("Configmap"), Some("ConfigMap"));
        assert_eq!(near("Deploment"), Some("Deployment"));
        assert_eq!(near("Sercet"), Some("Secret"));
        assert_eq!(near("Widget"), None);
        assert_eq!(near("Job"), None);
    }
}
