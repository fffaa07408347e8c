//! Images and volumes that try to reach out.

pub const TESTS: &[(&str, fn())] = &[];
