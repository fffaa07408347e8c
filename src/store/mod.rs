//! The state directories: layout, records, locks, journal, clean-up.
//!
//! ```text
//! <root>/state.db                     SQLite, WAL: applications, pods, containers, objects, images, layers, volumes, addresses, runs
//! <root>/reserve                      nothing, for when the disk is full
//! <root>/blobs/sha256/<hex>           content as it came (OCI image layout)
//! <root>/layers/<chain hex>/diff      unpacked once; `<root>/layers/.tmp-*` while being unpacked
//! <root>/volumes/<name>/_data
//! <root>/networks/<name>.json         netavark network definitions
//! <root>/seccomp/<sha256>.bpf         compiled filters
//! <root>/events.jsonl                 append-only event log
//! <root>/pods/<pod id>/pod.json       PodRecord: the supervisor's input, written once by the engine
//! <root>/pods/<pod id>/objects.json   the ConfigMaps and Secrets the pod refers to, mode 0600
//! <root>/pods/<pod id>/status.json    PodStatus, written by the supervisor alone
//! <root>/pods/<pod id>/volumes/<v>/   disk-backed emptyDir volumes
//! <root>/containers/<id>/upper work init log/
//! <run>/apps/<app id>/                lock, control.sock, supervisor.log
//! <run>/locks/                        app-<id>, source-<hash>: one command at a time; run-<id>: held while a journal is open
//! <run>/pods/<pod id>/                ns/{net,ipc,uts,pid} (bind-mounted), volumes/<v> (configMap, secret, tmpfs), hosts, resolv.conf, hostname
//! <run>/containers/<id>/              bundle (config.json, rootfs), libcontainer state, stdout and stderr FIFOs, pidfd (bind-mounted)
//! <run>/networks/                     aardvark-dns configuration
//! ```
//!
//! Everything below `<run>` can be derived again.

pub mod apps;
pub mod atomic;
pub mod database;
pub mod events;
pub mod journal;
pub mod layout;
pub mod lock;
pub mod objects;
pub mod pods;
pub mod record;
pub mod reserve;
mod row;
pub mod volumes;

pub use database::{Database, StoreError};

#[cfg(test)]
mod tests;
