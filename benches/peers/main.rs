//! Whole commands of podkin and podman, side by side in one run: play, remove, replay, exec, logs, memory; pulling images.
//!
//! `cargo bench --bench peers -- [--runs N] [--json FILE] [--podman PATH] [--only images|pods]` (`make bench`). Needs root. Every figure is a median of
//! interleaved runs; what is quoted is the ratio, since machines differ and are noisy. Where podman is not installed its
//! columns say so.

mod engine;
mod images;
#[path = "../../tests/common/registry.rs"]
#[allow(dead_code)]
mod registry;
mod report;

use engine::{Engine, Scratch, text};
use report::Report;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The layer of the demo image: one static program and a few links to it.
const LAYER: &str = concat!(env!("OUT_DIR"), "/demo-layer.tar");
const IMAGE: &str = "localhost/bench:latest";

fn main() {
    let options = Options::from_args();
    if !effective_root() {
        println!("bench: needs root; nothing measured");
        return;
    }
    let scratch = Scratch::new();
    let podkin = Engine::podkin(&scratch);
    let podman = Engine::podman(&scratch, &options.podman);
    if podman.is_none() {
        println!(
            "bench: podman is not installed (apt-get install podman runc netavark aardvark-dns catatonit): its columns stay empty"
        );
    }
    let engines: Vec<&Engine> = std::iter::once(&podkin).chain(podman.as_ref()).collect();
    for engine in &engines {
        engine.import();
    }
    let mut report = Report::default();
    if options.wants("images") {
        images::measure(&mut report, &engines, &scratch, options.runs);
    }
    if options.wants("pods") {
        pods(&mut report, &engines, &scratch, &options);
    }
    println!("{}", report.table());
    if let Some(path) = &options.json {
        fs::write(path, report.json()).expect("the JSON report can be written");
    }
}

fn pods(report: &mut Report, engines: &[&Engine], scratch: &Scratch, options: &Options) {
    for (pods, containers, runs) in [(1, 1, options.runs), (1, 10, options.runs / 2 + 1), (30, 1, options.runs / 3 + 1)]
    {
        play_and_down(report, engines, scratch, pods, containers, runs);
    }
    replay(report, engines[0], scratch, options.runs);
    for engine in engines {
        memory(report, engine, scratch);
        exec_latency(report, engine, scratch, options.runs);
        log_throughput(report, engine, scratch, 3);
    }
}

struct Options {
    runs: usize,
    json: Option<PathBuf>,
    podman: PathBuf,
    only: Option<String>,
}

impl Options {
    fn from_args() -> Self {
        let mut options = Self { runs: 11, json: None, podman: PathBuf::from("podman"), only: None };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().unwrap_or_else(|| panic!("{arg} takes a value"));
            match arg.as_str() {
                "--runs" => options.runs = value().parse().expect("--runs takes a number"),
                "--json" => options.json = Some(value().into()),
                "--only" => options.only = Some(value()),
                "--podman" => options.podman = value().into(),
                // What cargo passes by itself.
                "--bench" => {}
                other => panic!("unknown argument {other}"),
            }
        }
        options
    }

    fn wants(&self, part: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only == part)
    }
}

fn effective_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|l| l.starts_with("Uid:") && l.split_whitespace().nth(2) == Some("0"))
}

/// YAML of `pods` pods with `containers` containers each, running `args`.
fn manifest(pods: usize, containers: usize, args: &[&str]) -> String {
    let mut yaml = String::new();
    for pod in 0..pods {
        let _ = write!(
            yaml,
            "---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: bench-{pod}\nspec:\n  restartPolicy: Never\n  terminationGracePeriodSeconds: 0\n  containers:\n"
        );
        for container in 0..containers {
            let _ = write!(
                yaml,
                "  - name: c{container}\n    image: {IMAGE}\n    imagePullPolicy: Never\n    command: [{}]\n",
                args.join(", ")
            );
        }
    }
    yaml
}

