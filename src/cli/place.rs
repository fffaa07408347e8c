//! Where images come from and go to, as containers-transports(5) writes it: a registry, or an archive.

use crate::image::archive::save::SaveFormat;
use std::path::Path;

/// A place of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// The name there.
    Registry(&'a str),
    Archive {
        format: SaveFormat,
        path: &'a Path,
        name: Option<&'a str>,
    },
}

/// A transport that is none here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}:` is no place for images")]
pub struct TransportError(pub String);

impl<'a> Place<'a> {
    /// Reads a place; a name without a transport is one on a registry.
    pub fn parse(text: &'a str) -> Result<Self, TransportError> {
        if let Some(name) = text.strip_prefix("docker://") {
            return Ok(Self::Registry(name));
        }
        let Some((transport, rest)) = text.split_once(':') else { return Ok(Self::Registry(text)) };
        let format = match transport {
            "docker-archive" => SaveFormat::DockerArchive,
            "oci-archive" => SaveFormat::OciArchive,
            "oci" => SaveFormat::OciDirectory,
            "dir" => {
                let path = Path::new(rest);
                return Ok(Self::Archive { format: SaveFormat::DockerDirectory, path, name: None });
            }
            "docker-daemon" | "containers-storage" | "ostree" | "sif" | "tarball" => {
                return Err(TransportError(transport.to_owned()));
            }
            _ if rest.starts_with("//") => return Err(TransportError(transport.to_owned())),
            _ => return Ok(Self::Registry(text)),
        };
        let (path, name) = rest.split_once(':').map_or((rest, None), |(path, name)| (path, Some(name)));
        Ok(Self::Archive { format, path: Path::new(path), name: name.filter(|name| !name.is_empty()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transports_are_told_from_names() {
        let archive = |format, path, name| Ok(Place::Archive { format, path: Path::new(path), name });
        for name in ["alpine", "alpine:3", "localhost:5000/x:1", "dir/x"] {
            assert_eq!(Place::parse(name), Ok(Place::Registry(name)));
        }
        assert_eq!(Place::parse("docker://a/b:1"), Ok(Place::Registry("a/b:1")));
        assert_eq!(Place::parse("docker-archive:/x.tar"), archive(SaveFormat::DockerArchive, "/x.tar", None));
        assert_eq!(Place::parse("oci:x:a/b:1"), archive(SaveFormat::OciDirectory, "x", Some("a/b:1")));
        assert_eq!(Place::parse("oci-archive:x:"), archive(SaveFormat::OciArchive, "x", None));
        assert_eq!(Place::parse("dir:a:b"), archive(SaveFormat::DockerDirectory, "a:b", None));
        for bad in ["docker-daemon:x", "ostree:x", "atomic://x", "http://x"] {
            assert!(Place::parse(bad).is_err(), "{bad}");
        }
    }
}
