//! What `images`, `image inspect` and `history` show, under podman's field names.

use super::super::config::{ConfigDocument, ContainerDefaults, History};
use super::super::error::ImageError;
use super::{ImageStore, names_of};
use rusqlite::Connection;
use serde::Serialize;
use std::collections::BTreeMap;

/// One line of the list of images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSummary {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Digest of the manifest, `sha256:<hex>`.
    pub digest: String,
    /// Full names with tags; none for a dangling image.
    pub names: Vec<String>,
    /// From the configuration, when it is a time.
    pub created: Option<jiff::Timestamp>,
    /// Bytes of all layers, unpacked.
    pub size: u64,
    /// Containers made from it.
    pub containers: u64,
    pub labels: BTreeMap<String, String>,
    pub architecture: String,
    pub os: String,
}

/// One image in full, as `podman image inspect` shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageInspect {
    pub id: String,
    pub digest: String,
    pub repo_tags: Vec<String>,
    pub repo_digests: Vec<String>,
    pub parent: String,
    pub comment: String,
    pub created: Option<String>,
    pub config: ContainerDefaults,
    pub version: String,
    pub author: String,
    pub architecture: String,
    pub os: String,
    pub size: u64,
    pub virtual_size: u64,
    pub graph_driver: GraphDriver,
    #[serde(rename = "RootFS")]
    pub root_fs: InspectRootFs,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub manifest_type: String,
    pub user: String,
    pub history: Vec<History>,
    pub names_history: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<serde_json::Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GraphDriver {
    pub name: String,
    pub data: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct InspectRootFs {
    #[serde(rename = "Type")]
    pub kind: String,
    pub layers: Vec<String>,
}

impl ImageStore<'_> {
    /// All images, the one loaded last first.
    pub fn list(&self) -> Result<Vec<ImageSummary>, ImageError> {
        let connection = self.database.connection();
        let query = "SELECT id, digest, size, config, (SELECT count(*) FROM containers WHERE image = images.id)
                     FROM images ORDER BY loaded DESC, id";
        let mut statement = connection.prepare(query)?;
        let mut rows = statement.query([])?;
        let mut images = Vec::new();
        while let Some(row) = rows.next()? {
            let id: String = row.get(0)?;
            let config = ConfigDocument::parse(row.get::<_, String>(3)?.as_bytes())?;
            images.push(ImageSummary {
                names: names_of(connection, &id)?,
                id,
                digest: row.get(1)?,
                created: config.created.as_deref().and_then(|time| time.parse().ok()),
                size: row.get::<_, i64>(2)? as u64,
                containers: row.get::<_, i64>(4)? as u64,
                labels: config.config.labels,
                architecture: config.architecture,
                os: config.os,
            });
        }
        Ok(images)
    }

    /// Everything known about one image.
    pub fn inspect(&self, text: &str) -> Result<ImageInspect, ImageError> {
        let found = self.find(text)?;
        let connection = self.database.connection();
        let Stored { digest, size, config, manifest } = stored(connection, &found.id)?;
        let document = ConfigDocument::parse(config.as_bytes())?;
        let (manifest_type, annotations) = manifest_facts(&manifest);
        let names = names_of(connection, &found.id)?;
        let ConfigDocument { created, author, architecture, variant: _, os, config, rootfs, history } = document;
        Ok(ImageInspect {
            repo_digests: repo_digests(&names, &digest),
            repo_tags: names.clone(),
            id: found.id.clone(),
            digest,
            parent: String::new(),
            comment: history.last().and_then(|entry| entry.comment.clone()).unwrap_or_default(),
            created,
            version: String::new(),
            author: author.unwrap_or_default(),
            architecture,
            os,
            size,
            virtual_size: size,
            graph_driver: self.graph_driver(&found.id)?,
            root_fs: InspectRootFs {
                kind: "layers".into(),
                layers: rootfs.diff_ids.iter().map(ToString::to_string).collect(),
            },
            labels: config.labels.clone(),
            annotations,
            manifest_type,
            user: config.user.clone(),
            history,
            names_history: names,
            healthcheck: config.healthcheck.clone(),
            config,
        })
    }

    fn graph_driver(&self, id: &str) -> Result<GraphDriver, ImageError> {
        let mut layers = super::read_record(self.database.connection(), id)?.layers;
        let path = |chain: &String| self.layout.layer_diff(chain).display().to_string();
        let mut data = BTreeMap::new();
        if let Some(top) = layers.pop() {
            data.insert("UpperDir".to_owned(), path(&top));
        }
        if !layers.is_empty() {
            let lower: Vec<String> = layers.iter().rev().map(path).collect();
            data.insert("LowerDir".to_owned(), lower.join(":"));
        }
        Ok(GraphDriver { name: "overlay".into(), data })
    }

    /// Steps of an image with the sizes of their layers, the newest first.
    pub fn history(&self, text: &str) -> Result<Vec<(History, u64)>, ImageError> {
        let found = self.find(text)?;
        let connection = self.database.connection();
        let document = ConfigDocument::parse(stored(connection, &found.id)?.config.as_bytes())?;
        let query = "SELECT size FROM layers JOIN image_layers USING (chain) WHERE image = ? ORDER BY position";
        let mut statement = connection.prepare(query)?;
        let sizes: Vec<i64> = statement.query_map([&found.id], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let mut sizes = sizes.into_iter();
        let step = |entry: History| {
            let size = if entry.empty_layer { 0 } else { sizes.next().unwrap_or(0) };
            (entry, size as u64)
        };
        let mut steps: Vec<_> = document.history.into_iter().map(step).collect();
        steps.reverse();
        Ok(steps)
    }
}

struct Stored {
    digest: String,
    size: u64,
    config: String,
    manifest: String,
}

fn stored(connection: &Connection, id: &str) -> Result<Stored, ImageError> {
    let query = "SELECT images.digest, size, config, content FROM images JOIN image_manifests ON image = id AND image_manifests.digest = images.digest
                 WHERE id = ?";
    Ok(connection.query_row(query, [id], |row| {
        Ok(Stored {
            digest: row.get(0)?,
            size: row.get::<_, i64>(1)? as u64,
            config: row.get(2)?,
            manifest: row.get(3)?,
        })
    })?)
}

fn manifest_facts(manifest: &str) -> (String, BTreeMap<String, String>) {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Facts {
        media_type: Option<String>,
        annotations: Option<BTreeMap<String, String>>,
    }
    let facts: Option<Facts> = serde_json::from_str(manifest).ok();
    let (media_type, annotations) = facts.map_or((None, None), |facts| (facts.media_type, facts.annotations));
    let default = || "application/vnd.oci.image.manifest.v1+json".to_owned();
    (media_type.unwrap_or_else(default), annotations.unwrap_or_default())
}

/// Each repository with the digest of the manifest.
fn repo_digests(names: &[String], digest: &str) -> Vec<String> {
    let mut all: Vec<String> = names
        .iter()
        .filter_map(|name| name.rsplit_once(':'))
        .map(|(repository, _)| format!("{repository}@{digest}"))
        .collect();
    all.dedup();
    all
}
