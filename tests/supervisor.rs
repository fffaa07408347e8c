//! Pods of real containers under a supervisor, without an engine: records are written here, requests sent over the socket.

mod common;
mod supervisor {
    mod eviction;
    #[cfg(feature = "failpoints")]
    mod failpoints;
    mod fixture;
    mod lifecycle;
    mod probes;
    mod robustness;
    mod sharing;
    mod timing;
    mod tokens;
}
