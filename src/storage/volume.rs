//! Named volumes.

use crate::store::lock::{FileLock, LockError};
use crate::store::{Database, StoreError, layout::Layout, volumes};
use crate::sys::dir;
use crate::sys::failpoint;
use rusqlite::{Connection, OptionalExtension, Row};
use rustix::fs::{Gid, Mode, Uid};
use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Points where tests kill a command that works on volumes.
pub const FAILPOINTS: [&str; 3] = ["volume.create", "volume.renamed", "volume.removed"];

/// The named volumes below one root.
pub struct VolumeStore<'a> {
    layout: &'a Layout,
    database: &'a mut Database,
}

/// A volume as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    pub name: String,
    /// Where its files are.
    pub mountpoint: PathBuf,
    pub labels: BTreeMap<String, String>,
    pub options: BTreeMap<String, String>,
    pub created: jiff::Timestamp,
    /// Application whose play made it.
    pub app: Option<String>,
    pub anonymous: bool,
    /// Names of the pods that refer to it.
    pub used_by: Vec<String>,
}

/// A volume to be made.
#[derive(Debug, Clone, Default)]
pub struct NewVolume {
    /// 64 random hexadecimal digits when `None`, and then it is anonymous.
    pub name: Option<String>,
    pub labels: BTreeMap<String, String>,
    /// `o` with `uid=`, `gid=`, `mode=`: owner and mode of the directory.
    pub options: BTreeMap<String, String>,
    pub app: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    #[error("volume name `{0}` is malformed: letters, digits, `_`, `.` and `-`, beginning with a letter or digit")]
    Name(String),
    #[error("volume `{0}` exists already")]
    Exists(String),
    #[error("no volume `{0}`")]
    NotFound(String),
    #[error("`{text}` is the beginning of several volume names: {}", names.join(", "))]
    Ambiguous { text: String, names: Vec<String> },
    #[error("volume `{name}` is used by {}", pods.join(", "))]
    InUse { name: String, pods: Vec<String> },
    #[error("volume option `{0}` is not supported")]
    Option(String),
    #[error("volume option `o` has a malformed `{0}`")]
    OptionValue(String),
    #[error("cannot fill volume `{name}`")]
    Fill { name: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("no space left on the file system of `{}`", path.display())]
    DiskFull { path: PathBuf },
    #[error("cannot write `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Failpoint(String),
}

impl From<rusqlite::Error> for VolumeError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// A volume whose row and directory do not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeProblem {
    /// Recorded, without a directory: repaired by an empty one.
    NoDirectory(String),
    /// A directory without a row: never deleted by itself, as it holds somebody's data; `volume create` takes it up.
    NoRow(String),
}

impl<'a> VolumeStore<'a> {
    pub fn new(layout: &'a Layout, database: &'a mut Database) -> Self {
        Self { layout, database }
    }

    /// Makes a volume, or takes the existing one with `reuse`.
    pub fn create(&mut self, new: NewVolume, reuse: bool) -> Result<Volume, VolumeError> {
        let anonymous = new.name.is_none();
        let name = match new.name {
            Some(name) => name,
            None => random_name()?,
        };
        check_name(&name)?;
        let owner = Ownership::parse(&new.options)?;
        if let Some(volume) = self.by_name(&name)? {
            return if reuse { Ok(volume) } else { Err(VolumeError::Exists(name)) };
        }
        let _lock = self.lock(&name)?;
        if let Some(volume) = self.by_name(&name)? {
            return if reuse { Ok(volume) } else { Err(VolumeError::Exists(name)) };
        }
        self.settle(&name)?;
        self.make_directory(&name, &owner)?;
        failpoint::reach("volume.create").map_err(VolumeError::Failpoint)?;
        let created = jiff::Timestamp::now();
        let (labels, options) = (to_json(&new.labels), to_json(&new.options));
        let row = (&name, labels, options, created.to_string(), &new.app, anonymous);
        self.database.write(|transaction| {
            let query =
                "INSERT INTO volumes (name, labels, options, created, app, anonymous) VALUES (?, ?, ?, ?, ?, ?)";
            transaction.execute(query, row).map_err(VolumeError::from)
        })?;
        let mountpoint = self.layout.volume_data(&name);
        let (labels, options) = (new.labels, new.options);
        Ok(Volume { name, mountpoint, labels, options, created, app: new.app, anonymous, used_by: Vec::new() })
    }

