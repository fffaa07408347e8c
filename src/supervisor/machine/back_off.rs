//! How long a container that ended waits before it is started again.

use super::Moment;
use serde::{Deserialize, Serialize};

/// The kubelet's figures, in milliseconds; tests use smaller ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackOffRule {
    /// Wait before the second restart; the first one is immediate.
    pub base: u64,
    pub longest: u64,
    /// A run as long as this makes the next restart immediate again.
    pub reset_after: u64,
}

impl Default for BackOffRule {
    fn default() -> Self {
        Self { base: 10_000, longest: 300_000, reset_after: 600_000 }
    }
}

/// Where a container is in that sequence: 0, base, 2 base, 4 base ... longest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackOff {
    next: u64,
    /// The wait that was given last.
    #[serde(default)]
    wait: u64,
}

impl BackOff {
    /// When to start again after a run that began at `started` and ended now.
    pub fn after_end(&mut self, rule: BackOffRule, started: Option<Moment>, now: Moment) -> Moment {
        if started.is_some_and(|s| now.since(s) >= rule.reset_after) {
            self.next = 0;
        }
        let wait = self.next;
        self.wait = wait;
        self.next = if wait == 0 { rule.base } else { wait.saturating_mul(2) }.min(rule.longest);
        now.plus(wait)
    }

    /// How long the wait is that [`BackOff::after_end`] gave last, in milliseconds.
    pub fn wait(self) -> u64 {
        self.wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn waits_double_up_to_five_minutes() {
        let (rule, mut back_off) = (BackOffRule::default(), BackOff::default());
        let now = Moment(1_000);
        let waits: Vec<u64> = (0..8).map(|_| back_off.after_end(rule, Some(now), now).since(now) / 1_000).collect();
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn ten_minutes_of_running_start_over() {
        let (rule, mut back_off) = (BackOffRule::default(), BackOff::default());
        let start = Moment(0);
        for _ in 0..5 {
            back_off.after_end(rule, Some(start), start);
        }
        assert_eq!(back_off.after_end(rule, Some(start), Moment(600_000)), Moment(600_000));
        assert_eq!(back_off.after_end(rule, Some(Moment(600_000)), Moment(600_001)), Moment(610_001));
    }

    proptest! {
        #[test]
        fn never_shrinks_without_a_long_run_nor_passes_the_longest(runs in prop::collection::vec(0u64..599_999, 1..30)) {
            let (rule, mut back_off) = (BackOffRule::default(), BackOff::default());
            let (mut now, mut last) = (Moment(0), 0);
            for run in runs {
                let started = now;
                let end = started.plus(run);
                now = back_off.after_end(rule, Some(started), end);
                let wait = now.since(end);
                prop_assert!(wait >= last && wait <= rule.longest);
                last = wait;
            }
        }
    }
}
