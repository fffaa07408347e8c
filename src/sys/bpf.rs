//! The little of bpf(2) that a cgroup's device filter needs.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
/// Several programs may be attached; all must allow.
const ALLOW_MULTI: u32 = 2;

/// One instruction (`struct bpf_insn`).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    code: u8,
    /// Destination in the low, source in the high four bits.
    registers: u8,
    offset: i16,
    immediate: i32,
}

impl Instruction {
    const fn new(code: u8, destination: u8, source: u8, offset: i16, immediate: i32) -> Self {
        Self { code, registers: source << 4 | destination, offset, immediate }
    }

    /// destination = *(u32 *)(source + offset)
    pub const fn load_word(destination: u8, source: u8, offset: i16) -> Self {
        Self::new(0x61, destination, source, offset, 0)
    }

    /// destination = source (32 bits)
    pub const fn copy(destination: u8, source: u8) -> Self {
        Self::new(0xbc, destination, source, 0, 0)
    }

    /// destination &= value (32 bits)
    pub const fn and(destination: u8, value: i32) -> Self {
        Self::new(0x54, destination, 0, 0, value)
    }

    /// destination >>= bits (32 bits)
    pub const fn shift_right(destination: u8, bits: i32) -> Self {
        Self::new(0x74, destination, 0, 0, bits)
    }

    /// destination = value
    pub const fn set(destination: u8, value: i32) -> Self {
        Self::new(0xb7, destination, 0, 0, value)
    }

    /// Skips `offset` instructions when the register (32 bits) has another value.
    pub const fn jump_unless_equal(register: u8, value: i32, offset: i16) -> Self {
        Self::new(0x56, register, 0, offset, value)
    }

    /// Ends the program with the answer in register 0.
    pub const fn exit() -> Self {
        Self::new(0x95, 0, 0, 0, 0)
    }
}

#[repr(C)]
#[derive(Default)]
struct LoadAttributes {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
}

#[repr(C)]
#[derive(Default)]
struct AttachAttributes {
    target: u32,
    program: u32,
    kind: u32,
    flags: u32,
}

/// Has the kernel verify a device filter and gives a descriptor for it.
pub fn load_device_filter(program: &[Instruction]) -> io::Result<OwnedFd> {
    let attributes = LoadAttributes {
        program_type: PROG_TYPE_CGROUP_DEVICE,
        instruction_count: program.len() as u32,
        instructions: program.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
        ..LoadAttributes::default()
    };
    // SAFETY: the structure names `program.len()` instructions and a C string that both live through the call; its size is
    // passed along, so the kernel reads no further; a fresh descriptor (>= 0) has no other owner.
    unsafe {
        match libc::syscall(libc::SYS_bpf, PROG_LOAD, &attributes, size_of::<LoadAttributes>()) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd as i32)),
        }
    }
}

/// Puts a device filter on a cgroup (v2), for as long as the cgroup exists.
pub fn attach_device_filter(cgroup: impl AsFd, program: &[Instruction]) -> io::Result<()> {
    let program = load_device_filter(program)?;
    let attributes = AttachAttributes {
        target: cgroup.as_fd().as_raw_fd() as u32,
        program: program.as_raw_fd() as u32,
        kind: ATTACH_CGROUP_DEVICE,
        flags: ALLOW_MULTI,
    };
    // SAFETY: the structure lives through the call, its size is passed along, and both descriptors in it are borrowed.
    let result = unsafe { libc::syscall(libc::SYS_bpf, PROG_ATTACH, &attributes, size_of::<AttachAttributes>()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