    /// Makes the directory of a recorded volume when it is missing: for rows that were written in another transaction. `fill` is
    /// called to put files into a new one.
    pub fn ensure_directory(&mut self, name: &str, fill: Option<Fill<'_>>) -> Result<(), VolumeError> {
        let _lock = self.lock(name)?;
        let volume = self.by_name(name)?.ok_or_else(|| VolumeError::NotFound(name.to_owned()))?;
        self.settle(name)?;
        self.make_recorded(&volume, fill)
    }

    /// Makes the directory of a recorded volume, unless its files are elsewhere.
    fn make_recorded(&self, volume: &Volume, fill: Option<Fill<'_>>) -> Result<(), VolumeError> {
        if volumes::bound(&volume.options).is_some() {
            return Ok(());
        }
        let mut options = volume.options.clone();
        options.retain(|name, _| !volumes::OWN_OPTIONS.contains(&name.as_str()));
        let owner = Ownership::parse(&options)?;
        match fill {
            Some(fill) => self.make_filled(&volume.name, &owner, fill),
            None => self.make_directory(&volume.name, &owner),
        }
    }

    /// Files are put in while the directory has another name, so that a volume is never seen with half of them.
    fn make_filled(&self, name: &str, owner: &Ownership, fill: Fill<'_>) -> Result<(), VolumeError> {
        let data = self.layout.volume_data(name);
        if data.exists() {
            return Ok(());
        }
        let filled = data.with_file_name(FILLED);
        let make = || -> io::Result<PathBuf> {
            dir::remove_tree(&filled)?;
            let files = filled.join("diff");
            DirBuilder::new().recursive(true).mode(0o755).create(&files)?;
            owner.apply(&files)?;
            Ok(files)
        };
        let files = make().map_err(failed(&filled))?;
        fill(&filled).map_err(|source| VolumeError::Fill { name: name.to_owned(), source })?;
        std::fs::rename(files, &data).map_err(failed(&data))?;
        dir::remove_tree(&filled).map_err(failed(&filled))
    }

    /// All volumes by name.
    pub fn list(&self) -> Result<Vec<Volume>, VolumeError> {
        self.query(&format!("{SELECT} ORDER BY name"), &[])
    }

    /// A volume by its name, or by the beginning of one name only.
    pub fn find(&self, text: &str) -> Result<Volume, VolumeError> {
        if let Some(volume) = self.by_name(text)? {
            return Ok(volume);
        }
        let like = format!("{SELECT} WHERE substr(name, 1, length(?1)) = ?1 AND length(?1) > 0 ORDER BY name");
        let mut found = self.query(&like, &[text])?;
        match found.len() {
            0 => Err(VolumeError::NotFound(text.to_owned())),
            1 => Ok(found.remove(0)),
            _ => Err(VolumeError::Ambiguous { text: text.into(), names: found.into_iter().map(|v| v.name).collect() }),
        }
    }

