//! Signal masks, dispositions and signalfd.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

/// Highest signal number the kernel knows on the architectures podkin is built for.
const LAST_SIGNAL: i32 = 64;

/// The mask this thread had before; puts it back when dropped.
#[must_use]
pub struct BlockedSignals {
    previous: libc::sigset_t,
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // SAFETY: `previous` was filled by the kernel in `block_all`; the null pointer asks for no old mask.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.previous, std::ptr::null_mut()) };
    }
}

fn set_of(signals: &[i32]) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the whole set before it is read; sigaddset gets a pointer to that set, and ignores
    // numbers that are no signals.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in signals {
            libc::sigaddset(set.as_mut_ptr(), *signal);
        }
        set.assume_init()
    }
}

/// Blocks every signal of this thread until the guard is dropped.
pub fn block_all() -> io::Result<BlockedSignals> {
    let mut full = MaybeUninit::<libc::sigset_t>::uninit();
    let mut previous = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigfillset initialises `full`; pthread_sigmask fills `previous` when it succeeds, and only then is it read.
    unsafe {
        libc::sigfillset(full.as_mut_ptr());
        match libc::pthread_sigmask(libc::SIG_SETMASK, full.as_ptr(), previous.as_mut_ptr()) {
            0 => Ok(BlockedSignals { previous: previous.assume_init() }),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }
}

/// Gives every caught signal its default disposition (ignored ones stay ignored) and empties the mask: for a forked child.
pub fn reset_handlers() {
    for signal in 1..=LAST_SIGNAL {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: an all-zero sigaction is a valid one (default disposition, empty mask); the first call fills it with the
        // present one, the second sets it. Numbers the kernel reserves make both fail, which changes nothing.
        unsafe {
            if libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) == 0 {
                let handler = action.assume_init_ref().sa_sigaction;
                if handler != libc::SIG_DFL && handler != libc::SIG_IGN {
                    default_disposition(signal);
                }
            }
        }
    }
    empty_mask();
}

/// Gives every signal its default disposition, ignored ones too, and empties the mask: what a container's program starts with.
pub fn reset_all() {
    for signal in 1..=LAST_SIGNAL {
        default_disposition(signal);
    }
    empty_mask();
}

/// Asks the kernel itself: the C library keeps 32 and 33 for itself and refuses to touch them, but who started this program may
/// have had them ignored.
fn default_disposition(signal: i32) {
    /// Larger than the kernel's own structure on every architecture (32 bytes on x86_64 and aarch64).
    const NOTHING: [u64; 8] = [0; 8];
    const BYTES_OF_A_KERNEL_SET: usize = 8;
    // SAFETY: the kernel reads its sigaction structure, which is smaller than `NOTHING`, and writes nothing as no old action is
    // asked for. All zeros mean SIG_DFL, no flags, an empty mask. SIGKILL and SIGSTOP fail with EINVAL, which changes nothing.
    unsafe {
        let none = std::ptr::null_mut::<u64>();
        libc::syscall(libc::SYS_rt_sigaction, signal, NOTHING.as_ptr(), none, BYTES_OF_A_KERNEL_SET);
    }
}

fn empty_mask() {
    let empty = set_of(&[]);
    // SAFETY: `empty` is an initialised set; no old mask is asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &empty, std::ptr::null_mut()) };
}

/// The signal that came first of those [`remember_first`] watches for.
static FIRST: AtomicI32 = AtomicI32::new(0);

/// From now on the first of these signals is only remembered, for [`first`]; a second one of its kind does what it did before.
/// A program started by exec gets the defaults.
pub fn remember_first(signals: &[i32]) -> io::Result<()> {
    extern "C" fn remember(signal: libc::c_int) {
        FIRST.store(signal, Ordering::Relaxed);
    }
    let handler: extern "C" fn(libc::c_int) = remember;
    for signal in signals {
        // SAFETY: a zeroed sigaction is a valid value whose fields are set below; the handler only stores to an atomic, which is
        // async-signal-safe; SA_RESETHAND gives the second signal its default meaning.
        let result = unsafe {
            let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
            action.sa_sigaction = handler as usize;
            action.sa_flags = libc::SA_RESETHAND;
            libc::sigaction(*signal, &action, std::ptr::null_mut())
        };
        if result == -1 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// The signal that has come, if one has; see [`remember_first`].
pub fn first() -> Option<i32> {
    match FIRST.load(Ordering::Relaxed) {
        0 => None,
        signal => Some(signal),
    }
}

/// Blocks these signals and gives a non-blocking descriptor that is readable when one of them is pending.
pub fn signalfd(signals: &[i32]) -> io::Result<OwnedFd> {
    let set = set_of(signals);
    // SAFETY: `set` is an initialised set; no old mask is asked for; a fresh descriptor (>= 0) has no other owner.
    unsafe {
        match libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) {
            0 => {}
            error => return Err(io::Error::from_raw_os_error(error)),
        }
        match libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd)),
        }
    }
}

/// The number of a pending signal of a descriptor made by [`signalfd`]; `None` when there is none.
pub fn read_signalfd(fd: impl std::os::fd::AsFd) -> io::Result<Option<i32>> {
    let mut buffer = [0_u8; size_of::<libc::signalfd_siginfo>()];
    match rustix::io::read(fd, &mut buffer) {
        // The signal's number is the first field of the structure.
        Ok(n) if n == buffer.len() => Ok(Some(i32::from_ne_bytes([buffer[0], buffer[1], buffer[2], buffer[3]]))),
        Ok(_) => Err(io::ErrorKind::UnexpectedEof.into()),
        Err(rustix::io::Errno::AGAIN) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Ignores a signal; ignoring SIGCHLD has the kernel reap this process's children.
pub fn ignore(signal: i32) -> io::Result<()> {
    // SAFETY: a zeroed sigaction with SIG_IGN as handler is a valid one; no old action is asked for.
    let result = unsafe {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
        action.sa_sigaction = libc::SIG_IGN;
        libc::sigaction(signal, &action, std::ptr::null_mut())
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Blocks these signals and waits until one of them comes; gives its number.
pub fn wait_for(signals: &[i32]) -> io::Result<i32> {
    let set = set_of(signals);
    let mut signal = 0;
    // SAFETY: `set` is an initialised set, `signal` a live integer of this frame; no old mask is asked for.
    let result = unsafe {
        match libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) {
            0 => libc::sigwait(&set, &mut signal),
            error => error,
        }
    };
    if result == 0 { Ok(signal) } else { Err(io::Error::from_raw_os_error(result)) }
}
