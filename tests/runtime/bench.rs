//! Time of one container from the launcher's fork to the end of its process.

use super::fixture::Fixture;
use std::time::Instant;

pub fn run(count: usize) {
    let fixture = Fixture::new();
    let mut times: Vec<[f64; 2]> = Vec::new();
    for _ in 0..count {
        let config = fixture.config(&["/bin/true"]);
        let begin = Instant::now();
        let running = fixture.start(&config).unwrap();
        let started = begin.elapsed();
        running.finish();
        times.push([started.as_secs_f64() * 1e3, begin.elapsed().as_secs_f64() * 1e3]);
    }
    for (name, column) in [("create and start", 0), ("with exit and delete", 1)] {
        let mut values: Vec<f64> = times.iter().map(|t| t[column]).collect();
        values.sort_by(f64::total_cmp);
        println!("{name}: min {:.2} ms, median {:.2} ms", values[0], values[values.len() / 2]);
    }
}