    /// Removes the volume of exactly that name with its files, and gives the name back.
    ///
    /// Decided, unrecorded and taken out of sight in one transaction: a play either has recorded its use before, or finds no volume.
    ///
    /// # Errors
    /// [`VolumeError::InUse`] with the names of the pods that refer to it.
    pub fn remove(&mut self, name: &str) -> Result<String, VolumeError> {
        let _lock = self.lock(name)?;
        self.settle(name)?;
        let volumes = self.layout.volumes();
        let directory = volumes.join(name);
        let removed = self.database.write(|transaction| {
            let pods = users(transaction, name)?;
            if !pods.is_empty() {
                return Err(VolumeError::InUse { name: name.to_owned(), pods });
            }
            let query = "DELETE FROM volumes WHERE name = ? RETURNING created";
            let created: Option<String> = transaction.query_row(query, [name], |row| row.get(0)).optional()?;
            let created = created.ok_or_else(|| VolumeError::NotFound(name.to_owned()))?;
            let removed = volumes.join(removed_name(name, &created));
            match std::fs::rename(&directory, &removed) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed(&directory)(e)),
                _ => failpoint::reach("volume.renamed").map_err(VolumeError::Failpoint)?,
            }
            Ok(removed)
        })?;
        failpoint::reach("volume.removed").map_err(VolumeError::Failpoint)?;
        dir::remove_tree(&removed).map_err(failed(&removed))?;
        Ok(name.to_owned())
    }

    /// Removes every volume that no pod refers to and that `select` picks; names of those that went, and what failed.
    pub fn prune(&mut self, select: impl Fn(&Volume) -> bool) -> Result<(Vec<String>, Vec<VolumeError>), VolumeError> {
        let unused: Vec<Volume> = self.list()?.into_iter().filter(|v| v.used_by.is_empty() && select(v)).collect();
        let (mut removed, mut failures) = (Vec::new(), Vec::new());
        for volume in unused {
            match self.remove(&volume.name) {
                Ok(name) => removed.push(name),
                // Taken into use, or removed by another command, meanwhile.
                Err(VolumeError::InUse { .. } | VolumeError::NotFound(_)) => {}
                Err(error) => failures.push(error),
            }
        }
        Ok((removed, failures))
    }

    /// Bytes on the disk and number of files of a volume.
    pub fn usage(&self, name: &str) -> Result<(u64, u64), VolumeError> {
        // What is in a PersistentVolume was there before, and stays.
        if self.by_name(name)?.is_some_and(|volume| volumes::bound(&volume.options).is_some()) {
            return Ok((0, 0));
        }
        let path = self.layout.volume_data(name);
        dir::usage(&path).map_err(failed(&path))
    }

    /// Finishes removals that were interrupted, or takes them back when they had not been decided.
    pub fn sweep(&mut self) -> Result<(), VolumeError> {
        for entry in self.entries()? {
            let Some((name, _)) = entry.strip_prefix(REMOVED).and_then(|rest| rest.split_once('@')) else { continue };
            // Another command is at it.
            let Some(lock) = FileLock::try_acquire(&self.lock_path(name))? else { continue };
            let _lock = lock.removing();
            self.settle(name)?;
        }
        Ok(())
    }

    /// Says what does not fit; with `repair`, mends what can be mended without losing data.
    pub fn check(&mut self, repair: bool) -> Result<Vec<VolumeProblem>, VolumeError> {
        self.sweep()?;
        let mut problems = Vec::new();
        let volumes = self.list()?;
        let is_gone = |volume: &&Volume| !volume.mountpoint.is_dir() && volumes::bound(&volume.options).is_none();
        for volume in volumes.iter().filter(is_gone) {
            if repair {
                let _lock = self.lock(&volume.name)?;
                self.make_recorded(volume, None)?;
            }
            problems.push(VolumeProblem::NoDirectory(volume.name.clone()));
        }
        for name in self.entries()? {
            if !name.starts_with('.') && !volumes.iter().any(|volume| volume.name == name) {
                problems.push(VolumeProblem::NoRow(name));
            }
        }
        Ok(problems)
    }

    fn entries(&self) -> Result<Vec<String>, VolumeError> {
        let path = self.layout.volumes();
        match std::fs::read_dir(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            entries => {
                let names = entries.map_err(failed(&path))?.map(|e| Ok(e?.file_name().to_string_lossy().into_owned()));
                names.collect::<io::Result<_>>().map_err(failed(&path))
            }
        }
    }

    fn by_name(&self, name: &str) -> Result<Option<Volume>, VolumeError> {
        Ok(self.query(&format!("{SELECT} WHERE name = ?"), &[name])?.pop())
    }

    fn query(&self, query: &str, parameters: &[&str]) -> Result<Vec<Volume>, VolumeError> {
        let connection = self.database.connection();
        let mut statement = connection.prepare_cached(query)?;
        let mut rows = statement.query(rusqlite::params_from_iter(parameters))?;
        let mut volumes = Vec::new();
        while let Some(row) = rows.next()? {
            volumes.push(self.volume(connection, row)?);
        }
        Ok(volumes)
    }

    fn volume(&self, connection: &Connection, row: &Row<'_>) -> Result<Volume, VolumeError> {
        let name: String = row.get(0)?;
        let unreadable = |source| StoreError::Record { subject: format!("volume {name}"), source };
        let created: String = row.get(3)?;
        let options: BTreeMap<String, String> = serde_json::from_str(&row.get::<_, String>(2)?).map_err(&unreadable)?;
        let bound = volumes::bound(&options);
        Ok(Volume {
            labels: serde_json::from_str(&row.get::<_, String>(1)?).map_err(unreadable)?,
            options,
            created: created.parse().unwrap_or(jiff::Timestamp::UNIX_EPOCH),
            app: row.get(4)?,
            anonymous: row.get(5)?,
            used_by: users(connection, &name)?,
            mountpoint: bound.map_or_else(|| self.layout.volume_data(&name), |bound| PathBuf::from(bound.path)),
            name,
        })
    }

    fn lock_path(&self, name: &str) -> PathBuf {
        self.layout.volumes().join(format!(".lock-{name}"))
    }

    fn lock(&self, name: &str) -> Result<FileLock, VolumeError> {
        Ok(FileLock::acquire(&self.lock_path(name))?.removing())
    }

    /// Puts what was taken out of sight back if its very row is still there, else deletes it. To be called with the lock held.
    fn settle(&mut self, name: &str) -> Result<(), VolumeError> {
        let prefix = format!("{REMOVED}{name}@");
        for entry in self.entries()?.into_iter().filter(|entry| entry.starts_with(&prefix)) {
            let (directory, removed) = (self.layout.volumes().join(name), self.layout.volumes().join(&entry));
            // A volume that was made anew under the name is another one.
            let query = "SELECT created FROM volumes WHERE name = ?";
            let connection = self.database.connection();
            let created: Option<String> = connection.query_row(query, [name], |row| row.get(0)).optional()?;
            let undecided = created.is_some_and(|created| entry == removed_name(name, &created));
            if undecided && !directory.exists() {
                std::fs::rename(&removed, &directory).map_err(failed(&removed))?;
            } else {
                dir::remove_tree(&removed).map_err(failed(&removed))?;
            }
        }
        Ok(())
    }

    fn make_directory(&self, name: &str, owner: &Ownership) -> Result<(), VolumeError> {
        let data = self.layout.volume_data(name);
        let make = || -> io::Result<()> {
            if let Some(parent) = data.parent() {
                DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
            }
            match DirBuilder::new().mode(0o755).create(&data) {
                // The data of a volume whose row was lost stay what they are.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
                made => made?,
            }
            owner.apply(&data)
        };
        make().map_err(failed(&data))
    }
}

