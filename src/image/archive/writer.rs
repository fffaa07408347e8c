//! Images made here: layers from a directory or from entries, and docker-archives of them.

use super::save::{Destination, SaveError, SaveFormat, SavedImage, SavedLayer, SavedLayers, save};
use crate::image::config::ConfigDocument;
use crate::image::digest::{Digest, Hashing};
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use tar::{Builder, EntryType, Header};

/// A layer as an uncompressed tar in a file.
#[derive(Debug)]
pub struct LayerFile {
    file: File,
    pub diff_id: Digest,
    pub size: u64,
}

/// An image to be written: the configuration's layers are filled in from `layers`.
pub struct ImageToWrite {
    /// Full names with tags.
    pub names: Vec<String>,
    pub config: ConfigDocument,
    pub layers: Vec<LayerFile>,
}

impl LayerFile {
    /// Packs all below `directory` with owners, modes, times and links as they are; `scratch` holds the unnamed file.
    pub fn from_directory(directory: &Path, scratch: &Path) -> io::Result<Self> {
        Self::build(scratch, |builder| {
            builder.follow_symlinks(false);
            append_tree(builder, directory, Path::new(""))
        })
    }

    /// A layer of what `fill` adds.
    pub fn build(
        scratch: &Path,
        fill: impl FnOnce(&mut Builder<&mut dyn Write>) -> io::Result<()>,
    ) -> io::Result<Self> {
        let file = crate::sys::dir::unnamed_file(scratch)?;
        let mut hashing = Hashing::new(io::BufWriter::new(file.try_clone()?));
        {
            let mut builder = Builder::new(&mut hashing as &mut dyn Write);
            fill(&mut builder)?;
            builder.finish()?;
        }
        hashing.flush()?;
        let (diff_id, size) = hashing.finish();
        Ok(Self { file, diff_id, size })
    }
}

impl SavedLayer for LayerFile {
    fn diff_id(&self) -> &Digest {
        &self.diff_id
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn write_to(&self, out: &mut dyn Write) -> Result<(), SaveError> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(0))?;
        Ok(io::copy(&mut file, out).map(drop)?)
    }
}

/// Writes images as one docker-archive; each layer once, however many images share it.
pub fn write_docker_archive(mut out: impl Write, mut images: Vec<ImageToWrite>) -> Result<(), SaveError> {
    let mut configs = Vec::new();
    for image in &mut images {
        image.config.rootfs.kind = "layers".into();
        image.config.rootfs.diff_ids = image.layers.iter().map(|layer| layer.diff_id.clone()).collect();
        configs.push(serde_json::to_vec(&image.config).map_err(io::Error::from)?);
    }
    let images: Vec<SavedImage<'_>> = images
        .iter()
        .zip(&configs)
        .map(|(image, config)| SavedImage {
            label: String::new(),
            names: image.names.clone(),
            config,
            manifest: None,
            layers: image.layers.iter().map(|layer| layer as &dyn SavedLayer).collect(),
        })
        .collect();
    // Only compressed layers need a place to lie in.
    let destination = Destination::Stream { out: &mut out, scratch: Path::new("") };
    save(destination, &images, SaveFormat::DockerArchive, SavedLayers::Plain, &mut |_| {})
}

fn append_tree<W: Write>(builder: &mut Builder<W>, directory: &Path, below: &Path) -> io::Result<()> {
    let mut entries: Vec<_> = std::fs::read_dir(directory.join(below))?.collect::<Result<_, _>>()?;
    // Archives of the same tree are the same.
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = below.join(entry.file_name());
        let full = directory.join(&path);
        let metadata = entry.metadata()?;
        if metadata.file_type().is_socket() {
            continue;
        }
        if metadata.is_dir() {
            let mut header = header_of(EntryType::Directory, &metadata, 0);
            builder.append_data(&mut header, &path, io::empty())?;
            append_tree(builder, directory, &path)?;
        } else if metadata.is_symlink() {
            let mut header = header_of(EntryType::Symlink, &metadata, 0);
            builder.append_link(&mut header, &path, std::fs::read_link(&full)?)?;
        } else if metadata.is_file() {
            let mut header = header_of(EntryType::Regular, &metadata, metadata.len());
            builder.append_data(&mut header, &path, File::open(&full)?)?;
        } else {
            append_node(builder, &path, &metadata)?;
        }
    }
    Ok(())
}

fn append_node<W: Write>(builder: &mut Builder<W>, path: &Path, metadata: &std::fs::Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    let entry = match (kind.is_char_device(), kind.is_block_device()) {
        (true, _) => EntryType::Char,
        (_, true) => EntryType::Block,
        _ => EntryType::Fifo,
    };
    let mut header = header_of(entry, metadata, 0);
    header.set_device_major(rustix::fs::major(metadata.rdev()))?;
    header.set_device_minor(rustix::fs::minor(metadata.rdev()))?;
    builder.append_data(&mut header, path, io::empty())
}

fn header_of(kind: EntryType, metadata: &std::fs::Metadata, size: u64) -> Header {
    let mut header = header(kind, size, metadata.mode() & 0o7777);
    header.set_uid(metadata.uid().into());
    header.set_gid(metadata.gid().into());
    header.set_mtime(metadata.mtime().max(0) as u64);
    header
}

/// A header of root's with time zero.
pub fn header(kind: EntryType, size: u64, mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}
