//! Processes: fork without exec, waiting by descriptor, exit codes, and what a process passes on to its children.
//!
//! Everything here assumes a process with exactly one thread: a child made by [`fork_child`] runs ordinary Rust code (it
//! allocates and takes locks), which is sound only when no other thread could have held a lock at the time of the fork.

use rustix::process::{Pid, PidfdFlags, Signal, WaitIdOptions, WaitIdStatus};
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// A child of this process; dropping it neither kills nor reaps it.
#[derive(Debug)]
pub struct Child {
    pub pid: i32,
    pub pidfd: OwnedFd,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
}

impl Exit {
    /// The code a shell would show: 128+n after signal n.
    pub fn shell_code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }

    /// From the status word of wait(2).
    pub fn from_wait_status(status: i32) -> Self {
        if libc::WIFSIGNALED(status) {
            Self::Signal(libc::WTERMSIG(status))
        } else {
            Self::Code(libc::WEXITSTATUS(status))
        }
    }
}

/// What the kernel keeps of a process for the holders of its pidfd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessState {
    Alive,
    /// Ended; `None` when this kernel cannot tell how (before 6.15, after another process has reaped it).
    Ended(Option<Exit>),
}

/// Runs `body` in a forked child, which exits with the code it returns (101 after a panic).
///
/// The child starts with an empty signal mask and default dispositions for every signal that this process catches: a handler
/// that writes into this process's self-pipe must not run there. Nothing is flushed and no destructor runs at its end.
///
/// # Panics
/// When this process has more than one thread.
pub fn fork_child(body: impl FnOnce() -> i32) -> io::Result<Child> {
    assert_single_threaded();
    let blocked = super::signal::block_all()?;
    // SAFETY: fork has no memory arguments; with one thread (asserted above) no lock can be held by a thread that does not
    // exist in the child, so the child may run any code.
    let pid = unsafe { libc::fork() };
    match pid {
        -1 => {
            let error = io::Error::last_os_error();
            drop(blocked);
            Err(error)
        }
        0 => {
            std::mem::forget(blocked);
            super::signal::reset_handlers();
            let code = catch_unwind(AssertUnwindSafe(body)).unwrap_or(101);
            exit_now(code)
        }
        pid => {
            drop(blocked);
            match pidfd_open(pid) {
                Ok(pidfd) => Ok(Child { pid, pidfd }),
                Err(error) => {
                    // What nobody can look after must not be there. It is not reaped yet, so the number is still its own.
                    if let Some(pid) = Pid::from_raw(pid) {
                        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                        let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
                    }
                    Err(error)
                }
            }
        }
    }
}

/// Ends this process at once: no destructors, no atexit handlers, no flushing.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit takes an integer and does not return; skipping destructors is its purpose.
    unsafe { libc::_exit(code) }
}

/// Panics unless this process has exactly one thread; see the module's doc.
pub fn assert_single_threaded() {
    let threads = thread_count();
    assert!(threads == 1, "process has {threads} threads where it must have one");
}

/// Number of threads of this process; 1 when `/proc` cannot be read.
pub fn thread_count() -> u64 {
    use std::os::unix::fs::MetadataExt;
    // A task directory has one link for itself, one for its parent's entry and one for each thread.
    fs::metadata("/proc/self/task").map_or(1, |m| m.nlink().saturating_sub(2))
}

/// A descriptor for the process of that number. `ESRCH` when there is none.
pub fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(rustix::process::pidfd_open(pid, PidfdFlags::empty())?)
}

