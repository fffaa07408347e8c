//! One application with busybox as its image, and the words to ask about it.

use crate::common::{TestEnv, eventually};
use podkin::model::container::Lifecycle;
use podkin::model::device::ContainerDevices;
use podkin::model::{Container, Handler, Pod, Probe, RestartPolicy};
use podkin::store::layout::Layout;
use podkin::store::record::{
    ContainerRecord, ContainerState, ContainerStatus, ImageConfig, ImageRecord, LogConfig, LogDriver, PodNetwork,
    PodObjects, PodPhase, PodRecord, PodStatus, RECORD_VERSION, Termination,
};
use podkin::supervisor::client::{self, Connection, Launch};
use podkin::supervisor::logs;
use podkin::supervisor::protocol::{Failure, Operation};
use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub const PATIENCE: Duration = Duration::from_secs(20);
const LAYER: &str = "1111111111111111111111111111111111111111111111111111111111111111";

pub struct App {
    pub env: TestEnv,
    pub layout: Layout,
    pub id: String,
    launch: RefCell<Launch>,
    connection: RefCell<Option<Connection>>,
}

impl App {
    /// `None`, said aloud, where containers cannot be made.
    pub fn new(name: &str) -> Option<Self> {
        Self::with_back_off(name, 200)
    }

    /// With another first wait before a restart, in milliseconds.
    pub fn with_back_off(name: &str, base: u32) -> Option<Self> {
        if !crate::common::can_run_containers() {
            return None;
        }
        assert!(Path::new("/bin/busybox").exists(), "/bin/busybox is missing: apt-get install busybox-static");
        let env = TestEnv::new(name);
        let layout = Layout::new(&env.root, &env.run);
        make_image(&layout);
        // The seccomp filter is compiled once for all tests.
        let cache = std::env::temp_dir().join("podkin-supervisor-seccomp");
        fs::create_dir_all(&cache).expect("the temporary directory is writable");
        std::os::unix::fs::symlink(cache, layout.seccomp_cache()).expect("root is new");
        let binary = env.binary.clone();
        let base = base.to_string();
        let arguments = ["--back-off-ms", &base, "--housekeeping-ms", "500"].map(Into::into).to_vec();
        let launch = Launch { binary, arguments, ..Launch::default() };
        Some(Self { env, layout, id: unique(), launch: RefCell::new(launch), connection: RefCell::new(None) })
    }

    /// Writes the records of a pod and returns it.
    pub fn pod(&self, pod: Pod) -> PodRecord {
        let image = ImageRecord {
            id: LAYER.to_owned(),
            reference: "localhost/busybox:latest".to_owned(),
            layers: vec![LAYER.to_owned()],
            config: ImageConfig::default(),
        };
        let init = pod.init_containers.len();
        let containers = pod.all_containers().enumerate().map(|(index, c)| ContainerRecord {
            pull: None,
            id: unique(),
            name: format!("{}-{}", pod.name, c.name),
            container: c.name.clone(),
            init: index < init,
            image: image.clone(),
            devices: ContainerDevices::default(),
        });
        let record = PodRecord {
            version: RECORD_VERSION,
            id: unique(),
            app: self.id.clone(),
            created: jiff::Timestamp::now(),
            spec_hash: String::new(),
            environment_hash: String::new(),
            ephemeral: Vec::new(),
            containers: containers.collect(),
            pod,
            image_volumes: Vec::new(),
            claims: Vec::new(),
            mount_nfs: None,
            network: PodNetwork::None,
            first_user_id: None,
            manage_hosts: true,
            manage_hostname: true,
            log: LogConfig { driver: LogDriver::K8sFile, max_size: None, path: None },
            cgroup_manager: "cgroupfs".to_owned(),
        };
        self.write(&record);
        record
    }

    pub fn write(&self, record: &PodRecord) {
        fs::create_dir_all(self.layout.pod(&record.id)).expect("root is writable");
        let bytes = serde_json::to_vec(record).expect("records can be written");
        fs::write(self.layout.pod_record(&record.id), bytes).expect("root is writable");
    }

