//! `hostPath.type` (Kubernetes API, `HostPathVolumeSource`).

use crate::model::HostPathType;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum HostPathError {
    #[error("`{}` is not {wanted}", path.display())]
    Kind { path: PathBuf, wanted: &'static str },
    #[error("`{}` does not exist, and its type `{kind:?}` does not make it", path.display())]
    Missing { path: PathBuf, kind: HostPathType },
    #[error("cannot use `{}`", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// Checks the path against its type, or makes it where the type says so. Without a type a missing directory is made, as
/// container runtimes under Kubernetes do.
pub fn check(path: &Path, kind: HostPathType) -> Result<(), HostPathError> {
    let io_error = |source| HostPathError::Io { path: path.to_owned(), source };
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return make(path, kind),
        Err(error) => return Err(io_error(error)),
    };
    let file_type = metadata.file_type();
    let (fits, wanted) = match kind {
        HostPathType::Unset => (true, "anything"),
        HostPathType::Directory | HostPathType::DirectoryOrCreate => (file_type.is_dir(), "a directory"),
        HostPathType::File | HostPathType::FileOrCreate => (file_type.is_file(), "a file"),
        HostPathType::Socket => (file_type.is_socket(), "a UNIX socket"),
        HostPathType::CharDevice => (file_type.is_char_device(), "a character device"),
        HostPathType::BlockDevice => (file_type.is_block_device(), "a block device"),
    };
    if fits { Ok(()) } else { Err(HostPathError::Kind { path: path.to_owned(), wanted }) }
}

fn make(path: &Path, kind: HostPathType) -> Result<(), HostPathError> {
    let result = match kind {
        HostPathType::Unset | HostPathType::DirectoryOrCreate => {
            std::fs::DirBuilder::new().recursive(true).mode(0o755).create(path)
        }
        HostPathType::FileOrCreate => {
            std::fs::File::options().write(true).create_new(true).mode(0o644).open(path).map(drop)
        }
        _ => return Err(HostPathError::Missing { path: path.to_owned(), kind }),
    };
    result.map_err(|source| HostPathError::Io { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_checked_and_made() -> io::Result<()> {
        let base = std::env::temp_dir().join(format!("podkin-hostpath-{}", std::process::id()));
        std::fs::create_dir_all(&base)?;
        let (dir, file, nothing) = (base.join("dir"), base.join("file"), base.join("nothing"));
        assert!(check(&dir, HostPathType::Directory).is_err());
        assert!(check(&dir, HostPathType::DirectoryOrCreate).is_ok());
        assert!(check(&dir, HostPathType::Directory).is_ok());
        assert!(check(&dir, HostPathType::File).is_err());
        assert!(check(&file, HostPathType::File).is_err());
        assert!(check(&file, HostPathType::FileOrCreate).is_ok());
        assert!(check(&file, HostPathType::File).is_ok());
        assert!(check(&file, HostPathType::Socket).is_err());
        assert!(check(Path::new("/dev/null"), HostPathType::CharDevice).is_ok());
        assert!(check(&nothing, HostPathType::BlockDevice).is_err());
        assert!(!nothing.exists());
        std::fs::remove_dir_all(base)
    }
}
