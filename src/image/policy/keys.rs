//! The public keys that a requirement names.

use super::read_document;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::io;
use std::path::{Path, PathBuf};

/// Where the keys are. A signature by any of them counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keys {
    /// Read when a signature is to be verified, so that a missing one stops images below its scope only.
    Files(Vec<PathBuf>),
    /// Written in the policy itself.
    Data(Vec<Vec<u8>>),
}

/// A key, or several in one OpenPGP file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// For errors: the path of its file.
    pub name: String,
    pub content: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("cannot read the key file `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
}

impl Keys {
    /// From the fields of a requirement, of which one may be given.
    pub(super) fn one_of(
        path: Option<PathBuf>,
        paths: Option<Vec<PathBuf>>,
        data: Option<String>,
        datas: Option<Vec<String>>,
    ) -> Result<Option<Self>, String> {
        let files = [path.map(|path| vec![path]), paths].into_iter().flatten().map(|paths| Ok(Self::Files(paths)));
        let data = [data.map(|data| vec![data]), datas].into_iter().flatten().map(decode);
        let mut given: Vec<Self> = files.chain(data).collect::<Result<_, String>>()?;
        match (given.pop(), given.is_empty()) {
            (_, false) => Err("only one of `keyPath`, `keyPaths`, `keyData` and `keyDatas` may be given".to_owned()),
            (Some(keys), _) if keys.is_empty() => Err("an empty list of keys".to_owned()),
            (keys, _) => Ok(keys),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Keys::Files(paths) => paths.is_empty(),
            Keys::Data(data) => data.is_empty(),
        }
    }

    /// The keys themselves, a file for each.
    pub fn read(&self) -> Result<Vec<Key>, KeyError> {
        match self {
            Keys::Data(data) => {
                Ok(data.iter().map(|data| Key { name: "key data".to_owned(), content: data.clone() }).collect())
            }
            Keys::Files(paths) => paths.iter().map(|path| Key::read(path)).collect(),
        }
    }
}

impl Key {
    fn read(path: &Path) -> Result<Self, KeyError> {
        match read_document(path) {
            Ok(content) => Ok(Self { name: path.display().to_string(), content }),
            Err(source) => Err(KeyError::Read { path: path.to_owned(), source }),
        }
    }
}

fn decode(texts: Vec<String>) -> Result<Keys, String> {
    let decoded = texts.iter().map(|text| BASE64.decode(text));
    decoded.collect::<Result<_, _>>().map(Keys::Data).map_err(|error| format!("key data is not base64: {error}"))
}
