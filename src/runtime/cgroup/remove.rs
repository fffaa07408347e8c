//! Killing what is in a group, and taking groups away.

use super::{Hierarchies, ROOT};
use crate::sys::process;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// Longest wait for killed processes to leave; one in an uninterruptible call may need longer, and is then reported.
const PATIENCE: Duration = Duration::from_secs(2);

/// Kills every process in the group and the groups below it, and returns when they are gone from it.
///
/// A group that does not exist is a success; `TimedOut` when a process does not leave within two seconds, `InvalidInput` for a
/// path that leads elsewhere than to a group of one pod: an empty one would be the machine's own group.
pub fn kill_cgroup(path: &str) -> io::Result<()> {
    check(path)?;
    let hierarchies = Hierarchies::detect()?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut members = Vec::new();
        for directory in hierarchies.directories(path) {
            if kill_file(&directory)? {
                continue;
            }
            collect(&directory, &mut members)?;
        }
        members.sort_unstable();
        members.dedup();
        if members.is_empty() && !is_populated(&hierarchies, path)? {
            return Ok(());
        }
        members.iter().for_each(|pid| kill_member(*pid, path));
        if Instant::now() > deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("processes stay in cgroup `{path}`")));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Accepts the groups of pods and containers, which have ordinary names and lie below the one that holds all pods.
fn check(path: &str) -> io::Result<()> {
    let names = path.split('/');
    let is_ordinary = names.clone().all(|name| !matches!(name, "" | "." | ".."));
    if is_ordinary && names.count() >= 2 {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{path}` is no cgroup of a pod")))
}

/// v2, since Linux 5.14: the kernel kills all members at once. `Ok(false)` where it cannot.
fn kill_file(directory: &Path) -> io::Result<bool> {
    match fs::OpenOptions::new().write(true).open(directory.join("cgroup.kill")) {
        Ok(mut file) => io::Write::write_all(&mut file, b"1").map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_populated(hierarchies: &Hierarchies, path: &str) -> io::Result<bool> {
    if *hierarchies != Hierarchies::V2 {
        return Ok(false);
    }
    match fs::read_to_string(Path::new(ROOT).join(path).join("cgroup.events")) {
        Ok(text) => Ok(text.lines().any(|line| line == "populated 1")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn collect(directory: &Path, members: &mut Vec<i32>) -> io::Result<()> {
    match fs::read_to_string(directory.join("cgroup.procs")) {
        Ok(text) => members.extend(text.lines().filter_map(|line| line.parse::<i32>().ok())),
        Err(error) if is_gone(&error) => return Ok(()),
        Err(error) => return Err(error),
    }
    for child in children(directory)? {
        collect(&child, members)?;
    }
    Ok(())
}

/// The number may have been given to another process since it was read: the descriptor is asked for its groups first.
fn kill_member(pid: i32, path: &str) {
    let Ok(pidfd) = process::pidfd_open(pid) else { return };
    let is_member = fs::read_to_string(format!("/proc/{pid}/cgroup")).is_ok_and(|text| {
        text.lines().filter_map(|line| line.splitn(3, ':').nth(2)).any(|group| {
            let group = group.trim_start_matches('/');
            group == path || group.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
        })
    });
    if is_member {
        // A process that ended meanwhile is what was wanted.
        let _ = process::pidfd_kill(&pidfd);
    }
}

/// Kills what is in the group and removes it with all groups below, and its parents as far as they are empty.
///
/// A group that does not exist is a success; `InvalidInput` as for [`kill_cgroup`].
pub fn remove_cgroup(path: &str) -> io::Result<()> {
    check(path)?;
    let hierarchies = Hierarchies::detect()?;
    let directories = hierarchies.directories(path);
    if try_remove(&directories).is_ok() {
        remove_empty_parents(&hierarchies, path);
        return Ok(());
    }
    kill_cgroup(path)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match try_remove(&directories) {
            Ok(()) => break,
            // A process that has left the list may still be on its way out.
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) => return Err(error),
        }
    }
    remove_empty_parents(&hierarchies, path);
    Ok(())
}

fn try_remove(directories: &[std::path::PathBuf]) -> io::Result<()> {
    directories.iter().try_for_each(|directory| remove_tree(directory))
}

fn remove_tree(directory: &Path) -> io::Result<()> {
    match fs::remove_dir(directory) {
        Err(error) if is_gone(&error) => return Ok(()),
        Err(error) if error.raw_os_error() != Some(libc::EBUSY) => return Err(error),
        Err(_) => {}
        Ok(()) => return Ok(()),
    }
    for child in children(directory)? {
        remove_tree(&child)?;
    }
    match fs::remove_dir(directory) {
        Err(error) if is_gone(&error) => Ok(()),
        result => result,
    }
}

fn children(directory: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if is_gone(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    Ok(entries.flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path()).collect())
}

fn remove_empty_parents(hierarchies: &Hierarchies, path: &str) {
    let parents = Path::new(path).ancestors().skip(1).filter(|p| !p.as_os_str().is_empty());
    for parent in parents {
        for directory in hierarchies.directories(&parent.to_string_lossy()) {
            // A parent that others use stays.
            let _ = fs::remove_dir(directory);
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV))
}

#[cfg(test)]
mod tests {
    use super::check;

    /// Asked of the check alone: were it wrong, the rest would kill this machine's processes.
    #[test]
    fn only_groups_of_pods_are_emptied() {
        for path in
            ["", "/", ".", "podkin", "podkin/", "/podkin/a", "podkin/..", "podkin/../a", "podkin//a", "./podkin"]
        {
            assert_eq!(check(path).unwrap_err().kind(), std::io::ErrorKind::InvalidInput, "{path}");
        }
        assert!(check("podkin/a").is_ok());
        assert!(check("podkin/a/b").is_ok());
    }
}
