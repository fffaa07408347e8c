//! Rows of named volumes, as far as they are part of a larger transaction; the volumes themselves are `storage`'s.

use super::StoreError;
use super::row::encode;
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
pub fn existing<'a>(
    connection: &Connection,
    names: impl IntoIterator<Item = &'a str>,
) -> Result<BTreeSet<String>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM volumes WHERE name = ?1")?;
    let mut found = BTreeSet::new();
    for name in names {
        if statement.exists([name])? {
            found.insert(name.to_owned());
        }
    }
    Ok(found)
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
