//! The graph of steps.

use super::step::{Step, StepKind};
use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Steps and what each must wait for. Equal inputs give equal plans, node for node.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Edges point from a step to the one that waits for it, and say why it waits.
    graph: DiGraph<Step, &'static str>,
    /// Pods that are wanted and already run as wanted, in file order.
    pub unchanged: Vec<String>,
    /// Pods that the input once had and no longer has, and that stay.
    pub lost: Vec<String>,
}

/// A step of one plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId(NodeIndex);

impl StepId {
    /// Position in the order steps were added.
    pub fn index(self) -> usize {
        self.0.index()
    }
}

impl Plan {
    /// True when reality already is as wanted.
    pub fn is_empty(&self) -> bool {
        self.graph.node_count() == 0
    }

    pub fn len(&self) -> usize {
        self.graph.node_count()
    }

    pub fn step(&self, id: StepId) -> &Step {
        &self.graph[id.0]
    }

    /// Every step once, after all it waits for; among those free to go, in the order they were added.
    pub fn order(&self) -> Vec<StepId> {
        let mut waiting: Vec<usize> =
            self.graph.node_indices().map(|n| self.graph.edges_directed(n, Direction::Incoming).count()).collect();
        let mut free: BinaryHeap<Reverse<NodeIndex>> =
            self.graph.node_indices().filter(|n| waiting[n.index()] == 0).map(Reverse).collect();
        let mut order = Vec::with_capacity(self.len());
        while let Some(Reverse(node)) = free.pop() {
            order.push(StepId(node));
            for next in self.graph.neighbors(node) {
                waiting[next.index()] -= 1;
                if waiting[next.index()] == 0 {
                    free.push(Reverse(next));
                }
            }
        }
        debug_assert_eq!(order.len(), self.len(), "a plan has no cycle");
        order
    }

    /// The steps in [`Plan::order`].
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.order().into_iter().map(|id| &self.graph[id.0])
    }

    /// What `id` waits for, and why, in the order the steps were added.
    pub fn waits_for(&self, id: StepId) -> Vec<(StepId, &'static str)> {
        let edges = self.graph.edges_directed(id.0, Direction::Incoming);
        let mut found: Vec<_> = edges.map(|edge| (StepId(edge.source()), *edge.weight())).collect();
        found.sort_by_key(|(step, _)| *step);
        found
    }

    /// The step that does exactly this.
    pub fn find(&self, kind: &StepKind) -> Option<StepId> {
        self.graph.node_indices().find(|n| &self.graph[*n].kind == kind).map(StepId)
    }

    pub(super) fn add(&mut self, step: Step) -> StepId {
        StepId(self.graph.add_node(step))
    }

    /// Makes `later` wait for `earlier`; said twice, the first reason stays.
    pub(super) fn wait(&mut self, later: StepId, earlier: StepId, why: &'static str) {
        if self.graph.find_edge(earlier.0, later.0).is_none() {
            self.graph.add_edge(earlier.0, later.0, why);
        }
    }
}
