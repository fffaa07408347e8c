//! Time of one container from the launcher's fork to the end of its process, and the CPU time of all that takes part.

use super::fixture::Fixture;
use std::time::Instant;

pub fn run(count: usize) {
    let fixture = Fixture::new();
    let cpu_before = cpu_seconds();
    let mut times: Vec<[f64; 2]> = Vec::new();
    for _ in 0..count {
        let config = fixture.config(&["/bin/true"]);
        let begin = Instant::now();
        let running = fixture.start(&config).unwrap();
        let started = begin.elapsed();
        running.finish();
        times.push([started.as_secs_f64() * 1e3, begin.elapsed().as_secs_f64() * 1e3]);
    }
    let each = |index: usize| (cpu_seconds()[index] - cpu_before[index]) * 1e3 / count as f64;
    println!("CPU time: user {:.2} ms, system {:.2} ms", each(0), each(1));
    for (name, column) in [("create and start", 0), ("with exit and delete", 1)] {
        let mut values: Vec<f64> = times.iter().map(|t| t[column]).collect();
        values.sort_by(f64::total_cmp);
        println!("{name}: min {:.2} ms, median {:.2} ms", values[0], values[values.len() / 2]);
    }
}

/// User and system time of this process and its reaped children.
fn cpu_seconds() -> [f64; 2] {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_ascii_whitespace().collect();
    // utime, stime, cutime, cstime, in hundredths of a second.
    let number = |index: usize| fields[index].parse::<f64>().unwrap() / 100.0;
    [number(11) + number(13), number(12) + number(14)]
}
