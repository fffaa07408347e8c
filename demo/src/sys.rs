//! System calls, the entry point, memory: all of the unsafe code.

use crate::call::call;
pub use crate::call::exit;
use alloc::vec::Vec;
use core::alloc::{GlobalAlloc, Layout};
use core::arch::asm;
use core::cell::UnsafeCell;

#[cfg(target_arch = "x86_64")]
mod number {
    pub const READ: usize = 0;
    pub const WRITE: usize = 1;
    pub const CLOSE: usize = 3;
    pub const MMAP: usize = 9;
    pub const MUNMAP: usize = 11;
    pub const RT_SIGPROCMASK: usize = 14;
    pub const GETPID: usize = 39;
    pub const SOCKET: usize = 41;
    pub const CONNECT: usize = 42;
    pub const SENDTO: usize = 44;
    pub const RECVFROM: usize = 45;
    pub const BIND: usize = 49;
    pub const LISTEN: usize = 50;
    pub const SETSOCKOPT: usize = 54;
    pub const GETSOCKOPT: usize = 55;
    pub const CLONE: usize = 56;
    pub const WAIT4: usize = 61;
    pub const KILL: usize = 62;
    pub const UNAME: usize = 63;
    pub const GETCWD: usize = 79;
    pub const FCHMOD: usize = 91;
    pub const GETUID: usize = 102;
    pub const GETGID: usize = 104;
    pub const GETEUID: usize = 107;
    pub const GETEGID: usize = 108;
    pub const GETGROUPS: usize = 115;
    pub const STATFS: usize = 137;
    pub const RT_SIGTIMEDWAIT: usize = 128;
    pub const SETHOSTNAME: usize = 170;
    pub const GETDENTS64: usize = 217;
    pub const CLOCK_GETTIME: usize = 228;
    pub const OPENAT: usize = 257;
    pub const MKDIRAT: usize = 258;
    pub const UNLINKAT: usize = 263;
    pub const READLINKAT: usize = 267;
    pub const PPOLL: usize = 271;
    pub const UTIMENSAT: usize = 280;
    pub const RENAMEAT2: usize = 316;
    pub const MOUNT: usize = 165;
    pub const ACCEPT4: usize = 288;
    pub const SIGNALFD4: usize = 289;
    pub const STATX: usize = 332;
}

#[cfg(target_arch = "aarch64")]
mod number {
    pub const READ: usize = 63;
    pub const WRITE: usize = 64;
    pub const CLOSE: usize = 57;
    pub const MMAP: usize = 222;
    pub const MUNMAP: usize = 215;
    pub const RT_SIGPROCMASK: usize = 135;
    pub const GETPID: usize = 172;
    pub const SOCKET: usize = 198;
    pub const CONNECT: usize = 203;
    pub const SENDTO: usize = 206;
    pub const RECVFROM: usize = 207;
    pub const BIND: usize = 200;
    pub const LISTEN: usize = 201;
    pub const SETSOCKOPT: usize = 208;
    pub const GETSOCKOPT: usize = 209;
    pub const CLONE: usize = 220;
    pub const WAIT4: usize = 260;
    pub const KILL: usize = 129;
    pub const UNAME: usize = 160;
    pub const GETCWD: usize = 17;
    pub const FCHMOD: usize = 52;
    pub const GETUID: usize = 174;
    pub const GETGID: usize = 176;
    pub const GETEUID: usize = 175;
    pub const GETEGID: usize = 177;
    pub const GETGROUPS: usize = 158;
    pub const STATFS: usize = 43;
    pub const RT_SIGTIMEDWAIT: usize = 137;
    pub const SETHOSTNAME: usize = 161;
    pub const GETDENTS64: usize = 61;
    pub const CLOCK_GETTIME: usize = 113;
    pub const OPENAT: usize = 56;
    pub const MKDIRAT: usize = 34;
    pub const UNLINKAT: usize = 35;
    pub const READLINKAT: usize = 78;
    pub const PPOLL: usize = 73;
    pub const UTIMENSAT: usize = 88;
    pub const RENAMEAT2: usize = 276;
    pub const MOUNT: usize = 40;
    pub const ACCEPT4: usize = 242;
    pub const SIGNALFD4: usize = 74;
    pub const STATX: usize = 291;
}