/// Sends a signal by number; 0 only asks whether the process exists.
pub fn pidfd_send_signal(pidfd: impl AsFd, signal: i32) -> io::Result<()> {
    // SAFETY: the descriptor is borrowed for the call; the null pointer asks the kernel to fill the signal's information.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_fd().as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sends SIGKILL, and takes a process that is already gone for a success.
pub fn pidfd_kill(pidfd: impl AsFd) -> io::Result<()> {
    match rustix::process::pidfd_send_signal(pidfd, Signal::KILL) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Waits for the end of a child of this process and reaps it.
pub fn wait(pidfd: impl AsFd) -> io::Result<Exit> {
    loop {
        match wait_with(pidfd.as_fd(), WaitIdOptions::EXITED) {
            Ok(Some(exit)) => return Ok(exit),
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Waits until a process has ended, a child or not; false when the time ran out first.
pub fn wait_within(pidfd: impl AsFd, limit: Option<Duration>) -> io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let limit = limit.map(|t| Timespec { tv_sec: t.as_secs() as i64, tv_nsec: i64::from(t.subsec_nanos()) });
    let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
    Ok(poll(&mut fds, limit.as_ref())? > 0)
}

/// Reaps a child of this process if it has ended.
pub fn try_wait(pidfd: impl AsFd) -> io::Result<Option<Exit>> {
    wait_with(pidfd.as_fd(), WaitIdOptions::EXITED | WaitIdOptions::NOHANG)
}

fn wait_with(pidfd: BorrowedFd<'_>, options: WaitIdOptions) -> io::Result<Option<Exit>> {
    let status = rustix::process::waitid(rustix::process::WaitId::PidFd(pidfd), options)?;
    Ok(status.as_ref().and_then(exit_of))
}

fn exit_of(status: &WaitIdStatus) -> Option<Exit> {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Some(Exit::Code(code)),
        (None, Some(signal)) => Some(Exit::Signal(signal)),
        (None, None) => None,
    }
}

/// Reaps any one child that has ended, such as a helper that was re-parented to this subreaper; `None` when none has.
pub fn reap_any() -> io::Result<Option<(i32, Exit)>> {
    let mut status = 0;
    // SAFETY: `status` is a live integer of this frame; the call writes nothing else.
    match unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) } {
        -1 => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ECHILD) => Ok(None),
            error => Err(error),
        },
        0 => Ok(None),
        pid => Ok(Some((pid, Exit::from_wait_status(status)))),
    }
}

#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroup_id: u64,
    /// pid, tgid, ppid, then real, effective, saved and filesystem ids: not used here.
    ids: [u32; 11],
    exit_code: i32,
}

const PIDFD_INFO_EXIT: u64 = 1 << 3;
/// `_IOWR(0xff, 11, struct pidfd_info)` with the first version of the structure, 64 bytes.
const PIDFD_GET_INFO: libc::c_ulong = (3 << 30) | (64 << 16) | (0xff << 8) | 11;

/// Whether the process lives, and else how it ended, also when somebody else has reaped it (Linux 6.15 and later).
pub fn exit_info(pidfd: impl AsFd) -> io::Result<ProcessState> {
    let pidfd = pidfd.as_fd();
    let mut info = PidfdInfo { mask: PIDFD_INFO_EXIT, ..PidfdInfo::default() };
    // SAFETY: the request names the structure's size (64 bytes), and `info` is a live structure of that size.
    let result = unsafe { libc::ioctl(pidfd.as_raw_fd(), PIDFD_GET_INFO, &mut info) };
    if result == 0 && info.mask & PIDFD_INFO_EXIT != 0 {
        return Ok(ProcessState::Ended(Some(Exit::from_wait_status(info.exit_code))));
    }
    if has_ended(pidfd)? { Ok(ProcessState::Ended(None)) } else { Ok(ProcessState::Alive) }
}

/// Whether the process has ended, reaped or not: its pidfd is readable then.
pub fn has_ended(pidfd: impl AsFd) -> io::Result<bool> {
    let pidfd = pidfd.as_fd();
    let mut fds = [rustix::event::PollFd::new(&pidfd, rustix::event::PollFlags::IN)];
    let ready = rustix::event::poll(&mut fds, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 }))?;
    Ok(ready > 0)
}

/// Makes orphaned descendants children of this process instead of pid 1.
pub fn set_child_subreaper() -> io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

