//! podkin and podman, each with roots of its own.

use super::{IMAGE, LAYER};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A directory for everything this run makes, gone afterwards. Its `run` is a tmpfs, as `/run` is on every machine with systemd.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("podkin-bench-{}", std::process::id()));
        fs::create_dir_all(dir.join("run")).expect("the scratch directory can be made");
        let flags = rustix::mount::MountFlags::empty();
        rustix::mount::mount("tmpfs", dir.join("run"), "tmpfs", flags, None).expect("root can mount a tmpfs");
        Self(dir)
    }

    pub fn path(&self, name: &str) -> PathBuf {
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
pub struct Engine {
    pub name: &'static str,
    program: PathBuf,
    globals: Vec<String>,
    environment: Vec<(String, String)>,
    /// Its helper processes are those whose command line names this.
    mark: String,
    helpers: &'static [&'static str],
}

impl Engine {
    pub fn podkin(scratch: &Scratch) -> Self {
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

    pub fn podman(scratch: &Scratch, program: &Path) -> Option<Self> {
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

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.globals).args(args).envs(self.environment.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end; milliseconds.
    pub fn timed(&self, args: &[&str]) -> f64 {
        let begin = Instant::now();
        let output = self.command(args).output().expect("the engine runs");
        let elapsed = begin.elapsed().as_secs_f64() * 1000.0;
        assert!(output.status.success(), "{} {args:?}: {}", self.name, String::from_utf8_lossy(&output.stderr));
        elapsed
    }

    /// Waits for what a command left running: podman cleans up behind each container that ended, and whoever is measured next
    /// would pay for it.
    pub fn settle(&self) {
        let end = Instant::now() + Duration::from_secs(20);
        while self.resident().1 > 0 && Instant::now() < end {
            sleep(Duration::from_millis(20));
        }
        sleep(Duration::from_millis(300));
    }

    pub fn import(&self) {
        self.timed(&["import", LAYER, IMAGE]);
    }

    /// Proportional set size of every helper process, in KiB, and how many there are.
    pub fn resident(&self) -> (u64, usize) {
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

pub fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