/// Arguments and environment as byte strings.
pub struct Start {
    pub args: Vec<&'static [u8]>,
    pub env: Vec<&'static [u8]>,
}

pub extern "C" fn begin(stack: *const usize) -> ! {
    // SAFETY: the kernel has put argc, the argument pointers, null, the environment pointers and null there, and the
    // strings live as long as the process.
    let start = unsafe {
        let count = *stack;
        let args = stack.add(1) as *const *const u8;
        Start { args: strings(args), env: strings(args.add(count + 1)) }
    };
    exit(crate::main(start))
}

/// Reads a null-terminated array of C strings.
unsafe fn strings(mut array: *const *const u8) -> Vec<&'static [u8]> {
    let mut all = Vec::new();
    // SAFETY: the caller gives an array that ends with null, of strings that end with NUL and are never freed.
    unsafe {
        while !(*array).is_null() {
            all.push(core::ffi::CStr::from_ptr((*array).cast()).to_bytes());
            array = array.add(1);
        }
    }
    all
}

macro_rules! syscall {
    ($number:ident $(, $argument:expr)*) => {{
        let mut all = [0usize; 6];
        let given = [$($argument as usize),*];
        all[..given.len()].copy_from_slice(&given);
        // SAFETY: every pointer comes from a live borrow of at least the length that is passed with it.
        let result = unsafe { call(number::$number, all) };
        if result < 0 { Err(Errno(-result as i32)) } else { Ok(result as usize) }
    }};
}

/// An error number of the kernel's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

impl core::fmt::Display for Errno {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let text = match self.0 {
            1 => "operation not permitted",
            2 => "no such file or directory",
            4 => "interrupted",
            11 => "timed out",
            12 => "out of memory",
            13 => "permission denied",
            17 => "file exists",
            20 => "not a directory",
            21 => "is a directory",
            22 => "invalid argument",
            28 => "no space left on device",
            30 => "read-only file system",
            98 => "address already in use",
            101 => "network is unreachable",
            104 => "connection reset",
            110 => "timed out",
            111 => "connection refused",
            113 => "no route to host",
            number => return write!(f, "error {number}"),
        };
        f.write_str(text)
    }
}

pub type Result<T> = core::result::Result<T, Errno>;

pub const AT_FDCWD: isize = -100;
pub const O_RDONLY: usize = 0;
pub const O_WRONLY: usize = 1;
pub const O_CREAT: usize = 0o100;
pub const O_TRUNC: usize = 0o1000;
pub const O_APPEND: usize = 0o2000;
pub const O_CLOEXEC: usize = 0o2000000;
#[cfg(target_arch = "x86_64")]
pub const O_DIRECTORY: usize = 0o200000;
#[cfg(target_arch = "aarch64")]
pub const O_DIRECTORY: usize = 0o40000;

/// A descriptor, closed when dropped.
pub struct Fd(pub usize);

impl Drop for Fd {
    fn drop(&mut self) {
        let _ = syscall!(CLOSE, self.0);
    }
}

fn c_string(text: &[u8]) -> Vec<u8> {
    let mut all = Vec::with_capacity(text.len() + 1);
    all.extend_from_slice(text);
    all.push(0);
    all
}

pub fn open(path: &[u8], flags: usize) -> Result<Fd> {
    let path = c_string(path);
    syscall!(OPENAT, AT_FDCWD, path.as_ptr(), flags | O_CLOEXEC, 0o644).map(Fd)
}

pub fn read(fd: usize, buffer: &mut [u8]) -> Result<usize> {
    syscall!(READ, fd, buffer.as_mut_ptr(), buffer.len())
}

