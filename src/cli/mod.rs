//! The command line: a file per sub-command.
