//! Mounts by descriptor: made or cloned detached, configured, and only then attached to a place that was opened safely.

use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxAttributes, StatxFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
    fsconfig_set_fd, fsconfig_set_string,
};
use rustix::path::Arg;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Attributes of a mount; what is `false` is left as the source has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes {
    pub read_only: bool,
    pub no_suid: bool,
    pub no_dev: bool,
    pub no_exec: bool,
    /// Applies to the mounts below, too.
    pub recursive: bool,
}

/// How mounts and unmounts below a mount reach its peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    Private,
    /// Receives only.
    Slave,
    Shared,
}

impl Propagation {
    fn flags(self) -> MountPropagationFlags {
        match self {
            Self::Private => MountPropagationFlags::PRIVATE,
            Self::Slave => MountPropagationFlags::DOWNSTREAM,
            Self::Shared => MountPropagationFlags::SHARED,
        }
    }
}

/// Most lower layers that an overlay may have (`OVL_MAX_STACK` of the kernel).
const MOST_LAYERS: usize = 500;

/// Longest value that fsconfig(2) takes.
const LONGEST_VALUE: usize = 255;

/// A detached overlay of `layers` (lowest first) under `upper` and a work directory; without them it is read-only, and there must
/// be two layers at least. With an SELinux label all its files have that (mount(8), `context`).
///
/// Layers go in one by one (`lowerdir+`), so that neither their number nor odd characters in their paths are limited by the
/// page of the classic option string. Kernels before 6.7 get that string, with descriptors for layers. More layers than an overlay
/// may have become two overlays, the lower ones read-only below the rest; that takes Linux 6.13.
pub fn overlay(layers: &[PathBuf], upper: Option<(&Path, &Path)>, label: Option<&str>) -> io::Result<OwnedFd> {
    if layers.len() > MOST_LAYERS {
        let (below, above) = layers.split_at(layers.len() - MOST_LAYERS + 1);
        let below = overlay(below, None, label)?;
        return make_overlay(upper, label, |context| {
            add_layers(context, above)?;
            Ok(fsconfig_set_fd(context, "lowerdir+", below.as_fd())?)
        });
    }
    match make_overlay(upper, label, |context| add_layers(context, layers)) {
        // Said by a kernel that does not know the option, when it is set or (before 6.5) when all are looked at.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            let open = layers.iter().map(|layer| open_directory(layer)).collect::<io::Result<Vec<_>>>()?;
            let names: Vec<String> = open.iter().rev().map(magic_link).collect();
            // The first attempt's message is the better one for what is wrong on newer kernels.
            make_overlay(upper, label, |context| Ok(fsconfig_set_string(context, "lowerdir", names.join(":"))?))
                .map_err(|_| error)
        }
        result => result,
    }
}

/// Adds layers, given lowest first, below those that were added before.
fn add_layers(context: &OwnedFd, layers: &[PathBuf]) -> io::Result<()> {
    layers.iter().rev().try_for_each(|layer| set_directory(context, "lowerdir+", layer))
}

/// Sets an option to a directory, by its descriptor when the path is too long for a value. The kernel looks it up at once.
fn set_directory(context: &OwnedFd, name: &str, path: &Path) -> io::Result<()> {
    if path.as_os_str().len() <= LONGEST_VALUE {
        return Ok(fsconfig_set_string(context, name, path)?);
    }
    Ok(fsconfig_set_string(context, name, magic_link(&open_directory(path)?))?)
}

fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

fn magic_link(directory: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", directory.as_raw_fd())
}

/// A detached read-only tree of what `layers` (lowest first) are together, whatever their number; `empty` is a directory with nothing
/// in it, which takes the place of layers that an overlay must have.
pub fn merged(layers: &[PathBuf], empty: &Path) -> io::Result<OwnedFd> {
    let tree = match layers {
        [] => clone_tree(CWD, empty, false)?,
        // A layer alone must be an overlay, too, or its whiteouts would show.
        [one] => overlay(&[empty.to_owned(), one.clone()], None, None)?,
        several => overlay(several, None, None)?,
    };
    set_attributes(&tree, Attributes { read_only: true, ..Attributes::default() })?;
    Ok(tree)
}

