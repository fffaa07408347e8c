//! The image in this binary: one static program of our own, built from `demo/`, for trying things out and for tests.

use super::error::ImageError;
use super::layer::Expected;
use super::store::{ImageStore, NewImage};
use std::io::Read;

/// Full name of the embedded image.
pub const DEMO_IMAGE: &str = "localhost/podkin-demo:latest";

/// The layer as an uncompressed tar, made by the build script.
const LAYER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/demo-layer.tar"));

// CONFIG, ID, DIFF_ID and PROGRAM_SIZE, computed when podkin was built: checking for the image costs one query.
include!(concat!(env!("OUT_DIR"), "/demo.rs"));

impl ImageStore<'_> {
    /// Makes sure that the embedded image is there under its name; true when it had to be loaded.
    pub fn ensure_demo(&mut self) -> Result<bool, ImageError> {
        let present = self.resolve(DEMO_IMAGE)?.is_some_and(|found| found.id == ID);
        // It is not synced, as it can be made again: a program cut short says that the power went before the disk had it.
        let program = self.layer_directory(&DIFF_ID["sha256:".len()..]).join("podkin-demo");
        if present && std::fs::metadata(&program).is_ok_and(|file| file.len() == PROGRAM_SIZE) {
            return Ok(false);
        }
        self.prepare()?;
        if present {
            self.forget(ID)?;
        }
        let mut open = |_: usize| {
            let expected =
                Expected { blob: None, diff_id: Some(DIFF_ID.parse().map_err(super::config::DocumentError::from)?) };
            Ok((Box::new(LAYER) as Box<dyn Read + Send>, expected))
        };
        let image =
            NewImage { names: vec![DEMO_IMAGE.to_owned()], config: CONFIG.as_bytes(), manifest: None, durable: false };
        self.add(image, &mut open)?;
        Ok(true)
    }
}
