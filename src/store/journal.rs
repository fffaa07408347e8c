//! The journal: what a command made, so that it, or the next command, can take it back.
//!
//! ```text
//! begin (in the transaction that makes the first things) -> [open] -> accept -> [accepted] -> finish (row gone)
//!                                                             '-> undone: finish
//! ```
//!
//! A command holds the lock of its application, `<run>/locks/app-<id>`, as long as it has a run: whoever gets that lock and finds a run
//! knows that its command is dead. An open run is undone then, an accepted one forgotten.

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

/// One thing a run did, with what is needed to take it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    pub kind: MadeKind,
    /// Id of an application or pod, else a name.
    pub subject: String,
    /// The row that was replaced, as [`apps::snapshot`](super::apps::snapshot) and
    /// [`objects::snapshot`](super::objects::snapshot) give it; `None` when there was none.
    pub before: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MadeKind {
    /// Recorded an application, new or played again.
    App,
    /// Made a pod.
    Pod,
    /// Removed a pod, to make another in its place or because it is no longer wanted; `before` is what it
    /// takes to put it back.
    Replaced,
    /// Made a volume.
    Volume,
    /// Stored a ConfigMap, new or changed.
    ConfigMap,
    /// Stored a Secret, new or changed.
    Secret,
    /// Started a pod that was there.
    Start,
    /// Gave a pod its changed objects, or other labels and annotations; `before` is the record with the old ones.
    Refresh,
}

const KINDS: [(MadeKind, &str); 8] = [
    (MadeKind::App, "app"),
    (MadeKind::Pod, "pod"),
    (MadeKind::Replaced, "replaced"),
    (MadeKind::Volume, "volume"),
    (MadeKind::ConfigMap, "configmap"),
    (MadeKind::Secret, "secret"),
    (MadeKind::Start, "start"),
    (MadeKind::Refresh, "refresh"),
];

impl MadeKind {
    fn as_str(self) -> &'static str {
        KINDS.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    fn parse(text: &str) -> Option<Self> {
        KINDS.iter().find(|(_, name)| *name == text).map(|(kind, _)| *kind)
    }
}

impl Made {
    pub fn new(kind: MadeKind, subject: impl Into<String>) -> Self {
        Self { kind, subject: subject.into(), before: None }
    }
}

/// Opens a run with what it makes, or adds to an open one; in the transaction that makes it.
pub fn begin(connection: &Connection, run: &Run, made: &[Made]) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO runs(id, command, app, started) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![run.id, run.command, run.app, jiff::Timestamp::now().to_string()])?;
    let mut insert = connection
        .prepare_cached("INSERT INTO run_steps(run, seq, kind, subject, before) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    let count = "SELECT COUNT(*) FROM run_steps WHERE run = ?1";
    let first: i64 = connection.prepare_cached(count)?.query_row([&run.id], |row| row.get(0))?;
    for (sequence, Made { kind, subject, before }) in (first..).zip(made) {
        insert.execute(params![run.id, sequence, kind.as_str(), subject, before])?;
    }
    Ok(())
}

/// From here on the death of the command undoes nothing.
pub fn accept(connection: &Connection, id: &str) -> Result<(), StoreError> {
    connection.prepare_cached("UPDATE runs SET state = 'accepted' WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Back to open, before an accepted run is undone after all.
pub fn reopen(connection: &Connection, id: &str) -> Result<(), StoreError> {
    connection.prepare_cached("UPDATE runs SET state = 'open' WHERE id = ?1")?.execute([id])?;
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
        connection.prepare_cached("SELECT kind, subject, before FROM run_steps WHERE run = ?1 ORDER BY seq DESC")?;
    let rows = statement.query_map([run], |row| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?)))?;
    let found = rows.collect::<Result<Vec<(String, String, Option<String>)>, _>>()?;
    let made = |(kind, subject, before): (String, _, _)| Some(Made { kind: MadeKind::parse(&kind)?, subject, before });
    Ok(found.into_iter().filter_map(made).collect())
}