/// Forbids other processes of the same user to trace this one or to open its `/proc/<pid>/exe` and descriptors, until it execs.
pub fn set_not_dumpable() -> io::Result<()> {
    Ok(rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?)
}

/// Start time of a process in clock ticks since boot (`/proc/<pid>/stat`, field 22): tells a recycled pid from the real one.
pub fn start_ticks(pid: i32) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse_start_ticks(&stat).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "malformed stat file"))
}

fn parse_start_ticks(stat: &str) -> Option<u64> {
    // The command name in parentheses may hold spaces and parentheses: fields are counted from its last one (field 2).
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// A program through a read-only mount that nobody else can reach: to be executed as `/proc/self/fd/<number>`, or with
/// [`exec_descriptor`].
///
/// A process running from it, and every child it forks, shows containers a `/proc/<pid>/exe` that cannot be opened for writing
/// (CVE-2019-5736), at the price of two system calls instead of a copy of the program. Needs the right to mount.
pub fn read_only_view(program: &std::path::Path) -> io::Result<OwnedFd> {
    super::mount::clone_read_only(rustix::fs::CWD, program)
}

/// Replaces this process's program by the one behind a descriptor; returns only on failure.
pub fn exec_descriptor(program: BorrowedFd<'_>, args: &[std::ffi::CString], env: &[std::ffi::CString]) -> io::Error {
    let (args, env) = (null_terminated(args), null_terminated(env));
    // SAFETY: both arrays end with a null pointer and point to C strings that outlive the call; the empty path with
    // AT_EMPTY_PATH makes the kernel execute the descriptor itself.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            program.as_raw_fd(),
            c"".as_ptr(),
            args.as_ptr(),
            env.as_ptr(),
            libc::AT_EMPTY_PATH,
        );
    }
    io::Error::last_os_error()
}

/// Replaces this process's program by the file at `path`; returns only on failure. Scripts need a `#!` line.
pub fn exec(path: &std::ffi::CStr, args: &[std::ffi::CString], env: &[std::ffi::CString]) -> io::Error {
    let (args, env) = (null_terminated(args), null_terminated(env));
    // SAFETY: both arrays end with a null pointer and point to C strings that outlive the call.
    unsafe { libc::execve(path.as_ptr(), args.as_ptr(), env.as_ptr()) };
    io::Error::last_os_error()
}

fn null_terminated(strings: &[std::ffi::CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|s| s.as_ptr()).chain(std::iter::once(std::ptr::null())).collect()
}