fn make_overlay(
    upper: Option<(&Path, &Path)>,
    label: Option<&str>,
    set_layers: impl FnOnce(&OwnedFd) -> io::Result<()>,
) -> io::Result<OwnedFd> {
    let context = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let configured: io::Result<()> = (|| {
        if let Some(label) = label {
            fsconfig_set_string(&context, "context", label)?;
        }
        set_layers(&context)?;
        if let Some((upper, work)) = upper {
            set_directory(&context, "upperdir", upper)?;
            set_directory(&context, "workdir", work)?;
        } else {
            // So that what a running container writes to may be one of the layers, whatever the kernel's default is.
            fsconfig_set_string(&context, "index", "off")?;
        }
        Ok(rustix::mount::fsconfig_create(&context)?)
    })();
    configured.map_err(|error| with_kernel_message(&context, error))?;
    Ok(rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?)
}

/// The kernel says what it disliked of a file system's options in the context's message queue.
fn with_kernel_message(context: &OwnedFd, error: io::Error) -> io::Error {
    let mut buffer = [0_u8; 512];
    match rustix::io::read(context, &mut buffer) {
        Ok(n) if n > 2 => {
            let text = String::from_utf8_lossy(&buffer[2..n]);
            io::Error::new(error.kind(), format!("{error} ({})", text.trim()))
        }
        _ => error,
    }
}

/// A detached file system without a device behind it: `tmpfs`, `devpts`, `cgroup2`, with options as name and value.
pub fn filesystem(kind: &str, options: &[(&str, &str)], attributes: Attributes) -> io::Result<OwnedFd> {
    let context = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    let configured: io::Result<()> = (|| {
        for (name, value) in options {
            if value.is_empty() {
                rustix::mount::fsconfig_set_flag(&context, *name)?;
            } else {
                rustix::mount::fsconfig_set_string(&context, *name, *value)?;
            }
        }
        Ok(rustix::mount::fsconfig_create(&context)?)
    })();
    configured.map_err(|error| with_kernel_message(&context, error))?;
    Ok(rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attribute_flags(attributes))?)
}

/// A detached tmpfs; `size` in bytes, else half of the memory.
pub fn tmpfs(size: Option<u64>, mode: u32, attributes: Attributes) -> io::Result<OwnedFd> {
    labelled_tmpfs(size, mode, None, attributes)
}

/// As [`tmpfs`], with the SELinux label that all its files have (mount(8), `context`).
pub fn labelled_tmpfs(
    size: Option<u64>,
    mode: u32,
    label: Option<&str>,
    attributes: Attributes,
) -> io::Result<OwnedFd> {
    let mode = format!("{mode:o}");
    let size = size.map(|bytes| bytes.to_string());
    let mut options = vec![("mode", mode.as_str())];
    options.extend(size.as_deref().map(|size| ("size", size)));
    options.extend(label.map(|label| ("context", label)));
    filesystem("tmpfs", &options, attributes)
}

/// A detached copy of the mount at `path` (a magic link is followed), or of what `dir` itself is when `path` is empty.
pub fn clone_tree(dir: impl AsFd, path: impl Arg, recursive: bool) -> io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    flags.set(OpenTreeFlags::AT_RECURSIVE, recursive);
    Ok(rustix::mount::open_tree(dir, path, flags)?)
}

/// As [`clone_tree`], read-only.
pub fn clone_read_only(dir: impl AsFd, path: impl Arg) -> io::Result<OwnedFd> {
    let tree = clone_tree(dir, path, false)?;
    set_attributes(&tree, Attributes { read_only: true, ..Attributes::default() })?;
    Ok(tree)
}

