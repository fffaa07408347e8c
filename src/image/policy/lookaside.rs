//! Where signatures lie: registries.d (containers-registries.d(5)).
//!
//! A simple signature is a file of its own beside the registry, below a base that the configuration names:
//! `<base>/<repository>@sha256=<digits>/signature-1` and so on without a gap. cosign's are manifests in the registry itself.

use super::document::Unique;
use super::scope::reference_scopes;
use crate::image::digest::Digest;
use crate::image::reference::Reference;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// What registries.d says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lookaside {
    default_docker: Option<Section>,
    docker: BTreeMap<String, Section>,
    /// Used where the files name no place.
    fallback: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Section {
    lookaside: Option<String>,
    lookaside_staging: Option<String>,
    /// The old name of `lookaside`.
    sigstore: Option<String>,
    sigstore_staging: Option<String>,
    use_sigstore_attachments: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct File {
    default_docker: Option<Section>,
    docker: Option<Unique<Section>>,
}

/// Where the signatures of an image lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `file://`: a directory, to which the name of the image is added.
    Directory(PathBuf),
    /// `http://` and `https://`.
    Url(String),
}

#[derive(Debug, thiserror::Error)]
pub enum LookasideError {
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` is no configuration of registries", path.display())]
    Syntax { path: PathBuf, source: serde_yaml::Error },
    #[error("`{}`: `{key}` stands in another file of the directory, too", path.display())]
    Twice { path: PathBuf, key: String },
    #[error("the place of signatures `{0}` is neither file:, http: nor https:")]
    Scheme(String),
    #[error("signatures cannot be written to `{0}`, which is no file: URL; name one as `lookaside-staging`")]
    NotWritable(String),
}

/// Which of the two places of a section is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Reading,
    Writing,
}

impl Section {
    fn place(&self, purpose: Use) -> Option<&str> {
        let staging = self.lookaside_staging.as_ref().or(self.sigstore_staging.as_ref());
        let staging = staging.filter(|_| purpose == Use::Writing);
        let place = staging.or(self.lookaside.as_ref()).or(self.sigstore.as_ref())?;
        Some(place.as_str()).filter(|place| !place.is_empty())
    }
}

impl Lookaside {
    /// Reads the `*.yaml` of the first directory that exists. `fallback` is the directory for images that it says nothing of
    /// (`/var/lib/containers/sigstore` for root).
    pub fn read(directories: &[PathBuf], fallback: Option<PathBuf>) -> Result<Self, LookasideError> {
        let mut lookaside = Self { fallback, ..Self::default() };
        for directory in directories {
            match files(directory) {
                Ok(files) => {
                    files.iter().try_for_each(|path| lookaside.merge(path))?;
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(LookasideError::Read { path: directory.clone(), source }),
            }
        }
        Ok(lookaside)
    }

    fn merge(&mut self, path: &Path) -> Result<(), LookasideError> {
        let text =
            super::read_document(path).map_err(|source| LookasideError::Read { path: path.to_owned(), source })?;
        let file: Option<File> =
            serde_yaml::from_slice(&text).map_err(|source| LookasideError::Syntax { path: path.to_owned(), source })?;
        let File { default_docker, docker } = file.unwrap_or_default();
        let twice = |key: &str| Err(LookasideError::Twice { path: path.to_owned(), key: key.to_owned() });
        if default_docker.is_some() && self.default_docker.is_some() {
            return twice("default-docker");
        }
        self.default_docker = self.default_docker.take().or(default_docker);
        for (scope, section) in docker.unwrap_or_default().0 {
            if self.docker.contains_key(&scope) {
                return twice(&scope);
            }
            self.docker.insert(scope, section);
        }
        Ok(())
    }

    /// Where the simple signatures of an image are read; `None` where there is no such place.
    ///
    /// The reference is that of the registry which is asked: for a mirror, the mirror's.
    pub fn reading(&self, reference: &Reference, digest: &Digest) -> Result<Option<Place>, LookasideError> {
        let base = self.base(reference, Use::Reading)?;
        Ok(base.map(|base| base.of_image(reference, digest)))
    }

    /// The directory to which simple signatures of an image are written.
    pub fn writing(&self, reference: &Reference, digest: &Digest) -> Result<Option<PathBuf>, LookasideError> {
        match self.base(reference, Use::Writing)?.map(|base| base.of_image(reference, digest)) {
            None => Ok(None),
            Some(Place::Directory(path)) => Ok(Some(path)),
            Some(Place::Url(url)) => Err(LookasideError::NotWritable(url)),
        }
    }

    fn base(&self, reference: &Reference, purpose: Use) -> Result<Option<Place>, LookasideError> {
        match self.first(reference_scopes(reference), |section| section.place(purpose)) {
            Some(text) => Place::parse(text).map(Some),
            None => Ok(self.fallback.clone().map(Place::Directory)),
        }
    }

    /// The base for a scope of a policy, as it is written: a place that signatures are read from.
    pub fn named_for(&self, scope: &str) -> Option<&str> {
        let parents = std::iter::successors(Some(scope), |scope| Some(scope.rsplit_once('/')?.0));
        self.first(parents.map(str::to_owned), |section| section.place(Use::Reading))
    }

    /// Whether cosign's signatures beside the image in the registry are looked at.
    pub fn uses_attachments(&self, reference: &Reference) -> bool {
        self.first(reference_scopes(reference), |section| section.use_sigstore_attachments).unwrap_or(false)
    }

    /// The answer of the most specific section that has one.
    fn first<'a, T>(
        &'a self,
        scopes: impl IntoIterator<Item = String>,
        answer: impl Fn(&'a Section) -> Option<T>,
    ) -> Option<T> {
        let sections = scopes.into_iter().filter_map(|scope| self.docker.get(&scope)).chain(&self.default_docker);
        sections.into_iter().find_map(answer)
    }
}

impl Place {
    fn parse(url: &str) -> Result<Self, LookasideError> {
        match url.split_once("://") {
            Some(("file", path)) if path.starts_with('/') => Ok(Place::Directory(path.into())),
            Some(("http" | "https", rest)) if !rest.is_empty() => Ok(Place::Url(url.trim_end_matches('/').to_owned())),
            _ => Err(LookasideError::Scheme(url.to_owned())),
        }
    }

    fn of_image(self, reference: &Reference, digest: &Digest) -> Self {
        let name = format!("{}@sha256={}", reference.repository, digest.hex());
        match self {
            Place::Directory(base) => Place::Directory(base.join(name)),
            Place::Url(base) => Place::Url(format!("{base}/{name}")),
        }
    }
}

/// By name.
fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path()));
    let mut files: Vec<PathBuf> = entries.collect::<io::Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let path = std::env::temp_dir().join(format!("podkin-lookaside-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            for (name, content) in files {
                std::fs::write(path.join(name), content).unwrap();
            }
            Self(path)
        }

        fn read(&self) -> Result<Lookaside, LookasideError> {
            Lookaside::read(&[self.0.join("absent"), self.0.clone()], Some("/var/sigs".into()))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn the_most_specific_section_that_answers_counts() {
        let files = [
            ("a.yaml", "docker:\n  quay.io:\n    sigstore: https://quay.look/\n    use-sigstore-attachments: true\n"),
            (
                "b.yaml",
                "docker:\n  quay.io/dev:\n    lookaside-staging: file:///staging\n  quay.io/dev/x:1:\n    lookaside: file:///one\n",
            ),
            ("c.yaml", "default-docker:\n  lookaside-staging: file:///all\n"),
            ("d.yaml", ""),
            ("ignored.yml", "]"),
        ];
        let scratch = Scratch::new("sections", &files);
        let lookaside = scratch.read().unwrap();
        let digest = Digest::of(b"");
        let at = |base: &str, name: &str| format!("{base}/{name}@sha256={}", digest.hex());
        let reading = |text: &str| lookaside.reading(&Reference::parse(text).unwrap(), &digest).unwrap().unwrap();
        let writing = |text: &str| lookaside.writing(&Reference::parse(text).unwrap(), &digest);
        assert_eq!(reading("quay.io/a/b"), Place::Url(at("https://quay.look", "a/b")));
        assert_eq!(reading("quay.io/dev/x:2"), Place::Url(at("https://quay.look", "dev/x")));
        assert_eq!(reading("quay.io/dev/x:1"), Place::Directory(at("/one", "dev/x").into()));
        assert_eq!(reading("busybox"), Place::Directory(at("/var/sigs", "library/busybox").into()));
        assert_eq!(writing("quay.io/dev/x:2").unwrap(), Some(at("/staging", "dev/x").into()));
        assert_eq!(writing("busybox").unwrap(), Some(at("/all", "library/busybox").into()));
        assert!(matches!(writing("quay.io/a"), Err(LookasideError::NotWritable(_))));
        assert!(lookaside.uses_attachments(&Reference::parse("quay.io/dev/x:1").unwrap()));
        assert!(!lookaside.uses_attachments(&Reference::parse("busybox").unwrap()));
        assert_eq!(lookaside.named_for("quay.io/dev/x"), Some("https://quay.look/"));
        assert_eq!(lookaside.named_for("docker.io"), None);
    }

    #[test]
    fn without_files_there_is_the_fallback() {
        let lookaside = Lookaside::read(&["/absent".into()], None).unwrap();
        assert_eq!(lookaside.reading(&Reference::parse("a").unwrap(), &Digest::of(b"")).unwrap(), None);
    }

    #[test]
    fn broken_files_are_refused() {
        let cases: [(&str, &[(&str, &str)]); 6] = [
            ("syntax", &[("a.yaml", "docker: [")]),
            ("unknown", &[("a.yaml", "podman: {}")]),
            ("key", &[("a.yaml", "docker:\n  a:\n    lookasid: x\n")]),
            ("scope", &[("a.yaml", "docker:\n  a: {}\n"), ("b.yaml", "docker:\n  a: {}\n")]),
            ("default", &[("a.yaml", "default-docker: {}\n"), ("b.yaml", "default-docker: {}\n")]),
            ("same", &[("a.yaml", "docker:\n  a: {}\n  a: {}\n")]),
        ];
        for (name, files) in cases {
            let scratch = Scratch::new(name, files);
            assert!(scratch.read().is_err(), "{name}");
        }
        for url in ["/srv", "ftp://x", "file://relative", "https://", "srv"] {
            assert!(Place::parse(url).is_err(), "{url}");
        }
    }
}
