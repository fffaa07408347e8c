//! An image of busybox, configurations for containers of it, and a small supervisor for one container.

use podkin::model::CpuSet;
use podkin::runtime::config::{
    CgroupResources, ContainerConfig, Mount, MountKind, MountPropagation, Namespaces, PidNamespace, Process, Rootfs,
    Seccomp, UserSpec,
};
use podkin::runtime::exec::{ExecError, ExecRequest, ExecTarget, exec};
use podkin::runtime::report::{self, ExecFailure};
use podkin::runtime::{Created, Libcontainer, Runtime, RuntimeError, Stdio};
use podkin::sys::process::{self, Child, Exit};
use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub const BUSYBOX: &str = "/bin/busybox";
/// podkin's default set (podman's).
pub const CAPABILITIES: [&str; 11] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A directory with an image layer, gone at the end; containers made in it must be deleted before.
pub struct Fixture {
    pub dir: PathBuf,
    pub runtime: Libcontainer,
}

impl Fixture {
    pub fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("podkin-runtime-{}", std::process::id()));
        let layer = dir.join("layer");
        for name in ["bin", "etc", "tmp", "root", "usr/bin", "srv"] {
            fs::create_dir_all(layer.join(name)).unwrap();
        }
        fs::copy(BUSYBOX, layer.join("bin/busybox")).unwrap();
        let applets = "sh cat ls id grep sleep true false echo mkdir mount umount touch ln pwd env ulimit head wc kill stat tty readlink \
             mknod chmod dd unshare hostname ps nsenter setsid seq";
        for applet in applets.split_ascii_whitespace() {
            symlink("busybox", layer.join("bin").join(applet)).unwrap();
        }
        fs::write(layer.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/srv:/bin/sh\n").unwrap();
        fs::write(layer.join("etc/group"), "root:x:0:\nwww:x:34:\nextra:x:50:web\n").unwrap();
        // Compiled once for all tests of a run.
        let cache = std::env::temp_dir().join("podkin-runtime-seccomp");
        Self { dir, runtime: Libcontainer::new(cache) }
    }

    pub fn layer(&self) -> PathBuf {
        self.dir.join("layer")
    }

    /// A container that runs `script` in a shell, with podkin's defaults and the host's namespaces but pid and mount.
    pub fn shell(&self, script: &str) -> ContainerConfig {
        self.config(&["/bin/sh", "-c", script])
    }

    pub fn config(&self, args: &[&str]) -> ContainerConfig {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let id = format!("{:08x}{:056x}", std::process::id(), number);
        let own = self.dir.join(format!("c{number}"));
        ContainerConfig {
            run_dir: own.join("run"),
            rootfs: Rootfs {
                layers: vec![self.layer()],
                init_layers: own.join("init"),
                upper: own.join("upper"),
                work: own.join("work"),
            },
            process: Process {
                name: args.first().map(|name| (*name).to_owned()).unwrap_or_default(),
                args: args.iter().map(|a| (*a).to_owned()).collect(),
                env: Vec::new(),
                cwd: "/".to_owned(),
                user: UserSpec::default(),
                terminal: false,
                capabilities: CAPABILITIES.iter().map(|c| (*c).to_owned()).collect(),
                no_new_privileges: false,
                seccomp: Seccomp::Default,
                ..Process::default()
            },
            namespaces: Namespaces { network: None, ipc: None, uts: None, pid: PidNamespace::Private },
            users: None,
            hostname: "box".to_owned(),
            mounts: Vec::new(),
            devices: Vec::new(),
            hooks: Vec::new(),
            sysctls: Vec::new(),
            resources: CgroupResources::default(),
            huge_pages: Vec::new(),
            cpu_set: CpuSet::default(),
            cgroup_path: format!("podkin-test/{}/{id}", std::process::id()),
            readonly_rootfs: false,
            se_linux_file_label: None,
            privileged: false,
            unmasked_proc: false,
            id,
        }
    }

    /// Creates, starts, waits for and deletes a container.
    pub fn run(&self, config: &ContainerConfig) -> Outcome {
        let running = self.start(config).unwrap_or_else(|error| panic!("create: {error}"));
        running.finish()
    }

    /// What a script prints; panics unless it succeeds.
    pub fn output(&self, config: &ContainerConfig) -> String {
        let outcome = self.run(config);
        assert_eq!((outcome.exit, &outcome.failure), (Exit::Code(0), &None), "output: {}", outcome.output);
        outcome.output
    }

    /// Creates and starts a container whose output goes to a pipe; the error is what the launcher said.
    pub fn start(&self, config: &ContainerConfig) -> Result<Running<'_>, String> {
        let (output, write) = process::pipe().unwrap();
        let null = || OwnedFd::from(fs::File::open("/dev/null").unwrap());
        let stdio = Stdio::Descriptors { stdin: null(), stdout: write.try_clone().unwrap(), stderr: write };
        let (report, report_write) = report::pipe().unwrap();
        let mut keep = children();
        let pid = launch(|| self.runtime.create(config, stdio, report_write).map(|Created { pid, .. }| pid));
        let pid = match pid {
            Ok(pid) => pid,
            Err(error) => {
                reap_helpers(&keep);
                self.runtime.delete(&config.run_dir).expect("delete after a failure");
                return Err(error);
            }
        };
        let pidfd = process::pidfd_open(pid).expect("pidfd of the container");
        self.runtime.start(&config.run_dir).expect("start");
        let failure = report::receive(report).expect("report");
        keep.push(pid);
        reap_helpers(&keep);
        Ok(Running { fixture: self, run_dir: config.run_dir.clone(), child: Child { pid, pidfd }, output, failure })
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

