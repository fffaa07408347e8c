//! The environment of a test: state directories, input files and commands of its own, and the question what is left behind.
//!
//! Every test owns one [`TestEnv`]. Dropping it takes away whatever the test left, so that a failing test does not spoil the
//! next one; tests that promise cleanliness assert [`TestEnv::leftovers`] before.
#![allow(dead_code)] // each test binary uses a part of it

pub mod fault_proxy;
pub mod leftovers;
pub mod registry;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Directories and the binary of one test.
pub struct TestEnv {
    pub base: PathBuf,
    pub root: PathBuf,
    pub run: PathBuf,
    /// The program under test.
    pub binary: PathBuf,
    /// Ids of every pod that was seen on disk, for attributing cgroups.
    pods: RefCell<BTreeSet<String>>,
}

/// What a command did.
#[derive(Debug, Clone)]
pub struct Ran {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Ran {
    /// Exit code; 128+n after signal n.
    pub fn code(&self) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }
}

impl TestEnv {
    /// A fresh environment; `name` shows up in its path.
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let base = std::env::temp_dir().join(format!("podkin-test-{}-{count}-{name}", std::process::id()));
        std::fs::create_dir_all(base.join("files")).expect("the temporary directory is writable");
        Self {
            root: base.join("root"),
            run: base.join("run"),
            binary: PathBuf::from(env!("CARGO_BIN_EXE_podkin")),
            pods: RefCell::default(),
            base,
        }
    }

    /// Writes an input file and gives its path.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.base.join("files").join(name);
        std::fs::create_dir_all(path.parent().expect("below the base")).expect("base is writable");
        std::fs::write(&path, text).expect("base is writable");
        path
    }

    /// The program with this environment's directories, no input, and nothing of the caller's settings.
    pub fn command<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--root").arg(&self.root).arg("--runroot").arg(&self.run).args(arguments);
        command.env_remove("PODKIN_FAILPOINTS").env_remove("PODKIN_FAILPOINT_TRACE").env("NO_COLOR", "1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).current_dir(&self.base);
        command
    }

    /// Runs to the end, whatever it is.
    pub fn run<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> Ran {
        self.finish(self.command(arguments))
    }

    /// Runs a command made by [`TestEnv::command`] to its end.
    pub fn finish(&self, mut command: Command) -> Ran {
        let begin = Instant::now();
        let output = command.output().expect("the program can be executed");
        let took = begin.elapsed();
        self.remember_pods();
        Ran {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            took,
        }
    }

    /// Runs and expects success; gives standard output.
    #[track_caller]
    pub fn ok<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> String {
        let command = self.command(arguments);
        let shown = format!("{command:?}");
        let ran = self.finish(command);
        assert!(ran.status.success(), "{shown}\n{}\nstdout:\n{}\nstderr:\n{}", ran.status, ran.stdout, ran.stderr);
        ran.stdout
    }

    /// Runs and expects that exit code; gives standard error.
    #[track_caller]
    pub fn fails<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, code: i32, arguments: I) -> String {
        let command = self.command(arguments);
        let shown = format!("{command:?}");
        let ran = self.finish(command);
        assert_eq!(ran.code(), code, "{shown}\nstdout:\n{}\nstderr:\n{}", ran.stdout, ran.stderr);
        ran.stderr
    }

    /// What this environment left on the machine outside its directories, one line each; sorted.
    pub fn leftovers(&self) -> Vec<String> {
        self.remember_pods();
        leftovers::find(&self.base, &self.pods.borrow())
    }

    /// Asserts that nothing is left, giving what ends asynchronously two seconds.
    #[track_caller]
    pub fn assert_clean(&self) {
        let end = Instant::now() + Duration::from_secs(2);
        loop {
            let found = self.leftovers();
            if found.is_empty() {
                return;
            }
            assert!(Instant::now() < end, "left behind:\n{}", found.join("\n"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Files and directories below `<root>/pods`, `<root>/containers` and `<run>` that belong to some pod.
    pub fn state_files(&self) -> Vec<PathBuf> {
        let list = |directory: PathBuf| {
            let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
            entries.map(|e| e.path()).collect::<Vec<_>>()
        };
        let mut found = Vec::new();
        for directory in [
            self.root.join("pods"),
            self.root.join("containers"),
            self.run.join("pods"),
            self.run.join("containers"),
            self.run.join("apps"),
            self.run.join("locks"),
        ] {
            found.extend(list(directory));
        }
        found.sort();
        found
    }

    fn remember_pods(&self) {
        let entries = std::fs::read_dir(self.root.join("pods")).into_iter().flatten().flatten();
        self.pods.borrow_mut().extend(entries.map(|e| e.file_name().to_string_lossy().into_owned()));
    }
}

impl Drop for TestEnv {
    fn drop(&mut self) {
        if self.root.exists() {
            // The ordinary way first; what it cannot do is done below, and a failing test must not hide behind a second one.
            let _ = self.command(["system", "reset", "--force"]).output();
        }
        self.remember_pods();
        leftovers::remove(&self.base, &self.pods.borrow());
        if std::env::var_os("PODKIN_KEEP_TEST_DIRS").is_none() {
            let _ = std::fs::remove_dir_all(&self.base);
        }
    }
}

/// Waits until `condition` holds.
#[track_caller]
pub fn eventually(what: &str, patience: Duration, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + patience;
    while !condition() {
        assert!(Instant::now() < end, "{what}: not within {patience:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// True when real containers can be made here; says what is missing otherwise.
pub fn can_run_containers() -> bool {
    let root = std::fs::metadata("/proc/self").map(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0).unwrap_or(false);
    if !root {
        // Not by a macro, whose output the test runner keeps to itself when a test passes.
        std::io::Write::write_all(&mut std::io::stderr(), b"not run with real containers: needs root\n")
            .expect("someone listens");
    }
    root
}

/// Removes a tree however deep; used by tests that make their own directories.
pub fn remove_tree(path: &Path) {
    let _ = std::fs::remove_dir_all(path);
}
