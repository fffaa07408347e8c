//! The command line: a file per sub-command.

pub mod error;
pub mod filter;
pub mod output;
pub mod signal;
pub mod suggest;
pub mod table;
pub mod template;
pub mod units;
