//! Images and volumes that try to reach out.

use super::fixture::{Fixture, bind};
use podkin::runtime::report::ExecFailureKind;
use podkin::sys::process::{self, Exit};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

pub const TESTS: &[(&str, fn())] = &[
    ("image_with_links_for_kernel_directories", kernel_directory_links),
    ("image_with_links_in_etc", links_in_etc),
    ("workdir_through_a_link", workdir_link),
    ("workdir_through_descriptors", workdir_descriptors),
    ("passwd_fifo_and_huge", passwd_traps),
    ("own_program_as_entrypoint", own_program),
    ("own_program_read_only", own_program_read_only),
    ("mount_targets_through_links", mount_target_links),
    ("mount_target_race", mount_target_race),
    ("sub_path_leads_out", sub_path_leads_out),
    ("sub_path_race", sub_path_race),
    ("mounts_over_proc", mounts_over_proc),
];

fn kernel_directory_links() {
    for name in ["dev", "proc", "sys"] {
        let fixture = Fixture::new();
        let outside = fixture.dir.join("outside");
        fs::create_dir(&outside).unwrap();
        symlink(&outside, fixture.layer().join(name)).unwrap();
        let error = fixture.start(&fixture.shell("true")).err().expect("refused");
        assert!(error.contains(&format!("`/{name}` of the image is not a directory")), "{error}");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        // A lower layer's link that an upper one replaces by a directory is no longer there.
        let upper = fixture.dir.join("layer2");
        fs::create_dir_all(upper.join(name)).unwrap();
        let mut config = fixture.shell("echo fine");
        config.rootfs.layers.push(upper);
        assert_eq!(fixture.output(&config), "fine\n");
    }
}

fn links_in_etc() {
    let fixture = Fixture::new();
    let outside = fixture.dir.join("outside");
    fs::create_dir(&outside).unwrap();
    let layer = fixture.layer();
    let victim = outside.join("victim");
    fs::write(&victim, "untouched").unwrap();
    for name in ["hosts", "hostname", "resolv.conf", "mtab"] {
        symlink(&victim, layer.join("etc").join(name)).unwrap();
    }
    symlink(&outside, layer.join("run")).unwrap();
    let generated = fixture.dir.join("generated");
    fs::write(&generated, "generated\n").unwrap();
    let mut config = fixture.shell("cat /etc/hosts /etc/hostname /etc/resolv.conf; echo x > /etc/hosts; touch /run/x");
    config.mounts = ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"].map(|t| bind(t, &generated, None)).to_vec();
    assert_eq!(fixture.output(&config), "generated\n".repeat(3));
    assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
}

fn workdir_link() {
    let fixture = Fixture::new();
    let layer = fixture.layer();
    symlink("/", layer.join("x")).unwrap();
    symlink("../../../../../..", layer.join("up")).unwrap();
    let name = format!("podkin-attack-{}", std::process::id());
    for link in ["x", "up"] {
        let mut config = fixture.shell("pwd");
        config.process.cwd = format!("/{link}/{name}/deep");
        assert_eq!(fixture.output(&config), format!("/{name}/deep\n"));
        assert!(!Path::new("/").join(&name).exists());
    }
    symlink(fixture.dir.join("nowhere"), layer.join("dangling")).unwrap();
    let mut config = fixture.shell("pwd");
    config.process.cwd = "/dangling".into();
    assert!(fixture.start(&config).is_err());
    assert!(!fixture.dir.join("nowhere").exists());
}

fn workdir_descriptors() {
    let fixture = Fixture::new();
    let held = fs::File::open("/etc").unwrap();
    let leak = rustix::io::dup(&held).unwrap();
    symlink("/proc/self/fd", fixture.layer().join("fds")).unwrap();
    for number in 0..64 {
        for cwd in [format!("/proc/self/fd/{number}"), format!("/fds/{number}"), format!("/proc/1/fd/{number}/..")] {
            let mut config = fixture.shell("cat passwd");
            config.process.cwd = cwd.clone();
            let escaped = match fixture.start(&config) {
                Ok(running) => running.kill().output.contains("daemon"),
                Err(_) => false,
            };
            assert!(!escaped, "{cwd}");
        }
    }
    drop(leak);
}

