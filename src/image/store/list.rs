//! Manifest lists that are put together here: which images, for which platforms, and where each is.

use super::super::config::{Descriptor, DocumentError, Platform};
use super::super::digest::Digest;
use super::super::error::ImageError;
use super::super::media::{DOCKER_MANIFEST, ManifestFormat};
use super::super::reference::{Reference, local_candidates, split_name};
use super::{ImageStore, ImageSummary, new_name, stored};
use crate::store::StoreError;
use rusqlite::{Connection, OptionalExtension, Row};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A manifest list of this machine.
#[derive(Debug, Clone, PartialEq)]
pub struct ManifestList {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Full name with a tag.
    pub name: String,
    pub created: Option<jiff::Timestamp>,
    pub document: ListDocument,
}

/// What a list consists of; the stored form.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ListDocument {
    pub instances: Vec<Instance>,
}

/// One image of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// As it will stand in the index; an image of this machine may get another digest when it is pushed.
    pub descriptor: Descriptor,
    pub origin: InstanceOrigin,
}

/// Where an image of a list is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstanceOrigin {
    /// On this machine: its id.
    Local(String),
    /// On a registry: `host/path`.
    Registry(String),
}

/// An image index, or Docker's manifest list (OCI image specification, "Image Index").
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index<'i> {
    schema_version: u32,
    media_type: &'i str,
    manifests: Vec<Descriptor>,
}

impl ListDocument {
    /// Docker's when all images are Docker's, and for a list of none as podman has it.
    pub fn format(&self) -> ManifestFormat {
        let docker = |instance: &Instance| instance.descriptor.media_type == DOCKER_MANIFEST;
        if self.instances.iter().all(docker) { ManifestFormat::Docker } else { ManifestFormat::Oci }
    }

    /// The index of these images, byte for byte; Docker's form has no annotations.
    pub fn to_index(&self, format: ManifestFormat) -> Vec<u8> {
        let manifests = self.instances.iter().map(|instance| {
            let mut descriptor = instance.descriptor.clone();
            if format == ManifestFormat::Docker {
                descriptor.annotations = BTreeMap::new();
            }
            descriptor
        });
        let index = Index { schema_version: 2, media_type: format.index_type(), manifests: manifests.collect() };
        serde_json::to_vec_pretty(&index).expect("an index has only string keys and finite numbers")
    }

    /// Adds an image, or replaces the one of that digest.
    pub fn add(&mut self, instance: Instance) {
        match self.instances.iter_mut().find(|known| known.descriptor.digest == instance.descriptor.digest) {
            Some(known) => *known = instance,
            None => self.instances.push(instance),
        }
    }

    pub fn get_mut(&mut self, digest: &Digest) -> Option<&mut Instance> {
        self.instances.iter_mut().find(|instance| instance.descriptor.digest == *digest)
    }
}

impl Instance {
    /// Takes down what it became at a registry; what a list says about it stays.
    pub fn found_as(&mut self, descriptor: Descriptor) {
        let Descriptor { media_type, digest, size, annotations: _, platform: _ } = descriptor;
        self.descriptor.media_type = media_type;
        self.descriptor.digest = digest;
        self.descriptor.size = size;
    }
}

impl ManifestList {
    /// As a line of the list of images.
    fn summary(&self) -> ImageSummary {
        let index = self.document.to_index(self.document.format());
        let digest = Digest::of(&index);
        ImageSummary {
            id: self.id.clone(),
            repo_digests: vec![format!("{}@{digest}", split_name(&self.name).0)],
            digest: digest.to_string(),
            names: vec![self.name.clone()],
            created: self.created,
            size: index.len() as u64,
            containers: 0,
            labels: BTreeMap::new(),
            architecture: String::new(),
            os: String::new(),
            parent: None,
            has_children: false,
            is_list: true,
        }
    }
}

