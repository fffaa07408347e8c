//! Devices of containers.

use super::*;
use crate::model::device::{Access, DeviceRequest};

fn requests(metadata: &str, resources: &str) -> Vec<DeviceRequest> {
    let text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: p{metadata}}}\nspec:\n  containers:\n  \
         - {{name: c, image: i, resources: {resources}}}\n"
    );
    application(&text).pods[0].containers[0].device_requests.clone()
}

#[test]
fn every_way_to_ask_for_a_device() {
    let named = |name: &str| DeviceRequest::Named(name.into());
    let counted = |count| DeviceRequest::Counted { kind: "v.com/gpu".into(), count };
    let path = |container: &str, access| DeviceRequest::Path {
        host: "/dev/fuse".into(),
        container: container.into(),
        access: Access::parse(access).unwrap(),
    };
    let table = [
        ("{limits: {v.com/gpu: 2, cpu: 1}}", vec![counted(2)]),
        ("{limits: {v.com/gpu: 2}, requests: {v.com/gpu: '2'}}", vec![counted(2)]),
        ("{limits: {v.com/gpu: 0}}", vec![]),
        ("{limits: {'v.com/gpu=all': 1}}", vec![named("v.com/gpu=all")]),
        ("{requests: {'v.com/gpu=0': 1}}", vec![named("v.com/gpu=0")]),
        ("{limits: {podman.io/device=/dev/fuse: 1}}", vec![path("/dev/fuse", "rwm")]),
        ("{limits: {'podman.io/device=/dev/fuse:r': 1}}", vec![path("/dev/fuse", "r")]),
        ("{limits: {'podman.io/device=/dev//fuse:/x/:wr': 1}}", vec![path("/x", "rw")]),
    ];
    for (resources, expected) in table {
        assert_eq!(requests("", resources), expected, "{resources}");
    }
    let annotated = requests(", annotations: {cdi.k8s.io/x: 'v.com/gpu=0, v.com/gpu=1'}", "{limits: {v.com/gpu=1: 1}}");
    assert_eq!(annotated, [named("v.com/gpu=1"), named("v.com/gpu=0")], "each once");
}
