//! The last steps before a program runs in a container, the same for its first process and for every later exec.
//!
//! All that can be looked up or allocated is prepared outside, as an [`Entry`]; inside, [`Entry::run`] only makes system calls.
//! Their order: signals, terminal, limits, the label of a security module; the seccomp filter while privileges for it are held (or last, under
//! no-new-privileges); capabilities; execve. A failure goes to the report pipe.
//!
//! With an init process, the program is a child that takes these steps, and this process becomes what looks after it.

use super::init::InitProgram;
use super::report::{self, ExecFailure, ExecFailureKind};
use crate::sys::capability::{self, Capabilities};
use crate::sys::lsm::ExecLabel;
use crate::sys::{process, rlimit, seccomp, signal, terminal};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::process::Resource;
use std::convert::Infallible;
use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Where programs are looked for when the environment has no `PATH`.
pub(crate) const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How many interpreters of interpreters are looked at; the kernel itself stops at five.
const INTERPRETER_DEPTH: usize = 6;

/// What could not be done, and why.
type Failed = (&'static str, io::Error);

/// Everything a process needs to become the container's program. Not `Debug`: the environment may hold secrets.
pub(crate) struct Entry {
    /// What messages call the program.
    name: String,
    args: Vec<CString>,
    env: Vec<CString>,
    /// What to try executing, in order.
    candidates: Vec<CString>,
    limits: Vec<(Resource, u64, u64)>,
    capabilities: Capabilities,
    no_new_privileges: bool,
    label: Option<ExecLabel>,
    filter: Option<Vec<u8>>,
    /// Standard input is a terminal to be the controlling one.
    terminal: bool,
    /// Device and inode of this program, which must not be executed in a container (CVE-2019-5736).
    own_program: (u64, u64),
    /// What this process executes instead, when the program is to be its child.
    init: Option<InitProgram>,
    report: OwnedFd,
}

/// What of a process's configuration concerns its last steps.
pub(crate) struct EntryOptions<'a> {
    /// What messages call the program: its first argument may have been made of a Secret.
    pub name: &'a str,
    pub args: &'a [String],
    pub env: &'a [(String, String)],
    pub limits: &'a [(String, u64, u64)],
    /// Cut to what this process holds.
    pub capabilities: Capabilities,
    pub no_new_privileges: bool,
    pub label: Option<ExecLabel>,
    /// A compiled seccomp filter.
    pub filter: Option<Vec<u8>>,
    pub terminal: bool,
    pub init: Option<InitProgram>,
}

impl Entry {
    /// `Err` says what is wrong with the configuration.
    pub(crate) fn new(options: EntryOptions<'_>, report: OwnedFd) -> Result<Self, String> {
        let EntryOptions { name, args, env, limits, capabilities, no_new_privileges, label, filter, terminal, init } =
            options;
        let c_string = |text: &str| CString::new(text).map_err(|_| "an argument contains a NUL character".to_owned());
        let program = args.first().filter(|a| !a.is_empty()).ok_or("no command to run")?;
        let path = env.iter().rev().find(|(name, _)| name == "PATH").map_or(DEFAULT_PATH, |(_, value)| value.as_str());
        let candidates = candidates(program, path).iter().map(|c| c_string(c)).collect::<Result<_, _>>()?;
        let limits = limits.iter().map(|(name, soft, hard)| {
            rlimit::resource(name).map(|resource| (resource, *soft, *hard)).ok_or(format!("unknown limit `{name}`"))
        });
        let permitted = capability::permitted().map_err(|error| format!("cannot read own capabilities: {error}"))?;
        let own = rustix::fs::stat("/proc/self/exe").map_err(|error| format!("cannot find own program: {error}"))?;
        Ok(Self {
            name: name.to_owned(),
            args: args.iter().map(|a| c_string(a)).collect::<Result<_, _>>()?,
            env: env.iter().map(|(name, value)| variable(name, value)).collect::<Result<_, _>>()?,
            candidates,
            limits: limits.collect::<Result<_, _>>()?,
            capabilities: capabilities.intersection(permitted),
            no_new_privileges,
            label,
            filter,
            terminal,
            own_program: (own.st_dev, own.st_ino),
            init,
            report,
        })
    }

    /// Becomes the program, or reports why not and ends the process with 126 or 127. The process has its final namespaces,
    /// root, directory and user, and still its privileges.
    pub(crate) fn run(&self) -> ! {
        let failure = match &self.init {
            Some(init) => match self.run_below(init) {
                Ok(never) => match never {},
                Err(failed) => other_failure(failed),
            },
            None => self.attempt(),
        };
        self.fail(&failure)
    }

