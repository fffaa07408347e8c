//! What images declare as their volumes: `io.podman.annotations.kube.image.volumes.mount/CONTAINER: image;image...`.

use super::super::container::check_image;
use super::super::spot::Spot;
use crate::model::{Pod, PullPolicy, Volume, VolumeSource};

/// Gives a container of the pod the images of a list; each is a volume of the pod.
pub(super) fn apply(at: &Spot<'_>, pod: &mut Pod, container: &str, list: &str) {
    for reference in list.split(';').map(str::trim).filter(|reference| !reference.is_empty()) {
        check_image(at, reference);
        let volume = volume_of(pod, reference);
        let containers = pod.init_containers.iter_mut().chain(&mut pod.containers);
        for container in containers.filter(|c| c.name == container) {
            if !container.image_mounts.contains(&volume) {
                container.image_mounts.push(volume.clone());
            }
        }
    }
}

/// The name of the pod's volume for an image, which is declared if it is not; the pod's own volumes are left alone.
fn volume_of(pod: &mut Pod, reference: &str) -> String {
    let source = VolumeSource::Image { reference: reference.to_owned(), pull_policy: Some(PullPolicy::IfNotPresent) };
    let used = |name: &String| pod.all_containers().any(|c| c.image_mounts.contains(name));
    if let Some(volume) = pod.volumes.iter().find(|volume| volume.source == source && used(&volume.name)) {
        return volume.name.clone();
    }
    let mut names = (0..).map(|number: usize| format!("image-volumes-{number}"));
    let name = names.find(|name| pod.volume(name).is_none()).unwrap_or_default();
    pod.volumes.push(Volume { name: name.clone(), source });
    name
}
