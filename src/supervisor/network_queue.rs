//! Taking down networks of pods: one launcher for all that wait, since they take turns on one lock anyway.

use super::launcher::{Reporter, chain, launch};
use super::reaper::Reaper;
use crate::network::Networks;
use crate::sys::failpoint;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use tokio::sync::oneshot;

type Answer = oneshot::Sender<Vec<String>>;

#[derive(Debug, Default)]
pub(super) struct NetworkQueue {
    waiting: RefCell<Vec<(String, Answer)>>,
    running: Cell<bool>,
}

impl NetworkQueue {
    /// Takes the pod's network down; returns what could not be.
    pub async fn tear_down(&self, reaper: &Reaper, networks: &Networks, pod: &str) -> Vec<String> {
        let (answer, done) = oneshot::channel();
        self.waiting.borrow_mut().push((pod.to_owned(), answer));
        if !self.running.replace(true) {
            // Whoever else wants this in the same turn of the event loop comes along.
            tokio::task::yield_now().await;
            while !self.waiting.borrow().is_empty() {
                let batch = std::mem::take(&mut *self.waiting.borrow_mut());
                tear_down_all(reaper, networks, batch).await;
            }
            self.running.set(false);
        }
        done.await.unwrap_or_else(|_| vec!["the network was not taken down".to_owned()])
    }
}

async fn tear_down_all(reaper: &Reaper, networks: &Networks, batch: Vec<(String, Answer)>) {
    let pods: Vec<&String> = batch.iter().map(|(pod, _)| pod).collect();
    let body = |reporter: &mut Reporter| {
        let problems: HashMap<&String, String> = pods
            .iter()
            .filter_map(|pod| {
                let result = failpoint::reach("supervisor.network.teardown").map_err(|text| (*pod, text));
                let result = result.and_then(|()| networks.teardown(pod).map_err(|error| (*pod, chain(&error))));
                result.err()
            })
            .collect();
        reporter.send(&problems);
        0
    };
    let mut problems: HashMap<String, String> = match launch(reaper, &[], body) {
        Ok(mut launched) => match launched.report().await {
            Ok(problems) => problems,
            Err(error) => pods.iter().map(|pod| ((*pod).clone(), chain(&error))).collect(),
        },
        Err(error) => pods.iter().map(|pod| ((*pod).clone(), chain(&error))).collect(),
    };
    for (pod, answer) in batch {
        let problem = problems.remove(&pod).map(|p| format!("cannot take the network down: {p}"));
        let _ = answer.send(problem.into_iter().collect()); // a pod that no longer waits does not care
    }
}