/// Attaches a detached tree to the file or directory at `path` below `dir`; the last component is not followed.
pub fn attach(tree: impl AsFd, dir: impl AsFd, path: impl Arg) -> io::Result<()> {
    Ok(rustix::mount::move_mount(tree, "", dir, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
}

/// Attaches a detached tree to the very file or directory that `target` is open on (`O_PATH` is enough).
pub fn attach_to(tree: impl AsFd, target: impl AsFd) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(rustix::mount::move_mount(tree, "", target, "", flags)?)
}

fn attribute_flags(attributes: Attributes) -> MountAttrFlags {
    let mut flags = MountAttrFlags::empty();
    flags.set(MountAttrFlags::MOUNT_ATTR_RDONLY, attributes.read_only);
    flags.set(MountAttrFlags::MOUNT_ATTR_NOSUID, attributes.no_suid);
    flags.set(MountAttrFlags::MOUNT_ATTR_NODEV, attributes.no_dev);
    flags.set(MountAttrFlags::MOUNT_ATTR_NOEXEC, attributes.no_exec);
    flags
}

/// Adds attributes to the mount a descriptor stands for; never takes one away.
pub fn set_attributes(tree: impl AsFd, attributes: Attributes) -> io::Result<()> {
    let set = u64::from(attribute_flags(attributes).bits());
    mount_setattr(tree, MountAttr { set, ..MountAttr::default() }, attributes.recursive)
}

/// Has the files of a detached mount seen with ids as a user namespace maps them; its file system must support that.
pub fn map_ids(tree: impl AsFd, users: impl AsFd, recursive: bool) -> io::Result<()> {
    let users = users.as_fd().as_raw_fd() as u64;
    mount_setattr(tree, MountAttr { set: libc::MOUNT_ATTR_IDMAP, userns_fd: users, ..MountAttr::default() }, recursive)
}

/// Sets the propagation of the mount a descriptor stands for.
pub fn set_propagation(tree: impl AsFd, propagation: Propagation, recursive: bool) -> io::Result<()> {
    let propagation = u64::from(propagation.flags().bits());
    mount_setattr(tree, MountAttr { propagation, ..MountAttr::default() }, recursive)
}

#[repr(C)]
#[derive(Default)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns_fd: u64,
}

fn mount_setattr(tree: impl AsFd, attr: MountAttr, recursive: bool) -> io::Result<()> {
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is an empty C string, `attr` lives through the call and its size is passed along.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_fd().as_raw_fd(),
            c"".as_ptr(),
            flags,
            &attr,
            size_of::<MountAttr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Changes the propagation of every mount of this mount namespace.
pub fn set_all_propagation(propagation: Propagation) -> io::Result<()> {
    Ok(rustix::mount::mount_change("/", propagation.flags() | MountPropagationFlags::REC)?)
}

/// Changes the propagation of the mount at a path.
pub fn set_path_propagation(path: &Path, propagation: Propagation, recursive: bool) -> io::Result<()> {
    let mut flags = propagation.flags();
    flags.set(MountPropagationFlags::REC, recursive);
    Ok(rustix::mount::mount_change(path, flags)?)
}

/// Detaches the mount at a path, busy or not; `Ok(false)` when nothing is mounted there.
pub fn unmount(path: &Path) -> io::Result<bool> {
    match rustix::mount::unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Every mount point of this mount namespace, each as often as something is mounted there, in the order of their making.
pub fn points() -> io::Result<Vec<PathBuf>> {
    let table = std::fs::read("/proc/self/mountinfo")?;
    let points = table.split(|byte| *byte == b'\n').filter_map(|line| line.split(|byte| *byte == b' ').nth(4));
    Ok(points.map(unescape).collect())
}

/// Blanks and the like are octal in mountinfo (proc_pid_mountinfo(5)).
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', left @ ..]) => {
                bytes.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                rest = left;
            }
            _ => bytes.push(*first),
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

/// Whether something is mounted on a path, whose last component is not followed (statx(2), `STATX_ATTR_MOUNT_ROOT`).
pub fn is_root(path: &Path) -> io::Result<bool> {
    let found = rustix::fs::statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty())?;
    Ok(found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// How the mount that a descriptor is open on hears of mounts below its peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peers {
    /// It sends and receives.
    pub shared: bool,
    /// It receives.
    pub slave: bool,
}

/// Looks up the mount that a descriptor is open on in this mount namespace's table (proc_pid_mountinfo(5)).
pub fn peers(fd: impl AsFd) -> io::Result<Peers> {
    let id = rustix::fs::statx(fd, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)?.stx_mnt_id;
    let table = std::fs::read_to_string("/proc/self/mountinfo")?;
    peers_in(&table, id).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "not in the table of mounts"))
}

