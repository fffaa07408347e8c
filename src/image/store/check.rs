//! `system check`: rows against directories.

use super::super::error::{ImageError, write_error};
use super::ImageStore;
use rusqlite::Connection;
use std::collections::BTreeSet;

/// Something that does not fit, and what it concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub kind: ProblemKind,
    /// Chain id, or the name of a directory entry.
    pub subject: String,
    /// Names or ids of the images that cannot be used.
    pub images: Vec<String>,
    pub repaired: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// Recorded, but its directory is gone: repaired by removing the images that need it.
    MissingLayer,
    /// A directory without a row.
    ExtraLayer,
    /// Left by an interrupted command.
    HalfLayer,
    /// Recorded, but no image has it.
    UnusedLayer,
}

impl ImageStore<'_> {
    /// Compares what is recorded with what is there; with `repair`, mends it.
    pub fn check(&mut self, repair: bool) -> Result<Vec<Problem>, ImageError> {
        let mut problems = Vec::new();
        let (recorded, used) = (self.chains("layers")?, self.chains("image_layers")?);
        for chain in recorded.iter().filter(|chain| !self.layout.layer_diff(chain).is_dir()) {
            let images = images_with(self.database.connection(), chain)?;
            problems.push(Problem { kind: ProblemKind::MissingLayer, subject: chain.clone(), images, repaired: false });
        }
        for chain in recorded.difference(&used) {
            problems.push(problem(ProblemKind::UnusedLayer, chain));
        }
        for name in self.entries()? {
            if let Some(chain) = name.strip_prefix(".tmp-") {
                problems.push(problem(ProblemKind::HalfLayer, chain));
            } else if !name.starts_with(".lock-") && !recorded.contains(&name) {
                problems.push(problem(ProblemKind::ExtraLayer, &name));
            }
        }
        if repair && !problems.is_empty() {
            self.repair(&mut problems)?;
        }
        Ok(problems)
    }

    fn repair(&mut self, problems: &mut [Problem]) -> Result<(), ImageError> {
        self.database.write(|transaction| {
            for problem in problems.iter().filter(|p| p.kind == ProblemKind::MissingLayer) {
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
                ProblemKind::MissingLayer | ProblemKind::UnusedLayer => !recorded.contains(&problem.subject),
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
    Problem { kind, subject: subject.to_owned(), images: Vec::new(), repaired: false }
}

fn images_with(connection: &Connection, chain: &str) -> Result<Vec<String>, ImageError> {
    let query = "SELECT coalesce(min(image_names.name), image_layers.image) FROM image_layers
                 LEFT JOIN image_names USING (image) WHERE chain = ? GROUP BY image_layers.image";
    let mut statement = connection.prepare(query)?;
    let images = statement.query_map([chain], |row| row.get(0))?;
    Ok(images.collect::<Result<_, _>>()?)
}
