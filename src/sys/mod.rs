//! System calls and descriptors: the only unsafe code.
#![allow(unsafe_code)]

pub mod bpf;
pub mod capability;
pub mod dir;
pub mod failpoint;
pub mod huge_pages;
pub mod lock;
pub mod lsm;
pub mod mount;
pub mod namespace;
pub mod net;
pub mod pass;
pub mod pipe;
pub mod process;
pub mod program;
pub mod readiness;
pub mod rlimit;
pub mod seccomp;
pub mod signal;
pub mod terminal;
pub mod tty;
pub mod watch;
