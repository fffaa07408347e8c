//! What was taken away while the archive was unpacked, by place and time.

use super::{Reader, RecipeError, Record};
use crate::sys::dir::Dir;
use std::hash::BuildHasher;

/// All events of a recipe; sixteen bytes each, however long the places are. Two places are taken for one with the probability of a
/// 64-bit hash whose key no archive knows.
pub(in crate::image::layer) struct Replaced {
    events: Vec<Event>,
    hash: std::hash::RandomState,
}

/// Ordered by place and then by time.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    place: u64,
    /// Number of the record.
    at: u32,
    /// Number of the spare plus one; zero when nothing was kept.
    spare: u32,
}

impl Replaced {
    pub fn none() -> Self {
        Self { events: Vec::new(), hash: std::hash::RandomState::new() }
    }

    /// Reads a recipe through for its events.
    pub fn collect(layer: &Dir) -> Result<Self, RecipeError> {
        let mut found = Self::none();
        let mut reader = Reader::open(layer)?;
        loop {
            let at = reader.number() + 1;
            match reader.next()? {
                Record::End { .. } => break,
                Record::Replaced { place, spare } => found.add(place, at, spare)?,
                Record::Verbatim(_) | Record::Payload { .. } | Record::Through(_) | Record::Opaque(_) => {}
            }
        }
        found.events.sort_unstable();
        Ok(found)
    }

    fn add(&mut self, place: &[u8], at: u64, spare: Option<u64>) -> Result<(), RecipeError> {
        let small = |value: u64| u32::try_from(value).map_err(|_| RecipeError::Damaged);
        let spare = small(spare.map_or(0, |number| number.saturating_add(1)))?;
        self.events.push(Event { place: self.hash.hash_one(place), at: small(at)?, spare });
        Ok(())
    }

    /// What became of the thing that was put at `place` by the record `since`; `None` when it is still there.
    pub fn fate(&self, place: &[u8], since: u64) -> Option<Fate> {
        if self.events.is_empty() {
            return None;
        }
        let ends = place.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| at).chain([place.len()]);
        let first = ends.filter_map(|end| self.next(&place[..end], since).map(|event| (event, end)));
        let (event, end) = first.min_by_key(|(event, _)| event.at)?;
        Some(match event.spare.checked_sub(1) {
            None => Fate::Removed,
            Some(number) => Fate::Moved { number, rest: place[end..].strip_prefix(b"/").unwrap_or_default().to_vec() },
        })
    }

    fn next(&self, place: &[u8], since: u64) -> Option<&Event> {
        let place = self.hash.hash_one(place);
        let at = self.events.partition_point(|event| (event.place, u64::from(event.at)) <= (place, since));
        self.events.get(at).filter(|event| event.place == place)
    }
}

/// Where something went.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::image::layer) enum Fate {
    Removed,
    /// Into the spare of that number, or to the path `rest` below it.
    Moved {
        number: u32,
        rest: Vec<u8>,
    },
}