/// Where a new volume's files are put, beside its directory.
const FILLED: &str = ".filled";

/// Puts files into the directory `diff` of the one that it gets, which has nothing else and goes afterwards.
pub type Fill<'a> = &'a mut dyn FnMut(&Path) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Before the name of a volume that is being removed, which its creation time follows.
const REMOVED: &str = ".removed-";

/// `@` is in no volume's name.
fn removed_name(name: &str, created: &str) -> String {
    format!("{REMOVED}{name}@{created}")
}

const SELECT: &str = "SELECT name, labels, options, created, app, anonymous FROM volumes";

/// Names of the pods that refer to a volume.
fn users(connection: &Connection, volume: &str) -> Result<Vec<String>, rusqlite::Error> {
    let query = "SELECT pods.name FROM pod_volumes JOIN pods ON pods.id = pod_volumes.pod WHERE volume = ? ORDER BY 1";
    let mut statement = connection.prepare_cached(query)?;
    statement.query_map([volume], |row| row.get(0))?.collect()
}

/// What `o` says about the directory.
#[derive(Default)]
struct Ownership {
    uid: Option<u32>,
    gid: Option<u32>,
    mode: Option<u32>,
}

impl Ownership {
    fn parse(options: &BTreeMap<String, String>) -> Result<Self, VolumeError> {
        let mut owner = Self::default();
        for (name, value) in options {
            if name != "o" {
                return Err(VolumeError::Option(name.clone()));
            }
            for part in value.split(',').filter(|part| !part.is_empty()) {
                owner.take(part)?;
            }
        }
        Ok(owner)
    }

