//! Security contexts of pods and containers (Kubernetes, "Configure a Security Context for a Pod or Container").

use super::{Container, Pod, Volume, VolumeSource};
use serde::{Deserialize, Serialize};

/// `securityContext` of a pod. What a container sets itself wins; merging is done by [`Container::effective_security`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodSecurity {
    pub run_as_user: Option<u32>,
    pub run_as_group: Option<u32>,
    pub run_as_non_root: Option<bool>,
    /// Group that owns the pod's volumes and is added to every process.
    pub fs_group: Option<u32>,
    /// `OnRootMismatch` instead of `Always`.
    pub fs_group_on_root_mismatch: bool,
    pub supplemental_groups: Vec<u32>,
    /// `supplementalGroupsPolicy: Strict`: the groups that the image's `/etc/group` gives the user are left out.
    #[serde(skip_serializing_if = "super::pod::is_false")]
    pub strict_groups: bool,
    pub sysctls: Vec<(String, String)>,
    pub seccomp: Option<SeccompProfile>,
    pub app_armor: Option<AppArmorProfile>,
    pub se_linux: Option<SeLinuxLabel>,
}

/// `securityContext` of a container as written; unset values fall back to the pod's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerSecurity {
    pub run_as_user: Option<u32>,
    pub run_as_group: Option<u32>,
    pub run_as_non_root: Option<bool>,
    pub privileged: bool,
    pub read_only_root_filesystem: bool,
    pub allow_privilege_escalation: Option<bool>,
    pub capabilities: Capabilities,
    pub seccomp: Option<SeccompProfile>,
    pub app_armor: Option<AppArmorProfile>,
    pub se_linux: Option<SeLinuxLabel>,
    /// `procMount: Unmasked`.
    pub unmasked_proc: bool,
}

/// `capabilities`: names in upper case without `CAP_`; `ALL` stands for every one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    pub add: Vec<String>,
    pub drop: Vec<String>,
}

/// `seccompProfile`. Unset means `RuntimeDefault` here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SeccompProfile {
    RuntimeDefault,
    Unconfined,
    /// Path of a profile in the OCI JSON form, relative to the kubelet's profile root, or absolute.
    Localhost(String),
}

/// `appArmorProfile`. Unset means `RuntimeDefault` here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AppArmorProfile {
    RuntimeDefault,
    Unconfined,
    /// Name of a profile that is loaded into the kernel.
    Localhost(String),
}

impl AppArmorProfile {
    /// Name of the profile that `RuntimeDefault` stands for, where it is loaded.
    pub const DEFAULT: &str = "podkin-default";
}

/// `seLinuxOptions`: parts of a label; unset ones are the defaults of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SeLinuxLabel {
    pub user: Option<String>,
    pub role: Option<String>,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub level: Option<String>,
}

/// Whose the files of a volume are for SELinux (`z` and `Z` of a mount).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Relabel {
    /// `z`: every container may have them.
    Shared,
    /// `Z`: those of the pod's own level.
    Private,
}

impl SeLinuxLabel {
    /// `user:role:type:level` of files that the container's processes may write to.
    pub fn of_files(&self, relabel: Relabel) -> String {
        let user = self.user.as_deref().unwrap_or("system_u");
        let level = match relabel {
            Relabel::Shared => "s0",
            Relabel::Private => self.level.as_deref().unwrap_or("s0"),
        };
        format!("{user}:object_r:container_file_t:{level}")
    }

    /// `user:role:type:level` of the container's processes.
    pub fn of_process(&self) -> String {
        let Self { user, role, kind, level } = self;
        let part = |part: &Option<String>, default: &str| part.clone().unwrap_or_else(|| default.to_owned());
        let (user, role) = (part(user, "system_u"), part(role, "system_r"));
        format!("{user}:{role}:{}:{}", part(kind, "container_t"), part(level, "s0"))
    }
}

/// The security settings that hold for one container after the pod's have been merged in.
#[derive(Debug, Clone, PartialEq)]
pub struct EffectiveSecurity {
    pub run_as_user: Option<u32>,
    pub run_as_group: Option<u32>,
    pub run_as_non_root: bool,
    pub supplemental_groups: Vec<u32>,
    pub strict_groups: bool,
    pub fs_group: Option<u32>,
    pub privileged: bool,
    pub read_only_root_filesystem: bool,
    pub no_new_privileges: bool,
    pub capabilities: Capabilities,
    pub seccomp: SeccompProfile,
    pub app_armor: AppArmorProfile,
    pub se_linux: Option<SeLinuxLabel>,
    pub unmasked_proc: bool,
}

