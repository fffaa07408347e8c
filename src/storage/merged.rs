//! Layers as the one tree that they are to a container, for reading.

use crate::store::layout::Layout;
use crate::sys::dir::Dir;
use crate::sys::mount;
use rustix::fs::{Mode, OFlags};
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// A read-only overlay that is attached nowhere: it is gone with this value, also when the process is killed.
#[derive(Debug)]
pub struct Merged {
    root: Dir,
    /// The mount lives as long as its descriptor.
    _tree: OwnedFd,
}

impl Merged {
    /// The tree of these layers, lowest first.
    pub fn of(layout: &Layout, layers: &[PathBuf]) -> io::Result<Self> {
        let empty = layout.empty_layer();
        std::fs::create_dir_all(&empty)?;
        let tree = mount::merged(layers, &empty)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = Dir::from_fd(rustix::fs::openat(&tree, c".", flags, Mode::empty())?);
        Ok(Self { root, _tree: tree })
    }

    pub fn root(&self) -> &Dir {
        &self.root
    }
}
