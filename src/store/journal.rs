//! The journal: what a command made, so that it, or the next command, can take it back.
//!
//! ```text
//! begin (in the transaction that makes the first things) -> [open] -> accept -> [accepted] -> finish (row gone)
//!                                                             '-> undone: finish
//! ```
//!
//! A run belongs to a living command as long as its lock, `<run>/locks/run-<id>`, is held. An open run without one is undone by whoever
//! finds it, an accepted one is forgotten.

use super::StoreError;
use rusqlite::{Connection, params};

/// A recorded run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub id: String,
    pub command: String,
    /// Application id.
    pub app: String,
    /// The supervisor has the pods: they go forward.
    pub accepted: bool,
}

/// One thing a run made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// Application id.
    App(String),
    /// Pod id.
    Pod(String),
    /// Volume name.
    Volume(String),
    /// Object name.
    ConfigMap(String),
    /// Object name.
    Secret(String),
}

impl Made {
    fn columns(&self) -> (&'static str, &str) {
        match self {
            Self::App(id) => ("app", id),
            Self::Pod(id) => ("pod", id),
            Self::Volume(name) => ("volume", name),
            Self::ConfigMap(name) => ("configmap", name),
            Self::Secret(name) => ("secret", name),
        }
    }

    fn read(kind: &str, subject: String) -> Option<Self> {
        match kind {
            "app" => Some(Self::App(subject)),
            "pod" => Some(Self::Pod(subject)),
            "volume" => Some(Self::Volume(subject)),
            "configmap" => Some(Self::ConfigMap(subject)),
            "secret" => Some(Self::Secret(subject)),
            _ => None,
        }
    }
}

/// Opens a run with what it makes; in the transaction that makes it.
pub fn begin(connection: &Connection, run: &Run, made: &[Made]) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT INTO runs(id, command, app, started) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![run.id, run.command, run.app, jiff::Timestamp::now().to_string()])?;
    let mut insert =
        connection.prepare_cached("INSERT INTO run_steps(run, seq, kind, subject) VALUES (?1, ?2, ?3, ?4)")?;
    for (sequence, thing) in made.iter().enumerate() {
        let (kind, subject) = thing.columns();
        insert.execute(params![run.id, sequence as i64, kind, subject])?;
    }
    Ok(())
}

/// From here on the death of the command undoes nothing.
pub fn accept(connection: &Connection, id: &str) -> Result<(), StoreError> {
    connection.prepare_cached("UPDATE runs SET state = 'accepted' WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Closes a run that succeeded or was undone.
pub fn finish(connection: &Connection, id: &str) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM runs WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Every run that is not closed.
pub fn runs(connection: &Connection) -> Result<Vec<Run>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT id, command, app, state FROM runs ORDER BY started, id")?;
    let rows = statement.query_map([], |row| {
        let state: String = row.get(3)?;
        Ok(Run { id: row.get(0)?, command: row.get(1)?, app: row.get(2)?, accepted: state == "accepted" })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What a run made, last first.
pub fn made(connection: &Connection, run: &str) -> Result<Vec<Made>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT kind, subject FROM run_steps WHERE run = ?1 ORDER BY seq DESC")?;
    let rows = statement.query_map([run], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
    let pairs = rows.collect::<Result<Vec<(String, String)>, _>>()?;
    Ok(pairs.into_iter().filter_map(|(kind, subject)| Made::read(&kind, subject)).collect())
}
