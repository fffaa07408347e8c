//! `registries.conf`: which registries an image may come from (containers-registries.conf(5), version 2).
//!
//! Read from one main file and drop-ins, later files winning key by key: a `[[registry]]` replaces an earlier one of the same
//! prefix, an alias an earlier one of the same name.

use crate::image::reference::{Reference, ReferenceError};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Where an image may be pulled from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registries {
    /// Asked in this order for a name without a registry; `docker.io` where no file says anything about it.
    pub search: Vec<String>,
    pub short_names: ShortNameMode,
    /// Programs that keep passwords, `containers-auth.json` being the auth files themselves.
    pub credential_helpers: Vec<String>,
    /// Full names that short ones stand for.
    pub aliases: BTreeMap<String, String>,
    registries: BTreeMap<String, Registry>,
    /// Some file has a list of registries to search, be it empty.
    says_search: bool,
}

/// What becomes of a short name that several registries may have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ShortNameMode {
    /// Several registries to search are an error where nobody can be asked.
    Enforcing,
    /// They are tried in order where nobody can be asked.
    #[default]
    Permissive,
    /// They are tried in order.
    Disabled,
}

/// One `[[registry]]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Registry {
    prefix: String,
    location: String,
    insecure: bool,
    blocked: bool,
    mirror_by_digest_only: bool,
    mirrors: Vec<Mirror>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Mirror {
    location: String,
    insecure: bool,
    pull: MirrorFor,
}

/// References a mirror is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
enum MirrorFor {
    #[default]
    #[serde(rename = "all")]
    All,
    #[serde(rename = "digest-only")]
    DigestOnly,
    #[serde(rename = "tag-only")]
    TagOnly,
}

