//! PersistentVolumeClaims; each is bound to the volume of its name once there is one.

use super::{Identity, Object, Resource, identify};
use crate::generate::age::age;
use crate::generate::columns::NONE;
use crate::generate::played;
use crate::model::Source;
use jiff::Timestamp;
use k8s_openapi::api::core::v1 as core;

pub fn claim(sources: &[Source], name: &str, bound: bool, identity: Identity<'_>, now: Timestamp) -> Object {
    let mut whole: core::PersistentVolumeClaim =
        played::object(sources, "PersistentVolumeClaim", name).unwrap_or_default();
    identify(&mut whole.metadata, name, identity);
    let spec = whole.spec.get_or_insert_with(Default::default);
    let capacity = spec.resources.as_ref().and_then(|resources| resources.requests.clone());
    let size = capacity.as_ref().and_then(|capacity| capacity.get("storage")).map(|size| size.0.clone());
    let modes = spec.access_modes.clone();
    let short = modes.iter().flatten().map(|mode| abbreviated(mode)).collect::<Vec<_>>().join(",");
    let class = spec.storage_class_name.clone();
    let mode = spec.volume_mode.clone().unwrap_or_else(|| "Filesystem".to_owned());
    let status = core::PersistentVolumeClaimStatus {
        phase: Some(if bound { "Bound" } else { "Pending" }.to_owned()),
        capacity: capacity.filter(|_| bound),
        access_modes: modes.filter(|_| bound),
        ..Default::default()
    };
    let phase = status.phase.clone().unwrap_or_default();
    whole.status = Some(status);
    let when_bound = |text: String| if bound { text } else { String::new() };
    let cells = vec![
        name.to_owned(),
        phase,
        when_bound(name.to_owned()),
        when_bound(size.unwrap_or_default()),
        when_bound(short),
        class.unwrap_or_default(),
        "<unset>".to_owned(),
        age(Some(identity.created), now),
    ];
    let wide = vec![if mode.is_empty() { NONE.to_owned() } else { mode }];
    Object { wide, ..Object::new(Resource::PersistentVolumeClaim, &whole.metadata, &whole, cells) }
}

/// As kubectl shortens access modes.
fn abbreviated(mode: &str) -> &str {
    match mode {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        "ReadWriteOncePod" => "RWOP",
        other => other,
    }
}
