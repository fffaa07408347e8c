//! Sockets of kinds that no container needs, refused by hand-written instructions in front of the compiled filter.
//!
//! libseccomp compares whole 64-bit arguments where the kernel looks at 32 bits (a stray upper bit would slip through), and for
//! 32-bit programs it allows all of `socketcall` with any `socket` that is allowed. Refused are: AF_ALG and AF_VSOCK, which
//! reach kernel code and hosts that a container has no business with; the audit protocol of AF_NETLINK without `AUDIT_WRITE`;
//! and making sockets by `socketcall`, whose arguments cannot be looked at: C libraries have not used it for a decade.

const AF_NETLINK: u32 = 16;
const AF_ALG: u32 = 38;
const AF_VSOCK: u32 = 40;
const NETLINK_AUDIT: u32 = 9;
/// `SYS_SOCKET` of socketcall(2).
const SOCKETCALL_SOCKET: u32 = 1;

/// How one architecture makes sockets: `AUDIT_ARCH_*`, bits of the call number that count, `socket`, `socketcall`.
#[derive(Clone, Copy)]
struct Architecture {
    id: u32,
    mask: u32,
    socket: u32,
    socketcall: Option<u32>,
}

const ARCHITECTURES: [Architecture; 4] = [
    // x86-64 and, one bit apart, x32.
    Architecture { id: 0xc000_003e, mask: !0x4000_0000, socket: 41, socketcall: None },
    Architecture { id: 0x4000_0003, mask: !0, socket: 359, socketcall: Some(102) },
    Architecture { id: 0xc000_00b7, mask: !0, socket: 198, socketcall: None },
    Architecture { id: 0x4000_0028, mask: !0, socket: 281, socketcall: Some(102) },
];

/// Where a comparison goes when it fails or holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Next,
    /// The instruction that refuses an address family, the last of the block.
    Refuse,
    /// Past the block.
    End,
}

enum Step {
    /// Loads the 32 bits at that offset of `struct seccomp_data`.
    Load(u32),
    And(u32),
    Compare {
        value: u32,
        equal: Target,
        other: Target,
    },
    Fail(i32),
}

const NUMBER: u32 = 0;
const ARCH: u32 = 4;

/// Offset of the low half of an argument.
const fn argument(index: u32) -> u32 {
    16 + 8 * index + if cfg!(target_endian = "big") { 4 } else { 0 }
}

/// The instructions, to be followed by a complete filter.
pub(super) fn program(may_audit: bool) -> Vec<u8> {
    let mut blocks = Vec::new();
    for Architecture { id, mask, socket, socketcall } in ARCHITECTURES {
        blocks.push(socket_block(id, mask, socket, may_audit));
        blocks.extend(socketcall.map(|number| socketcall_block(id, number)));
    }
    blocks.iter().flat_map(|block| assemble(block)).collect()
}

fn compare(value: u32, equal: Target, other: Target) -> Step {
    Step::Compare { value, equal, other }
}

fn socket_block(id: u32, mask: u32, number: u32, may_audit: bool) -> Vec<Step> {
    use Target::{End, Next, Refuse};
    let mut steps = vec![
        Step::Load(ARCH),
        compare(id, Next, End),
        Step::Load(NUMBER),
        Step::And(mask),
        compare(number, Next, End),
        Step::Load(argument(0)),
        compare(AF_ALG, Refuse, Next),
        compare(AF_VSOCK, Refuse, Next),
    ];
    if may_audit {
        steps.push(compare(AF_NETLINK, End, End));
    } else {
        steps.push(compare(AF_NETLINK, Next, End));
        steps.extend([Step::Load(argument(2)), compare(NETLINK_AUDIT, Next, End), Step::Fail(libc::EINVAL)]);
    }
    steps.push(Step::Fail(libc::EAFNOSUPPORT));
    steps
}

