//! The manifest of an image, as it came.

use super::super::error::ImageError;
use super::ImageStore;

use rusqlite::types::FromSqlError;

impl ImageStore<'_> {
    /// The manifest of an image, byte for byte; its digest is that of the image.
    pub fn manifest(&self, text: &str) -> Result<Vec<u8>, ImageError> {
        let found = self.find(text)?;
        let query = "SELECT manifest FROM images WHERE id = ?";
        let bytes = self.database.connection().query_row(query, [&found.id], |row| {
            let bytes: Result<&[u8], FromSqlError> = row.get_ref(0)?.as_bytes();
            Ok(bytes?.to_vec())
        })?;
        Ok(bytes)
    }
}
