//! `system check`: rows against directories, and layers against the archives they were made of.

use super::super::digest::Digest;
use super::super::error::{ImageError, write_error};
use super::super::layer::verify;
use super::ImageStore;
use crate::store::lock::{self, FileLock};
use crate::store::pods::IMAGE_USES;
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How much of a layer is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// That its directory is there.
    Quick,
    /// Every file, its content and metadata.
    Thorough,
}

/// Layers read at a time: disks serve several readers best, and hashing takes a core each.
const READERS: usize = 4;
/// Faults of a layer that are told.
const SHOWN: usize = 3;

/// Something that does not fit, and what it concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub kind: ProblemKind,
    /// Chain id, or the name of a directory entry.
    pub subject: String,
    /// Names or ids of the images that cannot be used.
    pub images: Vec<String>,
    /// What is wrong, as far as the kind does not say it; empty for most.
    pub details: Vec<String>,
    /// Names of containers that keep it from being mended.
    pub users: Vec<String>,
    pub repaired: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// Recorded, but its directory is gone: repaired by removing the images that need it.
    MissingLayer,
    /// Its files are not those that were unpacked: repaired by removing the images that need it, unless containers use them.
    ChangedLayer,
    /// Nothing can be said of its files: it was unpacked by an older podkin, or its recipe is damaged.
    Unverifiable,
    /// A directory without a row.
    ExtraLayer,
    /// Left by an interrupted command.
    HalfLayer,
    /// Recorded, but no image has it.
    UnusedLayer,
}