impl Pod {
    /// The SELinux label that the files of a volume get; `None` leaves them as they are.
    ///
    /// What the machine has at a `hostPath` is relabelled only when that is asked for. What is made for the pod gets the pod's label,
    /// when it has one (Kubernetes, "Efficient SELinux volume relabeling"); images and other machines' files are the same for all.
    pub fn file_label(&self, volume: &Volume) -> Option<String> {
        let own = self.security.se_linux.as_ref();
        match &volume.source {
            VolumeSource::HostPath { .. } => {
                let relabel = self.relabelled.get(&volume.name)?;
                Some(own.unwrap_or(&SeLinuxLabel::default()).of_files(*relabel))
            }
            VolumeSource::Nfs(_) | VolumeSource::Image { .. } => None,
            VolumeSource::EmptyDir { .. }
            | VolumeSource::ConfigMap { .. }
            | VolumeSource::Secret { .. }
            | VolumeSource::Claim { .. }
            | VolumeSource::Ephemeral { .. }
            | VolumeSource::DownwardApi { .. }
            | VolumeSource::Projected { .. } => own.map(|label| label.of_files(Relabel::Private)),
        }
    }
}

impl Container {
    /// Merges the pod's security context under the container's own (Kubernetes: the container's value wins).
    pub fn effective_security(&self, pod: &Pod) -> EffectiveSecurity {
        let (own, outer) = (&self.security, &pod.security);
        let seccomp = own.seccomp.clone().or_else(|| outer.seccomp.clone());
        let app_armor = own.app_armor.clone().or_else(|| outer.app_armor.clone());
        EffectiveSecurity {
            run_as_user: own.run_as_user.or(outer.run_as_user),
            run_as_group: own.run_as_group.or(outer.run_as_group),
            run_as_non_root: own.run_as_non_root.or(outer.run_as_non_root).unwrap_or(false),
            supplemental_groups: outer.supplemental_groups.clone(),
            strict_groups: outer.strict_groups,
            fs_group: outer.fs_group,
            privileged: own.privileged,
            read_only_root_filesystem: own.read_only_root_filesystem,
            no_new_privileges: own.allow_privilege_escalation == Some(false),
            capabilities: own.capabilities.clone(),
            seccomp: if own.privileged {
                SeccompProfile::Unconfined
            } else {
                seccomp.unwrap_or(SeccompProfile::RuntimeDefault)
            },
            app_armor: match app_armor {
                Some(AppArmorProfile::RuntimeDefault) | None if own.privileged => AppArmorProfile::Unconfined,
                profile => profile.unwrap_or(AppArmorProfile::RuntimeDefault),
            },
            se_linux: own.se_linux.clone().or_else(|| outer.se_linux.clone()),
            unmasked_proc: own.unmasked_proc,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EmptyDirMedium, HostPathType};

    #[test]
    fn files_get_the_label_of_their_pod_and_those_of_the_machine_only_when_asked() {
        let volume = |name: &str, source| Volume { name: name.into(), source };
        let host = |name| volume(name, VolumeSource::HostPath { path: "/data".into(), kind: HostPathType::Unset });
        let empty = VolumeSource::EmptyDir { medium: EmptyDirMedium::Disk, size_limit: None, mode: None };
        let empty = volume("e", empty);
        let relabelled = [("shared".to_owned(), Relabel::Shared), ("own".to_owned(), Relabel::Private)].into();
        let mut pod = Pod { relabelled, ..Pod::default() };
        let plain = Some("system_u:object_r:container_file_t:s0".to_owned());
        assert_eq!([&host("own"), &host("shared")].map(|v| pod.file_label(v)), [plain.clone(), plain.clone()]);
        assert_eq!([&host("other"), &empty].map(|v| pod.file_label(v)), [None, None]);
        pod.security.se_linux = Some(SeLinuxLabel { level: Some("s0:c1,c2".into()), ..SeLinuxLabel::default() });
        let own = Some("system_u:object_r:container_file_t:s0:c1,c2".to_owned());
        assert_eq!([&host("own"), &host("shared"), &empty].map(|v| pod.file_label(v)), [own.clone(), plain, own]);
        assert_eq!(pod.file_label(&host("other")), None);
    }
}