/// A place to ask for an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What to ask for there: registry and repository may differ from those of the image's name.
    pub reference: Reference,
    /// Plain HTTP, and HTTPS without a known certificate, are accepted.
    pub insecure: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum RegistriesError {
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` is no registries.conf", path.display())]
    Syntax { path: PathBuf, source: Box<toml::de::Error> },
    #[error("`{}` is of version 1 (`[registries.search]`); write `unqualified-search-registries` and `[[registry]]` instead", .0.display())]
    Version1(PathBuf),
    #[error("`{}`: {reason}", path.display())]
    Invalid { path: PathBuf, reason: String },
    #[error("registry `{registry}` is blocked by registries.conf")]
    Blocked { registry: String },
    #[error("`{name}` has no registry, and registries.conf names none to search (`unqualified-search-registries`)")]
    NoSearch { name: String },
    #[error("`{name}` may be {candidates}: say which", candidates = candidates.join(" or "))]
    Unclear { name: String, candidates: Vec<String> },
    #[error(transparent)]
    Reference(#[from] ReferenceError),
}

/// As the files spell it. Keys that other tools may have at the top are theirs; a misspelt one of a registry would open what was to be
/// closed.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    unqualified_search_registries: Option<Vec<String>>,
    short_name_mode: Option<String>,
    credential_helpers: Option<Vec<String>>,
    /// Where podman's own interface to enterprise registries finds its signatures; nothing here uses it.
    #[serde(rename = "additional-layer-store-auth-helper")]
    _layer_store_helper: Option<String>,
    aliases: Option<BTreeMap<String, String>>,
    registry: Option<Vec<FileRegistry>>,
    registries: Option<toml::Table>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct FileRegistry {
    prefix: Option<String>,
    location: Option<String>,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    blocked: bool,
    #[serde(default)]
    mirror_by_digest_only: bool,
    #[serde(default)]
    mirror: Vec<FileMirror>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct FileMirror {
    location: String,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    pull_from_mirror: MirrorFor,
}

impl Registries {
    /// Reads files in the order given; those that do not exist are passed over. A directory stands for its `*.conf`, by name.
    pub fn read(paths: &[PathBuf]) -> Result<Self, RegistriesError> {
        let mut registries = Self::default();
        for path in paths {
            for file in files_of(path)? {
                match std::fs::read_to_string(&file) {
                    Ok(text) => registries.add(&file, &text)?,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(source) => return Err(RegistriesError::Read { path: file, source }),
                }
            }
        }
        // Kubernetes and compose files mean Docker Hub by a name without a registry; a machine may say otherwise.
        if !registries.says_search {
            registries.search = vec!["docker.io".to_owned()];
        }
        Ok(registries)
    }

    /// Whether plain HTTP, and HTTPS without a known certificate, are accepted for a registry (`host[:port]`).
    pub fn is_insecure(&self, registry: &str) -> bool {
        self.registry_of(registry).is_some_and(|found| found.insecure)
    }

    fn add(&mut self, path: &Path, text: &str) -> Result<(), RegistriesError> {
        let invalid = |reason: String| RegistriesError::Invalid { path: path.to_owned(), reason };
        let file: File = toml::from_str(text)
            .map_err(|source| RegistriesError::Syntax { path: path.to_owned(), source: Box::new(source) })?;
        let File { unqualified_search_registries, short_name_mode, credential_helpers, .. } = file;
        if file.registries.is_some() {
            return Err(RegistriesError::Version1(path.to_owned()));
        }
        if let Some(search) = unqualified_search_registries {
            self.search = search;
            self.says_search = true;
        }
        self.credential_helpers = credential_helpers.unwrap_or_else(|| std::mem::take(&mut self.credential_helpers));
        match short_name_mode.as_deref() {
            None => {}
            Some("enforcing") => self.short_names = ShortNameMode::Enforcing,
            Some("" | "permissive") => self.short_names = ShortNameMode::Permissive,
            Some("disabled") => self.short_names = ShortNameMode::Disabled,
            Some(other) => {
                return Err(invalid(format!(
                    "`short-name-mode` is `{other}`, not `enforcing`, `permissive` or `disabled`"
                )));
            }
        }
        for (short, full) in file.aliases.unwrap_or_default() {
            check_alias(&short, &full).map_err(invalid)?;
            // An empty one takes an earlier one back.
            match full.is_empty() {
                true => drop(self.aliases.remove(&short)),
                false => drop(self.aliases.insert(short, full)),
            }
        }
        for registry in file.registry.unwrap_or_default() {
            let registry = registry.check().map_err(invalid)?;
            self.registries.insert(registry.prefix.clone(), registry);
        }
        Ok(())
    }

    /// Full names among which a user has to choose what `text` stands for; `None` when that is clear, or is not asked.
    pub fn choices(&self, text: &str) -> Result<Option<Vec<String>>, RegistriesError> {
        match self.expand(text) {
            Err(RegistriesError::Unclear { name: _, candidates }) => Ok(Some(candidates)),
            Err(error) => Err(error),
            Ok(several) if several.len() > 1 && self.short_names == ShortNameMode::Permissive => {
                Ok(Some(self.search.iter().map(|registry| format!("{registry}/{text}")).collect()))
            }
            Ok(_) => Ok(None),
        }
    }

    /// Full names that `text` stands for, in the order in which they are to be tried.
    ///
    /// # Errors
    /// A name without a registry for which there is none to search, or more than one under `enforcing`.
    pub fn expand(&self, text: &str) -> Result<Vec<Reference>, RegistriesError> {
        let end =
            text.find('@').or_else(|| text.rfind(':').filter(|at| !text[*at..].contains('/'))).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        if let Some(full) = self.aliases.get(name) {
            return Ok(vec![Reference::parse(&format!("{full}{rest}"))?]);
        }
        if name.split_once('/').is_some_and(|(host, _)| is_host(host)) {
            return Ok(vec![Reference::parse(text)?]);
        }
        // Whatever is searched, what no registry could have is told as such.
        Reference::parse(text)?;
        let candidates: Vec<String> = self.search.iter().map(|registry| format!("{registry}/{text}")).collect();
        match candidates.len() {
            0 => Err(RegistriesError::NoSearch { name: text.to_owned() }),
            2.. if self.short_names == ShortNameMode::Enforcing => {
                Err(RegistriesError::Unclear { name: text.to_owned(), candidates })
            }
            _ => Ok(candidates.iter().map(|full| Reference::parse(full)).collect::<Result<_, _>>()?),
        }
    }

    /// Where to ask for an image, mirrors first.
    pub fn sources(&self, reference: &Reference) -> Result<Vec<Source>, RegistriesError> {
        let Some(registry) = self.registry_of(&reference.to_string()) else {
            return Ok(vec![Source { reference: reference.clone(), insecure: false }]);
        };
        if registry.blocked {
            return Err(RegistriesError::Blocked { registry: registry.prefix.clone() });
        }
        let by_digest = reference.digest.is_some();
        let mirrors = registry.mirrors.iter().filter(|mirror| match mirror.pull {
            MirrorFor::All => by_digest || !registry.mirror_by_digest_only,
            MirrorFor::DigestOnly => by_digest,
            MirrorFor::TagOnly => !by_digest,
        });
        let places = mirrors.map(|mirror| (mirror.location.as_str(), mirror.insecure));
        let places = places.chain([(registry.location.as_str(), registry.insecure)]);
        places
            .map(|(location, insecure)| Ok(Source { reference: registry.rewrite(reference, location)?, insecure }))
            .collect()
    }

    /// The `[[registry]]` with the longest prefix that fits a full reference.
    fn registry_of(&self, full: &str) -> Option<&Registry> {
        self.registries.values().filter(|r| r.matched(full).is_some()).max_by_key(|r| r.prefix.len())
    }
}

impl FileRegistry {
    fn check(self) -> Result<Registry, String> {
        let FileRegistry { prefix, location, insecure, blocked, mirror_by_digest_only, mirror } = self;
        let plain = |text: &str| text.trim_end_matches('/').to_owned();
        let (prefix, location) = match (prefix.filter(|p| !p.is_empty()), location.filter(|l| !l.is_empty())) {
            (None, None) => return Err("a `[[registry]]` needs `prefix` or `location`".to_owned()),
            (None, Some(location)) => (plain(&location), plain(&location)),
            (Some(prefix), None) => (plain(&prefix), String::new()),
            (Some(prefix), Some(location)) => (plain(&prefix), plain(&location)),
        };
        if prefix.contains("://") {
            return Err(format!("`{prefix}` must have no scheme such as `https://`"));
        }
        if prefix.contains('*') && (!prefix.starts_with("*.") || prefix[2..].contains(['*', '/', ':', '@'])) {
            return Err(format!("prefix `{prefix}` may have `*` only before a domain: `*.example.com`"));
        }
        // What has no dot and no colon would be read as a path on docker.io.
        let places =
            mirror.iter().map(|m| m.location.as_str()).chain([location.as_str()].into_iter().filter(|l| !l.is_empty()));
        for place in places {
            let host = place.split('/').next().unwrap_or(place);
            if place.contains("://") || !is_host(host) {
                return Err(format!("location `{place}` of `{prefix}` must begin with a host: `host[:port][/path]`"));
            }
        }
        // Without a location of its own a registry is where its prefix says, a wildcard one where the name says.
        let location = match location.is_empty() && !prefix.starts_with("*.") {
            true => prefix.clone(),
            false => location,
        };
        if mirror_by_digest_only && mirror.iter().any(|m| m.pull_from_mirror != MirrorFor::All) {
            return Err(format!("`{prefix}` has both `mirror-by-digest-only` and `pull-from-mirror`"));
        }
        let mirrors = mirror.into_iter().map(|m| Mirror {
            location: plain(&m.location),
            insecure: m.insecure,
            pull: m.pull_from_mirror,
        });
        Ok(Registry { prefix, location, insecure, blocked, mirror_by_digest_only, mirrors: mirrors.collect() })
    }
}