fn passwd_traps() {
    let fixture = Fixture::new();
    let passwd = fixture.layer().join("etc/passwd");
    let refused = |what: &str| {
        let error = fixture.start(&fixture.shell("true")).err().unwrap_or_else(|| panic!("{what} was accepted"));
        assert!(error.contains("/etc/passwd"), "{error}");
    };
    fs::remove_file(&passwd).unwrap();
    podkin::sys::pipe::make_fifo(&passwd, 0o644).unwrap();
    refused("a FIFO");
    fs::remove_file(&passwd).unwrap();
    fs::File::create(&passwd).unwrap().set_len(10 << 30).unwrap();
    refused("a huge file");
    fs::remove_file(&passwd).unwrap();
    // A link is read inside the image, where it leads nowhere.
    symlink("/var/lib/secret-passwd", &passwd).unwrap();
    assert_eq!(fixture.output(&fixture.shell("id -u")), "0\n");
}

fn own_program() {
    let fixture = Fixture::new();
    let before = fs::metadata("/proc/self/exe").unwrap().modified().unwrap();
    let script = fixture.layer().join("script");
    fs::write(&script, "#!/proc/self/exe --bench\n").unwrap();
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    symlink("/proc/self/exe", fixture.layer().join("bin/link")).unwrap();
    for program in ["/proc/self/exe", "/script", "link"] {
        let outcome = fixture.run(&fixture.config(&[program]));
        let failure = outcome.failure.expect("refused");
        assert_eq!(failure.kind, ExecFailureKind::CommandNotInvocable, "{program}");
        assert!(failure.message.contains("runtime itself"), "{}", failure.message);
    }
    assert_eq!(fs::metadata("/proc/self/exe").unwrap().modified().unwrap(), before);
}

/// A process that runs from the read-only view shows nobody a file to write to.
fn own_program_read_only() {
    use std::ffi::CString;
    let (read, write) = process::pipe().unwrap();
    let child = process::fork_child(|| {
        let program = process::read_only_view(Path::new("/proc/self/exe")).unwrap();
        let copy = rustix::io::dup(&write).unwrap();
        let _ = std::os::fd::IntoRawFd::into_raw_fd(copy);
        let args = ["podkin", "--list"].map(|a| CString::new(a).unwrap());
        panic!("exec: {}", process::exec_descriptor(std::os::fd::AsFd::as_fd(&program), &args, &[]));
    })
    .unwrap();
    drop(read);
    assert_eq!(process::wait(&child.pidfd).unwrap(), Exit::Code(0));
    // The same kind of view, of a file that is not being executed.
    let fixture = Fixture::new();
    let file = fixture.dir.join("program");
    fs::write(&file, "").unwrap();
    let view = podkin::sys::mount::clone_read_only(rustix::fs::CWD, &file).unwrap();
    let number = std::os::fd::AsRawFd::as_raw_fd(&view);
    let error = fs::OpenOptions::new().write(true).open(format!("/proc/self/fd/{number}")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EROFS));
}