impl ImageStore<'_> {
    /// Compares what is recorded with what is there; with `repair`, mends it.
    pub fn check(&mut self, repair: bool, depth: Depth) -> Result<Vec<Problem>, ImageError> {
        let mut problems = Vec::new();
        // Before the rows: what comes to be while this goes on has no row yet only if it was not there then.
        let entries = self.entries()?;
        let (recorded, used) = (self.chains("layers")?, self.chains("image_layers")?);
        for chain in recorded.iter().filter(|chain| !self.layout.layer_diff(chain).is_dir()) {
            let images = images_with(self.database.connection(), chain)?;
            problems.push(Problem { images, ..problem(ProblemKind::MissingLayer, chain) });
        }
        if depth == Depth::Thorough {
            problems.extend(self.verify_layers()?);
        }
        // Whoever brings images here stores their layers first.
        if FileLock::try_acquire(&self.layout.intake_lock())?.is_some() {
            let unused = recorded.difference(&used);
            problems.extend(unused.map(|chain| problem(ProblemKind::UnusedLayer, chain)));
        }
        // What another command works on is as it should be.
        let stage = self.stage();
        let is_left = |chain: &str| !lock::is_held(&stage.layer_lock(chain));
        for name in entries {
            if let Some(chain) = name.strip_prefix(".tmp-") {
                problems.extend(is_left(chain).then(|| problem(ProblemKind::HalfLayer, chain)));
            } else if !name.starts_with(".lock-") && !recorded.contains(&name) && is_left(&name) {
                problems.push(problem(ProblemKind::ExtraLayer, &name));
            }
        }
        if repair && !problems.is_empty() {
            self.repair(&mut problems)?;
        }
        Ok(problems)
    }

    /// Compares every layer with what it was unpacked from, several at a time.
    fn verify_layers(&self) -> Result<Vec<Problem>, ImageError> {
        let connection = self.database.connection();
        let mut statement = connection.prepare("SELECT chain, diff_id FROM layers ORDER BY size DESC")?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        let layers: Vec<(String, String)> = rows.collect::<Result<_, _>>()?;
        let stage = self.stage();
        let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..READERS.min(layers.len()) {
                scope.spawn(|| {
                    while let Some((chain, diff_id)) = layers.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let directory = stage.layer_dir(chain);
                        let Ok(diff_id) = diff_id.parse::<Digest>() else { continue };
                        // One that is gone is told as such.
                        if !directory.join("diff").is_dir() {
                            continue;
                        }
                        let problem = match verify(&directory, &diff_id) {
                            Ok(faults) if faults.is_empty() => continue,
                            Ok(faults) => {
                                let more = faults.len().saturating_sub(SHOWN);
                                let shown = faults.iter().take(SHOWN).map(ToString::to_string);
                                let more = (more > 0).then(|| format!("and {more} more"));
                                let details = shown.chain(more).collect();
                                Problem { details, ..problem(ProblemKind::ChangedLayer, chain) }
                            }
                            Err(error) => {
                                let details = vec![error.to_string()];
                                Problem { details, ..problem(ProblemKind::Unverifiable, chain) }
                            }
                        };
                        if let Ok(mut found) = found.lock() {
                            found.push(problem);
                        }
                    }
                });
            }
        });
        let mut problems = found.into_inner().unwrap_or_default();
        for problem in &mut problems {
            problem.images = images_with(connection, &problem.subject)?;
            problem.users = users_of(connection, &problem.subject)?;
        }
        problems.sort_by(|a, b| a.subject.cmp(&b.subject));
        Ok(problems)
    }

    pub(super) fn repair(&mut self, problems: &mut [Problem]) -> Result<(), ImageError> {
        let layout = self.layout;
        self.database.write(|transaction| {
            for problem in problems.iter_mut() {
                // Looked at again: other commands went on meanwhile.
                let goes = match problem.kind {
                    ProblemKind::MissingLayer => !layout.layer_diff(&problem.subject).is_dir(),
                    ProblemKind::ChangedLayer => {
                        problem.users = users_of(transaction, &problem.subject)?;
                        problem.users.is_empty()
                    }
                    _ => false,
                };
                if !goes {
                    continue;
                }
                let query = "DELETE FROM images WHERE id IN (SELECT image FROM image_layers WHERE chain = ?)";
                transaction.execute(query, [&problem.subject])?;
            }
            Ok::<_, ImageError>(())
        })?;
        self.sweep()?;
        let left: BTreeSet<String> = self.entries()?.into_iter().collect();
        let recorded = self.chains("layers")?;
        for problem in problems {
            problem.repaired = match problem.kind {
                ProblemKind::Unverifiable => false,
                ProblemKind::MissingLayer | ProblemKind::ChangedLayer | ProblemKind::UnusedLayer => {
                    !recorded.contains(&problem.subject)
                }
                ProblemKind::ExtraLayer => !left.contains(&problem.subject),
                // Another command may be at work on it: then it is no problem.
                ProblemKind::HalfLayer => !left.contains(&format!(".tmp-{}", problem.subject)),
            };
        }
        Ok(())
    }

    fn chains(&self, table: &'static str) -> Result<BTreeSet<String>, ImageError> {
        let mut statement = self.database.connection().prepare(&format!("SELECT DISTINCT chain FROM {table}"))?;
        let chains = statement.query_map([], |row| row.get(0))?;
        Ok(chains.collect::<Result<_, _>>()?)
    }

    fn entries(&self) -> Result<Vec<String>, ImageError> {
        let path = self.layout.layers();
        match std::fs::read_dir(&path) {
            Ok(entries) => {
                let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
                names.collect::<std::io::Result<_>>().map_err(write_error(path))
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(e) => Err(write_error(path)(e)),
        }
    }
}

fn problem(kind: ProblemKind, subject: &str) -> Problem {
    let (images, details, users) = (Vec::new(), Vec::new(), Vec::new());
    Problem { kind, subject: subject.to_owned(), images, details, users, repaired: false }
}

/// Names of containers that have a layer.
fn users_of(connection: &Connection, chain: &str) -> Result<Vec<String>, ImageError> {
    let query = format!("SELECT name FROM {IMAGE_USES} JOIN image_layers USING (image) WHERE chain = ? ORDER BY name");
    let mut statement = connection.prepare(&query)?;
    let names = statement.query_map([chain], |row| row.get(0))?;
    Ok(names.collect::<Result<_, _>>()?)
}

fn images_with(connection: &Connection, chain: &str) -> Result<Vec<String>, ImageError> {
    let query = "SELECT coalesce(min(image_names.name), image_layers.image) FROM image_layers
                 LEFT JOIN image_names USING (image) WHERE chain = ? GROUP BY image_layers.image";
    let mut statement = connection.prepare(query)?;
    let images = statement.query_map([chain], |row| row.get(0))?;
    Ok(images.collect::<Result<_, _>>()?)
}
