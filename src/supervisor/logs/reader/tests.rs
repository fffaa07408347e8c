use super::super::writer::Writer;
use super::*;

struct Log {
    directory: PathBuf,
    status: PathBuf,
}

impl Log {
    fn new(name: &str) -> io::Result<Self> {
        let base = std::env::temp_dir().join(format!("podkin-log-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&base); // of an earlier run with the same pid
        std::fs::create_dir_all(base.join("log"))?;
        Ok(Self { directory: base.join("log"), status: base.join("status.json") })
    }

    fn writer(&self, stream: Stream, max_size: Option<u64>) -> io::Result<Writer> {
        Writer::open(&self.directory, stream, max_size, None)
    }

    fn read(&self, options: Options) -> io::Result<Vec<String>> {
        let mut reader = Reader::new(self.directory.clone(), self.status.clone(), "c", options)?;
        let mut lines = Vec::new();
        while let Some(line) = reader.next_line().map_err(|e| e.source)? {
            let text = String::from_utf8_lossy(line.bytes);
            let mark = if line.partial { "~" } else { "" };
            lines.push(format!("{}{text}{mark}", if line.stream == Stream::Stderr { "!" } else { "" }));
        }
        Ok(lines)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if let Some(base) = self.directory.parent() {
            let _ = std::fs::remove_dir_all(base);
        }
    }
}

const MS: u64 = 1_000_000;

fn at(milliseconds: u64) -> Option<jiff::Timestamp> {
    Some(timestamp(milliseconds * MS))
}

fn two_streams(name: &str) -> io::Result<Log> {
    let log = Log::new(name)?;
    let (mut out, mut err) = (log.writer(Stream::Stdout, None)?, log.writer(Stream::Stderr, None)?);
    out.append(b"a\nb\n", 10 * MS)?;
    err.append(b"x\n", 20 * MS)?;
    out.append(b"c", 30 * MS)?;
    err.append(b"y\n", 40 * MS)?;
    out.append(b"c\nd", 50 * MS)?;
    Ok(log)
}

#[test]
fn streams_are_merged_by_time() -> io::Result<()> {
    let log = two_streams("merge")?;
    assert_eq!(log.read(Options::default())?, ["a", "b", "!x", "cc", "!y", "d~"]);
    Ok(())
}

#[test]
fn a_part_can_be_asked_for() -> io::Result<()> {
    let log = two_streams("part")?;
    let all = ["a", "b", "!x", "cc", "!y", "d~"];
    for (tail, expected) in
        [(0, &all[6..]), (1, &all[5..]), (2, &all[4..]), (3, &all[3..]), (6, &all[..]), (99, &all[..])]
    {
        assert_eq!(log.read(Options { tail: Some(tail), ..Options::default() })?, expected, "tail {tail}");
    }
    for (since, until, expected) in [(10, 99, &all[..]), (11, 99, &all[2..]), (31, 99, &all[4..]), (11, 40, &all[2..4])]
    {
        let options = Options { since: at(since), until: at(until), ..Options::default() };
        assert_eq!(log.read(options)?, expected, "{since}..{until}");
    }
    let options = Options { since: at(15), tail: Some(2), ..Options::default() };
    assert_eq!(log.read(options)?, all[4..]);
    Ok(())
}

#[test]
fn rotation_keeps_one_old_file() -> io::Result<()> {
    let log = Log::new("rotate")?;
    let mut out = log.writer(Stream::Stdout, Some(10))?;
    for number in 0..6u64 {
        out.append(format!("line-{number}\nhalf").as_bytes(), number * 5 * MS)?;
    }
    let lines = log.read(Options::default())?;
    assert_eq!(lines, ["line-4", "half~", "line-5", "half~"]);
    assert_eq!(log.read(Options { tail: Some(2), ..Options::default() })?, ["line-5", "half~"]);
    Ok(())
}

#[test]
fn a_writer_goes_on_where_a_killed_one_stopped() -> io::Result<()> {
    let log = Log::new("mend")?;
    log.writer(Stream::Stdout, None)?.append(b"one\n", MS)?;
    let index = log.directory.join("stdout.idx");
    let mut torn = std::fs::read(&index)?;
    torn.extend_from_slice(b"torn");
    std::fs::write(&index, torn)?;
    log.writer(Stream::Stdout, None)?.append(b"two\n", 9 * MS)?;
    assert_eq!(log.read(Options { since: at(2), ..Options::default() })?, ["two"]);
    assert_eq!(std::fs::metadata(&index)?.len(), 32);
    Ok(())
}

#[test]
fn an_absent_log_is_empty() -> io::Result<()> {
    let log = Log::new("absent")?;
    assert!(log.read(Options { follow: true, ..Options::default() })?.is_empty());
    Ok(())
}

#[test]
fn following_ends_with_the_container() -> io::Result<()> {
    let log = two_streams("follow")?;
    let (directory, status) = (log.directory.clone(), log.status.clone());
    let running = PodStatus {
        version: 1,
        id: "p".into(),
        phase: PodPhase::Running,
        stopping: None,
        started: None,
        finished: None,
        ips: vec![],
        boot_id: String::new(),
        supervisor_pid: None,
        containers: vec![crate::store::record::ContainerStatus {
            id: "c".into(),
            name: "c".into(),
            state: ContainerState::Running { pid: 1, start_ticks: 1, started_at: jiff::Timestamp::UNIX_EPOCH },
            restart_count: 0,
            started: true,
            ready: true,
            healthy: None,
            last: None,
            resources: None,
        }],
        message: None,
        reason: None,
        deletion: None,
        conditions: vec![],
        host_ips: vec![],
    };
    std::fs::write(&status, serde_json::to_vec(&running)?)?;
    let writing = std::thread::spawn(move || -> io::Result<()> {
        let mut err = Writer::open(&directory, Stream::Stderr, Some(60), None)?;
        for number in 0..20u64 {
            std::thread::sleep(Duration::from_millis(2));
            err.append(format!("late {number}\n").as_bytes(), (100 + number * 2) * MS)?;
        }
        let over = PodStatus { phase: PodPhase::Succeeded, ..running };
        std::fs::write(status.with_extension("new"), serde_json::to_vec(&over)?)?;
        std::fs::rename(status.with_extension("new"), status)
    });
    let lines = log.read(Options { follow: true, tail: Some(1), ..Options::default() })?;
    writing.join().expect("the writer does not panic")?;
    let mut expected = vec!["d~".to_owned()];
    expected.extend((0..20).map(|n| format!("!late {n}")));
    assert_eq!(lines, expected);
    Ok(())
}
