//! podkin: Kubernetes YAML and compose files as real pods on one Linux machine, without a daemon.
//!
//! The modules in reading order, and who may use whom (arrows point down, never up or sideways):
//!
//! ```text
//! main -> cli -> engine -> generate, supervisor, graph -> runtime, network, image, storage, account -> store -> model, sys
//! ```
#![deny(unsafe_code)]

pub mod account;
pub mod cli;
pub mod engine;
pub mod generate;
pub mod graph;
pub mod image;
pub mod model;
pub mod network;
pub mod runtime;
pub mod storage;
pub mod store;
pub mod supervisor;
pub mod sys;
