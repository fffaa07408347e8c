//! A layer against its recipe: what is missing, changed, or not of the layer.
//!
//! Contents are compared by making the archive again; names, kinds and metadata with the headers that the recipe has. Memory is
//! a few bytes for each entry, however long its name is.

mod known;
mod metadata;
#[cfg(test)]
mod tests;

use super::extract::is_whiteout;
use super::path::{LayerPath, Meaning, meaning};
use super::recipe::{Fate, Notes, RecipeError, Replaced, Skeleton, replay};
use super::{DIFF, make};
use crate::image::archive::tar::{Entry, EntryKind, NameLimits, TarReader};
use crate::image::digest::Digest;
use crate::sys::dir::Dir;
use known::Known;
use rustix::fs::{FileType, Stat};
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::fmt;
use std::io;
use std::path::Path;

/// More are not told of one layer.
const MAX_FAULTS: usize = 1000;

/// Something about a layer that is not as it was unpacked. Paths are below the layer's root, with what is not printable escaped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum LayerFault {
    /// It is gone, or something else has its name.
    Missing {
        path: String,
    },
    /// Its content is not what was unpacked.
    Content {
        path: String,
    },
    /// The layer has no such thing.
    Extra {
        path: String,
    },
    Metadata {
        path: String,
        aspect: Aspect,
    },
    /// The whole of it is another layer.
    DiffId {
        found: Digest,
    },
}

/// What of the metadata is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aspect {
    Mode,
    Owner,
    Time,
    /// Extended attributes.
    Attributes,
    /// Where a symbolic link leads, or what a hard link shares.
    Link,
    Device,
}

impl fmt::Display for LayerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { path } => write!(f, "`{path}` is missing"),
            Self::Content { path } => write!(f, "`{path}` has other content"),
            Self::Extra { path } => write!(f, "`{path}` does not belong there"),
            Self::Metadata { path, aspect } => write!(f, "`{path}` has {aspect}"),
            Self::DiffId { found } => write!(f, "it is layer {found}"),
        }
    }
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mode => "another mode",
            Self::Owner => "another owner",
            Self::Time => "another time",
            Self::Attributes => "other extended attributes",
            Self::Link => "another link target",
            Self::Device => "another device number",
        })
    }
}

/// Compares a layer's directory with its recipe, and that with the digest it must have. No faults: it is whole.
///
/// # Errors
/// The recipe is absent, damaged or of another version, so that nothing can be said; or the disk fails.
pub fn verify(layer: &Path, diff_id: &Digest) -> Result<Vec<LayerFault>, RecipeError> {
    let layer = Dir::open(layer).map_err(RecipeError::Layer)?;
    let mut faults = contents(&layer, diff_id)?;
    let mut check = Check::new(&layer)?;
    check.entries(&layer)?;
    check.tree()?;
    faults.extend(check.into_faults());
    faults.sort();
    faults.dedup();
    faults.truncate(MAX_FAULTS);
    Ok(faults)
}

/// Makes the archive again for its digest, and notes the files that are in the way.
fn contents(layer: &Dir, diff_id: &Digest) -> Result<Vec<LayerFault>, RecipeError> {
    let mut faults = Vec::new();
    let (stated, restored) = replay(layer, io::sink(), |error| {
        let fault = match error {
            RecipeError::Missing { path } => LayerFault::Missing { path },
            RecipeError::Content { path } => LayerFault::Content { path },
            error => return Err(error),
        };
        if faults.len() < MAX_FAULTS {
            faults.push(fault);
        }
        Ok(())
    })?;
    if stated != *diff_id {
        faults.push(LayerFault::DiffId { found: stated });
    } else if faults.is_empty() && restored.diff_id != stated {
        faults.push(LayerFault::DiffId { found: restored.diff_id });
    }
    Ok(faults)
}

struct Check {
    root: Dir,
    spare: Option<Dir>,
    replaced: Replaced,
    known: Known,
    faults: Vec<LayerFault>,
    /// Directories may come again, and the last word counts: those that are wrong as yet.
    directories: BTreeMap<Vec<u8>, Vec<Aspect>>,
    /// The same for inodes, which may have several names, by number; and whether all names are known.
    inodes: BTreeMap<u64, (Vec<u8>, Vec<Aspect>)>,
    sure_of_inodes: bool,
}

impl Check {
    fn new(layer: &Dir) -> Result<Self, RecipeError> {
        Ok(Self {
            root: layer.open_dir(DIFF).map_err(RecipeError::Layer)?,
            spare: layer.open_dir(super::recipe::SPARE).ok(),
            replaced: Replaced::collect(layer)?,
            known: Known::default(),
            faults: Vec::new(),
            directories: BTreeMap::new(),
            inodes: BTreeMap::new(),
            sure_of_inodes: true,
        })
    }

    /// Every entry of the archive that still counts.
    fn entries(&mut self, layer: &Dir) -> Result<(), RecipeError> {
        let mut archive = TarReader::new(Skeleton::open(layer)?, NameLimits::default());
        loop {
            let entry = match archive.entry() {
                Ok(Some(entry)) => entry,
                Ok(None) => return Ok(()),
                Err(_) => return Err(archive.source_mut().failure().unwrap_or(RecipeError::Damaged)),
            };
            let (notes, at) = archive.source_mut().notes()?;
            self.entry(&entry, notes, at, &mut archive)?;
        }
    }

