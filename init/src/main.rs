//! Process 1 of a container that asked for one: passes signals on to the program, collects ended processes, and ends as the program
//! does.
//!
//! `podkin-init PID`, where PID is the program, a child of this process since before it executed this. Every signal is blocked
//! already, so none is lost between. Static, without the C library: a few pages of memory, and nothing of the image is needed.

#![no_std]
#![no_main]

#[path = "../../demo/src/call.rs"]
mod call;

use call::{call, exit};

#[cfg(target_arch = "x86_64")]
mod number {
    pub const RT_SIGTIMEDWAIT: usize = 128;
    pub const WAIT4: usize = 61;
    pub const KILL: usize = 62;
    pub const PRCTL: usize = 157;
}

#[cfg(target_arch = "aarch64")]
mod number {
    pub const RT_SIGTIMEDWAIT: usize = 137;
    pub const WAIT4: usize = 260;
    pub const KILL: usize = 129;
    pub const PRCTL: usize = 167;
}

const SIGCHLD: usize = 17;
const ALL_SIGNALS: u64 = u64::MAX;
const BYTES_OF_A_SET: usize = 8;
const ANY_CHILD: usize = usize::MAX;
const WNOHANG: usize = 1;
const PR_SET_NAME: usize = 15;
/// What a shell answers that was called in a wrong way.
const WRONG_USE: i32 = 2;

extern "C" fn begin(stack: *const usize) -> ! {
    // SAFETY: the kernel has put argc, the argument pointers and null there; the strings live as long as the process.
    let program = unsafe {
        let args = stack.add(1) as *const *const u8;
        if *stack == 2 { number(*args.add(1)) } else { None }
    };
    let Some(program) = program else { exit(WRONG_USE) };
    // SAFETY: the name ends with NUL.
    unsafe { call(number::PRCTL, [PR_SET_NAME, c"podkin-init".as_ptr() as usize, 0, 0, 0, 0]) };
    loop {
        if let Some(code) = reap(program) {
            exit(code);
        }
        match next_signal() {
            Some(SIGCHLD) | None => {}
            Some(signal) => pass_on(program, signal),
        }
    }
}

/// The number above 0 that a C string says.
unsafe fn number(mut digits: *const u8) -> Option<usize> {
    let mut number = 0_usize;
    // SAFETY: the caller gives a string that ends with NUL, where this stops.
    unsafe {
        while *digits != 0 {
            let digit = (*digits).wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            number = number.checked_mul(10)?.checked_add(usize::from(digit))?;
            digits = digits.add(1);
        }
    }
    (number > 0).then_some(number)
}

/// Collects every child that has ended; the exit code when the program is among them, 128 and its number after a signal.
fn reap(program: usize) -> Option<i32> {
    loop {
        let mut status = 0_i32;
        // SAFETY: the status is a live integer of this frame; no resource usage is asked for.
        let pid = unsafe { call(number::WAIT4, [ANY_CHILD, &raw mut status as usize, WNOHANG, 0, 0, 0]) };
        if pid <= 0 {
            return None;
        }
        if pid as usize == program {
            return Some(match status & 0x7f {
                0 => (status >> 8) & 0xff,
                signal => 128 + signal,
            });
        }
    }
}

/// Waits for a signal; `None` when the wait was interrupted.
fn next_signal() -> Option<usize> {
    let set = ALL_SIGNALS;
    // SAFETY: the set is a live integer of this frame and as large as said; no information is asked for, and no time limit set.
    let signal = unsafe { call(number::RT_SIGTIMEDWAIT, [&raw const set as usize, 0, 0, BYTES_OF_A_SET, 0, 0]) };
    usize::try_from(signal).ok()
}

/// The program is not reaped yet, so the number is its own. Should it run as another user by now, the signal may be refused, as it
/// would be to anybody else in the container.
fn pass_on(program: usize, signal: usize) {
    // SAFETY: integers only.
    unsafe { call(number::KILL, [program, signal, 0, 0, 0, 0]) };
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    exit(70)
}
