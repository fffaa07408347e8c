//! What a container may do, seen from inside.

use super::executes::converse;
use super::fixture::{Fixture, bind, launch, mount};
use podkin::model::device::Access;
use podkin::runtime::config::{Device, Mount, MountKind, MountPropagation, PidNamespace, Seccomp};
use podkin::runtime::{Runtime, Stdio, cgroup, pause, report};
use podkin::sys::namespace::{self, Kinds};
use podkin::sys::process::{self, Exit};
use std::fs;
use std::path::Path;

pub const TESTS: &[(&str, fn())] = &[
    ("status_of_the_first_process", status_of_the_first_process),
    ("a_user_other_than_root_has_no_capabilities", other_user),
    ("seccomp_refuses", seccomp_refuses),
    ("capabilities_and_limits_beyond_our_rights", beyond_our_rights),
    ("cgroup_limits_hold", cgroup_limits),
    ("cgroupfs_and_sysfs_are_read_only", read_only_kernel_files),
    ("masked_paths_are_empty", masked_paths),
    ("privileged_is_open", privileged),
    ("devices", devices),
    ("read_only_root", read_only_root),
    ("entrypoint_mode_0700", entrypoint_mode),
    ("home_without_passwd", home_without_passwd),
    ("volumes", volumes),
    ("propagation", propagation),
    ("terminal", terminal),
    ("shared_pid_namespace", shared_pid_namespace),
    ("pod_namespaces_and_sysctls", pod_namespaces),
    ("descriptors_do_not_leak", descriptors),
];

fn status_of_the_first_process() {
    let fixture = Fixture::new();
    let names = "CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Seccomp SigIgn SigBlk Groups";
    let script = format!("for n in {names}; do grep ^$n: /proc/self/status; done");
    let capabilities = "00000000800405fb";
    let expected = |no_new_privileges: u32| {
        format!(
            "CapInh:\t0000000000000000\nCapPrm:\t{capabilities}\nCapEff:\t{capabilities}\nCapBnd:\t{capabilities}\n\
             CapAmb:\t0000000000000000\nNoNewPrivs:\t{no_new_privileges}\nSeccomp:\t2\nSigIgn:\t0000000000000000\n\
             SigBlk:\t0000000000000000\nGroups:\t50 \n"
        )
    };
    // As an embedding program would be: with SIGPIPE ignored and signals blocked.
    podkin::sys::signal::ignore(libc::SIGPIPE).unwrap();
    let _fd = podkin::sys::signal::signalfd(&[libc::SIGTERM, libc::SIGCHLD]).unwrap();
    for no_new_privileges in [false, true] {
        let mut config = fixture.shell(&script);
        config.process.no_new_privileges = no_new_privileges;
        config.process.user.additional_gids = vec![50];
        assert_eq!(fixture.output(&config), expected(u32::from(no_new_privileges)));
    }
}

fn other_user() {
    let fixture = Fixture::new();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let mut config = fixture.shell("id -u; id -g; id -G; grep -E 'CapPrm|CapEff' /proc/self/status; echo $HOME; umask");
    config.process.user.spec = "web".into();
    let expected = "33\n34\n34 50\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n/srv\n0022\n";
    assert_eq!(fixture.output(&config), expected);
    config = fixture.shell("true");
    config.process.user.must_not_be_root = true;
    let error = fixture.start(&config).err().expect("refused");
    assert!(error.contains("runAsNonRoot"), "{error}");
}

fn seccomp_refuses() {
    let fixture = Fixture::new();
    // unshare(2) is allowed and fails for want of a capability; with all capabilities and the filter it works.
    let mut config = fixture.shell("unshare -u true; chroot / true && echo chroot");
    let outcome = fixture.run(&config);
    assert!(
        outcome.output.contains("Operation not permitted") && outcome.output.contains("chroot"),
        "{}",
        outcome.output
    );
    // Without its capability chroot is not even let through to the kernel.
    config = fixture.shell("chroot / true || echo refused");
    config.process.capabilities.remove("SYS_CHROOT");
    assert!(fixture.output(&config).contains("refused"));
    // A profile of the user's: mkdir fails with an error number that nothing else gives.
    let profile = fixture.dir.join("profile.json");
    let json = r#"{"defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 122}]}"#;
    fs::write(&profile, json).unwrap();
    config = fixture.shell("mkdir /x 2>&1; grep Seccomp: /proc/self/status");
    config.process.seccomp = Seccomp::Profile(profile);
    let output = fixture.output(&config);
    assert!(output.contains("quota exceeded") && output.contains("Seccomp:\t2"), "{output}");
    config = fixture.shell("grep Seccomp: /proc/self/status");
    config.process.seccomp = Seccomp::Unconfined;
    assert_eq!(fixture.output(&config), "Seccomp:\t0\n");
}

