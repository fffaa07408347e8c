-- Version 2: images come from registries and go there.

-- Manifests and indexes an image is known by, byte for byte; `images.digest` names the one of the image itself.
CREATE TABLE image_manifests (
    image   TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE,
    -- `sha256:<hex>`
    digest  TEXT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (image, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX image_manifests_digest ON image_manifests(digest);
INSERT INTO image_manifests (image, digest, content) SELECT id, digest, manifest FROM images;
ALTER TABLE images DROP COLUMN manifest;

-- Forms in which repositories have a layer: what need not be compressed, or sent, again.
CREATE TABLE layer_blobs (
    diff_id    TEXT NOT NULL,
    -- `host[:port]/path`
    repository TEXT NOT NULL,
    -- `sha256:<hex>` of the blob, its bytes, its media type
    digest     TEXT NOT NULL,
    size       INTEGER NOT NULL,
    media_type TEXT NOT NULL,
    -- 1 when the layer was unpacked from this very blob, or made into it; 0 when only a manifest says that they belong together
    checked    INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (diff_id, repository, digest)
) STRICT, WITHOUT ROWID;

-- Manifest lists that are being put together here.
CREATE TABLE manifest_lists (
    -- 64 hexadecimal digits
    id      TEXT PRIMARY KEY,
    -- normalised reference
    name    TEXT NOT NULL UNIQUE,
    created TEXT NOT NULL,
    -- JSON image::store::list::ListDocument
    content TEXT NOT NULL
) STRICT, WITHOUT ROWID;