    /// Leaves the program to a child and becomes the init process. Both let go of the report pipe when they execute something, so
    /// that its end still says that the program runs.
    fn run_below(&self, init: &InitProgram) -> Result<Infallible, Failed> {
        // Also where another process is the first one of the pid namespace.
        process::set_child_subreaper().map_err(|e| ("collect ended processes", e))?;
        signal::reset_all();
        // A signal that comes from now on waits until the init process asks for it; the child unblocks its own.
        std::mem::forget(signal::block_all().map_err(|e| ("block signals", e))?);
        let body = || match rustix::process::setsid() {
            Ok(_) => self.fail(&self.attempt()),
            Err(error) => self.fail(&other_failure(("start a session", error.into()))),
        };
        let program = process::fork_child(body).map_err(|e| ("fork the program", e))?;
        let failed = match self.prepare_init() {
            Ok(()) => ("execute the init process", init.exec(program.pid)),
            Err(failed) => failed,
        };
        let _ = process::pidfd_kill(&program.pidfd); // that it cannot be looked after is what is told
        Err(failed)
    }

    /// As confined as the program, so that nobody gains by taking it over, and with no right but to signal a program that has
    /// another user by then. It keeps neither streams nor the working directory from being let go of.
    fn prepare_init(&self) -> Result<(), Failed> {
        rustix::process::chdir("/").map_err(|e| ("leave the working directory", e.into()))?;
        process::close_on_exec_from(0).map_err(|e| ("close descriptors", e))?;
        self.confine(self.capabilities.intersection(Capabilities::KILL))
    }

    /// Reports that the program was not executed, and ends the process.
    pub(crate) fn fail(&self, failure: &ExecFailure) -> ! {
        report::send(std::fs::File::from(self.report_copy()), failure);
        process::exit_now(failure.kind.exit_code())
    }

    fn report_copy(&self) -> OwnedFd {
        // The pipe stays this value's; a copy that cannot be made leaves only the exit code.
        self.report.try_clone().unwrap_or_else(|_| process::exit_now(126))
    }

    fn attempt(&self) -> ExecFailure {
        match self.prepare() {
            Ok(()) => self.execute(),
            Err(failed) => other_failure(failed),
        }
    }

    fn prepare(&self) -> Result<(), Failed> {
        signal::reset_all();
        // Not that of whoever started the supervisor.
        rustix::process::umask(Mode::from_raw_mode(0o022));
        if self.terminal {
            terminal::take_controlling().map_err(|e| ("take the terminal", e))?;
        }
        check_directory().map_err(|e| ("use the working directory", e))?;
        // Programs that use select(2), or close every descriptor there may be, do not expect more.
        rlimit::lower_descriptors().map_err(|e| ("set resource limits", e))?;
        for (resource, soft, hard) in &self.limits {
            rlimit::set(*resource, *soft, *hard).map_err(|e| ("set resource limits", e))?;
        }
        process::close_on_exec_from(3).map_err(|e| ("close descriptors", e))?;
        self.confine(self.capabilities)
    }

    fn confine(&self, capabilities: Capabilities) -> Result<(), Failed> {
        // While the files of a process that is not dumpable may still be opened.
        self.label.as_ref().map_or(Ok(()), ExecLabel::set).map_err(|e| ("set the security label", e))?;
        if self.no_new_privileges {
            capability::set_no_new_privileges().map_err(|e| ("set no_new_privs", e))?;
        } else {
            self.load_filter()?;
        }
        capability::limit_bounding(capabilities).map_err(|e| ("limit the capabilities", e))?;
        // Of a user other than root, exec would clear what is effective; permitted must not survive until then either.
        let keep = if rustix::process::geteuid().is_root() { capabilities } else { Capabilities::NONE };
        capability::set(keep).map_err(|e| ("set the capabilities", e))?;
        if self.no_new_privileges { self.load_filter() } else { Ok(()) }
    }

    fn load_filter(&self) -> Result<(), Failed> {
        self.filter.as_deref().map_or(Ok(()), seccomp::load_filter).map_err(|e| ("load the seccomp filter", e))
    }

    /// As execvp(3), but a file of unknown format is an error and not a shell script.
    fn execute(&self) -> ExecFailure {
        let name = &self.name;
        let mut refused: Option<io::Error> = None;
        for candidate in &self.candidates {
            if self.is_own_program(candidate) {
                return ExecFailure {
                    kind: ExecFailureKind::CommandNotInvocable,
                    message: format!("`{name}` is the container runtime itself"),
                    errno: Some(libc::EACCES),
                };
            }
            let error = process::exec(candidate, &self.args, &self.env);
            match error.raw_os_error() {
                Some(libc::ENOENT) if !exists(candidate) => {}
                Some(libc::ENOTDIR) => {}
                // As the shell does: go on, and complain about this one if nothing better is found.
                Some(libc::EACCES) => refused = refused.or(Some(error)),
                _ => return not_invocable(name, &error),
            }
        }
        match refused {
            Some(error) => not_invocable(name, &error),
            None => ExecFailure {
                kind: ExecFailureKind::CommandNotFound,
                message: if name.contains('/') {
                    format!("`{name}` does not exist")
                } else {
                    format!("`{name}` was not found in PATH")
                },
                errno: Some(libc::ENOENT),
            },
        }
    }

