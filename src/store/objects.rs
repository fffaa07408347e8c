//! Rows of ConfigMaps and Secrets. An object belongs to an application; others may refer to it by name.

use super::StoreError;
use super::row::{decode, encode};
use crate::model::{ConfigMap, ObjectKind, Secret};
use rusqlite::{Connection, OptionalExtension, params};

/// An object and what it is called in listings. Secrets show no value in `Debug`.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectRow {
    /// Application id.
    pub app: String,
    /// 12 hexadecimal digits.
    pub id: String,
    pub object: Object,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Object {
    ConfigMap(ConfigMap),
    Secret(Secret),
}

impl Object {
    pub fn kind(&self) -> ObjectKind {
        match self {
            Self::ConfigMap(_) => ObjectKind::ConfigMap,
            Self::Secret(_) => ObjectKind::Secret,
        }
    }

    pub fn name(&self) -> &str {
        match self {
            Self::ConfigMap(object) => &object.name,
            Self::Secret(object) => &object.name,
        }
    }
}

/// The kind as Kubernetes spells it.
pub fn kind_name(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::ConfigMap => "ConfigMap",
        ObjectKind::Secret => "Secret",
    }
}

/// Records an object, replacing the application's one of that name.
pub fn put(connection: &Connection, row: &ObjectRow) -> Result<(), StoreError> {
    let data = match &row.object {
        Object::ConfigMap(object) => encode("ConfigMap", object)?,
        Object::Secret(object) => encode("Secret", object)?,
    };
    connection
        .prepare_cached(
            "INSERT INTO objects(kind, name, app, id, data) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT(kind, name, app) DO UPDATE SET data = ?5",
        )?
        .execute(params![kind_name(row.object.kind()), row.object.name(), row.app, row.id, data])?;
    Ok(())
}

/// Objects of an application, by kind and name.
pub fn of_app(connection: &Connection, app: &str) -> Result<Vec<ObjectRow>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT kind, id, data FROM objects WHERE app = ?1 ORDER BY kind, name")?;
    let rows = statement
        .query_map([app], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?)))?;
    rows.map(|row| {
        let (kind, id, data) = row?;
        Ok(ObjectRow { app: app.to_owned(), id, object: read(&kind, &data)? })
    })
    .collect()
}

/// The object of that name: of `app` if it has one, else of the application that recorded one, the first by id.
pub fn find(connection: &Connection, app: &str, kind: ObjectKind, name: &str) -> Result<Option<Object>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT data FROM objects WHERE kind = ?1 AND name = ?2 ORDER BY app <> ?3, app LIMIT 1")?;
    let kind = kind_name(kind);
    let data: Option<String> = statement.query_row([kind, name, app], |row| row.get(0)).optional()?;
    data.map(|data| read(kind, &data)).transpose()
}

/// Kind and name of every object, each once.
pub fn names(connection: &Connection) -> Result<Vec<(ObjectKind, String)>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT DISTINCT kind, name FROM objects ORDER BY 1, 2")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
    rows.map(|row| {
        let (kind, name) = row?;
        Ok((parse_kind(&kind), name))
    })
    .collect()
}

/// Ids of the applications that own an object of that kind and name.
pub fn owners(connection: &Connection, kind: ObjectKind, name: &str) -> Result<Vec<String>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT app FROM objects WHERE kind = ?1 AND name = ?2 ORDER BY app")?;
    Ok(statement.query_map([kind_name(kind), name], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// The row as text, for [`restore`]: its id, a line break, its data.
pub fn snapshot(
    connection: &Connection,
    app: &str,
    kind: ObjectKind,
    name: &str,
) -> Result<Option<String>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT id || char(10) || data FROM objects WHERE app = ?1 AND kind = ?2 AND name = ?3")?;
    Ok(statement.query_row([app, kind_name(kind), name], |row| row.get(0)).optional()?)
}

/// Puts back what [`snapshot`] gave, whether there is a row now or not.
pub fn restore(connection: &Connection, app: &str, kind: ObjectKind, name: &str, row: &str) -> Result<(), StoreError> {
    let (id, data) = row.split_once('\n').unwrap_or(("", row));
    connection
        .prepare_cached(
            "INSERT INTO objects(app, kind, name, id, data) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT(kind, name, app) DO UPDATE SET id = excluded.id, data = excluded.data",
        )?
        .execute([app, kind_name(kind), name, id, data])?;
    Ok(())
}

pub fn delete(connection: &Connection, app: &str, kind: ObjectKind, name: &str) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM objects WHERE app = ?1 AND kind = ?2 AND name = ?3")?.execute([
        app,
        kind_name(kind),
        name,
    ])?;
    Ok(())
}

fn parse_kind(text: &str) -> ObjectKind {
    if text == "Secret" { ObjectKind::Secret } else { ObjectKind::ConfigMap }
}

fn read(kind: &str, data: &str) -> Result<Object, StoreError> {
    Ok(match parse_kind(kind) {
        ObjectKind::ConfigMap => Object::ConfigMap(decode("ConfigMap", data)?),
        ObjectKind::Secret => Object::Secret(decode("Secret", data)?),
    })
}