impl Registry {
    /// Length of the part of a full reference (`host/path:tag@digest`) that the prefix stands for.
    fn matched(&self, full: &str) -> Option<usize> {
        if let Some(domain) = self.prefix.strip_prefix("*.") {
            let host = &full[..full.find('/').unwrap_or(full.len())];
            let bare = host.split_once(':').map_or(host, |(host, _)| host);
            return bare.strip_suffix(domain).is_some_and(|sub| sub.ends_with('.')).then_some(host.len());
        }
        let rest = full.strip_prefix(&self.prefix)?;
        (rest.is_empty() || rest.starts_with(['/', ':', '@'])).then_some(self.prefix.len())
    }

    fn rewrite(&self, reference: &Reference, location: &str) -> Result<Reference, ReferenceError> {
        if location.is_empty() {
            return Ok(reference.clone());
        }
        let full = reference.to_string();
        let matched = self.matched(&full).unwrap_or(0);
        Reference::parse(&format!("{location}{}", &full[matched..]))
    }
}

/// True for what can only be a host: the rule of [`Reference`].
fn is_host(text: &str) -> bool {
    text == "localhost" || text.contains(['.', ':'])
}

/// Short names stand for full ones, and neither has a tag or a digest.
fn check_alias(short: &str, full: &str) -> Result<(), String> {
    if short.split_once('/').is_some_and(|(host, _)| is_host(host)) || short.contains(['@', ':']) {
        return Err(format!("alias `{short}` must be a name without registry, tag and digest"));
    }
    let (host, path) = full.split_once('/').unwrap_or(("", ""));
    if full.is_empty() || is_host(host) && !path.contains(['@', ':']) {
        return Ok(());
    }
    Err(format!("alias `{short}` must stand for `registry/name` without tag and digest, not `{full}`"))
}

