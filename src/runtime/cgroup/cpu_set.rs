//! Keeping a group to some of the processors and memory nodes (cpuset(7)).

use super::{CPUSET, Hierarchies, make_directories, write};
use crate::model::CpuSet;
use crate::runtime::RuntimeError;
use std::fs;
use std::io;
use std::path::Path;

const CPUS: &str = "cpuset.cpus";
const MEMORY_NODES: &str = "cpuset.mems";

/// Sets what is asked for; a container that asks for nothing gets no group of this controller on v1.
pub(super) fn apply(hierarchies: &Hierarchies, path: &str, cpu_set: &CpuSet) -> Result<(), RuntimeError> {
    if cpu_set.is_unset() {
        return Ok(());
    }
    let missing = || {
        let text = "this machine has no cgroup controller `cpuset`, which an annotation of the pod needs";
        RuntimeError::Refused(text.to_owned())
    };
    let directory = hierarchies.directory(CPUSET, path).ok_or_else(missing)?;
    if let (Hierarchies::V1(_), Some(root)) = (hierarchies, hierarchies.directory(CPUSET, "")) {
        make(&root, path).map_err(|source| RuntimeError::Path {
            action: "create cgroup",
            path: directory.clone(),
            source,
        })?;
    }
    let CpuSet { cpus, memory_nodes } = cpu_set;
    for (file, list) in [(CPUS, cpus), (MEMORY_NODES, memory_nodes)] {
        let Some(list) = list else { continue };
        let file = directory.join(file);
        if !file.exists() {
            return Err(missing());
        }
        write(&file, &list.to_string())?;
    }
    Ok(())
}

/// Makes a v1 group. A new one has no processor and no memory, and no process may be in it: each gets what its parent has, from the
/// root on.
fn make(root: &Path, path: &str) -> io::Result<()> {
    make_directories(&root.join(path))?;
    let mut parent = root.to_owned();
    for name in Path::new(path) {
        let group = parent.join(name);
        for file in [CPUS, MEMORY_NODES] {
            let is_empty = fs::read_to_string(group.join(file))?.trim().is_empty();
            if is_empty {
                fs::write(group.join(file), fs::read_to_string(parent.join(file))?.trim())?;
            }
        }
        parent = group;
    }
    Ok(())
}
