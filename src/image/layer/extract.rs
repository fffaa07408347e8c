//! Entries of a layer to files, by directory descriptor and single name.

use super::make::{attributes, make_leaf, set_metadata, set_shared};
use super::path::{LayerPath, Meaning, meaning};
use super::recipe::{INLINE, Recorder, SPARE, Tap};
use super::settle::Times;
use super::stream::{Chunks, Extracted};
use super::{EntryError, LayerError, Limits};
use crate::image::archive::tar::{Entry, EntryKind, TarError, TarReader};
use crate::sys::dir::Dir;
use rustix::fs::{FileType, Mode, Stat, XattrFlags};
use std::ffi::{CStr, CString};
use std::io;

/// Marks a directory that hides what lies below it (kernel documentation, "overlayfs", "whiteouts and opaque directories").
pub(super) const OPAQUE: &CStr = c"trusted.overlay.opaque";

/// Makes every entry of the archive below `root`, an empty directory in `layer`, and writes the recipe on the way.
pub(super) fn extract(
    source: &mut Chunks,
    layer: &Dir,
    root: Dir,
    recorder: &mut Recorder,
    limits: &Limits,
) -> Result<Extracted, LayerError> {
    let mut reader = TarReader::new(Tap::new(source, recorder), limits.names);
    let mut tree = Tree::new(layer, root, limits).map_err(LayerError::Directory)?;
    let mut entries = 0;
    while let Some(entry) = reader.entry().map_err(LayerError::Archive)? {
        entries += 1;
        if entries > limits.entries {
            return Err(LayerError::Entries(limits.entries));
        }
        tree.add(&entry, &mut reader).map_err(|failure| failure.of(&entry))?;
        reader.source_mut().recorder.check().map_err(LayerError::Directory)?;
    }
    reader.drain().map_err(LayerError::Archive)?;
    tree.times.settle(&tree.root).map_err(LayerError::Directory)?;
    Ok(Extracted { entries, opaque: tree.opaque })
}

/// The archive broke, or the entry could not be made.
pub(super) enum Failure {
    Archive(TarError),
    Entry(EntryError),
}

impl Failure {
    fn of(self, entry: &Entry) -> LayerError {
        match self {
            Self::Archive(error) => LayerError::Archive(error),
            Self::Entry(source) => LayerError::Entry { path: entry.path.escape_ascii().to_string(), source },
        }
    }
}

impl From<EntryError> for Failure {
    fn from(error: EntryError) -> Self {
        Self::Entry(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Entry(EntryError::Io(error))
    }
}

/// The layer as far as it stands.
struct Tree<'a> {
    layer: &'a Dir,
    root: Dir,
    /// The path of the root as the kernel shows it.
    root_path: Vec<u8>,
    /// The directory used last, as archives list directories one after the other.
    parent: Option<Parent>,
    times: Times,
    /// What was replaced and is needed for the recipe, and how much of it there is.
    spare: Option<Dir>,
    spares: u64,
    limits: Limits,
    opaque: bool,
}

/// A directory that holds an entry.
struct Parent {
    /// As the archive names it.
    path: Vec<u8>,
    /// As it is reached without links.
    place: Vec<u8>,
    dir: Dir,
}

impl Parent {
    /// Place of a thing in this directory.
    fn place(&self, name: &CStr) -> Vec<u8> {
        match self.place.is_empty() {
            true => name.to_bytes().to_vec(),
            false => [&self.place, &b"/"[..], name.to_bytes()].concat(),
        }
    }
}

type Archive<'a> = TarReader<Tap<'a>>;

impl<'a> Tree<'a> {
    fn new(layer: &'a Dir, root: Dir, limits: &Limits) -> io::Result<Self> {
        Ok(Self {
            layer,
            root_path: root.current_path()?,
            root,
            parent: None,
            times: Times::default(),
            spare: None,
            spares: 0,
            limits: *limits,
            opaque: false,
        })
    }