fn beyond_our_rights() {
    let fixture = Fixture::new();
    let mut config = fixture.shell("ulimit -Hn; ulimit -n; cat /proc/self/oom_score_adj");
    config.process.capabilities.extend(["SYS_RESOURCE".to_owned(), "SYS_ADMIN".to_owned()]);
    config.process.rlimits = vec![("nofile".into(), 1 << 40, 1 << 40), ("RLIMIT_CORE".into(), 0, 0)];
    config.process.oom_score_adj = Some(-999);
    fixture.output(&config);
    config.process.oom_score_adj = Some(500);
    assert!(fixture.output(&config).ends_with("500\n"));
    config.process.rlimits = vec![("nofile".into(), 50, 60)];
    assert!(fixture.output(&config).starts_with("60\n50\n"));
    config.process.rlimits = vec![("nonsense".into(), 1, 1)];
    assert!(fixture.start(&config).is_err());
}

fn cgroup_limits() {
    let fixture = Fixture::new();
    let mut config = fixture.shell("cat /sys/fs/cgroup/pids/pids.max; cat /sys/fs/cgroup/cpu/cpu.shares");
    config.resources.cpu_shares = Some(512);
    let expected = "2048\n512\n";
    if Path::new("/sys/fs/cgroup/pids").exists() {
        assert_eq!(fixture.output(&config), expected);
    }
    // tmpfs pages are charged to the container that writes them.
    config = fixture.shell("dd if=/dev/zero of=/dev/shm/fill bs=1M count=60; echo survived");
    config.resources.memory_limit = Some(16 << 20);
    let running = fixture.start(&config).unwrap();
    let path = config.cgroup_path.clone();
    while !process::has_ended(&running.child.pidfd).unwrap() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(cgroup::oom_killed(&path).unwrap());
    assert!(cgroup::stats(&path).unwrap().cpu_ns > 0);
    let outcome = running.finish();
    assert!(outcome.exit == Exit::Signal(9) || outcome.exit == Exit::Code(137) || !outcome.output.contains("60+0"));
    assert_eq!(cgroup::stats(&path).unwrap().pids, 0, "the group is gone");
}

fn read_only_kernel_files() {
    let fixture = Fixture::new();
    let script = "for d in /sys/fs/cgroup /sys/fs/cgroup/* ; do mkdir $d/x 2>/dev/null && echo made $d/x; done; \
                  touch /sys/fs/cgroup/memory/tasks 2>/dev/null && echo touched; mkdir /sys/x 2>/dev/null && echo made; \
                  for f in /proc/sys/kernel/printk /proc/sysrq-trigger; do (echo 1 > $f) 2>/dev/null && echo wrote $f; done; \
                  mount -o remount,rw /sys 2>/dev/null && echo remounted; cat /proc/self/cgroup | grep -v ':/$'; true";
    assert_eq!(fixture.output(&fixture.shell(script)), "");
}

fn masked_paths() {
    let fixture = Fixture::new();
    let script = "for f in /proc/kcore /proc/keys /proc/timer_list /proc/interrupts; do test -e $f && head -c 1 $f; done; \
                  ls /sys/firmware /proc/acpi 2>/dev/null; mount | grep -c 'tmpfs on /sys/firmware'; true";
    let output = fixture.output(&fixture.shell(script));
    let words: Vec<&str> = output.split_ascii_whitespace().filter(|word| !word.ends_with(':')).collect();
    assert!(words.len() <= 1, "{output}");
    let mut config = fixture.shell("head -c 1 /proc/timer_list | wc -c");
    config.unmasked_proc = true;
    assert_eq!(fixture.output(&config), "1\n");
}

