//! Whole commands of podkin and podman, side by side in one run: play, remove, replay, exec, logs, memory.
//!
//! `cargo bench --bench peers -- [--runs N] [--json FILE] [--podman PATH]` (`make bench`). Needs root. Every figure is a median of
//! interleaved runs; what is quoted is the ratio, since machines differ and are noisy. Where podman is not installed its
//! columns say so.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
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
    for (pods, containers, runs) in [(1, 1, options.runs), (1, 10, options.runs / 2 + 1), (30, 1, options.runs / 3 + 1)]
    {
        play_and_down(&mut report, &engines, &scratch, pods, containers, runs);
    }
    replay(&mut report, &podkin, &scratch, options.runs);
    for engine in &engines {
        memory(&mut report, engine, &scratch);
        exec_latency(&mut report, engine, &scratch, options.runs);
        log_throughput(&mut report, engine, &scratch, 3);
    }
    println!("{}", report.table());
    if let Some(path) = &options.json {
        fs::write(path, report.json()).expect("the JSON report can be written");
    }
}

struct Options {
    runs: usize,
    json: Option<PathBuf>,
    podman: PathBuf,
}

impl Options {
    fn from_args() -> Self {
        let mut options = Self { runs: 11, json: None, podman: PathBuf::from("podman") };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().unwrap_or_else(|| panic!("{arg} takes a value"));
            match arg.as_str() {
                "--runs" => options.runs = value().parse().expect("--runs takes a number"),
                "--json" => options.json = Some(value().into()),
                "--podman" => options.podman = value().into(),
                // What cargo passes by itself.
                "--bench" => {}
                other => panic!("unknown argument {other}"),
            }
        }
        options
    }
}

fn effective_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|l| l.starts_with("Uid:") && l.split_whitespace().nth(2) == Some("0"))
}

/// A directory for everything this run makes, gone afterwards. Its `run` is a tmpfs, as `/run` is on every machine with systemd.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("podkin-bench-{}", std::process::id()));
        fs::create_dir_all(dir.join("run")).expect("the scratch directory can be made");
        let flags = rustix::mount::MountFlags::empty();
        rustix::mount::mount("tmpfs", dir.join("run"), "tmpfs", flags, None).expect("root can mount a tmpfs");
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What podman mounted below it goes with it.
        let _ = rustix::mount::unmount(self.path("run"), rustix::mount::UnmountFlags::DETACH);
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// One engine with roots of its own.
struct Engine {
    name: &'static str,
    program: PathBuf,
    globals: Vec<String>,
    environment: Vec<(String, String)>,
    /// Its helper processes are those whose command line names this.
    mark: String,
    helpers: &'static [&'static str],
}

impl Engine {
    fn podkin(scratch: &Scratch) -> Self {
        let (root, run) = (scratch.path("podkin-root"), scratch.path("run/podkin"));
        Self {
            name: "podkin",
            program: env!("CARGO_BIN_EXE_podkin").into(),
            globals: vec!["--root".into(), text(&root), "--runroot".into(), text(&run)],
            environment: Vec::new(),
            mark: text(&run),
            helpers: &["podkin"],
        }
    }

