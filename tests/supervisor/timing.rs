//! Periods and waits as a clock beside the supervisor sees them: within a tenth of what was asked for.
//!
//! A machine that is busy can be late by more for once, so that a measurement that fails is made once more.

use super::fixture::{App, FOREVER, PATIENCE, pod, probe, shell};
use crate::common::eventually;
use podkin::model::RestartPolicy::Always;
use podkin::model::{Handler, Probe};
use podkin::store::record::PodRecord;
use std::time::Duration;

/// Whether every measured time is at most a tenth longer or shorter than wanted.
fn is_close(measured: &[Duration], wanted: &[Duration]) -> bool {
    assert_eq!(measured.len(), wanted.len());
    measured.iter().zip(wanted).all(|(measured, wanted)| measured.abs_diff(*wanted) <= *wanted / 10)
}

/// Measures, and once more when the times are not those that are wanted.
#[track_caller]
fn keeps_to(wanted: &[Duration], mut measure: impl FnMut() -> Vec<Duration>) {
    let first = measure();
    if !is_close(&first, wanted) {
        let second = measure();
        assert!(is_close(&second, wanted), "{first:?} and {second:?}, not {wanted:?}");
    }
}

/// The times between the lines of a container's log.
fn distances(app: &App, record: &PodRecord) -> Vec<Duration> {
    let between = |pair: &[jiff::Timestamp]| pair[1].duration_since(pair[0]).unsigned_abs();
    app.log_times(record, "main").windows(2).map(between).collect()
}

#[test]
fn probes_come_after_their_delay_and_every_period() {
    const PERIODS: u32 = 4;
    let Some(app) = App::new("periods") else { return };
    keeps_to(&[Duration::from_secs(2), Duration::from_secs(PERIODS.into())], || {
        let mut container = shell("main", &format!("echo begins; {FOREVER}"));
        // What a probe prints is nobody's; it goes to the log of the container by its first process.
        let handler = Handler::Exec(["/bin/sh", "-c", "echo probe > /proc/1/fd/1"].map(str::to_owned).to_vec());
        container.readiness_probe = Some(Probe { initial_delay_seconds: 2, ..probe(handler) });
        let record = app.pod(pod("periods", Always, vec![container]));
        app.start(&record);
        let last = PERIODS as usize + 1;
        eventually("probes", PATIENCE, || distances(&app, &record).len() >= last);
        let seen = distances(&app, &record);
        app.remove(&[&record]);
        vec![seen[0], seen[1..last].iter().sum()]
    });
}

#[test]
fn restarts_wait_for_as_long_as_their_turn_says() {
    const BASE: u32 = 2_500;
    let Some(app) = App::with_back_off("waits", BASE) else { return };
    let base = Duration::from_millis(BASE.into());
    keeps_to(&[base, 2 * base], || {
        let record = app.pod(pod("waits", Always, vec![shell("main", "echo begins; exit 1")]));
        app.start(&record);
        // The first restart is at once.
        eventually("restarts", PATIENCE, || distances(&app, &record).len() == 3);
        let seen = distances(&app, &record);
        app.remove(&[&record]);
        seen[1..].to_vec()
    });
}
