//! Which objects of a kind are meant: by label, namespace and field.

use super::fields::FieldSelector;
use super::selector::Selector;
use crate::cli::error::CommandError;
use crate::generate::object::Object;
use clap::Args;

#[derive(Debug, Args)]
pub struct ChoiceArgs {
    /// Only objects whose labels match, as in app=web,tier!=db,env in (dev,test),!old
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Only objects whose fields match, as in status.phase!=Running,metadata.name=web
    #[arg(long, value_name = "SELECTOR")]
    pub field_selector: Option<String>,
    /// Only objects of this namespace; without it those of all, as names are unique on the machine
    #[arg(short, long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Objects of all namespaces, and with `get` a column that shows them
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
}

/// What was asked for, understood.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Choice {
    labels: Selector,
    fields: FieldSelector,
    namespace: Option<String>,
}

impl ChoiceArgs {
    pub fn parse(&self) -> Result<Choice, CommandError> {
        let text = |given: &Option<String>| given.clone().unwrap_or_default();
        Ok(Choice {
            labels: Selector::parse(&text(&self.selector)).map_err(CommandError::invalid)?,
            fields: FieldSelector::parse(&text(&self.field_selector)).map_err(CommandError::invalid)?,
            namespace: self.namespace.clone().filter(|_| !self.all_namespaces),
        })
    }
}

impl Choice {
    pub fn matches(&self, object: &Object) -> bool {
        // What lives in no namespace is in none of the others.
        let is_there = match (&self.namespace, &object.namespace) {
            (Some(wanted), Some(own)) => wanted == own,
            (Some(_), None) | (None, _) => true,
        };
        is_there && self.labels.matches(&object.labels) && self.fields.matches(&object.value)
    }
}
