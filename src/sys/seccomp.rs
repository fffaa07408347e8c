//! Loading a compiled seccomp filter (seccomp(2)).

use std::io;

/// Bytes of one instruction of a classic BPF program (`struct sock_filter`).
const INSTRUCTION: usize = 8;

/// Puts this process, for good, under a filter given as the bytes of a classic BPF program in this machine's byte order.
///
/// Needs `no_new_privs` or the capability `SYS_ADMIN`.
pub fn load_filter(program: &[u8]) -> io::Result<()> {
    let count = program.len() / INSTRUCTION;
    if program.is_empty() || !program.len().is_multiple_of(INSTRUCTION) || count > usize::from(u16::MAX) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "seccomp filter has an impossible size"));
    }
    let instructions: Vec<libc::sock_filter> = program
        .chunks_exact(INSTRUCTION)
        .map(|b| libc::sock_filter {
            code: u16::from_ne_bytes([b[0], b[1]]),
            jt: b[2],
            jf: b[3],
            k: u32::from_ne_bytes([b[4], b[5], b[6], b[7]]),
        })
        .collect();
    let program = libc::sock_fprog { len: count as u16, filter: instructions.as_ptr().cast_mut() };
    // SAFETY: `program` names `count` instructions that live through the call; the kernel copies and verifies them and writes
    // nothing back, so the cast from a shared slice is sound.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &program) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_programs_are_refused_before_the_kernel_sees_them() {
        assert!(load_filter(&[]).is_err());
        assert!(load_filter(&[0; 9]).is_err());
    }
}