    fn add(&mut self, entry: &Entry, archive: &mut Archive<'_>) -> Result<(), Failure> {
        let path = LayerPath::parse(&entry.path, self.limits.depth)?;
        let Some((parent, name)) = path.split() else { return Ok(self.see_root(entry)?) };
        let xattrs = attributes(entry, self.limits.xattrs)?;
        let meaning = meaning(&name)?;
        if meaning == Meaning::Ignored {
            return Ok(());
        }
        let mut parent = self.open_parent(parent)?;
        let place = parent.place(&name);
        if parent.place != parent.path {
            archive.source_mut().recorder.through(&place);
        }
        match meaning {
            Meaning::Whiteout(hidden) => self.whiteout(&parent, &hidden, archive)?,
            Meaning::Opaque if parent.place.is_empty() => self.opaque = true,
            Meaning::Opaque => set_opaque(&parent.dir, &parent.place, archive)?,
            Meaning::Ignored | Meaning::Itself => {
                let replaced = self.make(entry, archive, &place, &parent.dir, &name, &xattrs)?;
                // A directory that was replaced may be the cached one, or above it.
                if replaced {
                    parent = Parent { path: Vec::new(), place: Vec::new(), dir: self.root.try_clone()? };
                }
            }
        }
        self.parent = Some(parent);
        Ok(())
    }

    /// Makes one thing; true when something else stood there and was taken away.
    fn make(
        &mut self,
        entry: &Entry,
        archive: &mut Archive<'_>,
        place: &[u8],
        parent: &Dir,
        name: &CStr,
        xattrs: &[(CString, &[u8])],
    ) -> Result<bool, Failure> {
        if entry.kind == EntryKind::Directory {
            return Ok(self.make_directory(entry, archive, place, parent, name, xattrs)?);
        }
        let is_link = entry.kind == EntryKind::HardLink;
        let target = if is_link { Some(self.link_target(entry)?) } else { None };
        if let Some((dir, old)) = &target
            && same_file(dir.stat(old)?, parent.find(name)?)
        {
            set_shared(parent, name, entry)?;
            return Ok(false);
        }
        match make_leaf(entry, archive, place, parent, name, target.as_ref(), xattrs) {
            Err(Failure::Entry(EntryError::Io(e))) if e.kind() == io::ErrorKind::AlreadyExists => {
                self.take_away(place, parent, name, archive)?;
                // What it links to may have gone with what it replaces.
                let target = if is_link { Some(self.link_target(entry)?) } else { None };
                make_leaf(entry, archive, place, parent, name, target.as_ref(), xattrs)?;
                Ok(true)
            }
            done => done.map(|()| false),
        }
    }

    fn make_directory(
        &mut self,
        entry: &Entry,
        archive: &mut Archive<'_>,
        place: &[u8],
        parent: &Dir,
        name: &CStr,
        xattrs: &[(CString, &[u8])],
    ) -> Result<bool, EntryError> {
        let mut replaced = false;
        if let Err(error) = parent.create_dir(name, 0o755) {
            let found = parent.find(name)?;
            let exists = error.kind() == io::ErrorKind::AlreadyExists;
            match found.filter(|_| exists) {
                None => return Err(error.into()),
                Some(found) if is_directory(&found) => {}
                Some(found) => {
                    self.take_away(place, parent, name, archive)?;
                    parent.create_dir(name, 0o755)?;
                    // The name was hidden and made anew in one layer: what lies below stays hidden.
                    if is_whiteout(&found) {
                        set_opaque(&parent.open_dir(name)?, place, archive)?;
                    }
                    replaced = true;
                }
            }
        }
        let directory = parent.open_dir(name)?;
        set_metadata(&directory, entry, xattrs)?;
        self.times.note(self.layer, place, entry.mtime)?;
        Ok(replaced)
    }