fn socketcall_block(id: u32, number: u32) -> Vec<Step> {
    use Target::{End, Next};
    vec![
        Step::Load(ARCH),
        compare(id, Next, End),
        Step::Load(NUMBER),
        compare(number, Next, End),
        Step::Load(argument(0)),
        compare(SOCKETCALL_SOCKET, Next, End),
        Step::Fail(libc::ENOSYS),
    ]
}

/// One block as `struct sock_filter` instructions: code, jump if true, jump if false, operand.
fn assemble(steps: &[Step]) -> Vec<u8> {
    let length = steps.len();
    let instruction = |index: usize, step: &Step| -> Vec<u8> {
        let distance = |target: &Target| match target {
            Target::Next => 0,
            Target::Refuse => (length - 1 - index - 1) as u8,
            Target::End => (length - index - 1) as u8,
        };
        let (code, jt, jf, operand): (u32, u8, u8, u32) = match step {
            Step::Load(offset) => (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, *offset),
            Step::And(mask) => (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0, 0, *mask),
            Step::Compare { value, equal, other } => {
                (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, distance(equal), distance(other), *value)
            }
            Step::Fail(errno) => (libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | *errno as u32),
        };
        let mut bytes = (code as u16).to_ne_bytes().to_vec();
        bytes.extend([jt, jf]);
        bytes.extend(operand.to_ne_bytes());
        bytes
    };
    steps.iter().enumerate().flat_map(|(index, step)| instruction(index, step)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the guard on a call; `None` when it falls through to the filter behind it.
    fn run(may_audit: bool, arch: u32, number: u32, arguments: [u64; 3]) -> Option<i32> {
        let program = program(may_audit);
        let word = |offset: u32| match offset {
            NUMBER => number,
            ARCH => arch,
            _ => arguments[(offset as usize - 16) / 8] as u32,
        };
        let (mut accumulator, mut at) = (0_u32, 0);
        while let Some(b) = program.get(at * 8..at * 8 + 8) {
            let operand = u32::from_ne_bytes([b[4], b[5], b[6], b[7]]);
            at += 1;
            match u16::from_ne_bytes([b[0], b[1]]) {
                0x20 => accumulator = word(operand),
                0x54 => accumulator &= operand,
                0x15 => at += usize::from(if accumulator == operand { b[2] } else { b[3] }),
                0x06 => return Some((operand & 0xffff) as i32),
                other => panic!("unexpected instruction {other:#x}"),
            }
        }
        None
    }

    const X86_64: u32 = 0xc000_003e;
    const I386: u32 = 0x4000_0003;

    #[test]
    fn families_are_refused_whatever_the_upper_bits_are() {
        for family in [38, 40, 38 | 1 << 32] {
            for (arch, number) in [(X86_64, 41), (X86_64, 41 | 0x4000_0000), (I386, 359), (0xc000_00b7, 198)] {
                assert_eq!(run(false, arch, number, [family, 0, 0]), Some(libc::EAFNOSUPPORT));
            }
        }
        for family in [1, 2, 10, 16, 17, 39, 41] {
            assert_eq!(run(false, X86_64, 41, [family, 0, 0]), None);
        }
        assert_eq!(run(false, X86_64, 42, [38, 0, 0]), None, "another call");
    }

    #[test]
    fn audit_needs_its_capability() {
        assert_eq!(run(false, X86_64, 41, [16, 3, 9]), Some(libc::EINVAL));
        assert_eq!(run(false, X86_64, 41, [16, 3, 9 | 1 << 32]), Some(libc::EINVAL));
        assert_eq!(run(false, X86_64, 41, [16, 3, 0]), None);
        assert_eq!(run(true, X86_64, 41, [16, 3, 9]), None);
        assert_eq!(run(true, X86_64, 41, [38, 3, 9]), Some(libc::EAFNOSUPPORT));
    }

    #[test]
    fn socketcall_makes_no_sockets() {
        assert_eq!(run(false, I386, 102, [1, 0, 0]), Some(libc::ENOSYS));
        assert_eq!(run(false, I386, 102, [3, 0, 0]), None);
        assert_eq!(run(false, X86_64, 102, [1, 0, 0]), None, "getuid of 64-bit programs");
    }
}
