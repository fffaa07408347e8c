//! What `images` and `image inspect` show, under podman's field names.

use super::super::config::{ConfigDocument, ContainerDefaults, History};
use super::super::error::ImageError;
use super::super::reference::split_name;
use super::family::Family;
use super::{ImageStore, names_of};
use crate::store::pods::IMAGE_USES;
use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

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
    /// The image it was made from, when this machine has it.
    pub parent: Option<String>,
    /// Other images were made from it.
    pub has_children: bool,
    /// Each repository of its names with each digest it is known by.
    pub repo_digests: Vec<String>,
    /// It is a manifest list, and no image.
    pub is_list: bool,
}

impl ImageSummary {
    /// Whether nobody would miss it: no name, and no image was made from it.
    pub fn is_dangling(&self) -> bool {
        self.names.is_empty() && !self.has_children
    }

    /// Whether it has no name and only stands between images.
    pub fn is_intermediate(&self) -> bool {
        self.names.is_empty() && self.has_children
    }
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
        let documents = stored_all(connection)?;
        let family = Family::of(documents.iter().map(|(id, document)| (id.as_str(), document)));
        let parents = family.with_children();
        let query = format!(
            "SELECT id, digest, size, coalesce(uses.containers, 0) FROM images
             LEFT JOIN (SELECT image, count(*) AS containers FROM {IMAGE_USES} GROUP BY image) AS uses
             ON uses.image = images.id ORDER BY loaded DESC, id"
        );
        let mut statement = connection.prepare(&query)?;
        let mut rows = statement.query([])?;
        let mut images = Vec::new();
        while let Some(row) = rows.next()? {
            let id: String = row.get(0)?;
            // One that was added between the two queries is left to the next list.
            let Some(config) = documents.get(&id) else { continue };
            let names = names_of(connection, &id)?;
            images.push(ImageSummary {
                repo_digests: repo_digests(connection, &id, &names)?,
                names,
                digest: row.get(1)?,
                created: config.created.as_deref().and_then(|time| time.parse().ok()),
                size: row.get::<_, i64>(2)? as u64,
                containers: row.get::<_, i64>(3)? as u64,
                labels: config.config.labels.clone(),
                architecture: config.architecture.clone(),
                os: config.os.clone(),
                parent: family.parent(&id).map(str::to_owned),
                has_children: parents.contains(id.as_str()),
                is_list: false,
                id,
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
            repo_digests: repo_digests(connection, &found.id, &names)?,
            repo_tags: names.iter().filter(|name| split_name(name).1.is_some()).cloned().collect(),
            id: found.id.clone(),
            digest,
            parent: self.family()?.parent(&found.id).unwrap_or_default().to_owned(),
            comment: history.first().and_then(|entry| entry.comment.clone()).unwrap_or_default(),
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
}

pub(super) struct Stored {
    pub digest: String,
    pub size: u64,
    pub(super) config: String,
    pub manifest: String,
}

/// What the database has of an image.
pub(super) fn stored(connection: &Connection, id: &str) -> Result<Stored, ImageError> {
    let query = "SELECT images.digest, size, config, content FROM images JOIN image_manifests ON image = id AND image_manifests.digest = images.digest
                 WHERE id = ?";
    let stored = connection.query_row(query, [id], |row| {
        Ok(Stored {
            digest: row.get(0)?,
            size: row.get::<_, i64>(1)? as u64,
            config: row.get(2)?,
            manifest: row.get(3)?,
        })
    });
    stored.optional()?.ok_or_else(|| super::vanished(id))
}

/// The configurations of all images, by id.
pub(super) fn stored_all(connection: &Connection) -> Result<BTreeMap<String, ConfigDocument>, ImageError> {
    let mut statement = connection.prepare_cached("SELECT id, config FROM images")?;
    let mut rows = statement.query([])?;
    let mut all = BTreeMap::new();
    while let Some(row) = rows.next()? {
        all.insert(row.get(0)?, ConfigDocument::parse(row.get::<_, String>(1)?.as_bytes())?);
    }
    Ok(all)
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

/// Each repository with each digest the image is known by: its manifest's, and those of indexes that led to it.
fn repo_digests(connection: &Connection, id: &str, names: &[String]) -> Result<Vec<String>, ImageError> {
    let mut statement =
        connection.prepare_cached("SELECT digest FROM image_manifests WHERE image = ? ORDER BY digest")?;
    let digests: Vec<String> = statement.query_map([id], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let repositories: BTreeSet<&str> = names.iter().map(|name| split_name(name).0).collect();
    let all = repositories.iter().flat_map(|name| digests.iter().map(move |digest| format!("{name}@{digest}")));
    Ok(all.collect())
}
