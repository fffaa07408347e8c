//! Rows of named volumes, as far as they are part of a larger transaction; the volumes themselves are `storage`'s.

use super::StoreError;
use super::row::{decode, encode};
use crate::model::{BoundVolume, ClaimContent, ClaimMount, ClaimTemplate};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, PartialEq)]
pub struct VolumeRow {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub options: BTreeMap<String, String>,
    pub created: jiff::Timestamp,
    /// Application whose play made it; it may be gone.
    pub app: Option<String>,
    pub anonymous: bool,
}

/// Options that podkin itself sets: the PersistentVolume that a claim got (JSON), its access modes, the id of the pod that an ephemeral
/// claim goes with, what it was filled with and what is mounted for it (JSON).
pub const OWN_OPTIONS: [&str; 5] = [PERSISTENT_VOLUME, ACCESS_MODES, POD, CONTENT, MOUNT];
const PERSISTENT_VOLUME: &str = "persistentVolume";
const ACCESS_MODES: &str = "accessModes";
const POD: &str = "pod";
const CONTENT: &str = "content";
const MOUNT: &str = "mount";

const COLUMNS: &str = "name, labels, options, created, app, anonymous";

/// Records a volume; false when one of that name exists, which stays as it is.
pub fn insert(connection: &Connection, volume: &VolumeRow) -> Result<bool, StoreError> {
    let (labels, options) = (encode("volume", &volume.labels)?, encode("volume", &volume.options)?);
    let made = connection
        .prepare_cached(&format!("INSERT OR IGNORE INTO volumes({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"))?
        .execute(params![volume.name, labels, options, volume.created.to_string(), volume.app, volume.anonymous])?;
    Ok(made == 1)
}

/// Those of the names that exist.
pub fn existing(
    connection: &Connection,
    names: impl IntoIterator<Item = String>,
) -> Result<BTreeSet<String>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM volumes WHERE name = ?1")?;
    let mut found = BTreeSet::new();
    for name in names {
        if statement.exists([&name])? {
            found.insert(name);
        }
    }
    Ok(found)
}

/// The options of a volume.
pub fn options(connection: &Connection, name: &str) -> Result<Option<BTreeMap<String, String>>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT options FROM volumes WHERE name = ?1")?;
    let text: Option<String> = statement.query_row([name], |row| row.get(0)).optional()?;
    text.map(|text| decode("volume", &text)).transpose()
}

/// Where a volume's files are, when they are not in a directory of its own.
pub fn bound(options: &BTreeMap<String, String>) -> Option<BoundVolume> {
    options.get(PERSISTENT_VOLUME).and_then(|text| serde_json::from_str(text).ok())
}

/// What a volume begins with.
pub fn content(options: &BTreeMap<String, String>) -> Option<ClaimContent> {
    options.get(CONTENT).and_then(|text| serde_json::from_str(text).ok())
}

/// What is mounted for a volume when a pod has it.
pub fn mount(options: &BTreeMap<String, String>) -> Option<ClaimMount> {
    options.get(MOUNT).and_then(|text| serde_json::from_str(text).ok())
}

/// The options that a claim's volume is recorded with; `pod` is the id of the pod that an ephemeral one goes with.
pub fn claim_options(claim: &ClaimTemplate, pod: Option<&str>) -> BTreeMap<String, String> {
    let bound = claim.bound.as_ref().map(|bound| serde_json::to_string(bound).expect("a path is JSON"));
    let content = claim.content.as_ref().map(|content| serde_json::to_string(content).expect("a name is JSON"));
    let mount = claim.mount.as_ref().map(|mount| serde_json::to_string(mount).expect("names are JSON"));
    let modes = (!claim.access_modes.is_empty()).then(|| claim.access_modes.join(","));
    let options = [
        (PERSISTENT_VOLUME, bound),
        (ACCESS_MODES, modes),
        (POD, pod.map(str::to_owned)),
        (CONTENT, content),
        (MOUNT, mount),
    ];
    options.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

/// The claim's access modes.
pub fn access_modes(options: &BTreeMap<String, String>) -> Vec<String> {
    options.get(ACCESS_MODES).map(|modes| modes.split(',').map(str::to_owned).collect()).unwrap_or_default()
}

/// Volumes that go with pods which are gone.
pub fn orphaned(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare_cached(
        // No pod's id is NULL, but NULL is not in an empty set either.
        "SELECT name FROM volumes WHERE json_extract(options, '$.pod') IS NOT NULL
         AND json_extract(options, '$.pod') NOT IN (SELECT id FROM pods) ORDER BY name",
    )?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Names of the volumes an application made.
pub fn of_app(connection: &Connection, app: &str) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT name FROM volumes WHERE app = ?1 ORDER BY name")?;
    Ok(statement.query_map([app], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Names of the pods that refer to a volume.
pub fn users(connection: &Connection, name: &str) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT pods.name FROM pod_volumes JOIN pods ON pods.id = pod_volumes.pod WHERE volume = ?1 ORDER BY 1",
    )?;
    Ok(statement.query_map([name], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// The application whose play made a volume.
pub fn app(connection: &Connection, name: &str) -> Result<Option<String>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT app FROM volumes WHERE name = ?1 AND app IS NOT NULL")?;
    Ok(statement.query_row([name], |row| row.get(0)).optional()?)
}
