//! A plan as text, JSON, Graphviz and Mermaid.

use super::plan::{Plan, StepId};
use std::collections::HashMap;
use std::fmt::Write;

/// How a plan is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// One numbered line a step, for people.
    #[default]
    Text,
    Json,
    /// Graphviz.
    Dot,
    Mermaid,
}

impl Plan {
    /// The plan in that format, ending in a line feed.
    pub fn render(&self, format: Format) -> String {
        let order = self.order();
        let numbers: HashMap<StepId, usize> = order.iter().enumerate().map(|(i, id)| (*id, i + 1)).collect();
        match format {
            Format::Text => self.text(&order, &numbers),
            Format::Json => self.json(&order, &numbers),
            Format::Dot => self.dot(&order, &numbers),
            Format::Mermaid => self.mermaid(&order, &numbers),
        }
    }

    fn text(&self, order: &[StepId], numbers: &HashMap<StepId, usize>) -> String {
        let mut out = String::new();
        let width = order.len().to_string().len();
        for id in order {
            let step = self.step(*id);
            let _ = write!(out, "{:>width$}. {} ({})", numbers[id], step.kind, step.cause);
            let after: Vec<_> = self.waits_for(*id).iter().map(|(other, _)| numbers[other].to_string()).collect();
            if !after.is_empty() {
                let _ = write!(out, ", after {}", after.join(", "));
            }
            out.push('\n');
        }
        for pod in &self.unchanged {
            let _ = writeln!(out, "{:>width$}  pod `{pod}` is unchanged", "");
        }
        for pod in &self.lost {
            let _ = writeln!(out, "{:>width$}  pod `{pod}` is no longer in the file, and stays without --replace", "");
        }
        out
    }

    fn json(&self, order: &[StepId], numbers: &HashMap<StepId, usize>) -> String {
        let step = |id: &StepId| {
            let step = self.step(*id);
            let after: Vec<_> = self
                .waits_for(*id)
                .into_iter()
                .map(|(other, why)| serde_json::json!({"id": numbers[&other], "because": why}))
                .collect();
            serde_json::json!({
                "id": numbers[id],
                "step": step.kind.verb().replace(' ', "-"),
                "subject": step.kind.subject(),
                "cause": step.cause.to_string(),
                "after": after,
            })
        };
        let steps: Vec<_> = order.iter().map(step).collect();
        let value = serde_json::json!({"steps": steps, "unchanged": self.unchanged, "lost": self.lost});
        format!("{value:#}\n")
    }

    fn dot(&self, order: &[StepId], numbers: &HashMap<StepId, usize>) -> String {
        let mut out = String::from("digraph plan {\n  rankdir=LR;\n  node [shape=box];\n");
        for id in order {
            let step = self.step(*id);
            let label = format!(
                "{}\\n{}\\n({})",
                step.kind.verb(),
                escape(&step.kind.subject()),
                escape(&step.cause.to_string())
            );
            let _ = writeln!(out, "  s{} [label=\"{label}\"];", numbers[id]);
        }
        for (from, to, why) in self.edges(order, numbers) {
            let _ = writeln!(out, "  s{from} -> s{to} [label=\"{why}\"];");
        }
        out.push_str("}\n");
        out
    }

    fn mermaid(&self, order: &[StepId], numbers: &HashMap<StepId, usize>) -> String {
        let mut out = String::from("flowchart LR\n");
        for id in order {
            let step = self.step(*id);
            let label = format!("{}<br/>{}", step.kind.verb(), step.kind.subject()).replace('"', "#quot;");
            let _ = writeln!(out, "  s{}[\"{label}\"]", numbers[id]);
        }
        for (from, to, why) in self.edges(order, numbers) {
            let _ = writeln!(out, "  s{from} -->|{why}| s{to}");
        }
        out
    }

    fn edges<'a>(
        &'a self,
        order: &'a [StepId],
        numbers: &'a HashMap<StepId, usize>,
    ) -> impl Iterator<Item = (usize, usize, &'static str)> + 'a {
        order.iter().flat_map(move |id| {
            self.waits_for(*id).into_iter().map(move |(other, why)| (numbers[&other], numbers[id], why))
        })
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
