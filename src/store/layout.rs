//! Paths below the two state directories; nothing here touches the disk.

use std::path::{Path, PathBuf};

/// Where state lives: `root` survives a reboot, `run` does not. Both absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    pub root: PathBuf,
    pub run: PathBuf,
}

impl Layout {
    pub fn new(root: impl Into<PathBuf>, run: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), run: run.into() }
    }

    pub fn database(&self) -> PathBuf {
        self.root.join("state.db")
    }

    pub fn blob(&self, sha256_hex: &str) -> PathBuf {
        self.root.join("blobs/sha256").join(sha256_hex)
    }

    pub fn layers(&self) -> PathBuf {
        self.root.join("layers")
    }

    /// Held, together with others, while layers are brought here whose image is not yet; alone while layers of no image are removed.
    pub fn intake_lock(&self) -> PathBuf {
        self.root.join("intake.lock")
    }

    /// There while layers may have lost their last image which could not be removed because of an intake.
    pub fn unswept(&self) -> PathBuf {
        self.root.join("unswept")
    }

    /// Room that is given back when the disk is full.
    pub fn reserve(&self) -> PathBuf {
        self.root.join("reserve")
    }

    /// The unpacked tree of the layer with that chain id (64 hexadecimal digits).
    pub fn layer_diff(&self, chain_hex: &str) -> PathBuf {
        self.layers().join(chain_hex).join("diff")
    }

    /// Layers that lie between an image and what a container writes, shared by all.
    pub fn init_layers(&self) -> PathBuf {
        self.root.join("init")
    }

    /// A layer with nothing in it, for overlays that would have too few.
    pub fn empty_layer(&self) -> PathBuf {
        self.init_layers().join("empty")
    }

    pub fn volumes(&self) -> PathBuf {
        self.root.join("volumes")
    }

    pub fn volume_data(&self, name: &str) -> PathBuf {
        self.volumes().join(name).join("_data")
    }

    pub fn networks(&self) -> PathBuf {
        self.root.join("networks")
    }

    pub fn seccomp_cache(&self) -> PathBuf {
        self.root.join("seccomp")
    }

    /// Private key that signs the tokens of service accounts.
    pub fn service_account_key(&self) -> PathBuf {
        self.root.join("service-account.key")
    }

    pub fn events(&self) -> PathBuf {
        self.root.join("events.jsonl")
    }

    pub fn pod(&self, pod_id: &str) -> PathBuf {
        self.root.join("pods").join(pod_id)
    }

    pub fn pod_record(&self, pod_id: &str) -> PathBuf {
        self.pod(pod_id).join("pod.json")
    }

    pub fn pod_objects(&self, pod_id: &str) -> PathBuf {
        self.pod(pod_id).join("objects.json")
    }

    pub fn pod_status(&self, pod_id: &str) -> PathBuf {
        self.pod(pod_id).join("status.json")
    }

    pub fn pod_volume(&self, pod_id: &str, volume: &str) -> PathBuf {
        self.pod(pod_id).join("volumes").join(volume)
    }

    pub fn container(&self, container_id: &str) -> PathBuf {
        self.root.join("containers").join(container_id)
    }

    /// What the container wrote into its root file system.
    pub fn container_upper(&self, container_id: &str) -> PathBuf {
        self.container(container_id).join("upper")
    }

    pub fn container_log(&self, container_id: &str) -> PathBuf {
        self.container(container_id).join("log")
    }

    pub fn app_run(&self, app_id: &str) -> PathBuf {
        self.run.join("apps").join(app_id)
    }

    /// Held by the living supervisor of the application.
    pub fn supervisor_lock(&self, app_id: &str) -> PathBuf {
        self.app_run(app_id).join("lock")
    }

    pub fn control_socket(&self, app_id: &str) -> PathBuf {
        self.app_run(app_id).join("control.sock")
    }

    pub fn keeper_socket(&self, app_id: &str) -> PathBuf {
        self.app_run(app_id).join("keeper.sock")
    }

    pub fn supervisor_log(&self, app_id: &str) -> PathBuf {
        self.app_run(app_id).join("supervisor.log")
    }

    pub fn pod_run(&self, pod_id: &str) -> PathBuf {
        self.run.join("pods").join(pod_id)
    }

    /// A pinned namespace of the pod: `net`, `ipc`, `uts`, `pid` or `user`.
    pub fn pod_namespace(&self, pod_id: &str, kind: &str) -> PathBuf {
        self.pod_run(pod_id).join("ns").join(kind)
    }

    pub fn pod_run_volume(&self, pod_id: &str, volume: &str) -> PathBuf {
        self.pod_run(pod_id).join("volumes").join(volume)
    }

    pub fn container_run(&self, container_id: &str) -> PathBuf {
        self.run.join("containers").join(container_id)
    }

    /// Where images are mounted for the user; a directory each, named by the image's id.
    pub fn image_mounts(&self) -> PathBuf {
        self.run.join("mounts")
    }

    /// Locks of commands; see [`super::lock`].
    pub fn lock(&self, name: &str) -> PathBuf {
        self.run.join("locks").join(name)
    }

    pub fn network_run(&self) -> PathBuf {
        self.run.join("networks")
    }

    /// Joins a relative path below `root`.
    pub fn in_root(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }
}
