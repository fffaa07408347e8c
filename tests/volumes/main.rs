//! Volumes against what others do to them: links that are swapped, mounts that come and go, machines that lack something.

#[path = "../common/mod.rs"]
mod common;
mod nfs;
mod sub_path;
