//! Whom to trust: the certificate bundle of the machine and `certs.d` (containers-certs.d(5)).

use super::tls::Verifier;
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Where Linux distributions keep their bundle; the first that exists is read.
pub const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

#[derive(Debug, thiserror::Error)]
pub enum CertificatesError {
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` has no certificate in PEM form", .0.display())]
    NoCertificate(PathBuf),
    #[error("`{}` has no private key in PEM form", .0.display())]
    NoKey(PathBuf),
    #[error("`{}` has a certificate that cannot be used", path.display())]
    Unusable { path: PathBuf, source: rustls::Error },
    #[error("`{}` has no `{missing}` beside it: a client certificate is a `.cert` with its `.key`, a CA certificate a `.crt`", path.display())]
    Alone { path: PathBuf, missing: String },
    #[error("`{}` and `{}` are two client certificates for one registry, where one is supported", .0.display(), .1.display())]
    Several(PathBuf, PathBuf),
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}

/// Certificates of the machine and of single registries, each read when a registry first needs it.
#[derive(Debug)]
pub(super) struct Certificates {
    /// Directories with one for each `host[:port]`; the first that has it counts.
    directories: Vec<PathBuf>,
    /// Used for every registry instead.
    only: Option<PathBuf>,
    roots: Roots,
}

/// What one registry is spoken to with.
pub(super) struct Trust<'c> {
    /// Read for connections that check certificates, and only for those.
    roots: &'c Roots,
    /// Of `certs.d`.
    more: Vec<CertificateDer<'static>>,
    client: Option<ClientCertificate>,
}

/// What a registry knows us by.
struct ClientCertificate {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Certificates {
    pub fn new(directories: Vec<PathBuf>, only: Option<PathBuf>, bundles: Vec<PathBuf>) -> Self {
        Self { directories, only, roots: Roots { bundles, read: OnceLock::new() } }
    }

    /// Roots and client certificate for `host[:port]` as the user writes it.
    pub fn of(&self, registry: &str) -> Result<Trust<'_>, CertificatesError> {
        let directory = match &self.only {
            Some(directory) => Some(directory.clone()),
            None => self.directory_of(registry)?,
        };
        let (more, client) = directory.map_or(Ok((Vec::new(), None)), |directory| read_directory(&directory))?;
        Ok(Trust { roots: &self.roots, more, client })
    }

    fn directory_of(&self, registry: &str) -> Result<Option<PathBuf>, CertificatesError> {
        for directory in &self.directories {
            let path = directory.join(registry);
            match std::fs::metadata(&path) {
                Ok(_) => return Ok(Some(path)),
                // A directory for root alone is none for others.
                Err(error) if is_absent(&error) || error.kind() == io::ErrorKind::PermissionDenied => {}
                Err(source) => return Err(CertificatesError::Read { path, source }),
            }
        }
        Ok(None)
    }
}

impl Trust<'_> {
    /// Settings for connections to the registry itself, or to others it sends to: those trust the same, as podman's do, but
    /// never see the client certificate. With `unchecked` any certificate is taken.
    pub fn tls(&self, is_registry: bool, unchecked: bool) -> Result<Arc<ClientConfig>, CertificatesError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = match unchecked {
            true => Verifier::unchecked(provider.clone()),
            false => Verifier::trusting(self.roots()?, provider.clone()),
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .map_err(CertificatesError::Tls)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let config = match self.client.as_ref().filter(|_| is_registry) {
            Some(ClientCertificate { chain, key }) => {
                builder.with_client_auth_cert(chain.clone(), key.clone_key()).map_err(CertificatesError::Tls)?
            }
            None => builder.with_no_client_auth(),
        };
        Ok(Arc::new(config))
    }

    fn roots(&self) -> Result<Arc<Vec<CertificateDer<'static>>>, CertificatesError> {
        let roots = self.roots.get()?;
        Ok(match self.more.is_empty() {
            true => roots,
            false => Arc::new(self.more.iter().chain(roots.iter()).cloned().collect()),
        })
    }
}

/// The bundle of the machine.
#[derive(Debug)]
struct Roots {
    bundles: Vec<PathBuf>,
    read: OnceLock<Arc<Vec<CertificateDer<'static>>>>,
}

impl Roots {
    /// Empty where the machine has no bundle: then nothing is trusted but what `certs.d` has.
    fn get(&self) -> Result<Arc<Vec<CertificateDer<'static>>>, CertificatesError> {
        if let Some(roots) = self.read.get() {
            return Ok(roots.clone());
        }
        let mut roots = Vec::new();
        for path in &self.bundles {
            if let Some(pem) = read(path)? {
                roots = certificates(path, &pem)?;
                break;
            }
        }
        Ok(self.read.get_or_init(|| Arc::new(roots)).clone())
    }
}

/// CA certificates and client certificate of a directory.
fn read_directory(
    directory: &Path,
) -> Result<(Vec<CertificateDer<'static>>, Option<ClientCertificate>), CertificatesError> {
    let fail = |source| CertificatesError::Read { path: directory.to_owned(), source };
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok((Vec::new(), None)),
        Err(error) => return Err(fail(error)),
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>().map_err(fail)?;
    files.sort();
    let mut all = Vec::new();
    let mut pairs = Pairs::new();
    for file in files {
        let stem = file.with_extension("");
        match file.extension().and_then(OsStr::to_str) {
            Some("crt") => all.extend(read_ca(&file)?),
            Some("cert") => pairs.entry(stem).or_default().0 = Some(file),
            Some("key") => pairs.entry(stem).or_default().1 = Some(file),
            _ => {}
        }
    }
    Ok((all, read_client(pairs)?))
}

/// CA certificates of a file. A link to nowhere counts for nothing: Red Hat's packages leave such ones behind.
fn read_ca(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificatesError> {
    let Some(pem) = read(path)? else { return Ok(Vec::new()) };
    let found = certificates(path, &pem)?;
    // One that is no CA would be passed over later, without a word.
    let mut store = rustls::RootCertStore::empty();
    for certificate in &found {
        let fail = |source| CertificatesError::Unusable { path: path.to_owned(), source };
        store.add(certificate.clone()).map_err(fail)?;
    }
    Ok(found)
}

/// `.cert` and `.key` by what is before that.
type Pairs = BTreeMap<PathBuf, (Option<PathBuf>, Option<PathBuf>)>;

fn read_client(pairs: Pairs) -> Result<Option<ClientCertificate>, CertificatesError> {
    let mut complete = Vec::new();
    for pair in pairs.into_values() {
        let (path, extension) = match pair {
            (Some(certificate), Some(key)) => {
                complete.push((certificate, key));
                continue;
            }
            (Some(certificate), None) => (certificate, "key"),
            (None, Some(key)) => (key, "cert"),
            (None, None) => continue,
        };
        let missing = path.with_extension(extension).file_name().unwrap_or_default().display().to_string();
        return Err(CertificatesError::Alone { path, missing });
    }
    match &complete[..] {
        [] => Ok(None),
        [(certificate, key)] => client(certificate, key).map(Some),
        [(first, _), (second, _), ..] => Err(CertificatesError::Several(first.clone(), second.clone())),
    }
}

fn client(certificate: &Path, key: &Path) -> Result<ClientCertificate, CertificatesError> {
    let gone = |path: &Path| CertificatesError::Read { path: path.to_owned(), source: io::ErrorKind::NotFound.into() };
    let chain = certificates(certificate, &read(certificate)?.ok_or_else(|| gone(certificate))?)?;
    let key_pem = read(key)?.ok_or_else(|| gone(key))?;
    let key_der = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|_| CertificatesError::NoKey(key.to_owned()))?;
    // Told here, where the file is known.
    let provider = rustls::crypto::ring::default_provider();
    CertifiedKey::from_der(chain.clone(), key_der.clone_key(), &provider)
        .map_err(|source| CertificatesError::Unusable { path: certificate.to_owned(), source })?;
    Ok(ClientCertificate { chain, key: key_der })
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificatesError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or_else(|| CertificatesError::NoCertificate(path.to_owned()))
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, CertificatesError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(source) => Err(CertificatesError::Read { path: path.to_owned(), source }),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
