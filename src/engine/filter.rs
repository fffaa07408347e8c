//! `--filter` of listings, with podman's keys.

/// Which containers a listing shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerFilter {
    /// Those that do not run, too.
    pub all: bool,
    /// `key=value` pairs: values of one key are alternatives, keys must all match. Keys: `id`, `name` (part of it), `label`, `status`,
    /// `exited`, `ancestor`, `pod`, `health`, `before`, `since`, `volume`, `network`.
    pub filters: Vec<(String, String)>,
}

/// Which pods a listing shows. Keys: `id`, `name`, `label`, `status`, `ctr-names`, `ctr-ids`, `ctr-status`, `network`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodFilter {
    pub filters: Vec<(String, String)>,
}
