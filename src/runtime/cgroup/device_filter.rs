//! Device access on cgroup v2: a program the kernel asks at each open and mknod (`BPF_PROG_TYPE_CGROUP_DEVICE`).
//!
//! The program compares the request with each rule and allows what one of them covers. Its context is
//! `{ u32 access << 16 | type; u32 major; u32 minor }`, type 1 a block and 2 a character device, access 1 mknod, 2 read, 4 write.

use super::{DeviceAccess, DeviceRule};
use crate::sys::bpf::{self, Instruction};
use std::fs::File;
use std::io;
use std::path::Path;

pub(super) fn attach(directory: &Path, devices: &DeviceAccess) -> io::Result<()> {
    let DeviceAccess::Only(rules) = devices else { return Ok(()) };
    bpf::attach_device_filter(&File::open(directory)?, &program(rules))
}

// Registers: r1 the context, r2 the type, r3 the access, r4 the major, r5 the minor number; r6 scratch; r0 the answer.
fn program(rules: &[DeviceRule]) -> Vec<Instruction> {
    let mut code = vec![
        Instruction::load_word(2, 1, 0),
        Instruction::copy(3, 2),
        Instruction::and(2, 0xffff),
        Instruction::shift_right(3, 16),
        Instruction::load_word(4, 1, 4),
        Instruction::load_word(5, 1, 8),
    ];
    for rule in rules {
        code.extend(block(rule));
    }
    code.extend([Instruction::set(0, 0), Instruction::exit()]);
    code
}

/// Allows and ends when the rule covers the request, else falls through to what follows.
fn block(rule: &DeviceRule) -> Vec<Instruction> {
    let kind = if rule.kind == 'b' { 1 } else { 2 };
    let allowed = rule.access.bytes().map(|b| match b {
        b'm' => 1,
        b'r' => 2,
        _ => 4,
    });
    let forbidden = 7 & !allowed.sum::<i32>();
    // Tests that must all pass; each jumps over the rest of the block when it does not.
    let mut tests = vec![(2_u8, kind)];
    tests.extend(rule.major.map(|n| (4, n as i32)));
    tests.extend(rule.minor.map(|n| (5, n as i32)));
    let access_test = [Instruction::copy(6, 3), Instruction::and(6, forbidden)];
    let end = [Instruction::set(0, 1), Instruction::exit()];
    let length = tests.len() + access_test.len() + 1 + end.len();
    let mut code = Vec::with_capacity(length);
    for (register, value) in tests {
        let rest = (length - code.len() - 1) as i16;
        code.push(Instruction::jump_unless_equal(register, value, rest));
    }
    code.extend(access_test);
    code.push(Instruction::jump_unless_equal(6, 0, end.len() as i16));
    code.extend(end);
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_accepts_the_program_of_the_default_rules() {
        let DeviceAccess::Only(rules) = DeviceAccess::with_defaults([]) else { panic!("restricted") };
        let code = program(&rules);
        assert!(code.len() < 4096);
        match bpf::load_device_filter(&code) {
            Ok(_) => {}
            // Without the right to load programs only their shape is checked.
            Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EPERM), "{error}"),
        }
    }

    #[test]
    fn a_rule_without_numbers_tests_type_and_access_only() {
        let rule = DeviceRule { kind: 'c', major: None, minor: None, access: "m" };
        assert_eq!(block(&rule).len(), 6);
    }
}
