//! YAML text to a tree that remembers the place of every key and value.