fn privileged() {
    let fixture = Fixture::new();
    let mut config = fixture.shell(
        "grep -E 'CapEff|Seccomp:' /proc/self/status; mkdir /sys/fs/cgroup/pids/inner && echo made; \
         unshare -m true && echo unshared; ls /dev | wc -l; rm -d /sys/fs/cgroup/pids/inner 2>/dev/null; true",
    );
    config.privileged = true;
    config.process.seccomp = Seccomp::Unconfined;
    let output = fixture.output(&config);
    assert!(output.contains("Seccomp:\t0") && output.contains("unshared"), "{output}");
    assert!(!output.contains(&format!("CapEff:\t{:016x}", 0x8004_05fb_u32)), "{output}");
}

fn devices() {
    let fixture = Fixture::new();
    let script = "for d in null zero full random urandom tty; do test -c /dev/$d || echo no $d; done; \
                  echo x > /dev/null; head -c 3 /dev/zero | wc -c; ls -d /dev/fd /dev/stdin /dev/ptmx /dev/shm /dev/mqueue; \
                  mknod /tmp/k c 1 11 2>/dev/null && echo made; test -e /dev/extra && head -c 2 /dev/extra | wc -c; true";
    let common = "3\n/dev/fd\n/dev/mqueue\n/dev/ptmx\n/dev/shm\n/dev/stdin\n";
    assert_eq!(fixture.output(&fixture.shell(script)), common);
    let mut config = fixture.shell(script);
    config.devices = vec![Device::of_host("/dev/zero", "/dev/extra", Access::ALL)];
    assert_eq!(fixture.output(&config), format!("{common}2\n"));
    config.devices = vec![Device::of_host("/etc/passwd", "/dev/extra", Access::ALL)];
    assert!(fixture.start(&config).is_err());
    // A node the container may make, but not open.
    config = fixture.shell("mknod /tmp/kmsg c 1 11 && cat /tmp/kmsg");
    config.process.capabilities.insert("MKNOD".into());
    let outcome = fixture.run(&config);
    assert!(outcome.output.contains("not permitted"), "{}", outcome.output);
}

fn read_only_root() {
    let fixture = Fixture::new();
    let mut config = fixture.shell("touch /x 2>/dev/null && echo wrote; touch /data/y /dev/shm/z && echo volume; pwd");
    config.readonly_rootfs = true;
    config.process.cwd = "/made/for/it".into();
    config.mounts = vec![tmpfs("/data")];
    assert_eq!(fixture.output(&config), "volume\n/made/for/it\n");
}

fn tmpfs(target: &str) -> Mount {
    mount(target, MountKind::Tmpfs { size: Some(1 << 20), mode: 0o1777 })
}

fn entrypoint_mode() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = Fixture::new();
    let path = fixture.layer().join("entry");
    fs::write(&path, "#!/bin/sh\necho entered $1\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(fixture.output(&fixture.config(&["/entry", "it"])), "entered it\n");
    // Not by a shell that guesses.
    fs::write(&path, "echo entered\n").unwrap();
    let outcome = fixture.run(&fixture.config(&["/entry"]));
    assert_eq!((outcome.exit, outcome.output.as_str()), (Exit::Code(126), ""));
}

fn home_without_passwd() {
    let fixture = Fixture::new();
    fs::remove_file(fixture.layer().join("etc/passwd")).unwrap();
    fs::remove_file(fixture.layer().join("etc/group")).unwrap();
    let mut config = fixture.shell("echo $HOME $PATH");
    config.process.user.spec = "1234:99".into();
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(fixture.output(&config), format!("/ {path}\n"));
}

fn volumes() {
    let fixture = Fixture::new();
    let volume = fixture.dir.join("volume");
    fs::create_dir_all(volume.join("sub")).unwrap();
    fs::write(volume.join("file"), "content\n").unwrap();
    let mut config = fixture.shell(
        "cat /one/file /etc/hosts /deep/er/file; touch /one/file 2>/dev/null && echo wrote; touch /sub/new /auto/new; ls -d /tmp/late",
    );
    let read_only = Mount { read_only: true, ..bind("/one", &volume, None) };
    config.mounts = vec![
        read_only,
        bind("/etc/hosts", &volume.join("file"), None),
        bind("/deep/er/file", &volume, Some("file")),
        bind("/sub", &volume, Some("sub")),
        bind("/auto", &volume, Some("made/by/podkin")),
        tmpfs("/tmp"),
        tmpfs("/tmp/late"),
    ];
    assert_eq!(fixture.output(&config), "content\ncontent\ncontent\n/tmp/late\n");
    assert!(volume.join("sub/new").exists() && volume.join("made/by/podkin/new").exists());
    // The image's own file, when nothing is mounted over it.
    fs::write(fixture.layer().join("etc/hosts"), "of the image\n").unwrap();
    assert_eq!(fixture.output(&fixture.shell("cat /etc/hosts")), "of the image\n");
}

