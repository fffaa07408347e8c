//! One machine of a test: its state, and a configuration of registries that nobody else has.

use crate::common::registry::{PASSWORD, USER};
use crate::common::{Ran, TestEnv};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Everything the environment may say of registries.
const VARIABLES: [&str; 12] = [
    "CONTAINERS_REGISTRIES_CONF",
    "REGISTRY_AUTH_FILE",
    "DOCKER_CONFIG",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

pub struct Scene {
    pub env: TestEnv,
}

impl Scene {
    /// A machine on which nothing is configured but that these registries speak plain HTTP.
    pub fn new(name: &str, plain: &[&str]) -> Self {
        let scene = Self { env: TestEnv::new(name) };
        let entries =
            plain.iter().map(|registry| format!("[[registry]]\nlocation = \"{registry}\"\ninsecure = true\n"));
        scene.configure(&entries.collect::<String>());
        scene
    }

    /// Replaces registries.conf.
    pub fn configure(&self, registries: &str) {
        self.write("etc/containers/registries.conf", registries);
    }

    /// What the machine's own directories are below.
    pub fn machine(&self) -> PathBuf {
        self.env.base.join("machine")
    }

    pub fn home(&self) -> PathBuf {
        self.env.base.join("home")
    }

    /// Writes a file of the machine's.
    pub fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.machine().join(path);
        std::fs::create_dir_all(path.parent().expect("below the machine")).expect("the base is writable");
        std::fs::write(&path, text).expect("the base is writable");
        path
    }

    /// Trusts a certificate authority for a registry.
    pub fn trust(&self, registry: &str, authority: &Path) {
        let authority = std::fs::read_to_string(authority).expect("a certificate");
        self.write(&format!("etc/containers/certs.d/{registry}/ca.crt"), &authority);
    }

    pub fn auth_file(&self) -> PathBuf {
        self.env.base.join("runtime/containers/auth.json")
    }

    pub fn command<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> Command {
        let mut command = self.env.command(arguments);
        for name in VARIABLES {
            command.env_remove(name);
        }
        command.env("HOME", self.home()).env("XDG_RUNTIME_DIR", self.env.base.join("runtime"));
        command.env("PODKIN_MACHINE_ROOT", self.machine());
        command
    }

    pub fn run<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> Ran {
        self.env.finish(self.command(arguments))
    }

    /// Runs and expects success; gives standard output without the last line's end.
    #[track_caller]
    pub fn ok<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> String {
        let command = self.command(arguments);
        let shown = format!("{command:?}");
        let ran = self.env.finish(command);
        assert!(ran.status.success(), "{shown}\n{}\nstdout:\n{}\nstderr:\n{}", ran.status, ran.stdout, ran.stderr);
        ran.stdout.trim_end().to_owned()
    }

    /// Runs and expects exit code 125; gives standard error.
    #[track_caller]
    pub fn fails<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> String {
        let command = self.command(arguments);
        let shown = format!("{command:?}");
        let ran = self.env.finish(command);
        assert_eq!(ran.code(), 125, "{shown}\nstdout:\n{}\nstderr:\n{}", ran.stdout, ran.stderr);
        ran.stderr
    }

    /// Every name of an image, as `repository:tag`.
    pub fn names(&self) -> BTreeSet<String> {
        let listed = self.ok(["images", "--format", "{{.Repository}}:{{.Tag}}"]);
        listed.lines().map(str::to_owned).collect()
    }

    /// Directories of layers, half ones included.
    pub fn layers(&self) -> BTreeSet<String> {
        let entries = std::fs::read_dir(self.env.root.join("layers")).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| !name.starts_with(".lock-")).collect()
    }

    /// Asserts that nothing is damaged, and nothing half is left. Layers that came whole before a pull failed wait for the next.
    #[track_caller]
    pub fn assert_sound(&self) {
        let found = self.run(["system", "check"]);
        let wrong = found.stdout.lines().filter(|line| !line.starts_with("layer without an image: ")).count();
        assert!(wrong == 0, "{}{}", found.stdout, found.stderr);
        let half: Vec<_> = self.layers().into_iter().filter(|name| name.starts_with('.')).collect();
        assert!(half.is_empty(), "half layers: {half:?}");
    }

    /// Content of a file of an image.
    #[track_caller]
    pub fn file_of(&self, image: &str, file: &str) -> Vec<u8> {
        let mounted = self.ok(["image", "mount", image]);
        let content = std::fs::read(Path::new(&mounted).join(file));
        self.ok(["image", "unmount", image]);
        content.unwrap_or_else(|error| panic!("{image} {file}: {error}"))
    }
}

/// Name and password of the registries that want one, for `--creds`.
pub fn creds() -> String {
    format!("{USER}:{PASSWORD}")
}