fn peers_in(table: &str, id: u64) -> Option<Peers> {
    let line = table.lines().find(|line| line.split(' ').next() == Some(&id.to_string()))?;
    // Any number of fields between the sixth and a hyphen.
    let optional = || line.split(' ').skip(6).take_while(|field| *field != "-");
    let has = |prefix: &str| optional().any(|field| field.starts_with(prefix));
    Some(Peers { shared: has("shared:"), slave: has("master:") })
}

/// Makes an empty file to mount onto, unless there is one.
pub fn make_file(path: &Path) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(CWD, path, flags, Mode::from_raw_mode(0o600)) {
        // A pinned file of nsfs cannot be opened for writing; it exists, which is all that is asked.
        Ok(_) | Err(rustix::io::Errno::ACCESS | rustix::io::Errno::PERM) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_in_the_table_of_mounts_is_a_byte() {
        assert_eq!(unescape(b"/a\\040b\\134c\\011"), Path::new("/a b\\c\t"));
        assert_eq!(unescape(b"/a\\04"), Path::new("/a\\04"));
        assert!(points().unwrap().contains(&PathBuf::from("/")));
    }

    #[test]
    fn peers_are_between_the_options_and_the_hyphen() {
        let table = "22 27 0:21 / /proc rw - proc proc rw\n23 27 0:1 / /a rw shared:1 - ext4 shared:x rw\n\
                     24 27 0:1 / /b rw master:1 propagate_from:2 - ext4 x rw\n";
        let of = |id| peers_in(table, id).map(|peers| (peers.shared, peers.slave));
        assert_eq!([22, 23, 24, 2].map(of), [Some((false, false)), Some((true, false)), Some((false, true)), None]);
        assert!(is_root(Path::new("/proc")).unwrap() && !is_root(Path::new("/proc/self")).unwrap());
        assert!(peers(std::fs::File::open("/proc/self/mountinfo").unwrap()).is_ok());
    }

    /// Prints what one mount of a container's root costs, by number of layers: `cargo test -- --ignored --nocapture costs`.
    #[test]
    #[ignore = "measures; needs root"]
    fn what_an_overlay_costs_by_layers() {
        let base = std::env::temp_dir().join(format!("podkin-overlay-{}", std::process::id()));
        let layers: Vec<PathBuf> = (0..600).map(|n| base.join(format!("{n:064}/diff"))).collect();
        layers.iter().for_each(|layer| std::fs::create_dir_all(layer).unwrap());
        for count in [1, 2, 10, 100, 500, 600] {
            let mut times = Vec::new();
            for round in 0..20 {
                let (upper, work) = (base.join(format!("u{count}-{round}")), base.join(format!("w{count}-{round}")));
                [&upper, &work].into_iter().for_each(|directory| std::fs::create_dir_all(directory).unwrap());
                let begin = std::time::Instant::now();
                let tree = overlay(&layers[..count], Some((&upper, &work)), None).unwrap();
                times.push(begin.elapsed());
                drop(tree);
            }
            times.sort();
            println!("{count:4} layers: least {:?}, median {:?}", times[0], times[times.len() / 2]);
        }
        crate::sys::dir::remove_tree(&base).unwrap();
    }
}