    pub fn write_objects(&self, record: &PodRecord, objects: &PodObjects) {
        let bytes = serde_json::to_vec(objects).expect("objects can be written");
        fs::write(self.layout.pod_objects(&record.id), bytes).expect("root is writable");
    }

    pub fn call(&self, op: Operation) -> Vec<Failure> {
        let mut slot = self.connection.borrow_mut();
        let connection = slot.get_or_insert_with(|| {
            client::ensure(&self.layout, &self.id, &self.launch.borrow())
                .unwrap_or_else(|e| panic!("no supervisor: {e:?}\n{}", self.log_of_supervisor()))
        });
        match connection.call(op, |_| {}) {
            Ok(failures) => failures,
            Err(error) => panic!("{error:?}\n{}", self.log_of_supervisor()),
        }
    }

    /// As [`App::call`], with a supervisor that may die; `None` when it did.
    pub fn try_call(&self, op: Operation) -> Option<Vec<Failure>> {
        let mut connection = client::ensure(&self.layout, &self.id, &self.launch.borrow()).ok()?;
        let failures = connection.call(op, |_| {}).ok();
        if failures.is_none() {
            reap(connection);
        }
        failures
    }

    /// Supervisors started from now on pass their points so; an empty text is none.
    pub fn set_failpoints(&self, text: &str) {
        self.launch.borrow_mut().environment = vec![("PODKIN_FAILPOINTS".into(), text.into())];
    }

    /// The supervisor's pid as its own process says it, if one lives.
    pub fn find_supervisor(&self) -> Option<i32> {
        let entries = fs::read_dir("/proc").ok()?;
        let mut pids = entries.filter_map(|e| e.ok()?.file_name().to_str()?.parse::<i32>().ok());
        pids.find(|pid| {
            let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let arguments = String::from_utf8_lossy(&arguments).into_owned();
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            name.trim() != "podkin-keeper" && arguments.contains("\0supervisor\0") && arguments.contains(&self.id)
        })
    }

    /// The next call connects again, to a new supervisor if there is none.
    pub fn disconnect(&self) {
        self.connection.borrow_mut().take();
    }

    pub fn log_of_supervisor(&self) -> String {
        fs::read_to_string(self.layout.supervisor_log(&self.id)).unwrap_or_default()
    }

    #[track_caller]
    pub fn start(&self, record: &PodRecord) {
        let failures = self.call(Operation::StartPods { pods: vec![record.id.clone()] });
        assert_eq!(failures, [], "{}", self.log_of_supervisor());
    }

    pub fn stop(&self, record: &PodRecord) -> Vec<Failure> {
        self.call(Operation::StopPods { pods: vec![record.id.clone()], grace_seconds: None })
    }

    /// Removes the pods and asserts that nothing of them is left.
    #[track_caller]
    pub fn remove(&self, records: &[&PodRecord]) {
        let pods = records.iter().map(|r| r.id.clone()).collect();
        let failures = self.call(Operation::RemovePods { pods, grace_seconds: Some(0) });
        assert_eq!(failures, [], "{}", self.log_of_supervisor());
        for record in records {
            assert!(!self.layout.pod_run(&record.id).exists());
            record.containers.iter().for_each(|c| assert!(!self.layout.container_run(&c.id).exists()));
        }
        self.disconnect();
        self.env.assert_clean();
        eventually("the supervisor's directory is gone", PATIENCE, || !self.layout.app_run(&self.id).exists());
    }

    #[track_caller]
    pub fn status(&self, record: &PodRecord) -> PodStatus {
        let bytes = fs::read(self.layout.pod_status(&record.id)).expect("the pod has a status");
        serde_json::from_slice(&bytes).expect("the status can be read")
    }

    #[track_caller]
    pub fn container(&self, record: &PodRecord, name: &str) -> ContainerStatus {
        let status = self.status(record);
        status.containers.into_iter().find(|c| c.name == name).expect("the pod has that container")
    }

