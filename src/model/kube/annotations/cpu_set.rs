//! Processors and memory nodes of a container: `io.podman.annotations.cpuset/CONTAINER` and `memory-nodes/CONTAINER`.

use super::super::codes;
use super::super::spot::{Spot, shown};
use crate::model::{Container, NumberList};

pub(super) fn apply_cpus(at: &Spot<'_>, container: &mut Container, value: &str) {
    container.cpu_set.cpus = parse(at, "CPU", value, at.session.machine.cpus.as_ref());
}

pub(super) fn apply_memory_nodes(at: &Spot<'_>, container: &mut Container, value: &str) {
    container.cpu_set.memory_nodes = parse(at, "memory node", value, at.session.machine.memory_nodes.as_ref());
}

/// Reads a list of numbers that this machine must all have.
fn parse(at: &Spot<'_>, what: &str, value: &str, present: Option<&NumberList>) -> Option<NumberList> {
    let list: NumberList = match value.parse() {
        Ok(list) => list,
        Err(reason) => {
            at.wrong(codes::FORM, format!("`{}` is no list of {what}s: {reason}", shown(value)));
            return None;
        }
    };
    if let Some(present) = present
        && let Some(number) = list.first_beyond(present)
    {
        at.wrong_hint(codes::VALUE, format!("this machine has no {what} {number}"), format!("possible: {present}"));
        return None;
    }
    Some(list)
}