    fn entry(
        &mut self,
        entry: &Entry,
        notes: Notes,
        at: u64,
        archive: &mut TarReader<Skeleton>,
    ) -> Result<(), RecipeError> {
        let path = LayerPath::parse(&entry.path, usize::MAX).map_err(|_| RecipeError::Damaged)?;
        for directory in notes.opaque {
            if self.replaced.fate(&directory, at).is_none() {
                self.known.add_opaque(&directory);
            }
        }
        let place = notes.place.unwrap_or_else(|| path.as_bytes().to_vec());
        let Some((parent, name)) = split(&place) else { return Ok(()) };
        match meaning(&name).map_err(|_| RecipeError::Damaged)? {
            Meaning::Ignored => Ok(()),
            Meaning::Opaque => {
                if self.replaced.fate(parent, at).is_none() {
                    self.known.add(parent);
                }
                Ok(())
            }
            Meaning::Whiteout(hidden) => self.whiteout(&join(parent, &hidden), at),
            Meaning::Itself if self.replaced.fate(&place, at).is_some() => match entry.kind {
                EntryKind::HardLink => self.hard_link(entry, &place, at, false),
                _ => Ok(()),
            },
            Meaning::Itself => {
                self.known.add(&place);
                match entry.kind {
                    EntryKind::Directory => self.directory(entry, &place),
                    EntryKind::HardLink => self.hard_link(entry, &place, at, true),
                    _ => self.leaf(entry, &place, archive),
                }
            }
        }
    }

    fn directory(&mut self, entry: &Entry, place: &[u8]) -> Result<(), RecipeError> {
        match self.root.beneath(place) {
            Ok(dir) => {
                let wrong = metadata::of_directory(&dir, entry).map_err(|source| unreadable(place, source))?;
                match wrong.is_empty() || self.directories.len() >= MAX_FAULTS {
                    true => self.directories.remove(place),
                    false => self.directories.insert(place.to_vec(), wrong),
                };
            }
            Err(_) => self.fault(LayerFault::Missing { path: shown(place) }),
        }
        Ok(())
    }

    fn leaf(&mut self, entry: &Entry, place: &[u8], archive: &mut TarReader<Skeleton>) -> Result<(), RecipeError> {
        let Some((dir, name)) = self.locate(place) else {
            self.fault(LayerFault::Missing { path: shown(place) });
            return Ok(());
        };
        let found = metadata::of_leaf(&dir, &name, entry, archive).map_err(|error| match error {
            metadata::LeafError::Io(source) => unreadable(place, source),
            metadata::LeafError::Recipe => archive.source_mut().failure().unwrap_or(RecipeError::Damaged),
        })?;
        if !matches!(found, metadata::Found::Nothing)
            && let Ok(stat) = dir.stat(&name)
        {
            self.note_inode(&stat, entry, place);
        }
        match found {
            metadata::Found::Nothing => self.fault(LayerFault::Missing { path: shown(place) }),
            metadata::Found::OtherContent => self.fault(LayerFault::Content { path: shown(place) }),
            metadata::Found::Wrong(aspects) => {
                for aspect in aspects {
                    self.fault(LayerFault::Metadata { path: shown(place), aspect });
                }
            }
        }
        Ok(())
    }

    /// A name shares what it was linked to, wherever that is now, and has a word on its metadata even if it went away again.
    fn hard_link(&mut self, entry: &Entry, place: &[u8], at: u64, stays: bool) -> Result<(), RecipeError> {
        let target = LayerPath::parse(&entry.link, usize::MAX).map_err(|_| RecipeError::Damaged)?;
        let target = self.target(target.as_bytes(), at);
        if target.is_none() {
            // It is gone but for this name and perhaps others, which nothing tells any more.
            self.sure_of_inodes = false;
        }
        let found = self.locate(place).filter(|_| stays).and_then(|(dir, name)| dir.find(&name).transpose());
        let found = found.transpose().map_err(|source| unreadable(place, source))?;
        match (found, target) {
            (None, _) if stays => self.fault(LayerFault::Missing { path: shown(place) }),
            (Some(found), Some(target)) if (found.st_dev, found.st_ino) != (target.st_dev, target.st_ino) => {
                self.fault(LayerFault::Metadata { path: shown(place), aspect: Aspect::Link });
            }
            (Some(inode), _) | (None, Some(inode)) => self.note_inode(&inode, entry, place),
            (None, None) => {}
        }
        Ok(())
    }

