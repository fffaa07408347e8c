//! Which requirements hold for an image: where it comes from, and the scopes that this belongs to (containers-policy.json(5),
//! "Supported transports and their scopes").

use crate::image::reference::Reference;
use std::fmt;
use std::path::Path;

/// Where an image comes from, or is known as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin<'a> {
    /// A registry. The reference is the one the user named, not that of a mirror.
    Docker(&'a Reference),
    /// An OpenShift registry.
    Atomic(&'a Reference),
    /// The images of a Docker daemon, which may have no name.
    DockerDaemon(Option<&'a Reference>),
    DockerArchive,
    /// An OCI layout; an absolute path without links, and the name of an image in it.
    Oci(&'a Path, Option<&'a str>),
    OciArchive(&'a Path, Option<&'a str>),
    Dir(&'a Path),
    /// The images of this machine.
    ContainersStorage(&'a Reference),
}

/// The place in a policy that decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// `default` at the top.
    Default,
    /// An entry below `transports`; the name is empty for the default of the transport.
    Transport { transport: String, name: String },
}

impl<'a> Origin<'a> {
    /// The transport's name in a policy.
    pub fn transport(&self) -> &'static str {
        match self {
            Origin::Docker(_) => "docker",
            Origin::Atomic(_) => "atomic",
            Origin::DockerDaemon(_) => "docker-daemon",
            Origin::DockerArchive => "docker-archive",
            Origin::Oci(..) => "oci",
            Origin::OciArchive(..) => "oci-archive",
            Origin::Dir(_) => "dir",
            Origin::ContainersStorage(_) => "containers-storage",
        }
    }

    /// The name that signatures are compared with, where the transport has such names.
    pub fn identity(&self) -> Option<&'a Reference> {
        match self {
            Origin::Docker(reference) | Origin::Atomic(reference) | Origin::ContainersStorage(reference) => {
                Some(reference)
            }
            Origin::DockerDaemon(reference) => *reference,
            Origin::DockerArchive | Origin::Oci(..) | Origin::OciArchive(..) | Origin::Dir(_) => None,
        }
    }

    /// Names of the scopes it belongs to, the most specific first; the last is the empty one, the default of the transport.
    pub fn scopes(&self) -> Vec<String> {
        let mut scopes = match self {
            Origin::Oci(path, image) | Origin::OciArchive(path, image) => {
                let image = image.map(|image| format!("{}:{image}", path.display()));
                image.into_iter().chain(parents(path)).collect()
            }
            Origin::Dir(path) => parents(path),
            _ => self.identity().map(reference_scopes).unwrap_or_default(),
        };
        scopes.push(String::new());
        scopes
    }
}

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Docker(reference) => write!(f, "{reference}"),
            Origin::Atomic(reference) => write!(f, "atomic:{reference}"),
            Origin::DockerDaemon(Some(reference)) => write!(f, "docker-daemon:{reference}"),
            Origin::DockerDaemon(None) => f.write_str("docker-daemon:"),
            Origin::DockerArchive => f.write_str("docker-archive:"),
            Origin::Oci(path, image) | Origin::OciArchive(path, image) => {
                write!(f, "{}:{}", self.transport(), path.display())?;
                image.map_or(Ok(()), |image| write!(f, ":{image}"))
            }
            Origin::Dir(path) => write!(f, "dir:{}", path.display()),
            Origin::ContainersStorage(reference) => write!(f, "containers-storage:{reference}"),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Default => f.write_str("default"),
            Scope::Transport { transport, name } if name.is_empty() => write!(f, "transports.{transport}.\"\""),
            Scope::Transport { transport, name } => write!(f, "transports.{transport}.{name}"),
        }
    }
}

/// The reference as signatures and scopes spell it: with its digest or with its tag, and never with both, since a digest says
/// all that a tag does.
pub fn identity_text(reference: &Reference) -> String {
    match (&reference.digest, &reference.tag) {
        (Some(digest), _) => format!("{}@{digest}", reference.name()),
        (None, Some(tag)) => format!("{}:{tag}", reference.name()),
        (None, None) => reference.name(),
    }
}

