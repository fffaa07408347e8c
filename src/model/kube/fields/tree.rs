//! The fields of a kind, from its API type.

use super::super::kinds::Kind;
use super::verdict::{self, Verdict};
use super::{Field, Proven, words};
use crate::model::yaml::schema::{Level, Shape, levels};
use k8s_openapi::api::{
    apps::v1 as apps, core::v1 as core, node::v1 as node, scheduling::v1 as scheduling, storage::v1 as storage,
};

/// A kind and the levels of its type.
pub(super) struct Tree {
    pub kind: Kind,
    pub levels: Vec<Level>,
}

/// What `kubectl` calls a kind for short.
pub(super) fn short_name(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Pod => Some("po"),
        Kind::Deployment => Some("deploy"),
        Kind::ConfigMap => Some("cm"),
        Kind::Secret => None,
        Kind::PersistentVolumeClaim => Some("pvc"),
        Kind::ServiceAccount => Some("sa"),
        Kind::PersistentVolume => Some("pv"),
        Kind::StorageClass => Some("sc"),
        Kind::PriorityClass => Some("pc"),
        Kind::RuntimeClass => None,
    }
}

/// The names that mean a kind, in lower case: `pod`, `pods`, `po`.
pub(super) fn names(kind: Kind) -> Vec<String> {
    let single = kind.name().to_lowercase();
    let ending = if single.ends_with('s') { "es" } else { "s" };
    let plural = format!("{single}{ending}");
    [single, plural].into_iter().chain(short_name(kind).map(str::to_owned)).collect()
}

impl Tree {
    pub fn of(kind: Kind) -> Self {
        let mut levels = match kind {
            Kind::Pod => levels::<core::Pod>(),
            Kind::Deployment => levels::<apps::Deployment>(),
            Kind::ConfigMap => levels::<core::ConfigMap>(),
            Kind::Secret => levels::<core::Secret>(),
            Kind::PersistentVolumeClaim => levels::<core::PersistentVolumeClaim>(),
            Kind::ServiceAccount => levels::<core::ServiceAccount>(),
            Kind::PersistentVolume => levels::<core::PersistentVolume>(),
            Kind::StorageClass => levels::<storage::StorageClass>(),
            Kind::PriorityClass => levels::<scheduling::PriorityClass>(),
            Kind::RuntimeClass => levels::<node::RuntimeClass>(),
        };
        // The object compares these with its own and does not say what they are.
        if let Some(root) = levels.first_mut() {
            for (_, shape) in root.fields.iter().zip(&mut root.shapes).filter(|(name, _)| is_header(name)) {
                *shape = Shape { around: Vec::new(), of: "string" };
            }
        }
        Self { kind, levels }
    }

    /// The struct that the fields lead to.
    pub fn level(&self, path: &[&str]) -> Option<&Level> {
        self.levels.iter().find(|level| level.path == path)
    }

    /// The type that has the last field of a path, and what the field takes.
    pub fn shape(&self, path: &[&'static str]) -> Option<(&'static str, &Shape)> {
        let (name, above) = path.split_last()?;
        let level = self.level(above)?;
        let index = level.fields.iter().position(|field| field == name)?;
        Some((level.name, &level.shapes[index]))
    }

    /// The field at the end of a path, with what becomes of it.
    pub fn field(&self, path: &[&'static str], proven: &Proven) -> Option<Field> {
        let (owner, shape) = self.shape(path)?;
        // These belong to every object.
        let owner = if path.len() == 1 && is_header(path[0]) { "TypeMeta" } else { owner };
        let shape = shape.clone();
        let Verdict { support, inherited, exceptions } = verdict::of(self, path, proven);
        let description = words::describe(owner, path[path.len() - 1]);
        Some(Field { owner, path: path.to_vec(), shape, support, inherited, exceptions, description })
    }
}

fn is_header(name: &str) -> bool {
    matches!(name, "apiVersion" | "kind")
}
