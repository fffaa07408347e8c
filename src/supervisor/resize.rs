//! Other CPU and memory for the cgroups of a running pod: written in a launcher, as the kernel may take memory back for long.

use super::context::Context;
use super::launcher::{Reporter, chain, launch};
use super::machine::{Index, Input, Resized};
use super::{lower, shares};
use crate::model::Resources;
use crate::runtime::RuntimeError;
use crate::runtime::cgroup;
use crate::runtime::config::CgroupResources;
use crate::store::record::PodRecord;
use std::rc::Rc;

/// A cgroup that is to be changed.
pub(super) struct Change {
    path: String,
    present: Resources,
    wanted: Resources,
    values: CgroupResources,
}

impl Change {
    pub fn of_pod(record: &PodRecord, present: Resources, wanted: Resources) -> Self {
        let values = shares::of_pod(&wanted, record.pod.priority);
        Self { path: lower::pod_cgroup(&record.id), present, wanted, values }
    }

    pub fn of_container(path: String, present: Resources, wanted: Resources) -> Self {
        Self { path, present, wanted, values: shares::of_container(&wanted) }
    }

    /// What cannot be changed stays as it is, and keeps nothing else from being changed.
    fn carry_out(&self) -> Resized {
        let Self { path, present, wanted, values } = self;
        let (mut now, mut problems) = (*wanted, Vec::new());
        let mut fail = |what: &str, error: RuntimeError| {
            problems.push(format!("cannot change its {what}, which it gets at its next start: {}", chain(&error)));
        };
        if !present.same_cpu(wanted)
            && let Err(error) = cgroup::resize_cpu(path, values)
        {
            now.set_cpu(present);
            fail("share of the CPU", error);
        }
        if !present.same_memory(wanted)
            && let Err(error) = cgroup::resize_memory(path, values)
        {
            now.set_memory(present);
            fail("memory limit", error);
        }
        Resized { wanted: *wanted, present: now, problem: (!problems.is_empty()).then(|| problems.join("; ")) }
    }

    fn failed(&self, problem: &str) -> Resized {
        Resized { wanted: self.wanted, present: self.present, problem: Some(problem.to_owned()) }
    }
}

/// Changes the pod's cgroup, then those of its containers, each with its attempt.
pub(super) async fn run(context: &Rc<Context>, pod: Change, containers: Vec<(Index, u32, Change)>) -> Input {
    let changes: Vec<&Change> = std::iter::once(&pod).chain(containers.iter().map(|(_, _, change)| change)).collect();
    let body = |reporter: &mut Reporter| {
        reporter.send(&changes.iter().map(|change| change.carry_out()).collect::<Vec<_>>());
        0
    };
    let results: Result<Vec<Resized>, _> = match launch(&context.reaper, &[], body) {
        Ok(mut launched) => launched.report().await,
        Err(error) => Err(error),
    };
    let results = results.unwrap_or_else(|error| {
        let problem = chain(&error);
        changes.iter().map(|change| change.failed(&problem)).collect()
    });
    let mut results = results.into_iter();
    let mut result =
        |change: &Change| results.next().unwrap_or_else(|| change.failed("the launcher said nothing of it"));
    let of_pod = Box::new(result(&pod));
    let of_containers = containers.iter().map(|(index, attempt, change)| (*index, *attempt, result(change)));
    Input::Resized { pod: of_pod, containers: of_containers.collect() }
}
