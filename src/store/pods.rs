//! Rows of pods and containers.
//!
//! The row holds the whole record: `pod.json` is the supervisor's copy, written again from here when the power took it.

use super::StoreError;
use super::record::{PodNetwork, PodRecord, RECORD_VERSION};
use super::row::{decode, encode};
use crate::model::VolumeSource;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::net::IpAddr;

#[derive(Debug, Clone, PartialEq)]
pub struct PodRow {
    pub record: PodRecord,
    pub app_name: String,
    /// Its removal was decided and may be under way or have been interrupted.
    pub removing: bool,
}

/// A container's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerRow {
    pub id: String,
    pub name: String,
    /// Pod id.
    pub pod: String,
}

/// Table expression with the `name` of each container and the id of each `image` that it was made from or has as a volume.
pub const IMAGE_USES: &str = "(SELECT name, image FROM containers
    UNION SELECT containers.name, json_extract(volume.value, '$.image.id')
    FROM (SELECT id, record FROM pods WHERE instr(record, '\"image_volumes\":[') > 0) AS pod
    JOIN containers ON containers.pod = pod.id, json_each(pod.record, '$.image_volumes') AS volume)";

const SELECT: &str = "SELECT pods.record, apps.name, pods.state FROM pods JOIN apps ON apps.id = pods.app";

/// Records a pod, its containers, the volumes it refers to and its addresses.
///
/// # Errors
/// A unique constraint of SQLite when a name or an address is taken: callers look before, in the same transaction.
pub fn insert(connection: &Connection, record: &PodRecord) -> Result<(), StoreError> {
    let id = &record.id;
    let text = encode("pod", record)?;
    connection
        .prepare_cached("INSERT INTO pods(id, name, app, created, spec_hash, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![id, record.pod.name, record.app, record.created.to_string(), record.spec_hash, text])?;
    let mut insert =
        connection.prepare_cached("INSERT INTO containers(id, name, pod, image) VALUES (?1, ?2, ?3, ?4)")?;
    for container in &record.containers {
        insert.execute(params![container.id, container.name, id, container.image.id])?;
    }
    let mut insert = connection.prepare_cached("INSERT OR IGNORE INTO pod_volumes(pod, volume) VALUES (?1, ?2)")?;
    for volume in &record.pod.volumes {
        if let VolumeSource::Claim { name, .. } = &volume.source {
            insert.execute(params![id, name])?;
        }
    }
    if let PodNetwork::Networks(attachments) = &record.network {
        let mut insert = connection.prepare_cached("INSERT INTO leases(network, ip, pod) VALUES (?1, ?2, ?3)")?;
        for attachment in attachments {
            for ip in &attachment.ips {
                insert.execute(params![attachment.network, ip.to_string(), id])?;
            }
        }
    }
    Ok(())
}

/// Records that a pod has a container more, the last of its record.
///
/// # Errors
/// A unique constraint of SQLite when its name is taken: callers look before, in the same transaction.
pub fn add_container(connection: &Connection, record: &PodRecord) -> Result<(), StoreError> {
    write(connection, record)?;
    if let Some(added) = record.containers.last() {
        connection
            .prepare_cached("INSERT INTO containers(id, name, pod, image) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![added.id, added.name, record.id, added.image.id])?;
    }
    Ok(())
}

/// Replaces the record of a pod whose name, containers, volumes and addresses stay; the old one, for [`restore`].
pub fn update(connection: &Connection, record: &PodRecord) -> Result<Option<String>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT record FROM pods WHERE id = ?1")?;
    let before = statement.query_row([&record.id], |row| row.get(0)).optional()?;
    write(connection, record)?;
    Ok(before)
}

/// Puts back the record that [`update`] replaced.
pub fn restore(connection: &Connection, id: &str, before: &str) -> Result<(), StoreError> {
    let record: PodRecord = decode("pod", before)?;
    debug_assert_eq!(record.id, id, "the journal names the pod whose record it keeps");
    write(connection, &record)
}

fn write(connection: &Connection, record: &PodRecord) -> Result<(), StoreError> {
    connection.prepare_cached("UPDATE pods SET spec_hash = ?2, record = ?3 WHERE id = ?1")?.execute(params![
        record.id,
        record.spec_hash,
        encode("pod", record)?
    ])?;
    Ok(())
}

pub fn get(connection: &Connection, id: &str) -> Result<Option<PodRow>, StoreError> {
    one(connection, "pods.id = ?1", id)
}

pub fn by_name(connection: &Connection, name: &str) -> Result<Option<PodRow>, StoreError> {
    one(connection, "pods.name = ?1", name)
}

/// Pods of an application, oldest first.
pub fn of_app(connection: &Connection, app: &str) -> Result<Vec<PodRow>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE pods.app = ?1 ORDER BY pods.rowid"))?;
    statement.query_map([app], |row| Ok(read(row)))?.map(|row| row?).collect()
}