    /// What the path of a hard link led to when that was made; `None` when it is not kept.
    fn target(&self, path: &[u8], at: u64) -> Option<Stat> {
        let (dir, name) = match self.replaced.fate(path, at) {
            Some(fate) => self.moved(fate)?,
            None => {
                let (parent, name) = split(path)?;
                let dir = self.root.in_root(parent).ok()?;
                let full = dir.current_path().ok()?;
                let parent = full.strip_prefix(&self.root.current_path().ok()?[..])?;
                let place = join(parent.strip_prefix(b"/").unwrap_or(parent), &name);
                match self.replaced.fate(&place, at) {
                    Some(fate) => self.moved(fate)?,
                    None => (dir, name),
                }
            }
        };
        dir.stat(&name).ok()
    }

    fn moved(&self, fate: Fate) -> Option<(Dir, CString)> {
        let Fate::Moved { number, rest } = fate else { return None };
        let path = [number.to_string().as_bytes(), b"/", &rest].concat();
        let (parent, name) = split(path.strip_suffix(b"/").unwrap_or(&path))?;
        Some((self.spare.as_ref()?.beneath(parent).ok()?, name))
    }

    /// Notes what is wrong with an inode, or no longer is: the last of its names has the last word.
    fn note_inode(&mut self, stat: &Stat, entry: &Entry, place: &[u8]) {
        let mut wrong = metadata::common(stat, entry);
        if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink && entry.kind == EntryKind::HardLink {
            // Of a link it is the owner that a further name sets.
            wrong.retain(|aspect| *aspect == Aspect::Owner);
            let before = self.inodes.get(&stat.st_ino).into_iter().flat_map(|(_, aspects)| aspects);
            wrong.extend(before.filter(|aspect| **aspect != Aspect::Owner));
        }
        if wrong.is_empty() {
            self.inodes.remove(&stat.st_ino);
        } else if self.inodes.len() < MAX_FAULTS {
            self.inodes.insert(stat.st_ino, (place.to_vec(), wrong));
        }
    }

    /// Something must have the name: the whiteout itself, or what the layer has in its place.
    fn whiteout(&mut self, hidden: &[u8], at: u64) -> Result<(), RecipeError> {
        if self.replaced.fate(hidden, at).is_some() {
            return Ok(());
        }
        let found = self.locate(hidden).and_then(|(dir, name)| dir.find(&name).transpose()).transpose();
        match found.map_err(|source| unreadable(hidden, source))? {
            None => self.fault(LayerFault::Missing { path: shown(hidden) }),
            Some(found) if is_whiteout(&found) => self.known.add(hidden),
            Some(_) => {}
        }
        Ok(())
    }

    /// Everything in the tree must be known.
    fn tree(&mut self) -> Result<(), RecipeError> {
        self.known.seal();
        let mut pending = vec![Vec::new()];
        while let Some(place) = pending.pop() {
            let Ok(dir) = self.root.beneath(&place) else {
                self.fault(LayerFault::Extra { path: shown(&place) });
                continue;
            };
            let opaque = metadata::is_opaque(&dir).map_err(|source| unreadable(&place, source))?;
            if opaque != self.known.is_opaque(&place) {
                self.fault(LayerFault::Metadata { path: shown(&place), aspect: Aspect::Attributes });
            }
            let mut found = Vec::new();
            dir.each(|name, is_directory| {
                let place = join(&place, name);
                match (self.known.contains(&place), is_directory) {
                    (true, true) => pending.push(place),
                    (true, false) => {}
                    (false, _) if found.len() < MAX_FAULTS => found.push(LayerFault::Extra { path: shown(&place) }),
                    (false, _) => {}
                }
            })
            .map_err(|source| unreadable(&place, source))?;
            found.into_iter().for_each(|fault| self.fault(fault));
        }
        Ok(())
    }

    /// Directory and name of a place, reached without links.
    fn locate(&self, place: &[u8]) -> Option<(Dir, CString)> {
        let (parent, name) = split(place)?;
        Some((self.root.beneath(parent).ok()?, name))
    }

    fn fault(&mut self, fault: LayerFault) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(fault);
        }
    }

    fn into_faults(self) -> impl Iterator<Item = LayerFault> {
        let inodes = if self.sure_of_inodes { self.inodes } else { BTreeMap::new() };
        let directories = self.directories.into_iter().chain(inodes.into_values()).flat_map(|(place, aspects)| {
            aspects.into_iter().map(move |aspect| LayerFault::Metadata { path: shown(&place), aspect })
        });
        self.faults.into_iter().chain(directories)
    }
}

/// Directory and name of a place; `None` for the root.
fn split(place: &[u8]) -> Option<(&[u8], CString)> {
    let (parent, name) = match place.iter().rposition(|b| *b == b'/') {
        Some(at) => (&place[..at], &place[at + 1..]),
        None if place.is_empty() => return None,
        None => (&place[..0], place),
    };
    CString::new(name).ok().map(|name| (parent, name))
}

fn join(parent: &[u8], name: &CStr) -> Vec<u8> {
    if parent.is_empty() { name.to_bytes().to_vec() } else { [parent, b"/", name.to_bytes()].concat() }
}

/// A path as it is shown; the root as `.`.
fn shown(place: &[u8]) -> String {
    if place.is_empty() { ".".into() } else { place.escape_ascii().to_string() }
}

fn unreadable(place: &[u8], source: io::Error) -> RecipeError {
    RecipeError::File { path: shown(place), source }
}
