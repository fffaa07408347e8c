//! Which places a layer has, in eight bytes each.

use std::hash::{BuildHasher, RandomState};

/// Places by hashes whose key no layer knows: one that is not there is taken for known once in billions of billions.
#[derive(Default)]
pub(super) struct Known {
    hash: RandomState,
    places: Vec<u64>,
    opaque: Vec<u64>,
    /// The parent that was added last, as archives list directories one after the other.
    parent: Vec<u8>,
}

impl Known {
    /// Adds a place and the directories that lead there.
    pub fn add(&mut self, place: &[u8]) {
        self.places.push(self.hash.hash_one(place));
        let end = place.iter().rposition(|b| *b == b'/').unwrap_or(0);
        let parent = &place[..end];
        if self.parent == parent {
            return;
        }
        for (at, _) in parent.iter().enumerate().filter(|(_, b)| **b == b'/').chain([(end, &0)]) {
            self.places.push(self.hash.hash_one(&parent[..at]));
        }
        self.parent = parent.to_vec();
    }

    /// Adds a directory that hides what other layers have in it.
    pub fn add_opaque(&mut self, place: &[u8]) {
        self.opaque.push(self.hash.hash_one(place));
    }

    /// To be called when all are added.
    pub fn seal(&mut self) {
        self.places.sort_unstable();
        self.places.dedup();
        self.opaque.sort_unstable();
    }

    pub fn contains(&self, place: &[u8]) -> bool {
        self.places.binary_search(&self.hash.hash_one(place)).is_ok()
    }

    pub fn is_opaque(&self, place: &[u8]) -> bool {
        !self.opaque.is_empty() && self.opaque.binary_search(&self.hash.hash_one(place)).is_ok()
    }
}