    /// Whether the file, or an interpreter it names, is this program: executed in a container it could be made to do anything.
    fn is_own_program(&self, path: &CString) -> bool {
        let mut path = path.clone();
        for _ in 0..INTERPRETER_DEPTH {
            let Ok(stat) = rustix::fs::stat(&path) else { return false };
            if (stat.st_dev, stat.st_ino) == self.own_program {
                return true;
            }
            if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                return false;
            }
            let Some(interpreter) = interpreter(&path) else { return false };
            path = interpreter;
        }
        false
    }
}

fn other_failure((action, error): Failed) -> ExecFailure {
    ExecFailure {
        kind: ExecFailureKind::Other,
        message: format!("cannot {action}: {error}"),
        errno: error.raw_os_error(),
    }
}

fn not_invocable(name: &str, error: &io::Error) -> ExecFailure {
    let reason = match error.raw_os_error() {
        Some(libc::ENOEXEC) => "it is no program for this machine, or a script without `#!` line".to_owned(),
        Some(libc::ENOENT) => "its interpreter does not exist".to_owned(),
        _ => error.to_string(),
    };
    ExecFailure {
        kind: ExecFailureKind::CommandNotInvocable,
        message: format!("cannot execute `{name}`: {reason}"),
        errno: error.raw_os_error(),
    }
}

fn exists(path: &CString) -> bool {
    rustix::fs::statat(CWD, path, AtFlags::empty()).is_ok()
}

/// What a script's first line names.
fn interpreter(path: &CString) -> Option<CString> {
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut head = [0_u8; 256];
    let length = rustix::io::read(&file, &mut head).ok()?;
    parse_interpreter(&head[..length])
}

fn parse_interpreter(head: &[u8]) -> Option<CString> {
    let line = head.strip_prefix(b"#!")?.split(|b| *b == b'\n').next()?;
    let name = line.split(|b| matches!(b, b' ' | b'\t')).find(|word| !word.is_empty())?;
    CString::new(name).ok()
}

fn candidates(program: &str, path: &str) -> Vec<String> {
    if program.contains('/') {
        return vec![program.to_owned()];
    }
    path.split(':').map(|dir| format!("{}/{program}", if dir.is_empty() { "." } else { dir })).collect()
}

fn variable(name: &str, value: &str) -> Result<CString, String> {
    if name.is_empty() || name.contains('=') {
        return Err(format!("`{name}` is no name of an environment variable"));
    }
    CString::new(format!("{name}={value}"))
        .map_err(|_| format!("environment variable `{name}` contains a NUL character"))
}

/// The working directory must lie in the container: one reached through an inherited descriptor has no path there
/// (CVE-2024-21626).
fn check_directory() -> io::Result<()> {
    let path = rustix::process::getcwd(Vec::new())?;
    if Path::new(OsStr::from_bytes(path.as_bytes())).is_absolute() {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "it lies outside the container"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_looked_up_as_execvp_does() {
        assert_eq!(candidates("sh", "/a:/b/"), ["/a/sh", "/b//sh"]);
        assert_eq!(candidates("sh", ":/b"), ["./sh", "/b/sh"]);
        assert_eq!(candidates("./sh", "/a"), ["./sh"]);
        assert_eq!(candidates("/proc/self/exe", "/a"), ["/proc/self/exe"]);
    }

    #[test]
    fn interpreters() {
        let parsed = |head: &[u8]| parse_interpreter(head).map(|c| c.into_string().unwrap());
        assert_eq!(parsed(b"#!/bin/sh\nexit"), Some("/bin/sh".into()));
        assert_eq!(parsed(b"#! \t/proc/self/exe -x\n"), Some("/proc/self/exe".into()));
        assert_eq!(parsed(b"\x7fELF"), None);
        assert_eq!(parsed(b"#!\n"), None);
    }

    #[test]
    fn variables() {
        assert_eq!(variable("A", "b=c").unwrap().as_bytes(), b"A=b=c");
        assert!(variable("", "x").is_err());
        assert!(variable("A=B", "x").is_err());
        // The value may be a secret.
        assert!(!variable("A", "se\0cret").unwrap_err().contains("cret"));
    }
}
