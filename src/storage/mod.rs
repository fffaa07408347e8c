//! Unpacked layers, overlay mounts, named volumes.
