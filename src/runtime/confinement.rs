//! AppArmor profile and SELinux label of a container: what of its configuration this machine has.

use super::RuntimeError;
use super::config::{AppArmor, ContainerConfig, Process};
use crate::sys::lsm::{self, ExecLabel};

/// What the container's programs are executed under; `None` when no security module has a say.
///
/// # Errors
/// A profile that is named and not loaded.
pub(super) fn exec_label(process: &Process) -> Result<Option<ExecLabel>, RuntimeError> {
    if let Some(label) = process.se_linux_label.as_ref().filter(|_| lsm::is_se_linux_enabled()) {
        return Ok(Some(ExecLabel::SeLinux(label.clone())));
    }
    let refused = |name: &str, reason: &str| {
        Err(RuntimeError::Refused(format!("cannot use AppArmor profile `{name}`: {reason}")))
    };
    match (&process.app_armor, lsm::app_armor_profiles()) {
        (AppArmor::Unconfined, _) | (AppArmor::Default(_), None) => Ok(None),
        (AppArmor::Default(name), Some(loaded)) => Ok(loaded.contains(name).then(|| ExecLabel::AppArmor(name.clone()))),
        (AppArmor::Profile(name), None) => refused(name, "this machine has no AppArmor"),
        (AppArmor::Profile(name), Some(loaded)) if !loaded.contains(name) => refused(name, "it is not loaded"),
        (AppArmor::Profile(name), Some(_)) => Ok(Some(ExecLabel::AppArmor(name.clone()))),
    }
}

/// The SELinux label of the files in a container's own file systems; `None` when SELinux has no say.
pub(super) fn mount_label(config: &ContainerConfig) -> Option<&str> {
    config.se_linux_file_label.as_deref().filter(|_| lsm::is_se_linux_enabled())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_named_profile_must_be_there() {
        let with = |app_armor| exec_label(&Process { app_armor, ..Process::default() });
        assert!(matches!(with(AppArmor::Unconfined), Ok(None)));
        assert!(matches!(with(AppArmor::Default("podkin-no-such-profile".to_owned())), Ok(None)));
        let error = with(AppArmor::Profile("podkin-no-such-profile".to_owned())).unwrap_err();
        assert!(error.to_string().contains("podkin-no-such-profile"), "{error}");
    }
}
