//! Supervisors that die, and many pods at once.

use super::fixture::{App, FOREVER, PATIENCE, pod, shell};
use crate::common::eventually;
use podkin::model::RestartPolicy::{Always, Never};
use podkin::store::record::{PodPhase, PodRecord};
use podkin::supervisor::protocol::Operation;
use std::time::{Duration, Instant};

#[test]
fn no_line_and_no_exit_code_is_lost_with_the_supervisor() {
    let Some(app) = App::new("adoption") else { return };
    let script = "i=0; while [ $i -lt 2500 ]; do echo $i; i=$((i+1)); usleep 1000; done; exit 42";
    let other = shell("other", "trap 'exit 7' TERM; while :; do sleep 1 & wait $!; done");
    let record = app.pod(pod("writer", Never, vec![shell("main", script), other]));
    app.start(&record);
    let other = app.pid(&record, "other");
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(200));
        app.kill_supervisor(&record);
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(app.call(Operation::Ping), []);
    }
    assert_eq!(app.pid(&record, "other"), other, "it never noticed");
    eventually("the writer ends", PATIENCE, || app.pid(&record, "main").is_none());
    assert_eq!(app.terminated(&record, "main").exit_code, Some(42), "this needs Linux 6.15");
    let lines = app.log(&record, "main");
    let expected: Vec<String> = (0..2500).map(|n| n.to_string()).collect();
    let difference = lines.iter().zip(&expected).position(|(a, b)| a != b);
    assert!(lines == expected, "{} lines, first difference at {difference:?}", lines.len());

    // One that ends while nobody looks.
    app.kill_supervisor(&record);
    let other = other.and_then(rustix::process::Pid::from_raw).expect("it runs");
    rustix::process::kill_process(other, rustix::process::Signal::TERM).expect("it runs");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(app.call(Operation::Ping), []);
    app.wait_phase(&record, PodPhase::Failed);
    assert_eq!(app.terminated(&record, "other").exit_code, Some(7), "this needs Linux 6.15");
    app.remove(&[&record]);
}

/// What it printed last is in its pipe, and nobody else has that open.
#[test]
fn no_line_is_lost_of_a_container_that_ends_without_a_supervisor() {
    let Some(app) = App::new("last-words") else { return };
    let script =
        |lines: u32| format!("i=0; while [ $i -lt {lines} ]; do echo $i; i=$((i+1)); usleep 1000; done; exit 3");
    let mut terminal = shell("terminal", &script(200));
    terminal.tty = true;
    let record = app.pod(pod("brief", Never, vec![shell("pipe", &script(300)), terminal]));
    app.start(&record);
    app.kill_supervisor(&record);
    let pids: Vec<_> = ["pipe", "terminal"].iter().filter_map(|name| app.pid(&record, name)).collect();
    let gone = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    };
    eventually("both have ended", PATIENCE, || pids.iter().all(gone));
    assert_eq!(app.call(Operation::Ping), []);
    app.wait_phase(&record, PodPhase::Failed);
    for (name, lines) in [("pipe", 300), ("terminal", 200)] {
        let expected: Vec<String> = (0..lines).map(|n| n.to_string()).collect();
        let found: Vec<String> =
            app.log(&record, name).iter().map(|line| line.trim_end_matches('\r').to_owned()).collect();
        assert_eq!(found.len(), expected.len(), "{name}");
        assert_eq!(found, expected, "{name}");
        assert_eq!(app.terminated(&record, name).exit_code, Some(3), "{name}: this needs Linux 6.15");
    }
    app.remove(&[&record]);
}

#[test]
fn two_who_start_a_supervisor_get_one() {
    let Some(app) = App::new("race") else { return };
    let launch = podkin::supervisor::client::Launch { binary: app.env.binary.clone(), ..Default::default() };
    let connections: Vec<_> = std::thread::scope(|scope| {
        let spawn = || scope.spawn(|| podkin::supervisor::client::ensure(&app.layout, &app.id, &launch));
        let threads: Vec<_> = (0..8).map(|_| spawn()).collect();
        threads.into_iter().map(|t| t.join().expect("no panic").expect("a supervisor")).collect()
    });
    let mut connections = connections;
    let started: Vec<_> = connections.iter_mut().filter_map(|c| c.child().map(|c| c.id())).collect();
    assert_eq!(started.len(), 1, "{started:?}");
    drop(connections);
    eventually("it ends without pods", PATIENCE, || !app.layout.app_run(&app.id).exists());
}