pub fn write_all(fd: usize, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        match syscall!(WRITE, fd, bytes.as_ptr(), bytes.len()) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno(4)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// All of a file, up to `limit` bytes.
pub fn read_file(path: &[u8], limit: usize) -> Result<Vec<u8>> {
    let file = open(path, O_RDONLY)?;
    let mut content = Vec::new();
    let mut buffer = [0; 4096];
    while content.len() < limit {
        match read(file.0, &mut buffer)? {
            0 => break,
            length => content.extend_from_slice(&buffer[..length]),
        }
    }
    Ok(content)
}

pub fn mkdir(path: &[u8]) -> Result<()> {
    let path = c_string(path);
    syscall!(MKDIRAT, AT_FDCWD, path.as_ptr(), 0o755).map(drop)
}

pub fn remove(path: &[u8], directory: bool) -> Result<()> {
    let path = c_string(path);
    syscall!(UNLINKAT, AT_FDCWD, path.as_ptr(), if directory { 0x200 } else { 0 }).map(drop)
}

/// Has two names change places, at once for whoever looks.
pub fn exchange(one: &[u8], other: &[u8]) -> Result<()> {
    let (one, other) = (c_string(one), c_string(other));
    syscall!(RENAMEAT2, AT_FDCWD, one.as_ptr(), AT_FDCWD, other.as_ptr(), 2).map(drop)
}

/// Mounts a tmpfs.
pub fn mount_tmpfs(path: &[u8]) -> Result<()> {
    let (kind, path) = (c_string(b"tmpfs"), c_string(path));
    syscall!(MOUNT, kind.as_ptr(), path.as_ptr(), kind.as_ptr(), 0, 0).map(drop)
}

/// Sets both times of a file to now.
pub fn touch(path: &[u8]) -> Result<()> {
    let path = c_string(path);
    syscall!(UTIMENSAT, AT_FDCWD, path.as_ptr(), 0, 0).map(drop)
}

pub fn read_link(path: &[u8]) -> Result<Vec<u8>> {
    let path = c_string(path);
    let mut buffer = [0u8; 4096];
    let length = syscall!(READLINKAT, AT_FDCWD, path.as_ptr(), buffer.as_mut_ptr(), buffer.len())?;
    Ok(buffer[..length].to_vec())
}

pub fn current_directory() -> Result<Vec<u8>> {
    let mut buffer = [0u8; 4096];
    let length = syscall!(GETCWD, buffer.as_mut_ptr(), buffer.len())?;
    Ok(buffer[..length.saturating_sub(1)].to_vec())
}

/// Names in a directory, sorted.
pub fn list(path: &[u8]) -> Result<Vec<Vec<u8>>> {
    let directory = open(path, O_DIRECTORY)?;
    let mut names = Vec::new();
    let mut buffer = [0u8; 8192];
    loop {
        let length = syscall!(GETDENTS64, directory.0, buffer.as_mut_ptr(), buffer.len())?;
        if length == 0 {
            names.sort();
            return Ok(names);
        }
        let mut rest = &buffer[..length];
        while rest.len() > 19 {
            let size = usize::from(u16::from_ne_bytes([rest[16], rest[17]]));
            let name = rest[19..size].split(|b| *b == 0).next().unwrap_or_default();
            if name != b"." && name != b".." {
                names.push(name.to_vec());
            }
            rest = &rest[size..];
        }
    }
}

/// Mode, owner, group and size of a file.
pub struct Status {
    pub mode: u16,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
}

/// Of what a link leads to, or (without `follow`) of the link itself.
pub fn status(path: &[u8], follow: bool) -> Result<Status> {
    const AT_SYMLINK_NOFOLLOW: usize = 0x100;
    let path = c_string(path);
    let mut buffer = [0u8; 256];
    let flags = if follow { 0 } else { AT_SYMLINK_NOFOLLOW };
    syscall!(STATX, AT_FDCWD, path.as_ptr(), flags, 0x7ff, buffer.as_mut_ptr())?;
    let word = |at: usize| u32::from_ne_bytes([buffer[at], buffer[at + 1], buffer[at + 2], buffer[at + 3]]);
    Ok(Status {
        mode: u16::from_ne_bytes([buffer[28], buffer[29]]),
        uid: word(20),
        gid: word(24),
        size: u64::from(word(40)) | u64::from(word(44)) << 32,
    })
}

/// Sets the permissions of an open file, whatever the umask.
pub fn set_mode(file: &Fd, mode: u32) -> Result<()> {
    syscall!(FCHMOD, file.0, mode).map(drop)
}

/// The magic number of the file system that holds a path; statfs(2) lists them.
pub fn file_system(path: &[u8]) -> Result<u64> {
    let path = c_string(path);
    let mut buffer = [0u64; 16];
    syscall!(STATFS, path.as_ptr(), buffer.as_mut_ptr())?;
    Ok(buffer[0])
}

/// User, effective user, group, effective group.
pub fn ids() -> [usize; 4] {
    [syscall!(GETUID), syscall!(GETEUID), syscall!(GETGID), syscall!(GETEGID)].map(|id| id.unwrap_or(usize::MAX))
}

pub fn groups() -> Vec<u32> {
    let mut all = [0u32; 1024];
    let count = syscall!(GETGROUPS, all.len(), all.as_mut_ptr()).unwrap_or(0);
    all[..count].to_vec()
}

pub fn host_name() -> Vec<u8> {
    let mut names = [0u8; 65 * 6];
    let _ = syscall!(UNAME, names.as_mut_ptr());
    names[65..130].split(|b| *b == 0).next().unwrap_or_default().to_vec()
}

pub fn set_host_name(name: &[u8]) -> Result<()> {
    syscall!(SETHOSTNAME, name.as_ptr(), name.len()).map(drop)
}

pub fn pid() -> usize {
    syscall!(GETPID).unwrap_or(0)
}

/// Sends a signal to this process.
pub fn raise(signal: usize) {
    let _ = syscall!(KILL, pid(), signal);
}

/// A second process that goes on from here; true in it.
pub fn fork() -> Result<bool> {
    const SIGCHLD: usize = 17;
    Ok(syscall!(CLONE, SIGCHLD, 0, 0, 0, 0)? == 0)
}

/// Takes the exit status of every child that has ended.
pub fn reap() {
    const WNOHANG: usize = 1;
    while let Ok(1..) = syscall!(WAIT4, -1isize, 0, WNOHANG, 0) {}
}

/// Reads from an address nobody owns.
pub fn crash() -> ! {
    // SAFETY: none: being killed for it is the purpose.
    unsafe { core::ptr::read_volatile(core::ptr::without_provenance::<u8>(8)) };
    exit(99)
}

/// Milliseconds of the monotonic clock.
pub fn now_ms() -> u64 {
    let mut time = [0i64; 2];
    let _ = syscall!(CLOCK_GETTIME, 1, time.as_mut_ptr());
    time[0] as u64 * 1000 + time[1] as u64 / 1_000_000
}

/// A set of signals by number.
#[derive(Clone, Copy)]
pub struct Signals(u64);

impl Signals {
    pub fn of(signals: &[u32]) -> Self {
        Self(signals.iter().fold(0, |set, signal| set | 1 << (signal - 1)))
    }

    /// All but those that cannot be blocked, and those that a fault of our own raises.
    pub fn all() -> Self {
        let faults = Self::of(&[4, 5, 7, 8, 9, 11, 19]);
        Self(!faults.0)
    }

    /// Blocks them, so that they wait to be taken: this works for pid 1, too, which has no default actions.
    pub fn block(self) {
        const SIG_BLOCK: usize = 0;
        let _ = syscall!(RT_SIGPROCMASK, SIG_BLOCK, &raw const self.0, 0, 8);
    }

    /// Takes a blocked signal, waiting for at most that long (for ever when `None`).
    pub fn wait(self, microseconds: Option<u64>) -> Option<u32> {
        let time = microseconds.map(|us| [(us / 1_000_000) as i64, (us % 1_000_000 * 1000) as i64]);
        let pointer = time.as_ref().map_or(core::ptr::null(), |time| time.as_ptr());
        syscall!(RT_SIGTIMEDWAIT, &raw const self.0, 0, pointer, 8).ok().map(|signal| signal as u32)
    }

    /// A descriptor that is readable when one is waiting.
    pub fn descriptor(self) -> Result<Fd> {
        syscall!(SIGNALFD4, -1isize, &raw const self.0, 8, O_CLOEXEC).map(Fd)
    }
}

/// The signal that a descriptor of [`Signals::descriptor`] has.
pub fn take_signal(fd: &Fd) -> Option<u32> {
    let mut info = [0u8; 128];
    read(fd.0, &mut info).ok()?;
    Some(u32::from_ne_bytes([info[0], info[1], info[2], info[3]]))
}

/// Waits until one of the descriptors is readable; gives for each whether it is.
pub fn poll(descriptors: &[usize], timeout_ms: Option<u64>) -> Vec<bool> {
    poll_for(descriptors, 1, timeout_ms)
}

/// Waits until the descriptor takes data, for a connection under way.
pub fn poll_write(descriptor: usize, timeout_ms: u64) -> bool {
    poll_for(&[descriptor], 4, Some(timeout_ms)).first() == Some(&true)
}

fn poll_for(descriptors: &[usize], events: u64, timeout_ms: Option<u64>) -> Vec<bool> {
    let mut all: Vec<u64> = descriptors.iter().map(|fd| *fd as u64 | events << 32).collect();
    let time = timeout_ms.map(|ms| [(ms / 1000) as i64, (ms % 1000 * 1_000_000) as i64]);
    let pointer = time.as_ref().map_or(core::ptr::null(), |time| time.as_ptr());
    let _ = syscall!(PPOLL, all.as_mut_ptr(), all.len(), pointer, 0, 8);
    all.iter().map(|fd| fd >> 48 != 0).collect()
}

pub fn socket(family: usize, kind: usize) -> Result<Fd> {
    syscall!(SOCKET, family, kind | O_CLOEXEC, 0).map(Fd)
}

pub fn set_option(fd: &Fd, level: usize, option: usize, value: i32) {
    let _ = syscall!(SETSOCKOPT, fd.0, level, option, &raw const value, 4);
}

/// The error of a connection under way, once it is writable.
pub fn socket_error(fd: &Fd) -> Result<()> {
    let (mut value, mut size) = (0i32, 4u32);
    syscall!(GETSOCKOPT, fd.0, 1, 4, &raw mut value, &raw mut size)?;
    if value == 0 { Ok(()) } else { Err(Errno(value)) }
}

pub fn bind(fd: &Fd, address: &[u8]) -> Result<()> {
    syscall!(BIND, fd.0, address.as_ptr(), address.len()).map(drop)
}

pub fn listen(fd: &Fd) -> Result<()> {
    syscall!(LISTEN, fd.0, 128).map(drop)
}

pub fn connect(fd: &Fd, address: &[u8]) -> Result<()> {
    syscall!(CONNECT, fd.0, address.as_ptr(), address.len()).map(drop)
}

/// A connection and who made it.
pub fn accept(fd: &Fd) -> Result<(Fd, Vec<u8>)> {
    let mut address = [0u8; 128];
    let mut length = 128u32;
    let accepted = syscall!(ACCEPT4, fd.0, address.as_mut_ptr(), &raw mut length, O_CLOEXEC)?;
    Ok((Fd(accepted), address[..(length as usize).min(128)].to_vec()))
}

/// Sends without dying of a peer that has gone.
pub fn send(fd: &Fd, bytes: &[u8], to: &[u8]) -> Result<usize> {
    const MSG_NOSIGNAL: usize = 0x4000;
    let pointer = if to.is_empty() { core::ptr::null() } else { to.as_ptr() };
    syscall!(SENDTO, fd.0, bytes.as_ptr(), bytes.len(), MSG_NOSIGNAL, pointer, to.len())
}

pub fn receive(fd: &Fd, buffer: &mut [u8]) -> Result<(usize, Vec<u8>)> {
    let mut address = [0u8; 128];
    let mut length = 128u32;
    let read = syscall!(RECVFROM, fd.0, buffer.as_mut_ptr(), buffer.len(), 0, address.as_mut_ptr(), &raw mut length)?;
    Ok((read, address[..(length as usize).min(128)].to_vec()))
}

fn map(length: usize) -> *mut u8 {
    const READ_WRITE: usize = 3;
    const PRIVATE_ANONYMOUS: usize = 0x22;
    syscall!(MMAP, 0, length, READ_WRITE, PRIVATE_ANONYMOUS, -1isize, 0).map_or(core::ptr::null_mut(), |at| at as *mut u8)
}

/// Takes memory that is really used, and never gives it back.
pub fn hold(bytes: usize) -> bool {
    let start = map(bytes);
    if start.is_null() {
        return false;
    }
    for page in (0..bytes).step_by(4096) {
        // SAFETY: the page is inside the mapping just made, which nobody else knows.
        unsafe { start.add(page).write_volatile(1) };
    }
    true
}

/// Blocks of powers of two, kept in lists for the next use; large ones are mappings of their own. One thread only.
struct Heap(UnsafeCell<Free>);

struct Free {
    lists: [*mut u8; CLASSES],
    next: *mut u8,
    left: usize,
}

const CLASSES: usize = 18;
const ARENA: usize = 256 * 1024;

// SAFETY: the program never makes a second thread; a forked process has its own copy.
unsafe impl Sync for Heap {}

#[global_allocator]
static HEAP: Heap =
    Heap(UnsafeCell::new(Free { lists: [core::ptr::null_mut(); CLASSES], next: core::ptr::null_mut(), left: 0 }));

fn class(layout: &Layout) -> usize {
    layout.size().max(layout.align()).max(16).next_power_of_two().trailing_zeros() as usize
}

// SAFETY: a block is handed out once until it comes back, is as large as its class and aligned to it up to a page, which is
// all that mappings are aligned to.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let class = class(&layout);
        if class >= CLASSES {
            return map(1 << class);
        }
        // SAFETY: one thread, and no reference to the state lives longer than this call.
        let free = unsafe { &mut *self.0.get() };
        let head = free.lists[class];
        if !head.is_null() {
            // SAFETY: blocks in a list hold the pointer to the next one.
            free.lists[class] = unsafe { head.cast::<*mut u8>().read() };
            return head;
        }
        let size = 1 << class;
        let aligned = free.next.align_offset(size.min(4096));
        if free.next.is_null() || free.left < size + aligned {
            free.next = map(ARENA);
            if free.next.is_null() {
                return free.next;
            }
            free.left = ARENA;
        }
        let skip = free.next.align_offset(size.min(4096));
        // SAFETY: the block lies inside the arena, of which `left` bytes are unused.
        unsafe {
            let block = free.next.add(skip);
            free.next = block.add(size);
            free.left -= size + skip;
            block
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let class = class(&layout);
        if class >= CLASSES {
            let _ = syscall!(MUNMAP, block, 1usize << class);
            return;
        }
        // SAFETY: as above; the block is at least 16 bytes and nobody uses it any more.
        unsafe {
            let free = &mut *self.0.get();
            block.cast::<*mut u8>().write(free.lists[class]);
            free.lists[class] = block;
        }
    }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    let _ = write_all(2, alloc::format!("podkin-demo: {info}\n").as_bytes());
    exit(70)
}