fn propagation() {
    let fixture = Fixture::new();
    // A host of its own, so that nothing of this test reaches the real one.
    namespace::unshare(Kinds::MOUNT).unwrap();
    let volume = fixture.dir.join("shared");
    fs::create_dir_all(volume.join("inner")).unwrap();
    rustix::mount::mount("tmpfs", &volume, "tmpfs", rustix::mount::MountFlags::empty(), None).unwrap();
    fs::create_dir(volume.join("inner")).unwrap();
    podkin::sys::mount::set_path_propagation(&volume, podkin::sys::mount::Propagation::Shared, false).unwrap();
    let expect = [
        (MountPropagation::Private, "", false),
        (MountPropagation::HostToContainer, "master:", false),
        (MountPropagation::Bidirectional, "shared:", true),
    ];
    for (propagation, word, reaches_host) in expect {
        let mut config = fixture.shell("grep ' /v ' /proc/self/mountinfo; mount -t tmpfs inner /v/inner; sleep 1000");
        config.privileged = true;
        config.process.seccomp = Seccomp::Unconfined;
        config.mounts = vec![Mount { propagation, ..bind("/v", &volume, None) }];
        let running = fixture.start(&config).unwrap();
        let mounted = || fs::read_to_string("/proc/self/mountinfo").unwrap().contains("/shared/inner");
        let seen = (0..100).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            mounted()
        });
        assert_eq!(seen, reaches_host, "{propagation:?}");
        let output = running.kill().output;
        let optional = output.split(" - ").next().unwrap();
        for kind in ["master:", "shared:"] {
            assert_eq!(optional.contains(kind), kind == word, "{propagation:?}: {output}");
        }
        let _ = rustix::mount::unmount(volume.join("inner"), rustix::mount::UnmountFlags::DETACH);
    }
    rustix::mount::unmount(&volume, rustix::mount::UnmountFlags::DETACH).unwrap();
}

fn terminal() {
    let fixture = Fixture::new();
    let mut config =
        fixture.shell("tty; test -c /dev/console && echo console; read line < /dev/tty; echo got $line; echo $TERM");
    config.process.terminal = true;
    let (report, report_write) = report::pipe().unwrap();
    // The launcher would pass the console on; here it talks itself.
    let (read, write) = process::pipe().unwrap();
    let pid = launch(|| {
        let created = fixture.runtime.create(&config, Stdio::Terminal, report_write)?;
        fixture.runtime.start(&config.run_dir)?;
        let output = converse(created.console.expect("console"), "typed\n");
        std::io::Write::write_all(&mut fs::File::from(write), output.as_bytes()).unwrap();
        Ok(created.pid)
    })
    .unwrap();
    let output = std::io::read_to_string(fs::File::from(read)).unwrap();
    assert_eq!(report::receive(report).unwrap(), None);
    for expected in ["/dev/pts/0", "console", "got typed", "xterm"] {
        assert!(output.contains(expected), "{output}");
    }
    let pidfd = process::pidfd_open(pid).unwrap();
    assert_eq!(process::wait(&pidfd).unwrap(), Exit::Code(0));
    while process::reap_any().unwrap().is_some() {}
    fixture.runtime.delete(&config.run_dir).unwrap();
}

