//! Rows of applications.

use super::StoreError;
use super::row::{decode, encode, timestamp};
use crate::model::{ClaimTemplate, Source, Workload};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// An application as it was last played.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AppRow {
    /// 12 hexadecimal digits.
    pub id: String,
    pub name: String,
    pub sources: Vec<Source>,
    pub workloads: Vec<Workload>,
    pub claims: Vec<ClaimTemplate>,
    pub created: jiff::Timestamp,
    pub state: AppState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AppState {
    Present,
    /// Its removal was decided, and may be under way or have been interrupted.
    Removing {
        /// The volumes it made go, too.
        volumes: bool,
    },
}

impl AppState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Removing { volumes: false } => "removing",
            Self::Removing { volumes: true } => "removing-volumes",
        }
    }

    fn parse(text: &str) -> Self {
        match text {
            "removing" => Self::Removing { volumes: false },
            "removing-volumes" => Self::Removing { volumes: true },
            _ => Self::Present,
        }
    }
}

const COLUMNS: &str = "id, name, sources, workloads, claims, created, state";

/// Records an application, or what it was played from this time.
pub fn put(connection: &Connection, app: &AppRow) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO apps(id, name, sources, workloads, claims, created) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT(id) DO UPDATE SET name = ?2, sources = ?3, workloads = ?4, claims = ?5",
    )?;
    let (sources, workloads, claims) =
        (encode("app", &app.sources)?, encode("app", &app.workloads)?, encode("app", &app.claims)?);
    statement.execute(params![app.id, app.name, sources, workloads, claims, app.created.to_string()])?;
    connection.execute("DELETE FROM app_sources WHERE app = ?1", [&app.id])?;
    let mut insert = connection.prepare_cached("INSERT OR IGNORE INTO app_sources(path, app) VALUES (?1, ?2)")?;
    for path in app.sources.iter().filter_map(|s| s.path.as_ref()) {
        insert.execute(params![path.to_string_lossy(), app.id])?;
    }
    Ok(())
}

pub fn get(connection: &Connection, id: &str) -> Result<Option<AppRow>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM apps WHERE id = ?1"))?;
    statement.query_row([id], |row| Ok(read(row))).optional()?.transpose()
}

/// Every application, oldest first.
pub fn all(connection: &Connection) -> Result<Vec<AppRow>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM apps ORDER BY created, id"))?;
    statement.query_map([], |row| Ok(read(row)))?.map(|row| row?).collect()
}

/// Id and name of every application, by id.
pub fn names(connection: &Connection) -> Result<Vec<(String, String)>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT id, name FROM apps ORDER BY id")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Ids of the applications last played from any of these files, each once.
pub fn from_sources(connection: &Connection, paths: &[PathBuf]) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT app FROM app_sources WHERE path = ?1 ORDER BY app")?;
    let mut found: Vec<String> = Vec::new();
    for path in paths {
        for app in statement.query_map([path.to_string_lossy()], |row| row.get(0))? {
            found.push(app?);
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// The row as text, for [`restore`].
pub fn snapshot(connection: &Connection, id: &str) -> Result<Option<String>, StoreError> {
    get(connection, id)?.map(|app| encode("app", &app)).transpose()
}

/// Puts a row back that [`snapshot`] gave.
pub fn restore(connection: &Connection, text: &str) -> Result<(), StoreError> {
    put(connection, &decode("application", text)?)
}

/// Ids of applications whose removal was decided.
pub fn removing(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT id FROM apps WHERE state <> 'present' ORDER BY id")?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Decides the removal of an application and its pods.
pub fn mark_removing(connection: &Connection, id: &str, volumes: bool) -> Result<(), StoreError> {
    let state = AppState::Removing { volumes };
    connection.execute("UPDATE apps SET state = ?2 WHERE id = ?1", [id, state.as_str()])?;
    connection.execute("UPDATE pods SET state = 'removing' WHERE app = ?1", [id])?;
    Ok(())
}

/// Forgets an application with everything that belongs to it but volumes.
pub fn delete(connection: &Connection, id: &str) -> Result<(), StoreError> {
    connection.execute("DELETE FROM apps WHERE id = ?1", [id])?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<AppRow, StoreError> {
    let id: String = row.get(0)?;
    let subject = format!("application {id}");
    Ok(AppRow {
        name: row.get(1)?,
        sources: decode(&subject, &row.get::<_, String>(2)?)?,
        workloads: decode(&subject, &row.get::<_, String>(3)?)?,
        claims: decode(&subject, &row.get::<_, String>(4)?)?,
        created: timestamp(&row.get::<_, String>(5)?),
        state: AppState::parse(&row.get::<_, String>(6)?),
        id,
    })
}