const IDLE: &[&str] = &["/podkin-demo", "sleep", "forever"];

fn write_manifest(scratch: &Scratch, name: &str, yaml: &str) -> String {
    let path = scratch.path(name);
    fs::write(&path, yaml).expect("the manifest can be written");
    text(&path)
}

fn play_and_down(
    report: &mut Report,
    engines: &[&Engine],
    scratch: &Scratch,
    pods: usize,
    containers: usize,
    runs: usize,
) {
    let file = write_manifest(scratch, "pods.yaml", &manifest(pods, containers, IDLE));
    let shape = format!("{pods} x {containers}");
    for run in 0..=runs {
        for engine in engines {
            let up = engine.timed(&["kube", "play", &file]);
            sleep(Duration::from_millis(300));
            let down = engine.timed(&["kube", "down", &file]);
            engine.settle();
            // The first run warms caches and makes the network.
            if run > 0 {
                report.add(&format!("play {shape}"), "ms", engine.name, up);
                report.add(&format!("down {shape}"), "ms", engine.name, down);
            }
        }
    }
}

fn replay(report: &mut Report, engine: &Engine, scratch: &Scratch, runs: usize) {
    let file = write_manifest(scratch, "replay.yaml", &manifest(1, 1, IDLE));
    engine.timed(&["kube", "play", &file]);
    for _ in 0..runs {
        report.add("replay, nothing changed", "ms", engine.name, engine.timed(&["kube", "play", &file]));
    }
    engine.timed(&["kube", "down", &file]);
}

fn memory(report: &mut Report, engine: &Engine, scratch: &Scratch) {
    let file = write_manifest(scratch, "memory.yaml", &manifest(30, 1, IDLE));
    engine.timed(&["kube", "play", &file]);
    sleep(Duration::from_secs(2));
    let (kib, processes) = engine.resident();
    report.add("memory held by helpers, 30 pods", "KiB PSS", engine.name, kib as f64);
    report.add("helper processes, 30 pods", "", engine.name, processes as f64);
    engine.timed(&["kube", "down", &file]);
}

fn exec_latency(report: &mut Report, engine: &Engine, scratch: &Scratch, runs: usize) {
    let file = write_manifest(scratch, "exec.yaml", &manifest(1, 1, IDLE));
    engine.timed(&["kube", "play", &file]);
    for _ in 0..runs {
        report.add("exec of `true`", "ms", engine.name, engine.timed(&["exec", "bench-0-c0", "/podkin-demo", "true"]));
    }
    engine.timed(&["kube", "down", &file]);
}

/// Time from the start of a container that writes a million numbered lines to the moment all of them are in its log.
fn log_throughput(report: &mut Report, engine: &Engine, scratch: &Scratch, runs: usize) {
    const LINES: usize = 1_000_000;
    let total = format!("\"{LINES}\"");
    let args = ["/podkin-demo", "count", "--interval-us", "\"0\"", "--total", &total];
    let file = write_manifest(scratch, "logs.yaml", &manifest(1, 1, &args));
    for _ in 0..runs {
        let begin = Instant::now();
        engine.timed(&["kube", "play", "--log-driver", "k8s-file", &file]);
        engine.timed(&["wait", "bench-0-c0"]);
        report.add("a million log lines, start to end", "ms", engine.name, begin.elapsed().as_secs_f64() * 1000.0);
        let begin = Instant::now();
        let output = engine.command(&["logs", "bench-0-c0"]).stdout(Stdio::piped()).output().expect("logs runs");
        report.add("reading them back", "ms", engine.name, begin.elapsed().as_secs_f64() * 1000.0);
        let lines = output.stdout.iter().filter(|b| **b == b'\n').count();
        assert_eq!(lines, LINES, "{} lost log lines", engine.name);
        engine.timed(&["kube", "down", &file]);
    }
}