    #[track_caller]
    pub fn wait_phase(&self, record: &PodRecord, phase: PodPhase) {
        eventually(&format!("phase {phase:?}"), PATIENCE, || self.status(record).phase == phase);
    }

    #[track_caller]
    pub fn terminated(&self, record: &PodRecord, name: &str) -> Termination {
        match self.container(record, name).state {
            ContainerState::Terminated(ended) => ended,
            other => panic!("{name} is {other:?}"),
        }
    }

    pub fn pid(&self, record: &PodRecord, name: &str) -> Option<i32> {
        match self.container(record, name).state {
            ContainerState::Running { pid, .. } => Some(pid),
            _ => None,
        }
    }

    pub fn log(&self, record: &PodRecord, name: &str) -> Vec<String> {
        self.read_log(record, name, |line| String::from_utf8_lossy(line.bytes).into_owned())
    }

    /// When each line of the log arrived.
    pub fn log_times(&self, record: &PodRecord, name: &str) -> Vec<jiff::Timestamp> {
        self.read_log(record, name, |line| line.time)
    }

    fn read_log<T>(&self, record: &PodRecord, name: &str, of: impl Fn(logs::Line<'_>) -> T) -> Vec<T> {
        let id = &record.container(name).expect("the pod has that container").id;
        let mut reader = logs::open(&self.layout, &record.id, id, logs::Options::default()).expect("the log opens");
        let mut all = Vec::new();
        while let Some(line) = reader.next_line().expect("the log can be read") {
            all.push(of(line));
        }
        all
    }

    pub fn supervisor_pid(&self, record: &PodRecord) -> i32 {
        self.status(record).supervisor_pid.expect("a supervisor wrote the status")
    }

    /// Kills the supervisor as nothing can be prepared for.
    pub fn kill_supervisor(&self, record: &PodRecord) {
        let pid = rustix::process::Pid::from_raw(self.supervisor_pid(record)).expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("the supervisor lives");
        if let Some(connection) = self.connection.borrow_mut().take() {
            reap(connection);
        }
    }
}

fn reap(mut connection: Connection) {
    if let Some(child) = connection.child() {
        let _ = child.wait();
    }
}

pub fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let time = jiff::Timestamp::now().as_nanosecond() as u64;
    format!("{:016x}{:016x}{:032x}", time, std::process::id(), count)
}

fn make_image(layout: &Layout) {
    let root = layout.layer_diff(LAYER);
    for directory in ["bin", "etc", "tmp", "data"] {
        fs::create_dir_all(root.join(directory)).expect("root is writable");
    }
    fs::copy("/bin/busybox", root.join("bin/busybox")).expect("busybox can be copied");
    for applet in [
        "sh", "cat", "echo", "sleep", "true", "false", "ls", "id", "stat", "touch", "httpd", "usleep", "seq",
        "hostname", "env", "date", "kill", "df", "mount", "grep",
    ] {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).expect("root is writable");
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").expect("root is writable");
}

/// A container that runs a script.
pub fn shell(name: &str, script: &str) -> Container {
    let command = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    Container { name: name.to_owned(), command, ..Container::default() }
}

/// A script that runs until it is asked to stop.
pub const FOREVER: &str = "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done";

pub fn pod(name: &str, restart_policy: RestartPolicy, containers: Vec<Container>) -> Pod {
    Pod {
        name: name.to_owned(),
        namespace: "default".to_owned(),
        restart_policy,
        containers,
        termination_grace_seconds: 5,
        ..Pod::default()
    }
}

pub fn probe(handler: Handler) -> Probe {
    Probe {
        handler,
        initial_delay_seconds: 0,
        period_seconds: 1,
        timeout_seconds: 1,
        success_threshold: 1,
        failure_threshold: 1,
        termination_grace_seconds: None,
    }
}

pub fn hooks(post_start: Option<&str>, pre_stop: Option<&str>) -> Lifecycle {
    let exec = |script: &str| Handler::Exec(["/bin/sh", "-c", script].map(str::to_owned).to_vec());
    Lifecycle { post_start: post_start.map(exec), pre_stop: pre_stop.map(exec), stop_signal: None }
}