/// A file, or the `*.conf` files of a directory.
fn files_of(path: &Path) -> Result<Vec<PathBuf>, RegistriesError> {
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotADirectory | io::ErrorKind::NotFound) => {
            return Ok(vec![path.to_owned()]);
        }
        Err(source) => return Err(RegistriesError::Read { path: path.to_owned(), source }),
    };
    let entries = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
    let mut files = entries.map_err(|source| RegistriesError::Read { path: path.to_owned(), source })?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "conf"));
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str]) -> Registries {
        let mut registries = Registries::default();
        for text in texts {
            registries.add(Path::new("registries.conf"), text).unwrap();
        }
        registries
    }

    fn sources(registries: &Registries, name: &str) -> Vec<String> {
        let sources = registries.sources(&Reference::parse(name).unwrap()).unwrap();
        sources.iter().map(|s| format!("{}{}", s.reference, if s.insecure { " insecure" } else { "" })).collect()
    }

    #[test]
    fn the_longest_prefix_decides() {
        let registries = read(&[r#"
            [[registry]]
            prefix = "example.com"
            location = "mirror.test:5000/example"
            [[registry]]
            prefix = "example.com/team"
            insecure = true
            [[registry]]
            prefix = "*.wild.test"
            location = "all.test/wild"
            [[registry]]
            location = "bad.test"
            blocked = true
            [[registry]]
            prefix = "quay.io/team/web:old"
            blocked = true
        "#]);
        assert_eq!(sources(&registries, "example.com/a/b:1"), ["mirror.test:5000/example/a/b:1"]);
        assert_eq!(sources(&registries, "example.com/team/x"), ["example.com/team/x:latest insecure"]);
        assert_eq!(sources(&registries, "example.com/teams/x"), ["mirror.test:5000/example/teams/x:latest"]);
        assert_eq!(sources(&registries, "a.wild.test/x"), ["all.test/wild/x:latest"]);
        assert_eq!(sources(&registries, "wild.test/x"), ["wild.test/x:latest"], "the domain itself is no subdomain");
        assert_eq!(sources(&registries, "quay.io/x"), ["quay.io/x:latest"]);
        assert_eq!(sources(&registries, "quay.io/team/web:older"), ["quay.io/team/web:older"]);
        let one_tag = registries.sources(&Reference::parse("quay.io/team/web:old").unwrap());
        assert!(matches!(one_tag, Err(RegistriesError::Blocked { .. })), "a prefix may have a tag");
        let blocked = registries.sources(&Reference::parse("bad.test/x").unwrap()).unwrap_err();
        assert_eq!(blocked.to_string(), "registry `bad.test` is blocked by registries.conf");
    }

    #[test]
    fn mirrors_come_first_where_they_serve() {
        let registries = read(&[r#"
            [[registry]]
            prefix = "docker.io"
            location = "registry-1.docker.io"
            [[registry.mirror]]
            location = "cache.test/hub"
            insecure = true
            [[registry.mirror]]
            location = "digests.test"
            pull-from-mirror = "digest-only"
            [[registry.mirror]]
            location = "tags.test"
            pull-from-mirror = "tag-only"
        "#]);
        let tagged = ["cache.test/hub/library/nginx:1 insecure", "tags.test/library/nginx:1"];
        assert_eq!(sources(&registries, "nginx:1")[..2], tagged);
        assert_eq!(sources(&registries, "nginx:1")[2], "registry-1.docker.io/library/nginx:1");
        let digest = format!("nginx@sha256:{}", "0f".repeat(32));
        assert!(sources(&registries, &digest)[1].starts_with("digests.test/library/nginx@sha256:"));
        let by_digest = read(&[
            "[[registry]]\nlocation = 'a.test'\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = 'm.test'\n",
        ]);
        assert_eq!(sources(&by_digest, "a.test/x"), ["a.test/x:latest"]);
    }

    #[test]
    fn later_files_win() {
        let registries = read(&[
            "unqualified-search-registries = ['a.test', 'b.test']\n[aliases]\nweb = 'a.test/web'\nold = 'a.test/old'\n",
            "short-name-mode = 'permissive'\n[aliases]\nweb = 'c.test/team/web'\nold = ''\n",
        ]);
        let expanded =
            |text: &str| -> Vec<String> { registries.expand(text).unwrap().iter().map(Reference::to_string).collect() };
        assert_eq!(expanded("web:2"), ["c.test/team/web:2"]);
        assert_eq!(expanded("old"), ["a.test/old:latest", "b.test/old:latest"]);
        assert_eq!(expanded("team/web:1"), ["a.test/team/web:1", "b.test/team/web:1"]);
        assert_eq!(expanded("quay.io/x"), ["quay.io/x:latest"]);
    }

    #[test]
    fn unclear_short_names_are_refused() {
        let two = read(&["unqualified-search-registries = ['a.test', 'b.test']\nshort-name-mode = 'enforcing'"]);
        let said = two.expand("web").unwrap_err().to_string();
        assert_eq!(said, "`web` may be a.test/web or b.test/web: say which");
        assert!(matches!(read(&[]).expand("web"), Err(RegistriesError::NoSearch { .. })));
        assert!(matches!(two.expand("Web"), Err(RegistriesError::Reference(_))));
        let unsaid = read(&["unqualified-search-registries = ['a.test', 'b.test']"]);
        assert_eq!(unsaid.expand("web").unwrap().len(), 2, "permissive unless said otherwise");
        let docker = read(&["unqualified-search-registries = ['docker.io']"]);
        assert_eq!(docker.expand("nginx").unwrap()[0].to_string(), "docker.io/library/nginx:latest");
    }

    #[test]
    fn mistakes_are_told() {
        let said = |text: &str| {
            let mut error: &dyn std::error::Error = &Registries::default().add(Path::new("r.conf"), text).unwrap_err();
            let mut said = error.to_string();
            while let Some(source) = error.source() {
                said = format!("{said}: {source}");
                error = source;
            }
            said
        };
        assert!(said("[registries.search]\nregistries = ['a']").contains("version 1"));
        assert!(said("[[registry]]\ninsecure = true").contains("needs `prefix` or `location`"));
        assert!(said("[[registry]]\nlocation = 'https://a.test'").contains("no scheme"));
        assert!(said("[[registry]]\nprefix = 'http://a.test'").contains("no scheme"));
        assert!(said("[[registry]]\nlocation = 'mirror/hub'").contains("must begin with a host"));
        assert!(said("[aliases]\n'a.test/x' = 'b.test/x'").contains("without registry"));
        assert!(said("[aliases]\nx = 'b.test/x:1'").contains("without tag and digest, not `b.test/x:1`"));
        assert!(said("[[registry]]\nprefix = 'a.*.test'").contains("only before a domain"));
        assert!(said("[[registry]]\nlocation = 'a'\nblokced = true").contains("unknown field `blokced`"));
        assert!(said("short-name-mode = 'maybe'").contains("`maybe`"));
    }
}
