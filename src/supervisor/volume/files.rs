//! Volumes made of objects: all their files change at once, or none (Kubernetes, "Mounted ConfigMaps are updated automatically").
//!
//! ```text
//! <volume>/..2026_01_02_03_04_05.123456789/<files>      one generation
//! <volume>/..data            -> ..2026_01_02_03_04_05.123456789    renamed over: the moment of the change
//! <volume>/<first component> -> ..data/<first component>
//! ```
//!
//! Every step is relative to the volume's descriptor and follows no link, since a container that could once write to the
//! directory may have left some (CVE-2025-9566, CVE-2017-1002102).

use crate::model::payload::PayloadFile;
use crate::sys::dir::Dir;
use rustix::fs::{Gid, Mode, Stat, Uid};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, CString};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const DATA: &CStr = c"..data";
const NEW_DATA: &CStr = c"..data_tmp";
const LONGEST_NAME: usize = 255;
const LONGEST_PATH: usize = 4096;
/// With `fsGroup` owner and group may read, whatever the file's mode says.
const GROUP_READ: u32 = 0o440;
/// Then files that come to be in a directory belong to the group, too.
const SETGID: u32 = 0o2000;
const DIRECTORY_MODE: u32 = 0o755;

#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    #[error("`{path}` cannot be a file of a volume: {reason}")]
    Path { path: String, reason: &'static str },
    #[error("cannot {action} in `{}`", directory.display())]
    Io { action: &'static str, directory: PathBuf, source: io::Error },
}

/// Makes `files` the content of the volume at `directory`; false when they already are.
pub fn write(directory: &Path, files: &BTreeMap<String, PayloadFile>, group: Option<u32>) -> Result<bool, FilesError> {
    files.keys().try_for_each(|path| validate(path))?;
    let io_error = |action| move |source| FilesError::Io { action, directory: directory.to_owned(), source };
    let volume = Dir::open(directory).map_err(io_error("open the volume"))?;
    let old = read_link(&volume, DATA).map_err(io_error("read the current generation"))?;
    if let Some(old) = &old
        && holds(&volume, old, files, group).map_err(io_error("read the current files"))?
    {
        return Ok(false);
    }
    let generation = generation_name();
    write_generation(&volume, &generation, files, group).map_err(io_error("write the files"))?;
    swap(&volume, &generation, files).map_err(io_error("change over to the new files"))?;
    for name in volume.names().map_err(io_error("list the files"))? {
        let stale = name.to_bytes().starts_with(b"..") && name != generation && name.as_c_str() != DATA;
        if stale {
            volume.remove_tree(&name).map_err(io_error("remove the old files"))?;
        }
    }
    Ok(true)
}

/// A file as it is now, when it is there and has at most `limit` bytes.
pub fn current(directory: &Path, path: &str, limit: u64) -> Option<Vec<u8>> {
    let volume = Dir::open(directory).ok()?;
    let generation = read_link(&volume, DATA).ok()??;
    is_generation(&generation).then(|| volume.open_dir(&generation).ok()?.read(path.as_bytes(), limit).ok())?
}

fn is_generation(name: &CStr) -> bool {
    let name = name.to_bytes();
    name.starts_with(b"..") && name != b".." && !name.contains(&b'/')
}

fn validate(path: &str) -> Result<(), FilesError> {
    let reason = match path {
        "" => "it is empty",
        _ if path.len() > LONGEST_PATH => "it is too long",
        _ if path.starts_with('/') => "it is absolute",
        _ if path.contains('\0') => "it holds a NUL",
        _ if path.starts_with("..") => "it begins with `..`",
        _ if path.split('/').any(|c| c == "..") => "it leads upwards",
        _ if path.split('/').any(|c| c.is_empty() || c == ".") => "it has an empty component",
        _ if path.split('/').any(|c| c.len() > LONGEST_NAME) => "a component is too long",
        _ => return Ok(()),
    };
    Err(FilesError::Path { path: path.to_owned(), reason })
}

fn name(text: &str) -> io::Result<CString> {
    CString::new(text).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))
}

fn generation_name() -> CString {
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    let text = format!("..{}.{:09}", now.strftime("%Y_%m_%d_%H_%M_%S"), now.subsec_nanosecond());
    CString::new(text).unwrap_or_else(|_| c"..generation".to_owned())
}

