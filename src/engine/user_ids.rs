//! Host ids for pods with a user namespace of their own: [`COUNT`] for each pod, no two alike.
//!
//! They come from the ranges that `/etc/subuid` and `/etc/subgid` both give to `podkin`, else to `containers`, else from the last
//! that systemd's conventions leave to nobody (systemd, "Users, Groups, UIDs and GIDs"). What a pod has is in its record alone,
//! so that it is free when the record is gone.

use super::EngineError;
use crate::runtime::users::COUNT;
use crate::store::pods;
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::path::Path;

/// Free for whoever comes first.
const PRIVATE: Range = Range { first: 0x7000_0000, count: 0x0fff_0000 };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    first: u32,
    count: u32,
}

/// First host id of a block that no pod has; called in the transaction that records the pod. `root` tells state directories
/// apart, which do not see each other's pods.
pub(super) fn allocate(connection: &Connection, root: &Path) -> Result<u32, EngineError> {
    let taken: BTreeSet<u32> = pods::all(connection)?.iter().filter_map(|row| row.record.first_user_id).collect();
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default(); // a machine without the file gives nothing
    let ranges = ranges(&read("/etc/subuid"), &read("/etc/subgid"));
    free(&ranges, &taken, seed(root)).ok_or(EngineError::NoUserIds)
}

/// FNV-1a of the path.
fn seed(root: &Path) -> usize {
    let bytes = root.as_os_str().as_encoded_bytes();
    let hash =
        bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, b| (hash ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
    usize::try_from(hash >> 33).unwrap_or_default()
}

fn ranges(uids: &str, gids: &str) -> Vec<Range> {
    for owner in ["podkin", "containers"] {
        let gids: Vec<Range> = of_owner(gids, owner).collect();
        let both: Vec<Range> =
            of_owner(uids, owner).filter_map(|range| gids.iter().find_map(|other| range.common(*other))).collect();
        if !both.is_empty() {
            return both;
        }
    }
    vec![PRIVATE]
}

/// `name:first:count` (subuid(5)).
fn of_owner<'t>(text: &'t str, owner: &'t str) -> impl Iterator<Item = Range> + 't {
    text.lines().filter_map(move |line| {
        let mut fields = line.trim().split(':');
        let is_owner = fields.next() == Some(owner);
        let range = Range { first: fields.next()?.parse().ok()?, count: fields.next()?.parse().ok()? };
        is_owner.then_some(range)
    })
}

impl Range {
    fn end(self) -> u64 {
        u64::from(self.first) + u64::from(self.count)
    }

    /// What both have, when a block fits in.
    fn common(self, other: Self) -> Option<Self> {
        let first = self.first.max(other.first);
        let count = self.end().min(other.end()).checked_sub(u64::from(first))?;
        let count = u32::try_from(count).ok().filter(|count| *count >= COUNT)?;
        Some(Self { first, count })
    }

    fn blocks(self) -> impl Iterator<Item = u32> {
        (0..self.count / COUNT).map(move |n| self.first + n * COUNT)
    }
}

/// The first free block from the one that `seed` begins with.
fn free(ranges: &[Range], taken: &BTreeSet<u32>, seed: usize) -> Option<u32> {
    let blocks: Vec<u32> = ranges.iter().flat_map(|range| range.blocks()).collect();
    let start = seed.checked_rem(blocks.len())?;
    let is_free = |block: &&u32| taken.range(block.saturating_sub(COUNT - 1)..=**block + (COUNT - 1)).next().is_none();
    blocks[start..].iter().chain(&blocks[..start]).find(is_free).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_both_files() {
        let range = |first, count| Range { first, count };
        assert_eq!(ranges("", ""), [PRIVATE]);
        assert_eq!(
            ranges("root:1:65536\ncontainers:100000:131072\n", "containers:100000:65536"),
            [range(100_000, 65_536)]
        );
        assert_eq!(ranges("containers:100000:65535", "containers:100000:65535"), [PRIVATE], "no block fits");
        let both = "containers:1:65536\npodkin:200000:65536\nbroken";
        assert_eq!(ranges(both, both), [range(200_000, 65_536)]);
    }

    #[test]
    fn blocks_are_given_once_and_given_back() {
        let ranges = [Range { first: 100_000, count: 3 * COUNT + 5 }];
        let mut taken = BTreeSet::new();
        for _ in 0..3 {
            let block = free(&ranges, &taken, 1).expect("one is free");
            assert!(taken.insert(block) && block < 100_000 + 3 * COUNT);
        }
        assert_eq!(free(&ranges, &taken, 1), None);
        taken.remove(&100_000);
        assert_eq!(free(&ranges, &taken, 1), Some(100_000));
        let overlapping = [Range { first: 165_000, count: COUNT }];
        assert_eq!(free(&overlapping, &taken, 0), None, "somebody has a part of it");
    }
}
