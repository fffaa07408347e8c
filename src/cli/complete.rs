//! What shells are offered when a name is typed: pods, containers, images and volumes of the store.

use clap_complete::CompletionCandidate;
use std::ffi::OsStr;

pub fn containers(_typed: &OsStr) -> Vec<CompletionCandidate> {
    Vec::new()
}
pub fn pods(_typed: &OsStr) -> Vec<CompletionCandidate> {
    Vec::new()
}
pub fn images(_typed: &OsStr) -> Vec<CompletionCandidate> {
    Vec::new()
}
pub fn volumes(_typed: &OsStr) -> Vec<CompletionCandidate> {
    Vec::new()
}
pub fn everything(_typed: &OsStr) -> Vec<CompletionCandidate> {
    Vec::new()
}
