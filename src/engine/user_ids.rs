//! Host ids for pods with a user namespace of their own: no two pods have one in common, unless they asked for the machine's.
//!
//! They come from the ranges that `/etc/subuid` and `/etc/subgid` both give to `podkin`, else to `containers`, else from the last
//! that systemd's conventions leave to nobody (systemd, "Users, Groups, UIDs and GIDs"). What a pod has is in its record alone,
//! so that it is free when the record is gone.

use super::EngineError;
use crate::model::UserIds;
use crate::store::pods;
use rusqlite::Connection;
use std::path::Path;

/// Ids are given out in blocks of that many.
const BLOCK: u32 = UserIds::USUAL;

/// Free for whoever comes first.
const PRIVATE: Range = Range { first: 0x7000_0000, count: 0x0fff_0000 };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    first: u32,
    count: u32,
}

/// The host id of a pod's root; the ids from there on, as many as it wants, no pod has. Called in the transaction that records the pod. `root` tells state directories
/// apart, which do not see each other's pods.
pub(super) fn allocate(connection: &Connection, root: &Path, wanted: UserIds) -> Result<u32, EngineError> {
    let UserIds::Own { count } = wanted else { return Ok(0) };
    let taken = |row: &pods::PodRow| match (row.record.first_user_id, row.record.pod.user_ids) {
        (Some(first), UserIds::Own { count }) => Some(Range { first, count }),
        (None, _) | (_, UserIds::Machine) => None,
    };
    let taken: Vec<Range> = pods::all(connection)?.iter().filter_map(taken).collect();
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default(); // a machine without the file gives nothing
    let ranges = ranges(&read("/etc/subuid"), &read("/etc/subgid"));
    free(&ranges, &taken, count, seed(root)).ok_or(EngineError::NoUserIds { count })
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
        let count = u32::try_from(count).ok().filter(|count| *count >= BLOCK)?;
        Some(Self { first, count })
    }

    fn overlaps(self, other: Self) -> bool {
        u64::from(self.first) < other.end() && u64::from(other.first) < self.end()
    }

    /// Where a range of that many ids can begin in this one.
    fn places(self, count: u32) -> impl Iterator<Item = u32> {
        let starts = (0..self.count / BLOCK).map(move |n| self.first + n * BLOCK);
        starts.filter(move |first| u64::from(*first) + u64::from(count) <= self.end())
    }
}

/// The first free place for that many ids, from the one that `seed` begins with.
fn free(ranges: &[Range], taken: &[Range], count: u32, seed: usize) -> Option<u32> {
    let places: Vec<u32> = ranges.iter().flat_map(|range| range.places(count)).collect();
    let start = seed.checked_rem(places.len())?;
    let is_free = |first: &&u32| !taken.iter().any(|other| other.overlaps(Range { first: **first, count }));
    places[start..].iter().chain(&places[..start]).find(is_free).copied()
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
        let ranges = [Range { first: 100_000, count: 3 * BLOCK + 5 }];
        let mut taken: Vec<Range> = Vec::new();
        for _ in 0..3 {
            let first = free(&ranges, &taken, BLOCK, 1).expect("one is free");
            assert!(first < 100_000 + 3 * BLOCK && taken.iter().all(|other| other.first != first));
            taken.push(Range { first, count: BLOCK });
        }
        assert_eq!(free(&ranges, &taken, 1, 1), None);
        taken.retain(|range| range.first != 100_000);
        assert_eq!(free(&ranges, &taken, BLOCK, 1), Some(100_000));
        let overlapping = [Range { first: 165_000, count: BLOCK }];
        assert_eq!(free(&overlapping, &taken, BLOCK, 0), None, "somebody has a part of it");
    }

    #[test]
    fn more_or_fewer_ids_than_usual_are_given() {
        let ranges = [Range { first: 0x1_0000, count: 4 * BLOCK }, Range { first: 0x10_0000, count: 2 * BLOCK }];
        let second = Range { first: 0x2_0000, count: 1024 };
        assert_eq!(free(&ranges, &[second], 1024, 1), Some(0x3_0000), "blocks are not shared");
        assert_eq!(free(&ranges, &[second], 2 * BLOCK, 0), Some(0x3_0000));
        assert_eq!(free(&ranges, &[second], 3 * BLOCK, 0), None, "they must be in one piece");
        assert_eq!(free(&ranges, &[], 4 * BLOCK, 0), Some(0x1_0000));
    }
}
