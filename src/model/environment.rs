//! The environment of a container, computed when it starts.