    fn take(&mut self, part: &str) -> Result<(), VolumeError> {
        let wrong = || VolumeError::OptionValue(part.to_owned());
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let id = || value.parse().ok().filter(|id| *id != u32::MAX).ok_or_else(wrong);
        match key.to_ascii_lowercase().as_str() {
            "uid" => self.uid = Some(id()?),
            "gid" => self.gid = Some(id()?),
            "mode" => {
                let mode = u32::from_str_radix(value, 8).ok().filter(|mode| *mode <= 0o7777);
                self.mode = Some(mode.ok_or_else(wrong)?);
            }
            // Podman's word for not filling a new volume from the image, which podkin never does.
            "nocopy" if value.is_empty() => {}
            _ => return Err(VolumeError::Option(format!("o={part}"))),
        }
        Ok(())
    }

    fn apply(&self, path: &Path) -> io::Result<()> {
        let directory = dir::Dir::open(path)?;
        if self.uid.is_some() || self.gid.is_some() {
            rustix::fs::fchown(&directory, self.uid.map(Uid::from_raw), self.gid.map(Gid::from_raw))?;
        }
        Ok(rustix::fs::fchmod(&directory, Mode::from_raw_mode(self.mode.unwrap_or(0o755)))?)
    }
}

fn check_name(name: &str) -> Result<(), VolumeError> {
    let letter = |b: u8| b.is_ascii_alphanumeric();
    let good = name.bytes().next().is_some_and(letter)
        && name.len() <= 248
        && name.bytes().all(|b| letter(b) || matches!(b, b'_' | b'.' | b'-'));
    if good { Ok(()) } else { Err(VolumeError::Name(name.to_owned())) }
}

