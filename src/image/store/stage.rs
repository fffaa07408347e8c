//! Layers in the making: in a directory that nobody looks at until they are whole and synced. Needs no database.

use super::super::error::{ImageError, write_error};
use super::super::layer::{Expected, LayerError, Limits, Unpacked, unpack};
use crate::store::layout::Layout;
use crate::store::lock::FileLock;
use crate::sys::dir::{self, Dir};
use crate::sys::failpoint;
use std::io::Read;
use std::path::PathBuf;

/// Where layers are made; used by several threads at a time, each with a layer of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stage<'a> {
    pub layout: &'a Layout,
    pub limits: Limits,
}

/// A layer that stands in its temporary directory, or is at its place, but has no row yet.
pub(super) struct Made {
    pub chain: String,
    pub unpacked: Unpacked,
    /// Held until the row is there, so that one layer is unpacked once.
    pub _lock: FileLock,
}

impl Stage<'_> {
    pub fn layer_dir(&self, chain: &str) -> PathBuf {
        self.layout.layers().join(chain)
    }

    pub fn temporary_dir(&self, chain: &str) -> PathBuf {
        self.layout.layers().join(format!(".tmp-{chain}"))
    }

    pub fn layer_lock(&self, chain: &str) -> PathBuf {
        self.layout.layers().join(format!(".lock-{chain}"))
    }

    /// Unpacks a layer, whose lock is held, to its temporary directory; nothing stays when that fails. `image` and `number`, from 0
    /// on, are for the error.
    pub fn unpack(
        &self,
        chain: &str,
        source: impl Read + Send,
        expected: &Expected,
        (image, number): (&str, usize),
    ) -> Result<Unpacked, ImageError> {
        let temporary = self.temporary_dir(chain);
        dir::remove_tree(&temporary).map_err(write_error(&temporary))?;
        let make = std::fs::create_dir(&temporary).and_then(|()| Dir::open(&temporary));
        let directory = make.map_err(write_error(&temporary))?;
        failpoint::reach("image.layer.unpack").map_err(ImageError::Failpoint)?;
        let unpacked = unpack(source, expected, &directory, &self.limits).map_err(|source| {
            // The error of unpacking is the one to tell; what stays is swept up later.
            let _ = dir::remove_tree(&temporary);
            match source {
                full if LayerError::is_disk_full(&full) => ImageError::DiskFull { path: self.layout.root.clone() },
                source => ImageError::Layer { image: image.to_owned(), number: number + 1, source },
            }
        })?;
        failpoint::reach("image.layer.unpacked").map_err(ImageError::Failpoint)?;
        Ok(unpacked)
    }

    /// Makes all that was unpacked so far survive a loss of power.
    pub fn sync(&self) -> Result<(), ImageError> {
        let path = self.layout.layers();
        let layers = Dir::open(&path).map_err(write_error(&path))?;
        rustix::fs::syncfs(&layers).map_err(|e| write_error(&path)(e.into()))
    }

    /// Renames synced layers to where they are found.
    pub fn publish<'m>(&self, made: impl Iterator<Item = &'m Made>, durable: bool) -> Result<(), ImageError> {
        for layer in made {
            let target = self.layer_dir(&layer.chain);
            // Without a row it is what an interrupted command left.
            dir::remove_tree(&target).map_err(write_error(&target))?;
            std::fs::rename(self.temporary_dir(&layer.chain), &target).map_err(write_error(&target))?;
        }
        if durable {
            let path = self.layout.layers();
            Dir::open(&path).and_then(|layers| layers.sync()).map_err(write_error(&path))?;
        }
        failpoint::reach("image.layer.published").map_err(ImageError::Failpoint)
    }
}
