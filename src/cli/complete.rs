//! What shells are offered when a name is typed: pods, containers, images and volumes of the store. Nothing is created for it,
//! and what cannot be read offers nothing.

use super::context::Globals;
use crate::engine::Engine;
use clap_complete::CompletionCandidate;
use std::ffi::OsStr;
use std::path::PathBuf;

/// Containers, with the state of each.
pub fn containers(typed: &OsStr) -> Vec<CompletionCandidate> {
    offer(typed, |engine| {
        let containers = engine.containers().ok()?;
        Some(containers.iter().map(|c| (c.name().to_owned(), c.state().as_str().to_owned())).collect())
    })
}

/// Pods, with the state of each.
pub fn pods(typed: &OsStr) -> Vec<CompletionCandidate> {
    offer(typed, |engine| {
        let pods = engine.pods().ok()?;
        Some(pods.iter().map(|pod| (pod.name().to_owned(), pod.state().as_str().to_owned())).collect())
    })
}

pub fn images(typed: &OsStr) -> Vec<CompletionCandidate> {
    offer(typed, |engine| {
        let images = engine.images().list().ok()?;
        Some(images.into_iter().flat_map(|image| image.names).map(|name| (name, "image".to_owned())).collect())
    })
}

/// Manifest lists.
pub fn lists(typed: &OsStr) -> Vec<CompletionCandidate> {
    offer(typed, |engine| {
        let lists = engine.images().lists().ok()?;
        Some(lists.into_iter().map(|list| (list.name, "manifest list".to_owned())).collect())
    })
}

pub fn volumes(typed: &OsStr) -> Vec<CompletionCandidate> {
    offer(typed, |engine| {
        let volumes = engine.volumes().ok()?;
        Some(volumes.into_iter().map(|volume| (volume.name, "volume".to_owned())).collect())
    })
}

/// Types of objects, then pods by type and name.
pub fn kube_objects(typed: &OsStr) -> Vec<CompletionCandidate> {
    let types = crate::generate::object::Resource::ALL.map(|resource| resource.plural());
    let starts = |word: &&str| typed.to_str().is_some_and(|typed| word.starts_with(typed));
    let types = types.into_iter().filter(starts).map(CompletionCandidate::new);
    let pods = offer(typed, |engine| {
        let pods = engine.pods().ok()?;
        let named = |name: &str, state: &str| (name.to_owned(), state.to_owned());
        let each = pods.iter().flat_map(|pod| {
            let state = pod.state().as_str();
            [named(pod.name(), state), named(&format!("pod/{}", pod.name()), state)]
        });
        Some(each.collect())
    });
    types.chain(pods).collect()
}

/// Whatever `inspect` takes.
pub fn everything(typed: &OsStr) -> Vec<CompletionCandidate> {
    [containers, pods, images, volumes].into_iter().flat_map(|offers| offers(typed)).collect()
}

/// Names, and what is said about them, that begin with what was typed.
fn offer(typed: &OsStr, list: impl Fn(&mut Engine) -> Option<Vec<(String, String)>>) -> Vec<CompletionCandidate> {
    let Some(typed) = typed.to_str() else { return Vec::new() };
    let names = open().and_then(|mut engine| list(&mut engine)).unwrap_or_default();
    let wanted = names.into_iter().filter(|(name, _)| name.starts_with(typed));
    wanted.map(|(name, help)| CompletionCandidate::new(name).help(Some(help.into()))).collect()
}

/// The engine over the directories that the command line being typed, or the environment, names.
fn open() -> Option<Engine> {
    let globals = Globals { root: typed_option("--root"), runroot: typed_option("--runroot"), ..Globals::default() };
    let exists = globals.layout().ok()?.database().exists();
    if exists { globals.engine().ok() } else { None }
}

/// The value of an option in the command line that is being completed.
fn typed_option(name: &str) -> Option<PathBuf> {
    let mut words = std::env::args_os();
    while let Some(word) = words.next() {
        if word == name {
            return words.next().map(PathBuf::from);
        }
        if let Some(value) = word.to_str().and_then(|word| word.strip_prefix(name)?.strip_prefix('=')) {
            return Some(PathBuf::from(value));
        }
    }
    None
}