fn random_name() -> Result<String, VolumeError> {
    use io::Read;
    let path = Path::new("/dev/urandom");
    let mut bytes = [0; 32];
    std::fs::File::open(path).and_then(|mut f| f.read_exact(&mut bytes)).map_err(failed(path))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn to_json(map: &BTreeMap<String, String>) -> String {
    serde_json::to_string(map).expect("a map of texts is JSON")
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> VolumeError + use<> {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => VolumeError::DiskFull { path },
        _ => VolumeError::Write { path, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, symlink};

    struct Root {
        layout: Layout,
        database: Database,
    }

    impl Root {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("podkin-volumes-{}-{name}", std::process::id()));
            let _ = dir::remove_tree(&path);
            let layout = Layout::new(path.join("root"), path.join("run"));
            Self { database: Database::open(&layout).unwrap(), layout }
        }

        fn volumes(&mut self) -> VolumeStore<'_> {
            VolumeStore::new(&self.layout, &mut self.database)
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = dir::remove_tree(self.layout.root.parent().unwrap());
        }
    }

    fn named(name: &str) -> NewVolume {
        NewVolume { name: Some(name.into()), ..NewVolume::default() }
    }

    #[test]
    fn made_found_and_removed() {
        let mut root = Root::new("life");
        let options = BTreeMap::from([("o".to_owned(), "uid=1000,gid=50,mode=0770".to_owned())]);
        let made = root.volumes().create(NewVolume { options, ..named("data") }, false).unwrap();
        let metadata = std::fs::metadata(&made.mountpoint).unwrap();
        assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o7777), (1000, 50, 0o770));
        assert!(matches!(root.volumes().create(named("data"), false), Err(VolumeError::Exists(_))));
        assert_eq!(root.volumes().create(named("data"), true).unwrap(), made);
        assert_eq!(root.volumes().find("da").unwrap(), made);
        root.volumes().create(named("dada"), false).unwrap();
        assert!(matches!(root.volumes().find("da"), Err(VolumeError::Ambiguous { .. })));
        std::fs::write(made.mountpoint.join("f"), "12345").unwrap();
        symlink("/etc", made.mountpoint.join("link")).unwrap();
        assert_eq!(root.volumes().usage("data").unwrap().1, 2);
        root.volumes().remove("data").unwrap();
        assert!(!made.mountpoint.parent().unwrap().exists() && Path::new("/etc/passwd").exists());
        assert_eq!(root.volumes().prune(|v| v.name != "dada").unwrap().0, [""; 0]);
        assert_eq!(root.volumes().prune(|_| true).unwrap().0, ["dada"]);
        let anonymous = root.volumes().create(NewVolume::default(), false).unwrap();
        assert!(anonymous.anonymous && anonymous.name.len() == 64);
        let left: Vec<_> = std::fs::read_dir(root.layout.volumes()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, [anonymous.name.as_str()]);
    }

    #[test]
    fn malformed_volumes_are_refused() {
        let mut root = Root::new("bad");
        for name in ["", ".", "..", "a/b", "-a", ".a", "a b", "é"] {
            assert!(matches!(root.volumes().create(named(name), false), Err(VolumeError::Name(_))), "{name}");
        }
        for (key, value) in [("type", "nfs"), ("o", "uid=x"), ("o", "uid=4294967295"), ("o", "mode=9"), ("o", "size=1")]
        {
            let options = BTreeMap::from([(key.to_owned(), value.to_owned())]);
            assert!(root.volumes().create(NewVolume { options, ..named("v") }, false).is_err(), "{key}={value}");
        }
        assert!(root.volumes().list().unwrap().is_empty());
    }

    #[test]
    fn an_interrupted_removal_is_finished_and_lost_rows_keep_their_data() {
        let mut root = Root::new("crash");
        for name in ["undecided", "decided", "lost"] {
            let made = root.volumes().create(named(name), false).unwrap();
            std::fs::write(made.mountpoint.join("f"), name).unwrap();
        }
        let volumes = root.layout.volumes();
        for name in ["undecided", "decided"] {
            let created = root.volumes().find(name).unwrap().created.to_string();
            std::fs::rename(volumes.join(name), volumes.join(removed_name(name, &created))).unwrap();
        }
        root.database
            .write(|c| c.execute("DELETE FROM volumes WHERE name <> 'undecided'", []).map_err(VolumeError::from))
            .unwrap();
        assert_eq!(root.volumes().check(true).unwrap(), [VolumeProblem::NoRow("lost".into())]);
        assert_eq!(std::fs::read_dir(&volumes).unwrap().count(), 2);
        assert!(root.layout.volume_data("undecided").join("f").exists());
        std::fs::create_dir_all(volumes.join(removed_name("lost", "before")).join("x")).unwrap();
        root.volumes().create(named("lost"), false).unwrap();
        assert_eq!(std::fs::read_dir(&volumes).unwrap().count(), 2, "an older volume of the name does not come back");
        assert_eq!(std::fs::read(root.layout.volume_data("lost").join("f")).unwrap(), b"lost");
        dir::remove_tree(&volumes.join("lost")).unwrap();
        assert_eq!(root.volumes().check(true).unwrap(), [VolumeProblem::NoDirectory("lost".into())]);
        assert!(root.volumes().check(true).unwrap().is_empty());
    }

    #[test]
    fn a_volume_in_use_stays() {
        let mut root = Root::new("used");
        let made = root.volumes().create(named("data"), false).unwrap();
        let rows = "INSERT INTO apps (id, name, sources, created) VALUES ('a', 'a', '[]', '');
                    INSERT INTO pods (id, name, app, created, spec_hash, record) VALUES ('p', 'web', 'a', '', '', '{}');
                    INSERT INTO pod_volumes VALUES ('p', 'data')";
        root.database.write(|c| c.execute_batch(rows).map_err(VolumeError::from)).unwrap();
        assert!(matches!(root.volumes().remove("data"), Err(VolumeError::InUse { pods, .. }) if pods == ["web"]));
        assert!(made.mountpoint.is_dir());
        assert_eq!(root.volumes().find("data").unwrap().used_by, ["web"]);
        assert!(root.volumes().prune(|_| true).unwrap().0.is_empty());
    }
}