fn shared_pid_namespace() {
    let fixture = Fixture::new();
    let pin = fixture.dir.join("pid");
    let holder = pause::spawn(None, &pin, |_| Ok(())).unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", holder.pid)).unwrap();
    assert!(status.contains("CapBnd:\t0000000000000000") && status.contains("NSpid:\t"), "{status}");
    let line = fs::read(format!("/proc/{}/cmdline", holder.pid)).unwrap();
    assert!(line.starts_with(b"podkin-pause\0"), "{line:?}");
    assert_eq!(fs::read_dir(format!("/proc/{}/fd", holder.pid)).unwrap().count(), 0);
    let join = |script: &str| {
        let mut config = fixture.shell(script);
        config.namespaces.pid = PidNamespace::Join(pin.clone());
        config
    };
    let first = fixture.start(&join("sleep 1000")).unwrap();
    // Sees the other container, and leaves an orphan that the holder must reap.
    let output =
        fixture.output(&join("ps | grep -c 'sleep 1000'; (sleep 0.01 &) ; cat /proc/1/comm; echo $$ > /dev/null"));
    assert!(output.contains("podkin-pause"), "{output}");
    assert!(output.trim_start().starts_with(|c: char| c.is_ascii_digit() && c != '0'), "{output}");
    first.kill();
    process::pidfd_send_signal(&holder.pidfd, libc::SIGTERM).unwrap();
    assert_eq!(process::wait(&holder.pidfd).unwrap(), Exit::Code(0));
    namespace::unpin(&pin).unwrap();
    assert!(!pin.exists());
}

fn pod_namespaces() {
    let fixture = Fixture::new();
    let sandbox = process::fork_child(|| {
        namespace::unshare(Kinds::NETWORK | Kinds::IPC | Kinds::UTS).unwrap();
        rustix::system::sethostname(b"pod-name").unwrap();
        for kind in ["net", "ipc", "uts"] {
            namespace::pin(Path::new(&format!("/proc/self/ns/{kind}")), &fixture.dir.join(kind)).unwrap();
        }
        0
    })
    .unwrap();
    assert_eq!(process::wait(&sandbox.pidfd).unwrap(), Exit::Code(0));
    let script = "hostname; ls /sys/class/net; cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shmmni; \
                  ls /dev/mqueue | wc -l";
    let mut config = fixture.shell(script);
    config.namespaces.network = Some(fixture.dir.join("net"));
    config.namespaces.ipc = Some(fixture.dir.join("ipc"));
    config.namespaces.uts = Some(fixture.dir.join("uts"));
    config.sysctls =
        vec![("net.ipv4.ip_unprivileged_port_start".into(), "80".into()), ("kernel.shmmni".into(), "99".into())];
    assert_eq!(fixture.output(&config), "pod-name\nlo\n80\n99\n0\n");
    let host = fs::read_to_string("/proc/sys/kernel/shmmni").unwrap();
    assert_ne!(host, "99\n");
    for (name, value) in [("kernel.core_pattern", "|/x"), ("net/../kernel.core_pattern", "x"), ("vm.swappiness", "1")] {
        config.sysctls = vec![(name.into(), value.into())];
        assert!(fixture.start(&config).err().is_some_and(|e| e.contains("sysctl")), "{name}");
    }
    for kind in ["net", "ipc", "uts"] {
        namespace::unpin(&fixture.dir.join(kind)).unwrap();
    }
}

fn descriptors() {
    let fixture = Fixture::new();
    // Not closed by exec, as a careless library leaves them.
    let file = fs::File::open("/etc/passwd").unwrap();
    let leak = rustix::io::dup(&file).unwrap();
    let output = fixture.output(&fixture.shell("ls /proc/$$/fd; true"));
    assert_eq!(output, "0\n1\n2\n");
    // While it waits to be started it holds none of the launcher's either.
    let config = fixture.shell("true");
    let (report, report_write) = report::pipe().unwrap();
    let null = || std::os::fd::OwnedFd::from(fs::File::open("/dev/null").unwrap());
    let stdio = Stdio::Descriptors { stdin: null(), stdout: null(), stderr: null() };
    let pid = launch(|| fixture.runtime.create(&config, stdio, report_write).map(|c| c.pid)).unwrap();
    let links = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().filter_map(|e| fs::read_link(e.unwrap().path()).ok());
    assert!(!links.into_iter().any(|link| link.ends_with("etc/passwd")));
    drop(leak);
    fixture.runtime.start(&config.run_dir).unwrap();
    assert_eq!(report::receive(report).unwrap(), None);
    assert_eq!(process::wait(process::pidfd_open(pid).unwrap()).unwrap(), Exit::Code(0));
    while process::reap_any().unwrap().is_some() {}
    fixture.runtime.delete(&config.run_dir).unwrap();
}
