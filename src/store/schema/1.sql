-- Version 1. Identifiers are lower-case hexadecimal; times are RFC 3339 in UTC; JSON columns hold serde forms of `model` and `record`.

CREATE TABLE apps (
    id      TEXT PRIMARY KEY,
    name    TEXT NOT NULL,
    -- JSON array of model::Source: the files as they were read
    sources TEXT NOT NULL,
    -- JSON array of model::Workload
    workloads TEXT NOT NULL DEFAULT '[]',
    -- JSON array of model::ClaimTemplate
    claims  TEXT NOT NULL DEFAULT '[]',
    created TEXT NOT NULL,
    -- 'present'; from the moment its removal was decided 'removing', or 'removing-volumes' when its volumes go, too
    state   TEXT NOT NULL DEFAULT 'present'
) STRICT, WITHOUT ROWID;

CREATE INDEX apps_removing ON apps(id) WHERE state <> 'present';

-- Canonical paths an application was last played from.
CREATE TABLE app_sources (
    path TEXT NOT NULL,
    app  TEXT NOT NULL REFERENCES apps(id) ON DELETE CASCADE,
    PRIMARY KEY (path, app)
) STRICT, WITHOUT ROWID;
CREATE INDEX app_sources_app ON app_sources(app);

CREATE TABLE pods (
    id        TEXT PRIMARY KEY,
    name      TEXT NOT NULL UNIQUE,
    app       TEXT NOT NULL REFERENCES apps(id) ON DELETE CASCADE,
    created   TEXT NOT NULL,
    spec_hash TEXT NOT NULL,
    -- 'present' or 'removing'
    state     TEXT NOT NULL DEFAULT 'present',
    -- JSON record::PodRecord; pod.json is the supervisor's copy of it
    record    TEXT NOT NULL
) STRICT;
CREATE INDEX pods_app ON pods(app);
CREATE INDEX pods_removing ON pods(id, app) WHERE state <> 'present';

CREATE TABLE containers (
    id    TEXT PRIMARY KEY,
    name  TEXT NOT NULL UNIQUE,
    pod   TEXT NOT NULL REFERENCES pods(id) ON DELETE CASCADE,
    -- id of the image it was made from; not a reference: a forced removal of the image leaves the container
    image TEXT NOT NULL
) STRICT;
CREATE INDEX containers_pod ON containers(pod);
CREATE INDEX containers_image ON containers(image);

-- ConfigMaps and Secrets, per application.
CREATE TABLE objects (
    -- 'ConfigMap' or 'Secret'
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    app  TEXT NOT NULL REFERENCES apps(id) ON DELETE CASCADE,
    -- 12 hexadecimal digits, shown by listings
    id   TEXT NOT NULL,
    -- JSON model::ConfigMap or model::Secret
    data TEXT NOT NULL,
    PRIMARY KEY (kind, name, app)
) STRICT, WITHOUT ROWID;
CREATE INDEX objects_app ON objects(app);

-- Named volumes that a pod's claims refer to.
CREATE TABLE pod_volumes (
    pod    TEXT NOT NULL REFERENCES pods(id) ON DELETE CASCADE,
    volume TEXT NOT NULL,
    PRIMARY KEY (pod, volume)
) STRICT, WITHOUT ROWID;
CREATE INDEX pod_volumes_volume ON pod_volumes(volume);

-- Addresses of pods: an address is given once per network.
CREATE TABLE leases (
    network TEXT NOT NULL,
    ip      TEXT NOT NULL,
    pod     TEXT NOT NULL REFERENCES pods(id) ON DELETE CASCADE,
    PRIMARY KEY (network, ip)
) STRICT, WITHOUT ROWID;
CREATE INDEX leases_pod ON leases(pod);

-- JSON array of the addresses given last on a network: the next one starts after them.
CREATE TABLE last_leases (
    network TEXT PRIMARY KEY,
    ips     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE images (
    -- sha256 of the configuration
    id      TEXT PRIMARY KEY,
    -- digest of the manifest, `sha256:<hex>`
    digest  TEXT NOT NULL,
    created TEXT,
    -- bytes of all layers, unpacked
    size    INTEGER NOT NULL,
    -- JSON record::ImageRecord without a reference
    record  TEXT NOT NULL,
    -- OCI image configuration and manifest, byte for byte
    config   TEXT NOT NULL,
    manifest TEXT NOT NULL,
    loaded  TEXT NOT NULL
) STRICT;

CREATE TABLE image_names (
    -- normalised reference: `localhost/podkin-demo:latest`
    name  TEXT PRIMARY KEY,
    image TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX image_names_image ON image_names(image);

CREATE TABLE layers (
    -- chain id
    chain   TEXT PRIMARY KEY,
    diff_id TEXT NOT NULL,
    -- bytes, unpacked
    size    INTEGER NOT NULL,
    -- 1 when it hides all layers below (an opaque whiteout at its root)
    opaque  INTEGER NOT NULL DEFAULT 0,
    created TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Layers of an image, lowest first; a layer without an image is garbage.
CREATE TABLE image_layers (
    image    TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    chain    TEXT NOT NULL REFERENCES layers(chain),
    PRIMARY KEY (image, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX image_layers_chain ON image_layers(chain);

CREATE TABLE volumes (
    name      TEXT PRIMARY KEY,
    -- JSON object
    labels    TEXT NOT NULL DEFAULT '{}',
    -- JSON object
    options   TEXT NOT NULL DEFAULT '{}',
    created   TEXT NOT NULL,
    -- application whose play made it; kept when the application goes without `--force`
    app       TEXT,
    anonymous INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Commands under way: a row lives as long as its command may have to be undone. The command holds <run>/locks/app-<app>.
CREATE TABLE runs (
    id      TEXT PRIMARY KEY,
    -- `kube play`
    command TEXT NOT NULL,
    app     TEXT NOT NULL,
    started TEXT NOT NULL,
    -- 'open': undo when the command is gone; 'accepted': the supervisor has the pods, leave them
    state   TEXT NOT NULL DEFAULT 'open'
) STRICT, WITHOUT ROWID;

-- What a run made, in order.
CREATE TABLE run_steps (
    run     TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
    seq     INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    subject TEXT NOT NULL,
    -- what was there before, for putting it back
    before  TEXT,
    PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;
