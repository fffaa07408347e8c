//! `--flag=true` and `--flag=false` for flags that take no value, as podman's command line accepts them.

use clap::{ArgAction, Command};
use std::ffi::OsString;

/// Rewrites `--flag=true` to `--flag` and drops `--flag=false` where the flag takes no value. Stops at `--`, and in `exec` at
/// the container's name, since what follows belongs to the program.
pub fn normalise(args: Vec<OsString>, command: impl FnOnce() -> Command) -> Vec<OsString> {
    if !args.iter().any(|arg| assignment(arg).is_some()) {
        return args;
    }
    let root = command();
    let mut at = &root;
    let mut out = Vec::with_capacity(args.len());
    let mut rest = args.into_iter();
    out.extend(rest.next());
    while let Some(arg) = rest.next() {
        let text = arg.to_string_lossy();
        if text == "--" {
            out.push(arg);
            break;
        }
        if let Some((name, value)) = assignment(&arg)
            && is_switch(&root, at, name)
        {
            out.extend(value.then(|| OsString::from(format!("--{name}"))));
            continue;
        }
        if text.starts_with('-') {
            let takes_value = option_takes_value(&root, at, &text);
            out.push(arg);
            if takes_value {
                out.extend(rest.next());
            }
            continue;
        }
        let sub_command = at.find_subcommand(&*text);
        out.push(arg);
        match sub_command {
            Some(sub_command) => at = sub_command,
            None if at.get_name() == "exec" => break,
            None => {}
        }
    }
    out.extend(rest);
    out
}

/// Splits `--name=true` and the other spellings of a boolean.
fn assignment(arg: &OsString) -> Option<(&str, bool)> {
    let (name, value) = arg.to_str()?.strip_prefix("--")?.split_once('=')?;
    match value {
        "true" | "True" | "TRUE" | "t" | "T" | "1" => Some((name, true)),
        "false" | "False" | "FALSE" | "f" | "F" | "0" => Some((name, false)),
        _ => None,
    }
}

fn find<'a>(root: &'a Command, at: &'a Command, long: &str) -> Option<&'a clap::Arg> {
    let named = |arg: &&clap::Arg| {
        arg.get_long() == Some(long) || arg.get_all_aliases().is_some_and(|aliases| aliases.contains(&long))
    };
    at.get_arguments().find(named).or_else(|| root.get_arguments().find(named))
}

fn is_switch(root: &Command, at: &Command, long: &str) -> bool {
    find(root, at, long).is_some_and(|arg| matches!(arg.get_action(), ArgAction::SetTrue))
}

/// Whether the option's value is the next argument.
fn option_takes_value(root: &Command, at: &Command, text: &str) -> bool {
    let valued = |arg: &clap::Arg| {
        matches!(arg.get_action(), ArgAction::Set | ArgAction::Append) && !arg.is_require_equals_set()
    };
    if let Some(long) = text.strip_prefix("--") {
        return !long.contains('=') && find(root, at, long).is_some_and(valued);
    }
    let Some(last) = text.chars().last() else { return false };
    at.get_arguments().chain(root.get_arguments()).any(|arg| arg.get_short() == Some(last) && valued(arg))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Arg, arg};

    fn command() -> Command {
        let quiet = || Arg::new("quiet").long("quiet").action(ArgAction::SetTrue);
        let start = Arg::new("start").long("start").action(ArgAction::Set).num_args(0..=1).require_equals(true);
        Command::new("podkin")
            .arg(arg!(--root <DIR>))
            .subcommand(Command::new("play").arg(quiet()).arg(start))
            .subcommand(Command::new("exec").arg(Arg::new("tty").long("tty").action(ArgAction::SetTrue)))
    }

    fn run(line: &str) -> String {
        let args = line.split(' ').map(OsString::from).collect();
        normalise(args, command).into_iter().map(|a| a.into_string().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn switches_lose_their_value_and_others_keep_it() {
        assert_eq!(run("podkin play --quiet=true f"), "podkin play --quiet f");
        assert_eq!(run("podkin play --quiet=false f"), "podkin play f");
        assert_eq!(run("podkin --root /x play --start=false --quiet=1"), "podkin --root /x play --start=false --quiet");
        assert_eq!(run("podkin play --quiet=maybe"), "podkin play --quiet=maybe");
    }

    #[test]
    fn the_programs_own_arguments_are_left_alone() {
        assert_eq!(run("podkin exec --tty=true c prog --tty=true"), "podkin exec --tty c prog --tty=true");
        assert_eq!(run("podkin exec --tty=true -- c --tty=true"), "podkin exec --tty -- c --tty=true");
    }
}