impl ImageStore<'_> {
    /// Makes an empty list; with `amend` one that is there already is taken.
    ///
    /// # Errors
    /// [`ImageError::NameTaken`] when a list or an image has the name.
    pub fn create_list(&mut self, name: &str, amend: bool) -> Result<ManifestList, ImageError> {
        let full = new_name(name)?;
        if let Some(known) = find_by_name(self.database.connection(), &full)? {
            return if amend { Ok(known) } else { Err(ImageError::NameTaken(full)) };
        }
        if super::by_full_name(self.database.connection(), &full)?.is_some() {
            return Err(ImageError::NameTaken(full));
        }
        let now = jiff::Timestamp::now();
        let id = Digest::of(format!("{full} {}", now.as_nanosecond()).as_bytes()).hex().to_owned();
        let document = ListDocument::default();
        let row = (id.clone(), full.clone(), now.to_string(), content(&document));
        self.database.write(|transaction| {
            let query = "INSERT INTO manifest_lists (id, name, created, content) VALUES (?, ?, ?, ?)";
            transaction.execute(query, row).map_err(ImageError::from)
        })?;
        Ok(ManifestList { id, name: full, created: Some(now), document })
    }

    /// Finds a list by its name, or by the beginning of its id.
    pub fn find_list(&self, text: &str) -> Result<Option<ManifestList>, ImageError> {
        let connection = self.database.connection();
        for name in local_candidates(text).unwrap_or_default().iter().filter_map(Reference::tagged) {
            if let Some(list) = find_by_name(connection, &name)? {
                return Ok(Some(list));
            }
        }
        let hex = text.strip_prefix("sha256:").unwrap_or(text);
        let mut meant: Vec<ManifestList> = self.lists()?;
        meant.retain(|list| !hex.is_empty() && list.id.starts_with(hex));
        match meant.len() {
            0 | 1 => Ok(meant.pop()),
            count => Err(ImageError::Ambiguous { text: text.to_owned(), count }),
        }
    }

    /// Every list, by name.
    pub fn lists(&self) -> Result<Vec<ManifestList>, ImageError> {
        let query = "SELECT id, name, created, content FROM manifest_lists ORDER BY name";
        let mut statement = self.database.connection().prepare(query)?;
        let mut rows = statement.query([])?;
        let mut lists = Vec::new();
        while let Some(row) = rows.next()? {
            lists.push(read(row)?);
        }
        Ok(lists)
    }

    /// Every list as a line of the list of images.
    pub fn list_summaries(&self) -> Result<Vec<ImageSummary>, ImageError> {
        Ok(self.lists()?.iter().map(ManifestList::summary).collect())
    }

    /// Changes a list as it is now, whoever else changes it meanwhile.
    pub fn change_list(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut ListDocument) -> Result<(), ImageError>,
    ) -> Result<(), ImageError> {
        self.database.write(|transaction| {
            let mut list = find_by_name(transaction, name)?.ok_or_else(|| ImageError::ListNotFound(name.to_owned()))?;
            change(&mut list.document)?;
            let query = "UPDATE manifest_lists SET content = ? WHERE id = ?";
            transaction.execute(query, (content(&list.document), &list.id))?;
            Ok(())
        })
    }

    /// Removes a list; its images stay.
    pub fn remove_list(&mut self, id: &str) -> Result<(), ImageError> {
        self.database.write(|transaction| {
            transaction.execute("DELETE FROM manifest_lists WHERE id = ?", [id]).map(drop).map_err(ImageError::from)
        })
    }

    /// An image of this machine as one of a list.
    pub fn instance(&self, id: &str) -> Result<Instance, ImageError> {
        let image = self.outgoing(id)?;
        let config = &image.document;
        let platform = Platform {
            architecture: config.architecture.clone(),
            os: config.os.clone(),
            variant: config.variant.clone(),
            ..Platform::default()
        };
        let digest = stored(self.database.connection(), &image.id)?.digest.parse().map_err(DocumentError::Digest)?;
        let descriptor = Descriptor {
            media_type: ManifestFormat::of(&image.manifest).manifest_type().to_owned(),
            digest,
            size: image.manifest_bytes.len() as u64,
            annotations: BTreeMap::new(),
            platform: Some(platform),
        };
        Ok(Instance { descriptor, origin: InstanceOrigin::Local(image.id) })
    }
}

pub(super) fn find_by_name(connection: &Connection, name: &str) -> Result<Option<ManifestList>, ImageError> {
    let query = "SELECT id, name, created, content FROM manifest_lists WHERE name = ?";
    connection.query_row(query, [name], |row| Ok(read(row))).optional()?.transpose()
}

fn read(row: &Row<'_>) -> Result<ManifestList, ImageError> {
    let (name, created, json): (String, String, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
    let unreadable = |source| StoreError::Record { subject: format!("manifest list {name}"), source };
    let document = serde_json::from_str(&json).map_err(unreadable)?;
    Ok(ManifestList { id: row.get(0)?, name, created: created.parse().ok(), document })
}

fn content(document: &ListDocument) -> String {
    serde_json::to_string(document).expect("a list has only string keys and finite numbers")
}