/// Makes `fds` the descriptors 0, 1 and 2 of this process, and marks every other one to be closed by exec.
pub fn install_stdio(fds: [BorrowedFd<'_>; 3]) -> io::Result<()> {
    // Copies above 2 first, so that no target overwrites a source that is still needed.
    let copies =
        fds.map(|fd| rustix::io::fcntl_dupfd_cloexec(fd, 3)).into_iter().collect::<Result<Vec<OwnedFd>, _>>()?;
    for (target, copy) in copies.iter().enumerate() {
        // SAFETY: dup2 on two integers; the descriptors 0-2 belong to the whole process, which gives them up here.
        if unsafe { libc::dup2(copy.as_raw_fd(), target as i32) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    close_on_exec_from(3)
}

/// Numbers of the descriptors this process has open.
pub fn open_descriptors() -> io::Result<Vec<i32>> {
    let numbers: Vec<i32> =
        fs::read_dir("/proc/self/fd")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    // The listing's own is closed by now.
    Ok(numbers.into_iter().filter(|n| rustix::io::fcntl_getfd(borrow(*n)).is_ok()).collect())
}

/// A look at a number that may not be open: good for asking about it and nothing else.
fn borrow(number: i32) -> BorrowedFd<'static> {
    // SAFETY: only passed to fcntl(F_GETFD), which fails with EBADF for a number that is not open; -1 is never listed.
    unsafe { BorrowedFd::borrow_raw(number) }
}

/// Closes descriptors by number in a forked child that will execute or end without dropping what owned them in its parent.
///
/// The caller answers for it that no value which is still used in this process owns one of them.
pub fn close_inherited(numbers: &[i32]) {
    for number in numbers {
        // SAFETY: close on an integer; by this function's contract nothing in this process uses the descriptor again.
        unsafe { libc::close(*number) };
    }
}

/// Marks every descriptor from `first` on to be closed by exec.
pub fn close_on_exec_from(first: u32) -> io::Result<()> {
    // SAFETY: close_range takes integers; with CLOEXEC it closes nothing now, so no owner loses a descriptor.
    let result = unsafe {
        libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC as libc::c_uint)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Closes every descriptor above 2 but those in `keep`: for a forked child that leaves what it inherited to its parent.
///
/// Values that own the others must not be used or dropped any more: only for a process that will end without destructors, as
/// the children of [`fork_child`] do.
pub fn close_all_but(keep: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut kept: Vec<u32> = keep.iter().map(|fd| fd.as_raw_fd() as u32).filter(|fd| *fd > 2).collect();
    kept.sort_unstable();
    let ends = kept.iter().copied().chain(std::iter::once(u32::MAX));
    let starts = std::iter::once(3).chain(kept.iter().map(|fd| fd + 1));
    for (start, end) in starts.zip(ends) {
        let last = if end == u32::MAX { end } else { end - 1 };
        // SAFETY: close_range takes integers; by this function's contract nobody uses the descriptors again.
        if start <= last && unsafe { libc::syscall(libc::SYS_close_range, start, last, 0) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Overwrites this process's command line, as `ps` shows it, with `name`.
pub fn set_title(name: &str) -> io::Result<()> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, "malformed stat file");
    let (_, rest) = stat.rsplit_once(')').ok_or_else(malformed)?;
    // Fields 48 and 49 of the file: where the arguments begin and end in memory.
    let mut bounds = rest.split_ascii_whitespace().skip(45).map(str::parse::<usize>);
    let (Some(Ok(start)), Some(Ok(end))) = (bounds.next(), bounds.next()) else { return Err(malformed()) };
    if start == 0 || end <= start {
        return Err(malformed());
    }
    let length = name.len().min(end - start - 1);
    // SAFETY: the kernel names start..end as this process's argument area, which is mapped and writable for its whole life;
    // nothing in this program keeps references into it (std copies arguments when asked), and `length` stays inside.
    unsafe {
        let area = start as *mut u8;
        std::ptr::write_bytes(area, 0, end - start);
        std::ptr::copy_nonoverlapping(name.as_ptr(), area, length);
    }
    Ok(())
}

/// A pipe with both ends closed by exec: read end, write end.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?)
}

/// Takes over a descriptor this process received by number (from its parent, by `--fd N`), and marks it close-on-exec.
///
/// Returns `EBADF` for a number that is not open or is one of 0-2. To be called once for each number.
pub fn adopt_descriptor(number: i32) -> io::Result<OwnedFd> {
    // SAFETY: fcntl on an integer; it fails with EBADF when the number is not open.
    if number < 3 || unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: the number is open (checked above) and, by this function's contract, owned by nobody else in this process.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_ticks_survive_odd_command_names() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 1000 10 18446744073709551615";
        assert_eq!(parse_start_ticks(stat), Some(4242));
        assert_eq!(parse_start_ticks("nonsense"), None);
    }

    #[test]
    fn exit_codes() {
        assert_eq!(Exit::from_wait_status(7 << 8), Exit::Code(7));
        assert_eq!(Exit::from_wait_status(9).shell_code(), 137);
    }

    #[test]
    fn own_process() {
        let pid = std::process::id() as i32;
        let pidfd = pidfd_open(pid).unwrap();
        assert_eq!(exit_info(&pidfd).unwrap(), ProcessState::Alive);
        assert!(start_ticks(pid).unwrap() > 0);
        pidfd_send_signal(&pidfd, 0).unwrap();
    }
}
