//! The state database: opening, migrating, and the two ways to use it.
//!
//! SQLite in WAL mode with `synchronous=FULL`. Every writer takes the write lock when it begins (`BEGIN IMMEDIATE`), so that the busy
//! timeout applies and no transaction fails half way with "database is locked". Transactions are short: nothing is
//! executed, awaited or locked inside one.
//!
//! Closing does not checkpoint: a command that only reads leaves no trace on the disk, and one that writes pays for one sync. SQLite
//! checkpoints on its own when the log has grown to [`WAL_PAGES`].

use super::layout::Layout;
use super::lock::{FileLock, LockError};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The schema this program writes.
pub const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

/// What makes each version of the one before; the first of nothing.
const MIGRATIONS: [&str; 2] = [include_str!("schema/1.sql"), include_str!("schema/2.sql")];

/// How long a writer waits for the others: far longer than any queue of short transactions lasts.
const BUSY_TIMEOUT: Duration = Duration::from_secs(120);

/// Log pages after which SQLite checkpoints: the first reader after a quiet time reads the whole log, so it stays small.
const WAL_PAGES: i64 = 256;

/// One connection to `<root>/state.db`.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
}

/// Why the state could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot make directory `{}`", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("cannot open the state database `{}`", path.display())]
    Open { path: PathBuf, source: rusqlite::Error },
    #[error("cannot make the state database `{}`", path.display())]
    Make { path: PathBuf, source: io::Error },
    #[error(
        "the state in `{}` has version {found}, which a newer podkin wrote; this one knows versions up to {SCHEMA_VERSION}",
        path.display()
    )]
    Newer { path: PathBuf, found: i64 },
    #[error("no space left on the device that holds the state database")]
    DiskFull,
    #[error("the state database is damaged")]
    Damaged(#[source] rusqlite::Error),
    #[error("cannot read or write the state database")]
    Query(#[source] rusqlite::Error),
    #[error("the record of {subject} has version {found}, which a newer podkin wrote")]
    NewerRecord { subject: String, found: u32 },
    #[error("the state database holds a record of {subject} that cannot be read")]
    Record { subject: String, source: serde_json::Error },
    #[error(transparent)]
    Lock(#[from] LockError),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error),
            _ => Self::Query(error),
        }
    }
}

impl Database {
    /// Opens the database below `layout.root`, making it (0600, in 0700 directories) or migrating it when needed.
    ///
    /// # Errors
    /// [`StoreError::Newer`] when a newer program wrote it: nothing was changed then.
    pub fn open(layout: &Layout) -> Result<Self, StoreError> {
        let path = layout.database();
        let connection = match connect(&path) {
            Ok(connection) => connection,
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::CannotOpen) => {
                make(&layout.root, &path)?;
                connect(&path).map_err(|source| StoreError::Open { path: path.clone(), source })?
            }
            Err(source) => return Err(StoreError::Open { path, source }),
        };
        let mut database = Self { connection };
        if database.version()? != SCHEMA_VERSION {
            database.migrate(layout)?;
        }
        Ok(database)
    }

    /// For reading. Several statements see one state only inside [`Database::snapshot`].
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Runs `read` on one unchanging state.
    pub fn snapshot<T, E: From<StoreError>>(&mut self, read: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Deferred).map_err(StoreError::from)?;
        let result = read(&transaction)?;
        transaction.finish().map_err(StoreError::from)?;
        Ok(result)
    }

    /// Runs `change` as one durable transaction; an error undoes it. Keep it short.
    pub fn write<T, E: From<StoreError>>(&mut self, change: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(StoreError::from)?;
        let result = change(&transaction)?;
        transaction.commit().map_err(StoreError::from)?;
        Ok(result)
    }

    /// Like [`Database::write`] for what may be lost with the power, but never by a crash of a process.
    pub fn write_relaxed<T, E: From<StoreError>>(
        &mut self,
        change: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        self.connection.pragma_update(None, "synchronous", "NORMAL").map_err(StoreError::from)?;
        let result = self.write(change);
        self.connection.pragma_update(None, "synchronous", "FULL").map_err(StoreError::from)?;
        result
    }

    fn version(&self) -> Result<i64, StoreError> {
        Ok(self.connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
    }

    /// Brings the schema up to date, one process at a time.
    fn migrate(&mut self, layout: &Layout) -> Result<(), StoreError> {
        let _lock = FileLock::acquire(&layout.root.join("state.lock"))?;
        let found = self.version()?;
        let Some(missing) = usize::try_from(found).ok().and_then(|done| MIGRATIONS.get(done..)) else {
            return Err(StoreError::Newer { path: layout.database(), found });
        };
        // Another process was first.
        if missing.is_empty() {
            return Ok(());
        }
        if found == 0 {
            self.connection.pragma_update(None, "journal_mode", "WAL")?;
        }
        self.write(|transaction| {
            missing.iter().try_for_each(|step| transaction.execute_batch(step))?;
            transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
            Ok::<_, StoreError>(())
        })
    }
}