#[test]
fn many_pods_come_and_go_quickly() {
    let Some(app) = App::new("many") else { return };
    let records: Vec<PodRecord> =
        (0..30).map(|n| app.pod(pod(&format!("p{n}"), Always, vec![shell("main", FOREVER)]))).collect();
    let pods: Vec<String> = records.iter().map(|r| r.id.clone()).collect();
    assert_eq!(app.call(Operation::Ping), []);
    let begin = Instant::now();
    assert_eq!(app.call(Operation::StartPods { pods: pods.clone() }), [], "{}", app.log_of_supervisor());
    let up = begin.elapsed();
    records.iter().for_each(|r| assert_eq!(app.status(r).phase, PodPhase::Running));
    let supervisor = app.supervisor_pid(&records[0]);
    let memory = std::fs::read_to_string(format!("/proc/{supervisor}/smaps_rollup")).unwrap_or_default();
    let figures: Vec<_> = memory.lines().filter(|l| l.starts_with("Pss:") || l.starts_with("Private_Dirty")).collect();
    let begin = Instant::now();
    assert_eq!(app.call(Operation::RemovePods { pods, grace_seconds: Some(0) }), []);
    println!("30 pods: up {up:?}, removed {:?}; {figures:?}", begin.elapsed());
    app.remove(&records.iter().collect::<Vec<_>>());
}

#[test]
fn a_pod_of_another_boot_is_known_to_be_down() {
    let Some(app) = App::new("boot") else { return };
    let record = app.pod(pod("old", Always, vec![shell("main", FOREVER)]));
    app.start(&record);
    app.kill_supervisor(&record);
    let saved = app.layout.app_run(&app.id).join("pods").join(format!("{}.json", record.id));
    let text = std::fs::read_to_string(&saved).expect("the state was saved");
    let boot = app.status(&record).boot_id;
    std::fs::write(&saved, text.replace(&boot, "00000000-0000-0000-0000-000000000000")).expect("run is writable");
    assert_eq!(app.call(Operation::Ping), []);
    eventually("nothing runs", PATIENCE, || app.status(&record).phase == PodPhase::Stopped);
    app.start(&record);
    assert_eq!(app.status(&record).phase, PodPhase::Running);
    app.remove(&[&record]);
}

/// The container waits while its log cannot be written, and goes on when there is room again.
#[test]
fn a_log_on_a_full_disk_goes_on_when_there_is_room() {
    let Some(app) = App::new("full-log") else { return };
    let script = "i=0; while [ $i -lt 4000 ]; do echo line-$i; i=$((i+1)); usleep 1000; done";
    let record = app.pod(pod("writer", Never, vec![shell("main", script)]));
    let disk = app.layout.root.join("containers");
    std::fs::create_dir_all(&disk).expect("root is writable");
    let options = c"size=1m";
    rustix::mount::mount("tmpfs", &disk, "tmpfs", rustix::mount::MountFlags::empty(), options).expect("root mounts");
    app.start(&record);
    let filler = disk.join("filler");
    let mut file = std::fs::File::create(&filler).expect("there is room");
    while std::io::Write::write_all(&mut file, &[0; 4096]).is_ok() {}
    drop(file);
    let log = app.layout.container_log(&record.container("main").expect("it has one").id).join("stdout.log");
    let size = || std::fs::metadata(&log).map_or(0, |file| file.len());
    eventually("the log stands still", PATIENCE, || {
        let before = size();
        std::thread::sleep(Duration::from_millis(300));
        size() == before
    });
    assert_eq!(app.status(&record).phase, PodPhase::Running);
    assert!(app.log_of_supervisor().contains("cannot write a log"), "{}", app.log_of_supervisor());
    std::fs::remove_file(&filler).expect("it is there");
    app.wait_phase(&record, PodPhase::Succeeded);
    let lines = app.log(&record, "main");
    let expected: Vec<String> = (0..4000).map(|n| format!("line-{n}")).collect();
    let different = lines.iter().zip(&expected).position(|(a, b)| a != b);
    assert!(
        lines == expected,
        "{} lines, {} bytes, {different:?}, last {:?}\n{}",
        lines.len(),
        size(),
        lines.last(),
        app.log_of_supervisor()
    );
    assert_eq!(app.call(Operation::RemovePods { pods: vec![record.id.clone()], grace_seconds: Some(0) }), []);
    rustix::mount::unmount(&disk, rustix::mount::UnmountFlags::DETACH).expect("it is mounted");
}

/// One that is left behind in a shared pid namespace and never pauses.
#[test]
fn a_busy_orphan_does_not_keep_its_pod_from_ending() {
    let Some(app) = App::new("orphan") else { return };
    let mut spec = pod("noisy", Never, vec![shell("main", "while :; do echo yes; done & sleep 1; exit 0")]);
    spec.share_process_namespace = true;
    let record = app.pod(spec);
    app.start(&record);
    app.wait_phase(&record, PodPhase::Succeeded);
    app.remove(&[&record]);
}