    /// Takes what stands at a place away: to the spares when the recipe needs its content.
    fn take_away(&mut self, place: &[u8], parent: &Dir, name: &CStr, archive: &mut Archive<'_>) -> io::Result<()> {
        let found = parent.stat(name)?;
        let needed = match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => u64::try_from(found.st_size).is_ok_and(|size| size > INLINE),
            // An empty one goes at once; else something in it may be needed.
            FileType::Directory => parent.remove_dir(name).is_err(),
            _ => false,
        };
        let mut spare = None;
        if needed {
            let number = self.spares;
            let to = CString::new(number.to_string())?;
            parent.rename(name, self.spare()?, &to)?;
            self.spares += 1;
            spare = Some(number);
        } else {
            parent.remove_tree(name)?;
        }
        archive.source_mut().recorder.replaced(place, spare);
        Ok(())
    }

    fn spare(&mut self) -> io::Result<&Dir> {
        Ok(match &mut self.spare {
            Some(dir) => dir,
            none => {
                self.layer.create_dir(SPARE, 0o700)?;
                none.insert(self.layer.open_dir(SPARE)?)
            }
        })
    }

    /// An entry for the root says what a builder's temporary directory happened to be, closed to all but its owner, say. No engine
    /// applies it.
    fn see_root(&mut self, entry: &Entry) -> Result<(), EntryError> {
        if entry.kind != EntryKind::Directory {
            return Err(EntryError::Root);
        }
        attributes(entry, self.limits.xattrs)?;
        Ok(())
    }

    /// The directory that is to hold an entry, made when the archive did not list it. Links of the layer's own are followed
    /// inside the layer, as merged archives put files below a directory that they made a link before.
    fn open_parent(&mut self, path: &[u8]) -> Result<Parent, EntryError> {
        if let Some(cached) = self.parent.take_if(|cached| cached.path == path) {
            return Ok(cached);
        }
        if let Ok(dir) = self.root.beneath(path) {
            return Ok(Parent { path: path.to_vec(), place: path.to_vec(), dir });
        }
        let dir = match self.root.in_root(path) {
            Ok(dir) => dir,
            Err(e) if e.kind() == io::ErrorKind::NotFound => self.make_parents(path)?,
            Err(e) => return Err(blocked(path, e)),
        };
        let full = dir.current_path()?;
        let place = full.strip_prefix(&self.root_path[..]).ok_or(EntryError::Outside)?;
        Ok(Parent { path: path.to_vec(), place: place.strip_prefix(b"/").unwrap_or(place).to_vec(), dir })
    }

    fn make_parents(&self, path: &[u8]) -> Result<Dir, EntryError> {
        let mut dir = self.root.try_clone()?;
        let mut end = 0;
        for part in path.split(|b| *b == b'/') {
            end += part.len();
            let prefix = &path[..end];
            end += 1;
            dir = match self.root.in_root(prefix) {
                Ok(dir) => dir,
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    let name = CString::new(part).map_err(|_| EntryError::Name)?;
                    // A link that leads nowhere exists already, and is not a directory.
                    dir.create_dir(&name, 0o755).map_err(|e| blocked(prefix, e))?;
                    let made = dir.open_dir(&name)?;
                    // Whatever the umask of this process is.
                    rustix::fs::fchmod(&made, Mode::from_raw_mode(0o755)).map_err(io::Error::from)?;
                    made
                }
                Err(e) => return Err(blocked(prefix, e)),
            };
        }
        Ok(dir)
    }

    /// Hides a name of the layers below. What this very layer has of that name stays, and hides by itself.
    fn whiteout(&self, parent: &Parent, hidden: &CStr, archive: &mut Archive<'_>) -> io::Result<()> {
        match parent.dir.find(hidden)? {
            Some(found) if is_directory(&found) => {
                set_opaque(&parent.dir.open_dir(hidden)?, &parent.place(hidden), archive)
            }
            Some(_) => Ok(()),
            None => Ok(rustix::fs::mknodat(&parent.dir, hidden, FileType::CharacterDevice, Mode::empty(), 0)?),
        }
    }

    /// Directory and name of what a hard link names; it must exist already and not be a directory.
    fn link_target(&self, entry: &Entry) -> Result<(Dir, CString), EntryError> {
        let missing = || EntryError::LinkTarget(entry.link.escape_ascii().to_string());
        let target = LayerPath::parse(&entry.link, self.limits.depth)?;
        let (parent, name) = target.split().ok_or_else(missing)?;
        let parent = self.root.in_root(parent).map_err(|_| missing())?;
        match parent.find(&name)? {
            Some(found) if !is_directory(&found) => Ok((parent, name)),
            _ => Err(missing()),
        }
    }
}

fn set_opaque(directory: &Dir, place: &[u8], archive: &mut Archive<'_>) -> io::Result<()> {
    archive.source_mut().recorder.opaque(place);
    Ok(rustix::fs::fsetxattr(directory, OPAQUE, b"y", XattrFlags::empty())?)
}

fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

pub(super) fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

fn same_file(a: Stat, b: Option<Stat>) -> bool {
    b.is_some_and(|b| (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino))
}

fn blocked(path: &[u8], error: io::Error) -> EntryError {
    match rustix::io::Errno::from_io_error(&error) {
        Some(rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP | rustix::io::Errno::EXIST) => {
            EntryError::NotADirectory(path.escape_ascii().to_string())
        }
        _ => error.into(),
    }
}
