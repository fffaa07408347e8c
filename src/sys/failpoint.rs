//! Named points at which tests make a process fail, die or wait; compiled in with the feature `failpoints` only.
//!
//! `PODKIN_FAILPOINTS="engine.step.before=kill;runtime.create=2*off->error(disk full);supervisor.start=sleep(50)"`: entries
//! separated by `;`, each a name and a chain of actions separated by `->`, each action taken `N*` times (once when it is not the
//! last, for ever when it is). Actions: `off`, `kill` (SIGKILL to this process), `abort`, `error(text)`, `sleep(milliseconds)`.
//! Every passage of a point with the variable `PODKIN_FAILPOINT_TRACE=<file>` set appends the point's name to that file, so
//! that a test can learn the points of a command and then kill it at each.

/// Passes a point: does what the environment asks for, else nothing. `Err` carries the text of an `error` action.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn reach(_name: &str) -> Result<(), String> {
    Ok(())
}

#[cfg(feature = "failpoints")]
pub use active::reach;

#[cfg(feature = "failpoints")]
mod active {
    use std::collections::HashMap;
    use std::io::Write;
    use std::sync::{Mutex, OnceLock};

    #[derive(Debug, Clone)]
    enum Action {
        Off,
        Kill,
        Abort,
        Error(String),
        Sleep(u64),
    }

    /// Actions of a point, each with how often it is still to be taken.
    type Chain = Vec<(u64, Action)>;

    static CHAINS: OnceLock<Mutex<HashMap<String, Chain>>> = OnceLock::new();

    fn parse_action(text: &str, last: bool) -> (u64, Action) {
        let (count, body) = match text.split_once('*') {
            Some((n, rest)) if n.chars().all(|c| c.is_ascii_digit()) => (n.parse().unwrap_or(1), rest),
            _ => (if last { u64::MAX } else { 1 }, text),
        };
        let (name, argument) = match body.split_once('(') {
            Some((name, rest)) => (name, rest.strip_suffix(')').unwrap_or(rest)),
            None => (body, ""),
        };
        let action = match name {
            "kill" => Action::Kill,
            "abort" => Action::Abort,
            "error" => Action::Error(argument.to_owned()),
            "sleep" => Action::Sleep(argument.parse().unwrap_or(0)),
            _ => Action::Off,
        };
        (count, action)
    }

    fn chains() -> &'static Mutex<HashMap<String, Chain>> {
        CHAINS.get_or_init(|| {
            let text = std::env::var("PODKIN_FAILPOINTS").unwrap_or_default();
            let parse = |entry: &str| {
                let (name, chain) = entry.split_once('=')?;
                let parts: Vec<_> = chain.split("->").collect();
                let actions =
                    parts.iter().enumerate().map(|(i, p)| parse_action(p.trim(), i + 1 == parts.len())).collect();
                Some((name.trim().to_owned(), actions))
            };
            Mutex::new(text.split(';').filter_map(parse).collect())
        })
    }

    /// Passes a point: does what the environment asks for, else nothing. `Err` carries the text of an `error` action.
    pub fn reach(name: &str) -> Result<(), String> {
        if let Some(path) = std::env::var_os("PODKIN_FAILPOINT_TRACE") {
            let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
            let _ = file.and_then(|mut f| f.write_all(format!("{name}\n").as_bytes()));
        }
        let action = {
            let mut map = chains().lock().unwrap_or_else(|e| e.into_inner());
            let Some(chain) = map.get_mut(name) else { return Ok(()) };
            let Some((count, action)) = chain.iter_mut().find(|(count, _)| *count > 0) else { return Ok(()) };
            *count = count.saturating_sub(if *count == u64::MAX { 0 } else { 1 });
            action.clone()
        };
        match action {
            Action::Off => Ok(()),
            Action::Error(text) => Err(text),
            Action::Abort => std::process::abort(),
            Action::Sleep(ms) => {
                std::thread::sleep(std::time::Duration::from_millis(ms));
                Ok(())
            }
            Action::Kill => {
                // SAFETY: kill takes two integers and touches no memory; the pid is this process's own.
                unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
                Ok(())
            }
        }
    }
}