fn read_link(volume: &Dir, link: &CStr) -> io::Result<Option<CString>> {
    match rustix::fs::readlinkat(volume, link, Vec::new()) {
        Ok(target) => Ok(Some(target)),
        // Absent, or something that is no link and will be replaced.
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::INVAL) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn mode_of(file: &PayloadFile, group: Option<u32>) -> u32 {
    file.mode & 0o777 | if group.is_some() { GROUP_READ } else { 0 }
}

fn is_as_wanted(stat: &Stat, file: &PayloadFile, group: Option<u32>) -> bool {
    stat.st_mode & 0o7777 == mode_of(file, group)
        && file.user.is_none_or(|user| user == stat.st_uid)
        && group.is_none_or(|group| group == stat.st_gid)
}

/// Whether a generation holds exactly these files.
fn holds(
    volume: &Dir,
    generation: &CStr,
    files: &BTreeMap<String, PayloadFile>,
    group: Option<u32>,
) -> io::Result<bool> {
    if !is_generation(generation) {
        return Ok(false);
    }
    let Ok(root) = volume.open_dir(generation) else { return Ok(false) };
    let mut found = BTreeSet::new();
    let mut below = vec![String::new()];
    while let Some(path) = below.pop() {
        let dir = if path.is_empty() { root.try_clone()? } else { root.beneath(path.as_bytes())? };
        for entry in dir.names()? {
            let Ok(text) = entry.to_str() else { return Ok(false) };
            let full = if path.is_empty() { text.to_owned() } else { format!("{path}/{text}") };
            let stat = dir.stat(&entry)?;
            if rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Directory {
                below.push(full);
                continue;
            }
            let Some(file) = files.get(&full) else { return Ok(false) };
            if !is_as_wanted(&stat, file, group) || stat.st_size as usize != file.data.len() {
                return Ok(false);
            }
            match dir.read(entry.to_bytes(), file.data.len() as u64) {
                Ok(data) if data == file.data => found.insert(full),
                _ => return Ok(false),
            };
        }
    }
    Ok(found.len() == files.len())
}

fn write_generation(
    volume: &Dir,
    generation: &CStr,
    files: &BTreeMap<String, PayloadFile>,
    group: Option<u32>,
) -> io::Result<()> {
    let root = make_dir(volume, generation, group)?;
    for (path, file) in files {
        let mut components: Vec<_> = path.split('/').collect();
        let Some(last) = components.pop() else { continue };
        let mut dir = root.try_clone()?;
        for component in components {
            let component = name(component)?;
            dir = match dir.find(&component)? {
                Some(_) => dir.open_dir(&component)?,
                None => make_dir(&dir, &component, group)?,
            };
        }
        let mut created = dir.create_file(&name(last)?, 0o600)?;
        created.write_all(&file.data)?;
        give(&created, file.user, group)?;
        rustix::fs::fchmod(&created, Mode::from_raw_mode(mode_of(file, group)))?;
    }
    Ok(())
}

fn make_dir(parent: &Dir, name: &CStr, group: Option<u32>) -> io::Result<Dir> {
    parent.create_dir(name, DIRECTORY_MODE)?;
    let dir = parent.open_dir(name)?;
    give(&dir, None, group)?;
    let mode = DIRECTORY_MODE | if group.is_some() { SETGID } else { 0 };
    rustix::fs::fchmod(&dir, Mode::from_raw_mode(mode))?;
    Ok(dir)
}

fn give(file: impl std::os::fd::AsFd, user: Option<u32>, group: Option<u32>) -> io::Result<()> {
    match (user, group) {
        (None, None) => Ok(()),
        _ => Ok(rustix::fs::fchown(file, user.map(Uid::from_raw), group.map(Gid::from_raw))?),
    }
}

/// Turns `..data` to the new generation, then makes the visible links fit.
fn swap(volume: &Dir, generation: &CStr, files: &BTreeMap<String, PayloadFile>) -> io::Result<()> {
    volume.remove_tree(NEW_DATA)?;
    volume.symlink(generation, NEW_DATA)?;
    if volume.find(DATA)?.is_some() && read_link(volume, DATA)?.is_none() {
        volume.remove_tree(DATA)?;
    }
    volume.rename(NEW_DATA, volume, DATA)?;
    let wanted: BTreeSet<&str> = files.keys().filter_map(|path| path.split('/').next()).collect();
    for visible in &wanted {
        let (link, target) = (name(visible)?, name(&format!("..data/{visible}"))?);
        if read_link(volume, &link)?.as_deref() != Some(&*target) {
            volume.remove_tree(&link)?;
            volume.symlink(&target, &link)?;
        }
    }
    for present in volume.names()? {
        let stale = !present.to_bytes().starts_with(b"..") && present.to_str().is_ok_and(|n| !wanted.contains(n));
        if stale {
            volume.remove_tree(&present)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> io::Result<Self> {
            let path = std::env::temp_dir().join(format!("podkin-files-{}-{name}", std::process::id()));
            fs::create_dir_all(path.join("volume"))?;
            Ok(Self(path))
        }

        fn volume(&self) -> PathBuf {
            self.0.join("volume")
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0); // only litter in the temporary directory
        }
    }

    fn files(entries: &[(&str, &str, u32)]) -> BTreeMap<String, PayloadFile> {
        let file = |(path, data, mode): &(&str, &str, u32)| {
            ((*path).to_owned(), PayloadFile { data: data.as_bytes().to_vec(), mode: *mode, user: None })
        };
        entries.iter().map(file).collect()
    }

    fn names(path: &Path) -> io::Result<Vec<String>> {
        let mut names: Vec<_> = fs::read_dir(path)?.filter_map(|e| e.ok()?.file_name().into_string().ok()).collect();
        names.sort();
        Ok(names)
    }

    #[test]
    fn generations_replace_each_other() -> Result<(), Box<dyn std::error::Error>> {
        let scratch = Scratch::new("swap")?;
        let volume = scratch.volume();
        let first = files(&[("key", "1", 0o644), ("dir/deep/file", "x", 0o400), ("gone", "", 0o644)]);
        assert!(write(&volume, &first, None)?);
        assert!(!write(&volume, &first, None)?, "the same files change nothing");
        assert_eq!(fs::read_to_string(volume.join("dir/deep/file"))?, "x");
        assert_eq!(current(&volume, "dir/deep/file", 9).as_deref(), Some(&b"x"[..]));
        assert_eq!((current(&volume, "none", 9), current(&volume, "dir/deep/file", 0)), (None, None));
        assert_eq!(fs::metadata(volume.join("dir/deep/file"))?.permissions().mode() & 0o777, 0o400);
        let generation = fs::read_link(volume.join("..data"))?;

        assert!(write(&volume, &files(&[("key", "2", 0o644), ("dir/other", "y", 0o644)]), None)?);
        assert_eq!(fs::read_to_string(volume.join("key"))?, "2");
        assert_eq!(fs::read_to_string(volume.join("dir/other"))?, "y");
        assert!(!volume.join("gone").exists() && !volume.join(generation).exists());
        assert_eq!(names(&volume)?.len(), 4, "..data, its generation, dir, key");
        assert!(write(&volume, &files(&[("key", "2", 0o600), ("dir/other", "y", 0o644)]), None)?, "a mode counts");
        Ok(())
    }

    #[test]
    fn owner_and_group_are_part_of_what_is_wanted() -> Result<(), Box<dyn std::error::Error>> {
        use std::os::unix::fs::MetadataExt;
        if !rustix::process::geteuid().is_root() {
            eprintln!("not run: giving files to others needs root");
            return Ok(());
        }
        let scratch = Scratch::new("owner")?;
        let volume = scratch.volume();
        let mut wanted = files(&[("dir/key", "1", 0o400)]);
        assert!(write(&volume, &wanted, Some(4711))?);
        let (file, dir) = (fs::metadata(volume.join("dir/key"))?, fs::metadata(volume.join("dir"))?);
        assert_eq!((file.uid(), file.gid(), file.mode() & 0o7777), (0, 4711, 0o440));
        assert_eq!((dir.gid(), dir.mode() & 0o7777), (4711, 0o2755));
        wanted.values_mut().for_each(|file| file.user = Some(1000));
        assert!(write(&volume, &wanted, Some(4711))?, "an owner counts");
        assert_eq!(fs::metadata(volume.join("dir/key"))?.uid(), 1000);
        assert!(!write(&volume, &wanted, Some(4711))?);
        assert!(write(&volume, &wanted, Some(4712))?, "a group counts");
        Ok(())
    }

    #[test]
    fn links_left_in_the_volume_lead_nowhere() -> Result<(), Box<dyn std::error::Error>> {
        let scratch = Scratch::new("links")?;
        let (volume, host) = (scratch.volume(), scratch.0.join("host"));
        fs::create_dir(&host)?;
        fs::write(host.join("key"), "precious")?;
        symlink(host.join("key"), volume.join("key"))?;
        symlink(&host, volume.join("..data"))?;
        symlink(&host, volume.join("..data_tmp"))?;
        symlink(&host, volume.join("..2020_01_01_00_00_00.0"))?;
        symlink(&host, volume.join("stale"))?;
        write(&volume, &files(&[("key", "new", 0o644)]), None)?;
        assert_eq!(fs::read_to_string(host.join("key"))?, "precious");
        assert_eq!(fs::read_to_string(volume.join("key"))?, "new");
        assert_eq!(names(&host)?, ["key"]);
        assert_eq!(names(&volume)?.len(), 3);
        Ok(())
    }

    #[test]
    fn a_half_written_volume_is_finished() -> Result<(), Box<dyn std::error::Error>> {
        let scratch = Scratch::new("half")?;
        let volume = scratch.volume();
        fs::create_dir_all(volume.join("..2020_01_01_00_00_00.0/dir"))?;
        fs::create_dir(volume.join("..data"))?;
        fs::write(volume.join("key"), "planted")?;
        write(&volume, &files(&[("key", "1", 0o644)]), None)?;
        assert_eq!(fs::read_to_string(volume.join("key"))?, "1");
        assert_eq!(names(&volume)?.len(), 3);
        Ok(())
    }

    #[test]
    fn bad_paths_are_refused_before_anything_is_written() -> io::Result<()> {
        let scratch = Scratch::new("paths")?;
        let long = "x".repeat(256);
        for path in ["", "/etc/passwd", "../x", "a/../b", "..x", "a//b", "./a", "a/", "nul\0", &long] {
            assert!(
                write(&scratch.volume(), &files(&[("fine", "", 0o644), (path, "", 0o644)]), None).is_err(),
                "{path}"
            );
        }
        assert!(names(&scratch.volume())?.is_empty());
        Ok(())
    }
}
