//! Limits of huge pages, where the machine has the `hugetlb` controller.

use super::{Hierarchies, write};
use crate::runtime::RuntimeError;

/// Limits what a group takes of each size of page, given as size and bytes; without the controller the machine's reserve is the
/// only limit.
pub(crate) fn limit_huge_pages(path: &str, limits: &[(u64, u64)]) -> Result<(), RuntimeError> {
    if limits.is_empty() {
        return Ok(());
    }
    let hierarchies = Hierarchies::detect()
        .map_err(|source| RuntimeError::System { action: "find the cgroup file systems", source })?;
    let Some(directory) = hierarchies.directory("hugetlb", path) else { return Ok(()) };
    let files = limits.iter().map(|(size, bytes)| (directory.join(file(&hierarchies, *size)), bytes));
    files.filter(|(file, _)| file.exists()).try_for_each(|(file, bytes)| write(&file, &bytes.to_string()))
}

/// `hugetlb.2MB.max`, with the largest unit that fits (Linux, cgroup-v2, "HugeTLB").
fn file(hierarchies: &Hierarchies, size: u64) -> String {
    let unit = match size {
        1..=0xf_ffff => format!("{}KB", size >> 10),
        0x10_0000..=0x3fff_ffff => format!("{}MB", size >> 20),
        _ => format!("{}GB", size >> 30),
    };
    let name = if *hierarchies == Hierarchies::V2 { "max" } else { "limit_in_bytes" };
    format!("hugetlb.{unit}.{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_by_the_size_of_the_page() {
        let v1 = Hierarchies::V1(Vec::new());
        assert_eq!(file(&Hierarchies::V2, 2 << 20), "hugetlb.2MB.max");
        assert_eq!(file(&v1, 1 << 30), "hugetlb.1GB.limit_in_bytes");
        assert_eq!(file(&v1, 64 << 10), "hugetlb.64KB.limit_in_bytes");
    }
}