fn mount_target_links() {
    let fixture = Fixture::new();
    let outside = fixture.dir.join("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, fixture.layer().join("link")).unwrap();
    symlink("/", fixture.layer().join("root-link")).unwrap();
    let volume = fixture.dir.join("volume");
    fs::create_dir(&volume).unwrap();
    fs::write(volume.join("f"), "").unwrap();
    let mut config = fixture.shell("ls /root-link/a /a");
    config.mounts = vec![bind("/root-link/a", &volume, None)];
    assert_eq!(fixture.output(&config), "/a:\nf\n\n/root-link/a:\nf\n");
    config = fixture.shell("true");
    config.mounts = vec![bind("/link", &volume, None)];
    // The link's target does not exist inside: refused, and nothing made or mounted outside.
    assert!(fixture.start(&config).is_err());
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

/// Another container swaps the place where a volume is to be mounted, in a volume that both have, and a link that leads out.
fn mount_target_race() {
    let fixture = Fixture::new();
    let [shared, outside, other] = ["shared", "outside", "other"].map(|name| fixture.dir.join(name));
    for directory in [shared.join("a"), outside.join("place"), other.clone()] {
        fs::create_dir_all(directory).unwrap();
    }
    fs::write(other.join("f"), "").unwrap();
    symlink(&outside, shared.join("b")).unwrap();
    let swapper = swap(&shared.join("a"), &shared.join("b"));
    let mut mounted = 0;
    for round in 0..60 {
        let target = if round % 2 == 0 { "/v/a/place".to_owned() } else { format!("/v/a/new-{round}/place") };
        let mut config = fixture.shell("sleep 1000");
        config.mounts = vec![bind("/v", &shared, None), bind(&target, &other, None)];
        if let Ok(running) = fixture.start(&config) {
            mounted += 1;
            let table = fs::read_to_string(format!("/proc/{}/mountinfo", running.child.pid)).unwrap();
            let line = table.lines().find(|line| line.contains("/other ")).expect("the volume is mounted somewhere");
            // Where it is, in the container's eyes: below the volume, or where the link leads to in there.
            let place = line.split(' ').nth(4).unwrap();
            assert!(place.starts_with("/v/a/") || place.starts_with("/v/b/") || Path::new(place).starts_with(&outside));
            running.kill();
        }
        let found: Vec<_> = fs::read_dir(&outside).unwrap().flatten().collect();
        assert!(found.len() == 1 && fs::read_dir(found[0].path()).unwrap().count() == 0, "{target}");
    }
    end(&swapper);
    println!("  ({mounted} of 60 mounted)");
}

fn sub_path_leads_out() {
    let fixture = Fixture::new();
    let volume = fixture.dir.join("volume");
    fs::create_dir(&volume).unwrap();
    symlink("/etc", volume.join("absolute")).unwrap();
    symlink("../..", volume.join("relative")).unwrap();
    symlink("real", volume.join("inside")).unwrap();
    fs::create_dir(volume.join("real")).unwrap();
    for sub_path in ["absolute", "absolute/passwd", "relative", "../volume", "relative/x"] {
        let mut config = fixture.shell("ls /v");
        config.mounts = vec![bind("/v", &volume, Some(sub_path))];
        let error = fixture.start(&config).err().unwrap_or_else(|| panic!("{sub_path} was mounted"));
        assert!(error.contains("leads out of its volume") || error.contains("subPath"), "{error}");
    }
    let mut config = fixture.shell("touch /v/x && echo made");
    config.mounts = vec![bind("/v", &volume, Some("inside"))];
    assert_eq!(fixture.output(&config), "made\n");
    assert!(volume.join("real/x").exists());
}

/// Another container swaps a directory and a link out of the volume while the path is resolved, made and mounted.
fn sub_path_race() {
    let fixture = Fixture::new();
    let (volume, outside) = (fixture.dir.join("volume"), fixture.dir.join("outside"));
    for directory in [volume.join("a"), outside.clone()] {
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("file"), directory.to_str().unwrap()).unwrap();
    }
    // Its `..` makes the kernel look again whenever something is renamed meanwhile.
    symlink("../outside", volume.join("b")).unwrap();
    let swapper = swap(&volume.join("a"), &volume.join("b"));
    let mut mounted = 0;
    for round in 0..60 {
        let (sub_path, script) = match round % 3 {
            0 => ("a".to_owned(), "cat /v/file"),
            1 => ("a/file".to_owned(), "cat /v"),
            _ => (format!("a/new-{round}/deep"), "touch /v/made"),
        };
        let mut config = fixture.shell(script);
        config.mounts = vec![bind("/v", &volume, Some(&sub_path))];
        match fixture.start(&config).map(|running| running.finish().output) {
            Ok(output) => {
                mounted += 1;
                assert!(!output.contains("outside"), "{sub_path}: what is outside was mounted: {output}");
            }
            Err(error) => assert!(error.contains("subPath"), "{error}"),
        }
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1, "{sub_path}: something was made outside");
    }
    end(&swapper);
    println!("  ({mounted} of 60 mounted)");
}

/// A process that has two names change places as often as it can.
fn swap(one: &Path, other: &Path) -> process::Child {
    let exchange = || {
        let flags = rustix::fs::RenameFlags::EXCHANGE;
        rustix::fs::renameat_with(rustix::fs::CWD, one, rustix::fs::CWD, other, flags).unwrap();
    };
    process::fork_child(|| {
        loop {
            exchange();
        }
    })
    .unwrap()
}

fn end(child: &process::Child) {
    process::pidfd_kill(&child.pidfd).unwrap();
    process::wait(&child.pidfd).unwrap();
}

fn mounts_over_proc() {
    let fixture = Fixture::new();
    for target in ["/", "/proc", "/proc/sys/kernel", "/a/../../proc"] {
        let mut config = fixture.shell("true");
        config.mounts = vec![bind(target, &fixture.layer(), None)];
        assert!(fixture.start(&config).is_err(), "{target}");
    }
}
