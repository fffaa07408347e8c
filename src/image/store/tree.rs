//! Layers and the images that lie on them.

use super::super::error::ImageError;
use super::{ImageStore, names_of};
use rusqlite::Connection;
use std::collections::BTreeMap;

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerSummary {
    /// Chain id: 64 hexadecimal digits.
    pub chain: String,
    /// Bytes, unpacked.
    pub size: u64,
    /// Names of the images whose uppermost layer it is; an image without a name by its id.
    pub top_of: Vec<String>,
}

/// A layer with those that lie on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerTree {
    pub layer: LayerSummary,
    pub above: Vec<LayerTree>,
}

/// A layer with all images that have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerUsers {
    /// Bytes, unpacked.
    pub size: u64,
    /// Image ids; at least one.
    pub images: Vec<String>,
}

impl ImageStore<'_> {
    /// Every layer that an image has.
    pub fn layer_users(&self) -> Result<Vec<LayerUsers>, ImageError> {
        let query = "SELECT DISTINCT chain, size, image FROM image_layers JOIN layers USING (chain)";
        let mut statement = self.database.connection().prepare_cached(query)?;
        let mut rows = statement.query([])?;
        let mut layers: BTreeMap<String, LayerUsers> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let new = LayerUsers { size: row.get::<_, i64>(1)? as u64, images: Vec::new() };
            layers.entry(row.get(0)?).or_insert(new).images.push(row.get(2)?);
        }
        Ok(layers.into_values().collect())
    }

    /// The layers of an image, lowest first.
    pub fn layers_of(&self, id: &str) -> Result<Vec<LayerSummary>, ImageError> {
        let connection = self.database.connection();
        let tops = tops(connection)?;
        let query = "SELECT chain, size FROM image_layers JOIN layers USING (chain) WHERE image = ? ORDER BY position";
        let mut statement = connection.prepare_cached(query)?;
        let layers = statement.query_map([id], |row| {
            let chain: String = row.get(0)?;
            let top_of = tops.get(&chain).cloned().unwrap_or_default();
            Ok(LayerSummary { top_of, chain, size: row.get::<_, i64>(1)? as u64 })
        })?;
        Ok(layers.collect::<Result<_, _>>()?)
    }

    /// The uppermost layer of an image and all layers of other images on it; `None` for an image without layers.
    pub fn layers_above(&self, id: &str) -> Result<Option<LayerTree>, ImageError> {
        let Some(top) = self.layers_of(id)?.pop() else { return Ok(None) };
        let mut above: BTreeMap<String, Vec<LayerSummary>> = BTreeMap::new();
        let query = "SELECT DISTINCT lower.chain, upper.chain, layers.size FROM image_layers AS lower
                     JOIN image_layers AS upper ON upper.image = lower.image AND upper.position = lower.position + 1
                     JOIN layers ON layers.chain = upper.chain ORDER BY upper.chain";
        let connection = self.database.connection();
        let tops = tops(connection)?;
        let mut statement = connection.prepare(query)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let chain: String = row.get(1)?;
            let top_of = tops.get(&chain).cloned().unwrap_or_default();
            let layer = LayerSummary { chain, top_of, size: row.get::<_, i64>(2)? as u64 };
            above.entry(row.get(0)?).or_default().push(layer);
        }
        Ok(Some(grow(top, &mut above)))
    }
}

/// A chain id names all layers below, too: no layer is reached twice, and the depth is that of an image.
fn grow(layer: LayerSummary, above: &mut BTreeMap<String, Vec<LayerSummary>>) -> LayerTree {
    let next = above.remove(&layer.chain).unwrap_or_default();
    let above = next.into_iter().map(|upper| grow(upper, above)).collect();
    LayerTree { layer, above }
}

/// Of each layer that is the uppermost of an image: what those images are called.
fn tops(connection: &Connection) -> Result<BTreeMap<String, Vec<String>>, ImageError> {
    let query = "SELECT chain, image FROM image_layers AS layer WHERE position =
                 (SELECT max(position) FROM image_layers WHERE image = layer.image) ORDER BY image";
    let mut statement = connection.prepare_cached(query)?;
    let mut tops: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id: String = row.get(1)?;
        let names = names_of(connection, &id)?;
        tops.entry(row.get(0)?).or_default().extend(if names.is_empty() { vec![id] } else { names });
    }
    Ok(tops)
}