/// The image itself, its repository, the paths above it, its host with and then, as `*.domain`, without the first labels.
pub fn reference_scopes(reference: &Reference) -> Vec<String> {
    let mut scopes = vec![identity_text(reference)];
    let name = reference.name();
    scopes.extend(std::iter::successors(Some(name.as_str()), |name| Some(name.rsplit_once('/')?.0)).map(str::to_owned));
    // A wildcard stands for hosts with any port.
    let host = reference.registry.split(':').next().unwrap_or_default();
    let domains = std::iter::successors(Some(host), |host| Some(host.split_once('.')?.1)).skip(1);
    scopes.extend(domains.map(|domain| format!("*.{domain}")));
    scopes
}

/// The path and those above it, without `/`, which is no scope.
fn parents(path: &Path) -> Vec<String> {
    path.ancestors().filter(|path| path.parent().is_some()).map(|path| path.display().to_string()).collect()
}

/// Why a transport has no scope of that name; transports that are not known here have any.
pub fn scope_problem(transport: &str, name: &str) -> Option<String> {
    let problem = match transport {
        "docker-archive" if !name.is_empty() => "`docker-archive` has no scopes but the empty one",
        "dir" | "oci" | "oci-archive" if !name.is_empty() => match name {
            "/" => "the scope `/` must be written as the empty one",
            name if !name.starts_with('/') => "it must be an absolute path",
            name if !is_clean(name) => "its path has `.`, `..`, or a `/` too many",
            _ => return None,
        },
        _ => return None,
    };
    Some(problem.to_owned())
}

fn is_clean(path: &str) -> bool {
    path.split('/').skip(1).all(|component| !matches!(component, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(text: &str) -> Vec<String> {
        let reference = Reference::parse(text).unwrap();
        Origin::Docker(&reference).scopes()
    }

    #[test]
    fn scopes_of_references_go_from_the_image_to_the_domain() {
        assert_eq!(
            scopes("busybox"),
            [
                "docker.io/library/busybox:latest",
                "docker.io/library/busybox",
                "docker.io/library",
                "docker.io",
                "*.io",
                ""
            ]
        );
        let digest = format!("sha256:{}", "0f".repeat(32));
        assert_eq!(
            scopes(&format!("a.b.example.com:5000/x/y:1@{digest}"))[..3],
            [
                format!("a.b.example.com:5000/x/y@{digest}"),
                "a.b.example.com:5000/x/y".into(),
                "a.b.example.com:5000/x".into()
            ]
        );
        assert_eq!(
            scopes("a.b.example.com:5000/x")[2..],
            ["a.b.example.com:5000", "*.b.example.com", "*.example.com", "*.com", ""]
        );
        assert_eq!(scopes("localhost:5000/x"), ["localhost:5000/x:latest", "localhost:5000/x", "localhost:5000", ""]);
    }

    #[test]
    fn scopes_of_paths_end_below_the_root() {
        let path = Path::new("/srv/images");
        assert_eq!(Origin::Dir(path).scopes(), ["/srv/images", "/srv", ""]);
        assert_eq!(Origin::Oci(path, Some("v1")).scopes(), ["/srv/images:v1", "/srv/images", "/srv", ""]);
        assert_eq!(Origin::OciArchive(path, None).scopes(), ["/srv/images", "/srv", ""]);
        assert_eq!(Origin::DockerArchive.scopes(), [""]);
        assert_eq!(Origin::DockerDaemon(None).scopes(), [""]);
    }

    #[test]
    fn names_that_are_no_scopes() {
        let good =
            [("docker", "quay.io"), ("dir", "/a/b"), ("oci", "/a:tag"), ("docker-archive", ""), ("tarball", "x")];
        for (transport, name) in good {
            assert_eq!(scope_problem(transport, name), None, "{transport} {name}");
        }
        let bad = [("dir", "a"), ("oci", "/"), ("oci-archive", "/a/../b"), ("dir", "/a/"), ("docker-archive", "/x")];
        for (transport, name) in bad {
            assert!(scope_problem(transport, name).is_some(), "{transport} {name}");
        }
    }
}
