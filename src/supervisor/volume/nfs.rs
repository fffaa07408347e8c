//! Directories of NFS servers, mounted by mount.nfs(8): what is left to the kernel alone knows no names and no older versions.

use crate::model::NfsExport;
use crate::sys::program;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

/// The program itself tries for two minutes (nfs(5), `retry`).
const LIMIT: Duration = Duration::from_secs(150);

#[derive(Debug, thiserror::Error)]
pub enum NfsError {
    #[error("there was no program `mount.nfs` when the pod was made")]
    NoProgram,
    #[error("`{}` of `{export}` failed, {status}: {said}", program.display())]
    Failed { program: PathBuf, export: String, status: ExitStatus, said: String },
    #[error("cannot run `{}`", program.display())]
    Run { program: PathBuf, source: io::Error },
}

/// Mounts an export on a directory of this mount namespace.
pub fn mount(program: Option<&Path>, export: &NfsExport, on: &Path) -> Result<(), NfsError> {
    let program = program.ok_or(NfsError::NoProgram)?;
    let mut command = Command::new(program);
    command.args([export.source().as_ref(), on.as_os_str(), "-o".as_ref(), options(export).as_ref()]);
    let result = program::run_within(command.current_dir("/").stdin(Stdio::null()), LIMIT);
    let (status, said) = result.map_err(|source| NfsError::Run { program: program.to_owned(), source })?;
    if status.success() {
        return Ok(());
    }
    Err(NfsError::Failed { program: program.to_owned(), export: export.source(), status, said })
}

fn options(export: &NfsExport) -> String {
    let access = if export.read_only { "ro" } else { "rw" };
    let given = export.mount_options.iter().map(String::as_str);
    [access].into_iter().chain(given).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_of_the_volume_come_last() {
        let mut export = NfsExport { server: "fd00::1".into(), path: "/data".into(), ..NfsExport::default() };
        assert_eq!((export.source().as_str(), options(&export).as_str()), ("[fd00::1]:/data", "rw"));
        export.read_only = true;
        export.mount_options = vec!["nfsvers=4.1".into(), "soft".into()];
        assert_eq!(options(&export), "ro,nfsvers=4.1,soft");
    }
}
