//! The image in this binary: one static program of our own, built from `demo/`, for trying things out and for tests.

use super::config::DocumentError;
use super::error::ImageError;
use super::layer::Expected;
use super::store::ImageStore;
use super::transfer::{Again, ImageSource, Incoming, LayerSource, OpenLayer};

/// Full name of the embedded image.
pub const DEMO_IMAGE: &str = "localhost/podkin-demo:latest";

/// The layer as an uncompressed tar, made by the build script.
const LAYER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/demo-layer.tar"));

// CONFIG, ID, DIFF_ID and PROGRAM_SIZE, computed when podkin was built: checking for the image costs one query.
include!(concat!(env!("OUT_DIR"), "/demo.rs"));

/// Label of the embedded image: one without it that has the name is the user's own, and stays.
const LABEL: &str = "io.podkin.embedded";

impl ImageStore<'_> {
    /// Whether what has the name of the embedded image is this program's, whole, or the user's own. One query and one look at the
    /// disk.
    pub fn demo_is_current(&self) -> Result<bool, ImageError> {
        let Some(found) = self.resolve(DEMO_IMAGE)? else { return Ok(false) };
        if found.id != ID {
            // Of another version of this program, unless it was given the name by hand.
            return Ok(!self.to_record(DEMO_IMAGE)?.config.labels.contains_key(LABEL));
        }
        Ok(self.demo_is_whole())
    }

    /// Makes sure that the embedded image is there under its name; true when it had to be loaded.
    pub fn ensure_demo(&mut self) -> Result<bool, ImageError> {
        if self.demo_is_current()? {
            return Ok(false);
        }
        if self.resolve(ID)?.is_some() && !self.demo_is_whole() {
            self.forget(ID)?;
        }
        self.take_in_one(&Embedded)?;
        Ok(true)
    }

    /// It is not synced, as it can be made again: a program cut short says that the power went before the disk had it.
    fn demo_is_whole(&self) -> bool {
        let program = self.layer_directory(&DIFF_ID["sha256:".len()..]).join("podkin-demo");
        std::fs::metadata(&program).is_ok_and(|file| file.len() == PROGRAM_SIZE)
    }
}

/// The image as a source.
struct Embedded;

impl ImageSource for Embedded {
    fn label(&self) -> &str {
        DEMO_IMAGE
    }

    fn resolve(&self) -> Result<Incoming<'_>, ImageError> {
        Ok(Incoming {
            names: vec![DEMO_IMAGE.to_owned()],
            config: CONFIG.as_bytes().to_vec(),
            manifests: Vec::new(),
            blobs: Vec::new(),
            repository: None,
            durable: false,
            layers: Box::new(Self),
        })
    }
}

impl LayerSource for Embedded {
    fn open(&self, _: usize, _: Again) -> Result<OpenLayer<'_>, ImageError> {
        let diff_id = DIFF_ID.parse().map_err(DocumentError::from)?;
        Ok(OpenLayer { blob: Box::new(LAYER), expected: Expected { blob: None, diff_id: Some(diff_id) } })
    }
}
