//! `system df`: what takes how much of the disk.
//!
//! Layers count with the sizes recorded when they were unpacked, once however many images have them; what containers and volumes
//! hold is counted in blocks on disk, now.

use super::view::{ContainerView, VolumeView};
use super::{Engine, EngineError};
use crate::image::ImageSummary;
use crate::sys::dir;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Everything that takes disk space.
#[derive(Debug)]
pub struct DiskUsage {
    pub images: Vec<ImageUsage>,
    pub containers: Vec<ContainerUsage>,
    pub volumes: Vec<VolumeUsage>,
    /// Bytes of all layers, each once.
    layers: u64,
    /// Bytes of the layers that only unused images have.
    unused_layers: u64,
}

#[derive(Debug, Clone)]
pub struct ImageUsage {
    pub image: ImageSummary,
    /// Bytes of layers that other images have, too.
    pub shared: u64,
    /// Bytes of layers that no other image has.
    pub unique: u64,
}

#[derive(Debug, Clone)]
pub struct ContainerUsage {
    pub container: ContainerView,
    /// Bytes it wrote to its root file system.
    pub size: u64,
    /// Named volumes that are mounted in it.
    pub volumes: usize,
}

#[derive(Debug, Clone)]
pub struct VolumeUsage {
    pub volume: VolumeView,
    pub size: u64,
}

/// A sum over things of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Total {
    pub count: usize,
    /// In use.
    pub active: usize,
    pub size: u64,
    /// Bytes that would be free if all that is not in use were removed.
    pub reclaimable: u64,
}

impl Engine {
    /// Measures images, containers and volumes.
    pub fn disk_usage(&mut self) -> Result<DiskUsage, EngineError> {
        let summaries = self.images().list()?;
        let layers = self.images().layer_users()?;
        let used: BTreeSet<&str> = summaries.iter().filter(|i| i.containers > 0).map(|i| i.id.as_str()).collect();
        let unused_layers = layers.iter().filter(|layer| !layer.images.iter().any(|id| used.contains(id.as_str())));
        let unused_layers = unused_layers.map(|layer| layer.size).sum();
        let images = summaries.iter().map(|image| {
            let of_image = || layers.iter().filter(|layer| layer.images.contains(&image.id));
            let sum = |shared: bool| of_image().filter(|l| (l.images.len() > 1) == shared).map(|l| l.size).sum();
            ImageUsage { image: image.clone(), shared: sum(true), unique: sum(false) }
        });
        let (containers, volumes) = (self.containers()?, self.volumes()?);
        let uppers = containers.iter().map(|container| self.layout().container_upper(container.id()));
        let paths: Vec<PathBuf> = uppers.chain(volumes.iter().map(|volume| volume.mountpoint.clone())).collect();
        let mut sizes = measure(&paths)?.into_iter();
        let container_usage = |container: ContainerView| {
            let volumes = container.mounts().iter().filter(|mount| mount.kind == "volume").count();
            ContainerUsage { container, size: sizes.next().unwrap_or(0), volumes }
        };
        Ok(DiskUsage {
            images: images.collect(),
            containers: containers.into_iter().map(container_usage).collect(),
            volumes: volumes
                .into_iter()
                .map(|volume| VolumeUsage { volume, size: sizes.next().unwrap_or(0) })
                .collect(),
            layers: layers.iter().map(|layer| layer.size).sum(),
            unused_layers,
        })
    }
}

impl DiskUsage {
    pub fn image_total(&self) -> Total {
        let active = self.images.iter().filter(|usage| usage.image.containers > 0).count();
        Total { count: self.images.len(), active, size: self.layers, reclaimable: self.unused_layers }
    }

    /// Containers that run are in use.
    pub fn container_total(&self) -> Total {
        total(self.containers.iter().map(|usage| (usage.size, usage.container.is_running())))
    }

    /// Volumes that a pod refers to are in use.
    pub fn volume_total(&self) -> Total {
        total(self.volumes.iter().map(|usage| (usage.size, !usage.volume.used_by.is_empty())))
    }
}

fn total(things: impl Iterator<Item = (u64, bool)>) -> Total {
    let mut total = Total { count: 0, active: 0, size: 0, reclaimable: 0 };
    for (size, active) in things {
        total.count += 1;
        total.active += usize::from(active);
        total.size += size;
        total.reclaimable += if active { 0 } else { size };
    }
    total
}

/// Bytes on disk below each path, several walked at a time; an absent one has none.
fn measure(paths: &[PathBuf]) -> Result<Vec<u64>, EngineError> {
    let next = AtomicUsize::new(0);
    let walk = || {
        let mut found = Vec::new();
        while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
            found.push((path, dir::usage(path)));
        }
        found
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(8).min(paths.len());
    let found: Vec<(&PathBuf, io::Result<(u64, u64)>)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(walk)).collect();
        let results = workers.into_iter().map(|worker| worker.join().expect("counting does not panic"));
        results.flatten().collect()
    });
    let mut sizes = std::collections::HashMap::new();
    for (path, usage) in found {
        let size = match usage {
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            usage => usage.map_err(|source| EngineError::File { attempt: "measure", path: path.clone(), source })?.0,
        };
        sizes.insert(path, size);
    }
    Ok(paths.iter().map(|path| sizes.get(path).copied().unwrap_or(0)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_trees_are_measured_each_in_its_place() {
        let base = std::env::temp_dir().join(format!("podkin-usage-{}", std::process::id()));
        let paths: Vec<PathBuf> = (0..20).map(|n| base.join(n.to_string())).collect();
        for (n, path) in paths.iter().enumerate().skip(1) {
            std::fs::create_dir_all(path).unwrap();
            std::fs::write(path.join("file"), vec![1; n * 8192]).unwrap();
        }
        let sizes = measure(&paths).unwrap();
        dir::remove_tree(&base).unwrap();
        assert_eq!(sizes[0], 0, "absent");
        assert!((1..20).all(|n| (n as u64 * 8192..n as u64 * 8192 + 8192).contains(&sizes[n])), "{sizes:?}");
        assert_eq!(total([(1, true), (2, false)].into_iter()), Total { count: 2, active: 1, size: 3, reclaimable: 2 });
    }
}