// The compiler calls these for copies; they must not be written with copies. Bytes are few here.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: the contract of memcpy.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!("rep movsb", inout("rcx") count => _, inout("rdi") to => _, inout("rsi") from => _, options(nostack, preserves_flags));
        #[cfg(not(target_arch = "x86_64"))]
        for i in 0..count {
            to.add(i).write_volatile(from.add(i).read_volatile());
        }
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: the contract of memmove; backwards when the target begins inside the source.
    unsafe {
        if (to as usize).wrapping_sub(from as usize) >= count {
            return memcpy(to, from, count);
        }
        for i in (0..count).rev() {
            to.add(i).write_volatile(from.add(i).read_volatile());
        }
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, value: i32, count: usize) -> *mut u8 {
    // SAFETY: the contract of memset.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!("rep stosb", inout("rcx") count => _, inout("rdi") to => _, in("al") value as u8, options(nostack, preserves_flags));
        #[cfg(not(target_arch = "x86_64"))]
        for i in 0..count {
            to.add(i).write_volatile(value as u8);
        }
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, count: usize) -> i32 {
    for i in 0..count {
        // SAFETY: the contract of memcmp.
        let (x, y) = unsafe { (a.add(i).read_volatile(), b.add(i).read_volatile()) };
        if x != y {
            return i32::from(x) - i32::from(y);
        }
    }
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, count: usize) -> i32 {
    // SAFETY: the contract is that of memcmp.
    unsafe { memcmp(a, b, count) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(text: *const u8) -> usize {
    let mut length = 0;
    // SAFETY: the contract of strlen.
    while unsafe { text.add(length).read_volatile() } != 0 {
        length += 1;
    }
    length
}
