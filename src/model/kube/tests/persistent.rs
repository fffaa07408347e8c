//! PersistentVolumes and the claims that get them.

use super::*;
use crate::model::kube::Machine;
use crate::model::{HostPathType, NfsExport};

fn volume(name: &str, rest: &str) -> String {
    format!(
        "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: {name}, labels: {{disk: {name}}}}}\n\
         spec: {{accessModes: [ReadWriteOnce], {rest}}}\n---\n"
    )
}

fn claim(name: &str, rest: &str) -> String {
    format!(
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: {name}}}\n\
         spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 2Gi}}}}{rest}}}\n---\n"
    )
}

fn bound(text: &str) -> Vec<Option<String>> {
    let claims = application(text).claims.into_iter();
    claims.map(|claim| claim.bound.map(|bound| bound.name)).collect()
}

#[test]
fn the_smallest_that_fits_and_reservations_first() {
    let big = volume("big", "capacity: {storage: 10Gi}, hostPath: {path: /big}");
    let fits = volume("fits", "capacity: {storage: 2Gi}, hostPath: {path: /fits}");
    let small = volume("small", "capacity: {storage: 1Gi}, hostPath: {path: /small}");
    let kept = volume("kept", "capacity: {storage: 2Gi}, claimRef: {name: b}, hostPath: {path: /kept}");
    let text = [big, fits, small, kept, claim("a", ""), claim("b", ""), claim("c", "")];
    let names = ["fits", "kept", "big"].map(|name| Some(name.to_owned()));
    assert_eq!(bound(&text.concat()), names);
}

#[test]
fn what_does_not_fit_is_told() {
    let text = |volume_rest: &str, claim_rest: &str| {
        let loaded = load_text(&(volume("v", volume_rest) + &claim("c", claim_rest)), &LoadOptions::default());
        shown(&loaded).join("\n")
    };
    let plain = "capacity: {storage: 5Gi}, hostPath: {path: /v}";
    assert_eq!(text(plain, ""), "");
    for (volume_rest, claim_rest, words) in [
        ("capacity: {storage: 1Gi}, hostPath: {path: /v}", "", "does not fit, it has less capacity"),
        (plain, ", storageClassName: fast", "no claim of the files gets PersistentVolume `v`"),
        (plain, ", volumeName: w", "warning[K303] 9:89 PersistentVolumeClaim/c · spec.volumeName"),
        (plain, ", selector: {matchLabels: {disk: w}}", "the claim's selector does not select it"),
        (plain, ", volumeMode: Block", "`volumeMode: Block` needs a PersistentVolume"),
        ("capacity: {storage: 5Gi}, csi: {driver: d, volumeHandle: h}", "", "there are no CSI drivers"),
        ("capacity: {storage: 5Gi}, nfs: {server: s, path: /}", "", "this machine has no program `mount.nfs`"),
        ("capacity: {storage: 5Gi}, rbd: {image: i, monitors: [m]}", "", "mount it on the machine and use `hostPath`"),
        ("capacity: {storage: 5Gi}", "", "needs a source"),
        ("hostPath: {path: /v}", "", "required field `storage`"),
    ] {
        let found = text(volume_rest, claim_rest);
        assert!(found.contains(words), "{volume_rest} {claim_rest}\n{found}");
    }
}

#[test]
fn block_devices_are_devices_and_nothing_else_is() {
    let device = volume("v", "capacity: {storage: 5Gi}, volumeMode: Block, local: {path: /dev/sdz}");
    let pod = |source: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  volumes: [{{name: d, {source}}}]\n  containers:\n  \
             - {{name: c, image: i, volumeDevices: [{{name: d, devicePath: /dev/x/}}]}}\n"
        )
    };
    let of_claim = pod("persistentVolumeClaim: {claimName: c}");
    let application = application(&(device + &claim("c", ", volumeMode: Block") + &of_claim));
    assert_eq!(application.claims[0].bound.as_ref().map(|bound| bound.kind), Some(HostPathType::BlockDevice));
    assert_eq!(application.pods[0].containers[0].devices[0].path, "/dev/x");
    let found = |text: &str| shown(&load_text(text, &LoadOptions::default())).join("\n");
    let words = found(&(claim("c", "") + &of_claim));
    assert!(words.contains("container `c` has claim `c` as a device, which it is not"), "{words}");
    let words = found(&pod("emptyDir: {}"));
    assert!(words.contains("error[K118]") && words.contains("volume `d` is no block device"), "{words}");
}

#[test]
fn exports_of_servers_are_bound_with_their_options() {
    let able = LoadOptions { machine: Machine { nfs: true, ..Machine::default() }, ..LoadOptions::default() };
    let load = |nfs: &str, more: &str| {
        let rest = format!("capacity: {{storage: 5Gi}}, nfs: {{{nfs}}}{more}");
        load_text(&(volume("v", &rest) + &claim("c", "")), &able)
    };
    let loaded = load("server: s, path: /a, readOnly: true", ", mountOptions: [nfsvers=4.1, soft]");
    assert_eq!(shown(&loaded), Vec::<String>::new());
    let bound = loaded.application.expect("it loads").claims.remove(0).bound.expect("it is bound");
    let mount_options = ["nfsvers=4.1", "soft"].map(str::to_owned).to_vec();
    let export = NfsExport { server: "s".into(), path: "/a".into(), read_only: true, mount_options };
    assert_eq!((bound.path.as_str(), bound.nfs), ("s:/a", Some(export)));
    for (nfs, more, words) in [
        ("server: -o, path: /a", "", "it must be a host name"),
        ("server: a, path: b", "", "it must be absolute"),
        ("server: a, path: /b", ", mountOptions: ['soft,nolock']", "not one mount option"),
        ("server: a, path: /b", ", hostPath: {path: /c}", "has one source"),
    ] {
        let found = shown(&load(nfs, more)).join("\n");
        assert!(found.contains(words), "{nfs} {more}\n{found}");
    }
}