    fn podman(scratch: &Scratch, program: &Path) -> Option<Self> {
        let version = Command::new(program).arg("--version").output().ok().filter(|o| o.status.success())?;
        println!("peer: {}", String::from_utf8_lossy(&version.stdout).trim());
        let conf = scratch.path("containers.conf");
        // Machines without CAP_SYS_RESOURCE cannot raise limits, which podman's defaults ask for.
        let text_conf = "[containers]\ndefault_ulimits=[\"nofile=20000:20000\",\"nproc=32768:32768\"]\n[engine]\nruntime=\"runc\"\n";
        fs::write(&conf, text_conf).expect("the configuration can be written");
        let (root, run) = (scratch.path("podman-root"), scratch.path("run/podman"));
        Some(Self {
            name: "podman",
            program: program.into(),
            globals: vec![
                "--root".into(),
                text(&root),
                "--runroot".into(),
                text(&run),
                "--cgroup-manager=cgroupfs".into(),
            ],
            environment: vec![("CONTAINERS_CONF".into(), text(&conf))],
            mark: text(&run),
            helpers: &["conmon", "catatonit", "aardvark-dns", "podman"],
        })
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.globals).args(args).envs(self.environment.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end; milliseconds.
    fn timed(&self, args: &[&str]) -> f64 {
        let begin = Instant::now();
        let output = self.command(args).output().expect("the engine runs");
        let elapsed = begin.elapsed().as_secs_f64() * 1000.0;
        assert!(output.status.success(), "{} {args:?}: {}", self.name, String::from_utf8_lossy(&output.stderr));
        elapsed
    }

    /// Waits for what a command left running: podman cleans up behind each container that ended, and whoever is measured next
    /// would pay for it.
    fn settle(&self) {
        let end = Instant::now() + Duration::from_secs(20);
        while self.resident().1 > 0 && Instant::now() < end {
            sleep(Duration::from_millis(20));
        }
        sleep(Duration::from_millis(300));
    }

    fn import(&self) {
        self.timed(&["import", LAYER, IMAGE]);
    }

    /// Proportional set size of every helper process, in KiB, and how many there are.
    fn resident(&self) -> (u64, usize) {
        let mut sum = (0, 0);
        for entry in fs::read_dir("/proc").expect("/proc is there").flatten() {
            let comm = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let mine = String::from_utf8_lossy(&command).contains(&self.mark)
                || comm.trim() == "catatonit" && self.name == "podman";
            // Not by /proc/<pid>/exe: a supervisor runs from a detached mount, where that says nothing.
            let program = command.split(|byte| *byte == 0).next().unwrap_or_default();
            let name = program.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            let name = String::from_utf8_lossy(name).into_owned();
            if mine && self.helpers.iter().any(|h| name.starts_with(h)) {
                let rollup = fs::read_to_string(entry.path().join("smaps_rollup")).unwrap_or_default();
                let pss = rollup
                    .lines()
                    .find_map(|l| l.strip_prefix("Pss:"))
                    .and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
                sum = (sum.0 + pss.unwrap_or(0), sum.1 + 1);
            }
        }
        sum
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
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

/// Samples by figure and engine, in the order they first came.
#[derive(Default)]
struct Report {
    order: Vec<(String, &'static str)>,
    samples: BTreeMap<(String, &'static str), Vec<f64>>,
}

impl Report {
    fn add(&mut self, figure: &str, unit: &'static str, engine: &'static str, value: f64) {
        if !self.order.iter().any(|(name, _)| name == figure) {
            self.order.push((figure.to_owned(), unit));
        }
        self.samples.entry((figure.to_owned(), engine)).or_default().push(value);
    }

    fn median(&self, figure: &str, engine: &'static str) -> Option<f64> {
        let mut values = self.samples.get(&(figure.to_owned(), engine))?.clone();
        values.sort_by(f64::total_cmp);
        Some(values[values.len() / 2])
    }

    fn table(&self) -> String {
        let mut out =
            String::from("\n| figure (medians) | podkin | podman | podman / podkin |\n|---|---:|---:|---:|\n");
        for (figure, unit) in &self.order {
            let (own, peer) = (self.median(figure, "podkin"), self.median(figure, "podman"));
            let show = |v: Option<f64>| v.map_or("-".to_owned(), |v| format!("{v:.1} {unit}").trim_end().to_owned());
            let ratio = own.zip(peer).map_or("-".to_owned(), |(a, b)| format!("{:.1}", b / a));
            let _ = writeln!(out, "| {figure} | {} | {} | {ratio} |", show(own), show(peer));
        }
        out
    }

    fn json(&self) -> String {
        let rows: Vec<_> = self
            .order
            .iter()
            .map(|(figure, unit)| {
                let of = |engine| self.samples.get(&(figure.clone(), engine));
                let (own, peer) = (self.median(figure, "podkin"), self.median(figure, "podman"));
                serde_json::json!({
                    "figure": figure,
                    "unit": unit,
                    "median": {"podkin": own, "podman": peer},
                    "ratio": own.zip(peer).map(|(own, peer)| peer / own),
                    "samples": {"podkin": of("podkin"), "podman": of("podman")},
                })
            })
            .collect();
        serde_json::to_string_pretty(&rows).unwrap_or_else(|e: serde_json::Error| io::Error::from(e).to_string())
    }
}
