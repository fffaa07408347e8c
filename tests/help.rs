//! Every help text as the user reads it, compared with `tests/snapshots/help/`. `PODKIN_BLESS=1` writes them anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn snapshots() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/help")
}

/// The path of every command, sub-commands after their parents: `["pod", "ps"]`.
fn commands() -> Vec<Vec<String>> {
    fn walk(command: &clap::Command, path: &[String], found: &mut Vec<Vec<String>>) {
        found.push(path.to_vec());
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            walk(sub, &[path, &[sub.get_name().to_owned()]].concat(), found);
        }
    }
    let mut found = Vec::new();
    walk(&podkin::cli::command(), &[], &mut found);
    found
}

fn help(path: &[String]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_podkin"))
        .args(path)
        .arg("--help")
        .env("COLUMNS", "110")
        .stdin(Stdio::null())
        .output()
        .expect("the binary starts");
    assert!(output.status.success(), "`podkin {} --help` ended with {}", path.join(" "), output.status);
    assert!(output.stderr.is_empty(), "help is data and goes to standard output");
    String::from_utf8(output.stdout).expect("help is text")
}

#[test]
fn every_help_text_is_as_recorded() {
    let bless = std::env::var_os("PODKIN_BLESS").is_some();
    let directory = snapshots();
    let (mut wanted, mut wrong) = (BTreeSet::new(), Vec::new());
    for path in commands() {
        let name = format!("{}.txt", [&["podkin".to_owned()], path.as_slice()].concat().join("-"));
        let text = help(&path);
        let file = directory.join(&name);
        if bless {
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(&file, &text).unwrap();
        } else if std::fs::read_to_string(&file).ok().as_deref() != Some(&text) {
            wrong.push(format!("podkin {} --help:\n{text}", path.join(" ")));
        }
        wanted.insert(name);
    }
    for entry in std::fs::read_dir(&directory).unwrap() {
        let entry = entry.unwrap();
        if !wanted.contains(&*entry.file_name().to_string_lossy()) {
            if bless {
                std::fs::remove_file(entry.path()).unwrap();
            } else {
                wrong.push(format!("{} belongs to no command", entry.path().display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n\nset PODKIN_BLESS=1 to record what is printed now", wrong.join("\n---\n"));
}

#[test]
fn the_definition_of_the_command_line_is_consistent() {
    podkin::cli::command().debug_assert();
}
