//! Images of Debian packages: downloaded by apt, unpacked by dpkg, archived by tar. Nothing of it is installed here.
//!
//! An archive is made once for each state of the packages, and kept in `/var/cache/podkin-test`, or else in cargo's directory.

use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What kept an image from being made; for the reader of the test's output.
#[derive(Debug)]
pub struct Missing(pub String);

/// Users and groups that the programs of the images ask for; the packages' own scripts, which add them, are not run.
const USERS: &str = "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n\
                     redis:x:101:101::/var/lib/redis:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
const GROUPS: &str = "root:x:0:\ntty:x:5:\nwww-data:x:33:\nredis:x:101:\nnogroup:x:65534:\n";

/// The archive of a root file system with these packages, the libraries they need, and a shell.
///
/// What apt knows may be too old to download by; then it is asked to look again, once.
pub fn archive(name: &str, packages: &[&str]) -> Result<PathBuf, Missing> {
    archive_of_known(name, packages).or_else(|_| {
        run(Command::new("apt-get").args(["-qq", "update"]))?;
        archive_of_known(name, packages)
    })
}

fn archive_of_known(name: &str, packages: &[&str]) -> Result<PathBuf, Missing> {
    let wanted: Vec<&str> = packages.iter().copied().chain(["dash", "coreutils"]).collect();
    let packages = candidates(&with_libraries(&wanted)?)?;
    let cache = cache();
    let path = cache.join(format!("{name}-{}.tar", key(&packages)));
    // Two tests may want the same one.
    let lock = File::create(cache.join(format!("{name}.lock"))).map_err(|error| missing(&cache, &error))?;
    lock.lock().map_err(|error| missing(&cache, &error))?;
    if !path.exists() {
        let work = cache.join(format!("{name}.work"));
        let _ = fs::remove_dir_all(&work);
        let made = make(&work, &packages, &path);
        let _ = fs::remove_dir_all(&work);
        made?;
    }
    Ok(path)
}

/// A directory that outlives `cargo clean` where that is possible.
fn cache() -> PathBuf {
    let directory = PathBuf::from("/var/cache/podkin-test");
    match fs::create_dir_all(&directory) {
        Ok(()) => directory,
        Err(_) => PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
    }
}

/// Downloads and unpacks packages below `work`, and archives the result as `archive`.
fn make(work: &Path, packages: &[Package], archive: &Path) -> Result<(), Missing> {
    let (debs, root) = (work.join("debs"), work.join("root"));
    for directory in [&debs, &root.join("etc"), &root.join("run"), &root.join("root")] {
        fs::create_dir_all(directory).map_err(|error| missing(directory, &error))?;
    }
    let names = packages.iter().map(|package| format!("{}={}", package.name, package.version));
    run(Command::new("apt-get")
        .args(["-qq", "-o", "APT::Sandbox::User=root", "download"])
        .args(names)
        .current_dir(&debs))?;
    for deb in fs::read_dir(&debs).map_err(|error| missing(&debs, &error))?.flatten() {
        run(Command::new("dpkg").arg("-x").arg(deb.path()).arg(&root))?;
    }
    for unread in ["doc", "man", "locale", "info", "lintian"] {
        let _ = fs::remove_dir_all(root.join("usr/share").join(unread));
    }
    for (file, text) in [("etc/passwd", USERS), ("etc/group", GROUPS)] {
        fs::write(root.join(file), text).map_err(|error| missing(&root, &error))?;
    }
    let unfinished = archive.with_extension("unfinished");
    run(Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&unfinished).args(["--sort=name", "."]))?;
    fs::rename(&unfinished, archive).map_err(|error| missing(archive, &error))
}

/// The packages and every library they depend on, in the end. Programs that they depend on are not followed: what the packages
/// need those for (their own installation, mostly) is not done.
fn with_libraries(packages: &[&str]) -> Result<BTreeSet<String>, Missing> {
    let mut known: BTreeSet<String> = packages.iter().map(ToString::to_string).collect();
    let mut new = known.clone();
    while !new.is_empty() {
        let said = run(Command::new("apt-cache").args(["depends", "--important"]).args(&new))?;
        let depends = said.lines().filter_map(|line| line.trim_start().split_once("Depends: ")).map(|(_, name)| name);
        let libraries = depends.filter(|name| name.starts_with("lib") || *name == "zlib1g").map(str::to_owned);
        new = libraries.filter(|name| known.insert(name.clone())).collect();
    }
    Ok(known)
}

/// A package as apt would download it.
struct Package {
    name: String,
    version: String,
}

fn candidates(packages: &BTreeSet<String>) -> Result<Vec<Package>, Missing> {
    let said = run(Command::new("apt-cache").args(["policy"]).args(packages))?;
    let mut found = Vec::new();
    let mut name = "";
    for line in said.lines() {
        match line.strip_prefix("  Candidate: ") {
            Some("(none)") => return Err(Missing(format!("apt knows no package `{name}`: `apt-get update` may help"))),
            Some(version) => found.push(Package { name: name.to_owned(), version: version.to_owned() }),
            None if !line.starts_with(' ') => name = line.trim_end_matches(':'),
            None => {}
        }
    }
    match packages.iter().find(|wanted| !found.iter().any(|package| package.name == **wanted)) {
        Some(unknown) => Err(Missing(format!("apt knows no package `{unknown}`: `apt-get update` may help"))),
        None => Ok(found),
    }
}

/// What tells one state of the packages, and of this file, from another.
fn key(packages: &[Package]) -> String {
    let mut digest = Sha256::new();
    digest.update(include_str!("packages.rs"));
    for Package { name, version } in packages {
        digest.update(format!("{name}={version}\n"));
    }
    digest.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// Runs a tool to its end and gives what it printed.
fn run(command: &mut Command) -> Result<String, Missing> {
    let shown = format!("{command:?}");
    match command.env("LC_ALL", "C").output() {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(output) => Err(Missing(format!("{shown}\n{}", String::from_utf8_lossy(&output.stderr).trim_end()))),
        Err(error) => Err(Missing(format!("{shown}: {error}"))),
    }
}

fn missing(path: &Path, error: &std::io::Error) -> Missing {
    Missing(format!("{}: {error}", path.display()))
}
