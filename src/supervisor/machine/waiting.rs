//! Why a container does not run, in the kubelet's words.
//!
//! Three of its words cannot come to pass here, as images are seen to before anything of a pod is made: `InvalidImageName` (a reference
//! that cannot be read is refused with its place in the file), `ImageInspectError` and `RegistryUnavailable` (a play that cannot get an
//! image fails with the reason). That an image is not here is known late only when its layers were taken away from a pod that
//! stands.

use super::{Cell, Goal, Index, Machine, Step};
use crate::model::PullPolicy;
use crate::store::record::ContainerState;
use crate::supervisor::protocol::FailureKind;

/// What a container that neither runs nor has ended for good waits for.
pub(super) fn waiting(machine: &Machine, index: Index, cell: &Cell) -> ContainerState {
    let (reason, message) = match cell.step {
        Step::Waiting if cell.ended.is_some() || cell.failure.is_some() => held_back(machine, index, cell),
        // What kept it from being made is true until it is made.
        Step::Creating if cell.ended.is_none() && matches!(cell.outcome, Some(Err(_))) => {
            held_back(machine, index, cell)
        }
        _ if machine.state.goal == Goal::Over || cell.held => ("Stopped", None),
        _ if machine.may_run(index) => ("ContainerCreating", None),
        _ => ("PodInitializing", None),
    };
    ContainerState::Waiting { reason: reason.to_owned(), message }
}

/// A container that is tried again later: first what went wrong, then that it is held back.
fn held_back(machine: &Machine, index: Index, cell: &Cell) -> (&'static str, Option<String>) {
    let spec = &machine.spec.containers[index];
    let (wait, is_first) = (cell.back_off.wait(), cell.back_off.wait() <= machine.spec.back_off.base);
    let failure = match &cell.outcome {
        Some(Err(failure)) => cell.failure.as_ref().or(Some(failure)),
        _ => None,
    };
    let message = failure.map(|failure| failure.message.clone());
    let could_be_created = cell.again;
    match failure.map(|failure| failure.kind) {
        Some(FailureKind::Config) => ("CreateContainerConfigError", message),
        Some(FailureKind::ImageMissing) if spec.pull == Some(PullPolicy::Never) => {
            ("ErrImageNeverPull", Some(never_pulled(&spec.image)))
        }
        Some(FailureKind::ImageMissing) if is_first => ("ErrImagePull", message),
        Some(FailureKind::ImageMissing) => ("ImagePullBackOff", Some(pulled_later(&spec.image))),
        Some(_) if !could_be_created => ("CreateContainerError", message),
        Some(FailureKind::PostStart) if is_first => ("PostStartHookError", message),
        Some(_) if is_first => ("RunContainerError", message),
        _ => {
            let (wait, name, pod) = (span(wait), &spec.name, &machine.spec.full_name);
            let message = format!("back-off {wait} restarting failed container={name} pod={pod}");
            ("CrashLoopBackOff", Some(message))
        }
    }
}

pub(super) fn never_pulled(image: &str) -> String {
    format!("Container image \"{image}\" is not present with pull policy of Never")
}

pub(super) fn pulled_later(image: &str) -> String {
    format!("Back-off pulling image \"{image}\"")
}

/// Milliseconds as Go writes a span: `10s`, `2m40s`, `1.25s`, `250ms`.
pub(super) fn span(milliseconds: u64) -> String {
    let (hours, minutes, rest) = (milliseconds / 3_600_000, milliseconds / 60_000 % 60, milliseconds % 60_000);
    let seconds = match rest % 1_000 {
        0 => format!("{}s", rest / 1_000),
        part => format!("{}.{}s", rest / 1_000, format!("{part:03}").trim_end_matches('0')),
    };
    match (hours, minutes) {
        (0, 0) if (1..1_000).contains(&rest) => format!("{rest}ms"),
        (0, 0) => seconds,
        (0, _) => format!("{minutes}m{seconds}"),
        _ => format!("{hours}h{minutes}m{seconds}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_as_go_does() {
        for (milliseconds, text) in [
            (0, "0s"),
            (250, "250ms"),
            (1_050, "1.05s"),
            (10_000, "10s"),
            (80_500, "1m20.5s"),
            (160_000, "2m40s"),
            (300_000, "5m0s"),
            (3_661_000, "1h1m1s"),
        ] {
            assert_eq!(span(milliseconds), text);
        }
    }
}
