//! What a container may do, seen from inside.

pub const TESTS: &[(&str, fn())] = &[];
