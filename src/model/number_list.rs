//! Lists of numbers as the kernel writes those of processors and memory nodes: `0-3,8` (cpuset(7), "List format").

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The largest number that a list may hold: more processors no kernel is built for.
const MOST: u32 = 65_535;

/// A set of numbers, as ranges in order that do not touch; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NumberList(Vec<(u32, u32)>);

/// Why a text is no list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberListError {
    #[error("numbers and ranges have the form `0-3,8`")]
    Form,
    #[error("a range ends before it begins")]
    Backwards,
    #[error("numbers end at {MOST}")]
    TooLarge,
}

impl NumberList {
    /// The first number that is here and not in `other`.
    pub fn first_beyond(&self, other: &Self) -> Option<u32> {
        let mut numbers = self.0.iter().flat_map(|(first, last)| *first..=*last);
        numbers.find(|number| !other.contains(*number))
    }

    fn contains(&self, number: u32) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&number))
    }
}

impl FromStr for NumberList {
    type Err = NumberListError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut ranges = text.split(',').map(|part| range(part.trim())).collect::<Result<Vec<_>, _>>()?;
        ranges.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::new();
        for (first, last) in ranges {
            match merged.last_mut() {
                Some((_, end)) if first <= *end + 1 => *end = last.max(*end),
                _ => merged.push((first, last)),
            }
        }
        Ok(Self(merged))
    }
}

fn range(text: &str) -> Result<(u32, u32), NumberListError> {
    let number = |digits: &str| {
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NumberListError::Form);
        }
        digits.parse().ok().filter(|number| *number <= MOST).ok_or(NumberListError::TooLarge)
    };
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(text)?, number(text)?),
    };
    if last < first { Err(NumberListError::Backwards) } else { Ok((first, last)) }
}

impl fmt::Display for NumberList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            match first == last {
                true => write!(f, "{comma}{first}")?,
                false => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for NumberList {
    type Error = NumberListError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<NumberList> for String {
    fn from(list: NumberList) -> Self {
        list.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> NumberList {
        text.parse().expect(text)
    }

    #[test]
    fn lists_have_one_form() {
        for (text, form) in [("0", "0"), ("3,0-1, 2", "0-3"), ("8,0-3,2-5", "0-5,8"), ("7-7", "7"), ("65535", "65535")]
        {
            assert_eq!(list(text).to_string(), form, "{text}");
        }
    }

    #[test]
    fn what_is_no_list() {
        for text in ["", " ", "a", "1,", "-1", "1-", "3-1", "0x1", "+1", "65536", "99999999999", "1-2-3", "1;2"] {
            assert!(text.parse::<NumberList>().is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_that_another_list_lacks() {
        assert_eq!(list("0-1").first_beyond(&list("0-3")), None);
        assert_eq!(list("1-2,9").first_beyond(&list("0-1")), Some(2));
    }

    #[test]
    fn a_stored_list_is_checked_again() {
        assert_eq!(serde_json::to_string(&list("1,0")).unwrap(), "\"0-1\"");
        assert_eq!(serde_json::from_str::<NumberList>("\"0-1\"").unwrap(), list("0-1"));
        assert!(serde_json::from_str::<NumberList>("\"x\"").is_err());
    }
}