fn connect(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", WAL_PAGES, |_| Ok(()))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Makes the root and an empty database file; SQLite gives its log files the same mode.
fn make(root: &Path, path: &Path) -> Result<(), StoreError> {
    private_directory(root)?;
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
            Err(StoreError::Make { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Makes a directory and those above it that are missing, each 0700.
pub fn private_directory(path: &Path) -> Result<(), StoreError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| StoreError::Directory { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Instant;

    fn layout(name: &str) -> Layout {
        let base = std::env::temp_dir().join(format!("podkin-db-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&base);
        Layout::new(base.join("a/root"), base.join("run"))
    }

    fn forget(layout: &Layout) {
        let _ = std::fs::remove_dir_all(layout.run.parent().expect("run has a parent"));
    }

    #[test]
    fn made_private_and_opened_again() {
        let layout = layout("private");
        Database::open(&layout).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&layout.root), mode(&layout.database())), (0o700, 0o600));
        assert_eq!(mode(&layout.root.join("state.db-wal")), 0o600);
        let begin = Instant::now();
        let database = Database::open(&layout).unwrap();
        assert!(begin.elapsed() < Duration::from_millis(20), "{:?}", begin.elapsed());
        assert_eq!(database.version().unwrap(), SCHEMA_VERSION);
        let count = |name: &str| -> i64 { database.connection.pragma_query_value(None, name, |r| r.get(0)).unwrap() };
        assert_eq!((count("foreign_keys"), count("synchronous")), (1, 2));
        forget(&layout);
    }

    #[test]
    fn a_newer_state_is_refused_and_left_alone() {
        let layout = layout("newer");
        Database::open(&layout).unwrap().connection.pragma_update(None, "user_version", 99).unwrap();
        let error = Database::open(&layout).unwrap_err();
        assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error}");
        forget(&layout);
    }

    #[test]
    fn an_older_state_is_migrated_with_what_it_holds() {
        let layout = layout("older");
        std::fs::create_dir_all(&layout.root).unwrap();
        let old = Connection::open(layout.database()).unwrap();
        old.execute_batch(MIGRATIONS[0]).unwrap();
        old.execute_batch(
            "INSERT INTO images (id, digest, size, record, config, manifest, loaded) VALUES ('i', 'd', 1, '{}', '{}', 'm', '');
             INSERT INTO image_names VALUES ('localhost/a:1', 'i');
             PRAGMA user_version = 1;",
        )
        .unwrap();
        drop(old);
        let database = Database::open(&layout).unwrap();
        assert_eq!(database.version().unwrap(), SCHEMA_VERSION);
        let query = "SELECT content || digest || name FROM image_manifests JOIN image_names USING (image)";
        let kept: String = database.connection.query_row(query, [], |row| row.get(0)).unwrap();
        assert_eq!(kept, "mdlocalhost/a:1");
        forget(&layout);
    }

    #[test]
    fn many_at_once_make_one_database_and_all_write() {
        let layout = layout("many");
        std::thread::scope(|scope| {
            for n in 0..24 {
                let layout = &layout;
                scope.spawn(move || {
                    let mut database = Database::open(layout).unwrap();
                    for turn in 0..5 {
                        database
                            .write(|t| {
                                t.execute(
                                    "INSERT INTO volumes(name, created) VALUES (?1, '')",
                                    [format!("v{n}-{turn}")],
                                )?;
                                Ok::<_, StoreError>(())
                            })
                            .unwrap();
                    }
                });
            }
        });
        let database = Database::open(&layout).unwrap();
        let count: i64 = database.connection.query_row("SELECT count(*) FROM volumes", [], |r| r.get(0)).unwrap();
        assert_eq!(count, 120);
        forget(&layout);
    }
}
