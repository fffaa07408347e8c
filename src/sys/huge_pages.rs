//! Pages larger than ordinary ones that the machine has set aside.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const DIRECTORY: &str = "/sys/kernel/mm/hugepages";

/// Bytes that are reserved by size of page; empty where the kernel has no huge pages.
pub fn reserved() -> BTreeMap<u64, u64> {
    reserved_in(Path::new(DIRECTORY))
}

fn reserved_in(directory: &Path) -> BTreeMap<u64, u64> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let pool = |entry: fs::DirEntry| {
        let name = entry.file_name();
        let kib: u64 = name.to_str()?.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
        let count: u64 = fs::read_to_string(entry.path().join("nr_hugepages")).ok()?.trim().parse().ok()?;
        Some((kib << 10, count.saturating_mul(kib << 10)))
    };
    entries.filter_map(pool).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_are_read_by_size() {
        let directory = std::env::temp_dir().join(format!("podkin-huge-pages-{}", std::process::id()));
        for (name, count) in [("hugepages-2048kB", "3\n"), ("hugepages-1048576kB", "0\n"), ("other", "1\n")] {
            fs::create_dir_all(directory.join(name)).unwrap();
            fs::write(directory.join(name).join("nr_hugepages"), count).unwrap();
        }
        assert_eq!(reserved_in(&directory), BTreeMap::from([(2 << 20, 6 << 20), (1 << 30, 0)]));
        assert_eq!(reserved_in(&directory.join("none")), BTreeMap::new());
        fs::remove_dir_all(directory).unwrap();
    }
}