/// Every pod, oldest first.
pub fn all(connection: &Connection) -> Result<Vec<PodRow>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} ORDER BY pods.rowid"))?;
    statement.query_map([], |row| Ok(read(row)))?.map(|row| row?).collect()
}

/// Application id and name of each of these pods that exists, as `(pod name, app id, app name)`.
pub fn owners(connection: &Connection, names: &[&str]) -> Result<Vec<(String, String, String)>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT pods.app, apps.name FROM pods JOIN apps ON apps.id = pods.app WHERE pods.name = ?1")?;
    let mut found = Vec::new();
    for name in names {
        let row = statement.query_row([name], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        found.extend(row.map(|(app, app_name)| ((*name).to_owned(), app, app_name)));
    }
    Ok(found)
}

/// Id and name of the pod that has a container of that name.
pub fn container_owner(connection: &Connection, name: &str) -> Result<Option<(String, String)>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT pods.id, pods.name FROM containers JOIN pods ON pods.id = containers.pod WHERE containers.name = ?1",
    )?;
    Ok(statement.query_row([name], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// The container of exactly that name.
pub fn container_by_name(connection: &Connection, name: &str) -> Result<Option<ContainerRow>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT id, name, pod FROM containers WHERE name = ?1")?;
    Ok(statement.query_row([name], container).optional()?)
}

/// Containers whose id begins so; `prefix` must be hexadecimal.
pub fn containers_by_prefix(connection: &Connection, prefix: &str) -> Result<Vec<ContainerRow>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT id, name, pod FROM containers WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id")?;
    Ok(statement.query_map([prefix], container)?.collect::<Result<_, _>>()?)
}

/// Ids of pods that begin so; `prefix` must be hexadecimal.
pub fn ids_by_prefix(connection: &Connection, prefix: &str) -> Result<Vec<String>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT id FROM pods WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id")?;
    Ok(statement.query_map([prefix], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Ids of all pods.
pub fn ids(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT id FROM pods ORDER BY id")?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Pod id and application id of pods whose removal was decided.
pub fn removing(connection: &Connection) -> Result<Vec<(String, String)>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT id, app FROM pods WHERE state <> 'present' ORDER BY id")?;
    Ok(statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
}

pub fn mark_removing(connection: &Connection, id: &str) -> Result<(), StoreError> {
    connection.prepare_cached("UPDATE pods SET state = 'removing' WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Forgets a pod with its containers and addresses.
pub fn delete(connection: &Connection, id: &str) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM pods WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Addresses in use on a network.
pub fn leases(connection: &Connection, network: &str) -> Result<Vec<IpAddr>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT ip FROM leases WHERE network = ?1")?;
    let texts = statement.query_map([network], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    Ok(texts.iter().filter_map(|text| text.parse().ok()).collect())
}

/// Addresses given last on a network.
pub fn last_leases(connection: &Connection, network: &str) -> Result<Vec<IpAddr>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT ips FROM last_leases WHERE network = ?1")?;
    let text: Option<String> = statement.query_row([network], |row| row.get(0)).optional()?;
    text.map_or(Ok(Vec::new()), |text| decode("addresses", &text))
}

pub fn set_last_leases(connection: &Connection, network: &str, ips: &[IpAddr]) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO last_leases(network, ips) VALUES (?1, ?2) ON CONFLICT(network) DO UPDATE SET ips = ?2",
        )?
        .execute(params![network, encode("addresses", &ips)?])?;
    Ok(())
}

fn one(connection: &Connection, condition: &str, value: &str) -> Result<Option<PodRow>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE {condition}"))?;
    statement.query_row([value], |row| Ok(read(row))).optional()?.transpose()
}

fn read(row: &Row<'_>) -> Result<PodRow, StoreError> {
    let record: PodRecord = decode("pod", row.get_ref(0)?.as_str().unwrap_or_default())?;
    if record.version > RECORD_VERSION {
        return Err(StoreError::NewerRecord { subject: format!("pod {}", record.pod.name), found: record.version });
    }
    Ok(PodRow { record, app_name: row.get(1)?, removing: row.get_ref(2)?.as_str().unwrap_or_default() == "removing" })
}

fn container(row: &Row<'_>) -> Result<ContainerRow, rusqlite::Error> {
    Ok(ContainerRow { id: row.get(0)?, name: row.get(1)?, pod: row.get(2)? })
}