pub struct Running<'a> {
    fixture: &'a Fixture,
    pub run_dir: PathBuf,
    pub child: Child,
    output: OwnedFd,
    pub failure: Option<ExecFailure>,
}

pub struct Outcome {
    pub exit: Exit,
    pub output: String,
    pub failure: Option<ExecFailure>,
}

impl Running<'_> {
    /// Waits for the end, then deletes.
    pub fn finish(self) -> Outcome {
        let mut output = String::new();
        fs::File::from(self.output).read_to_string(&mut output).unwrap();
        let exit = process::wait(&self.child.pidfd).unwrap();
        self.fixture.runtime.delete(&self.run_dir).expect("delete");
        assert!(!self.run_dir.exists() || fs::read_dir(&self.run_dir).unwrap().next().is_none(), "files left");
        Outcome { exit, output, failure: self.failure }
    }

    pub fn kill(self) -> Outcome {
        process::pidfd_kill(&self.child.pidfd).unwrap();
        self.finish()
    }
}

/// Runs a closure in a forked launcher and gives its result, errors as text with all causes.
pub fn launch(create: impl FnOnce() -> Result<i32, RuntimeError>) -> Result<i32, String> {
    let (read, write) = process::pipe().unwrap();
    let launcher = process::fork_child(|| {
        let text = match create() {
            Ok(pid) => format!("ok {pid}"),
            Err(error) => {
                let mut text = error.to_string();
                let mut source = std::error::Error::source(&error);
                while let Some(cause) = source {
                    text = format!("{text}: {cause}");
                    source = cause.source();
                }
                text
            }
        };
        std::io::Write::write_all(&mut fs::File::from(write), text.as_bytes()).unwrap();
        0
    })
    .unwrap();
    let mut text = String::new();
    fs::File::from(read).read_to_string(&mut text).unwrap();
    assert_eq!(process::wait(&launcher.pidfd).unwrap(), Exit::Code(0), "launcher: {text}");
    match text.strip_prefix("ok ") {
        Some(pid) => Ok(pid.parse().unwrap()),
        None => Err(text),
    }
}

/// Reaps the helpers of libcontainer, which end on their own, but none of the processes to keep.
fn reap_helpers(keep: &[i32]) {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let others: Vec<i32> = children().into_iter().filter(|pid| !keep.contains(pid)).collect();
        if others.is_empty() {
            return;
        }
        for pid in others {
            if let Ok(pidfd) = process::pidfd_open(pid) {
                let _ = process::try_wait(&pidfd);
            }
        }
        assert!(Instant::now() < deadline, "a helper does not end");
        std::thread::sleep(Duration::from_micros(100));
    }
}

/// Children of this process, ended or not.
pub fn children() -> Vec<i32> {
    let pid = std::process::id();
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    text.split_ascii_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

pub fn expect_no_children() {
    assert_eq!(children(), Vec::<i32>::new(), "processes left");
}

/// Whether anything is mounted below a directory in this mount namespace.
pub fn is_mounted_below(dir: &Path) -> bool {
    fs::read_to_string("/proc/self/mountinfo").unwrap().contains(&*dir.to_string_lossy())
}

impl Running<'_> {
    pub fn target(&self) -> ExecTarget {
        let ticks = process::start_ticks(self.child.pid).unwrap();
        ExecTarget::open(&self.run_dir, self.child.pid, ticks).unwrap()
    }

    /// Runs a command in the container and collects its output.
    pub fn exec(&self, request: &ExecRequest) -> Result<Outcome, ExecError> {
        let (output, write) = process::pipe().unwrap();
        let null = OwnedFd::from(fs::File::open("/dev/null").unwrap());
        let stdio = Stdio::Descriptors { stdin: null, stdout: write.try_clone().unwrap(), stderr: write };
        let executed = exec(&self.target(), request, stdio)?;
        let mut text = String::new();
        fs::File::from(output).read_to_string(&mut text).unwrap();
        let exit = process::wait(&executed.child.pidfd).unwrap();
        Ok(Outcome { exit, output: text, failure: None })
    }

    /// What a script prints when it is executed in the container; panics unless it succeeds.
    pub fn exec_output(&self, script: &str) -> String {
        let outcome = self.exec(&shell_request(script)).unwrap_or_else(|error| panic!("exec: {error}"));
        assert_eq!(outcome.exit, Exit::Code(0), "output: {}", outcome.output);
        outcome.output
    }
}

pub fn shell_request(script: &str) -> ExecRequest {
    ExecRequest { args: vec!["/bin/sh".into(), "-c".into(), script.into()], ..ExecRequest::default() }
}

/// Ends and removes what a failed test has left: its orphans are children of this process now.
pub fn clean_up_after(test: i32) {
    for pid in children() {
        if let Ok(pidfd) = process::pidfd_open(pid) {
            let _ = process::pidfd_kill(&pidfd);
            let _ = process::wait(&pidfd);
        }
    }
    let _ = podkin::runtime::cgroup::remove_cgroup(&format!("podkin-test/{test}"));
    let dir = std::env::temp_dir().join(format!("podkin-runtime-{test}"));
    for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
        let _ = podkin::sys::mount::unmount(&entry.path());
    }
    let _ = fs::remove_dir_all(dir);
}

/// A writable mount without options.
pub fn mount(target: &str, kind: MountKind) -> Mount {
    let propagation = MountPropagation::Private;
    Mount {
        target: target.into(),
        kind,
        read_only: false,
        recursive_read_only: false,
        propagation,
        options: Default::default(),
    }
}

pub fn bind(target: &str, source: &Path, sub_path: Option<&str>) -> Mount {
    mount(target, MountKind::Bind { source: source.to_owned(), sub_path: sub_path.map(str::to_owned) })
}
