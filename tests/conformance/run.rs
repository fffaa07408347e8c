//! Carries out one case.

use crate::case::{Case, Claim, MountKind, Patterns, Step};
use crate::common::{TestEnv, leftovers};
use crate::engine::{self, EngineKind};
use crate::offer::Offer;
use regex::RegexBuilder;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

pub enum Outcome {
    Passed(Duration),
    Failed(String),
    Skipped(String),
}

/// Longest time any single command may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// Runs a case, without the field of `claim` when there is one.
pub fn run(case: &Case, claim: Option<&Claim>, kind: EngineKind) -> Outcome {
    if let (EngineKind::Podman, Some(why)) = (kind, &case.podman) {
        return Outcome::Skipped(why.clone());
    }
    if let Err(why) = engine::prepare(kind) {
        return Outcome::Failed(why);
    }
    let begin = Instant::now();
    let env = TestEnv::new(&case.name);
    let offer = match case.registry.map(|access| Offer::new(&env, access)).transpose() {
        Ok(offer) => offer,
        Err(why) => return Outcome::Failed(why),
    };
    let scene = Scene { directory: env.base.join("files"), ports: free_ports(), offer, env, kind };
    let result = scene.write_files(case, claim).and_then(|()| scene.make_mounts(case)).and_then(|()| scene.steps(case));
    let cleaned = scene.clean_up();
    match (result, cleaned) {
        (Ok(()), Ok(())) => Outcome::Passed(begin.elapsed()),
        (Err(why), _) | (Ok(()), Err(why)) => Outcome::Failed(why),
    }
}

struct Scene {
    directory: PathBuf,
    ports: [u16; 3],
    offer: Option<Offer>,
    env: TestEnv,
    kind: EngineKind,
}

impl Scene {
    fn substitute(&self, text: &str) -> String {
        let text = match &self.offer {
            Some(offer) => offer.substitute(text),
            None => text.to_owned(),
        };
        text.replace("${PORT}", &self.ports[0].to_string())
            .replace("${PORT2}", &self.ports[1].to_string())
            .replace("${PORT3}", &self.ports[2].to_string())
            .replace("${DIR}", &self.directory.to_string_lossy())
            .replace("${DEMO_LAYER}", engine::DEMO_LAYER)
    }

    fn write_files(&self, case: &Case, claim: Option<&Claim>) -> Result<(), String> {
        for (name, text) in case.files_without(claim)? {
            let path = self.directory.join(&name);
            let parent = path.parent().unwrap_or(Path::new("/"));
            std::fs::create_dir_all(parent)
                .and_then(|()| std::fs::write(&path, repeated(&self.substitute(&text))))
                .and_then(|()| match parent.ends_with(engine::PROGRAMS) {
                    true => std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)),
                    false => Ok(()),
                })
                .map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    fn make_mounts(&self, case: &Case) -> Result<(), String> {
        use rustix::mount::{MountPropagationFlags, mount_bind, mount_change};
        for (name, kind) in &case.mounts {
            let place = self.directory.join(name);
            let kind = match kind {
                MountKind::Shared => MountPropagationFlags::SHARED,
                MountKind::Private => MountPropagationFlags::PRIVATE,
            };
            std::fs::create_dir_all(&place).map_err(|e| format!("{name}: {e}"))?;
            let made = mount_bind(&place, &place).and_then(|()| mount_change(&place, kind));
            made.map_err(|e| format!("mount of {name}: {e}"))?;
        }
        Ok(())
    }

    fn mount(&self, name: &str) -> Result<(), String> {
        use rustix::mount::{MountFlags, mount};
        let place = self.directory.join(name);
        mount("tmpfs", &place, "tmpfs", MountFlags::empty(), None).map_err(|e| format!("mount of {name}: {e}"))
    }

    fn steps(&self, case: &Case) -> Result<(), String> {
        for (index, step) in case.steps.iter().enumerate() {
            let end = Instant::now() + Duration::from_secs_f64(step.within);
            while let Err(why) = self.step(step) {
                if Instant::now() >= end {
                    let shows = step.statement.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
                    return Err(format!("step {}{shows}: {why}", index + 1));
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        Ok(())
    }

    fn step(&self, step: &Step) -> Result<(), String> {
        match step {
            Step { run: Some(line), .. } => self.command(line, step),
            Step { http: Some(url), .. } => self.http(&self.substitute(url), step),
            Step { file: Some(name), .. } => self.file(&self.substitute(name), step),
            Step { copy: Some(names), .. } => {
                let (from, to) = names.split_once(' ').ok_or("copy takes two names")?;
                let copied = std::fs::copy(self.directory.join(from), self.directory.join(to));
                copied.map(drop).map_err(|e| format!("{names}: {e}"))
            }
            Step { edit: Some(name), .. } => self.edit(name, step),
            Step { mount: Some(name), .. } => self.mount(name),
            Step { sleep: Some(seconds), .. } => {
                std::thread::sleep(Duration::from_secs_f64(*seconds));
                Ok(())
            }
            _ => Err("a step needs run, http, file, copy, edit, mount or sleep".into()),
        }
    }

    fn command(&self, line: &str, step: &Step) -> Result<(), String> {
        let args = split(&self.substitute(line));
        let mut command = engine::command(self.kind, &self.env, &self.directory, &args);
        if let Some(offer) = &self.offer {
            offer.configure(&mut command);
        }
        let input = step.input.as_ref().map(|text| self.substitute(text));
        if input.is_some() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.spawn().map_err(|e| format!("`{line}`: {e}"))?;
        if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
            // A command that ends before it has read everything is judged by what it printed.
            let _ = stdin.write_all(text.as_bytes());
        }
        let (code, stdout, stderr) = finish(child).map_err(|e| format!("`{line}`: {e}"))?;
        let said = format!("`{line}` exited {code}\nstdout: {}\nstderr: {}", stdout.trim_end(), stderr.trim_end());
        if code != step.exit {
            return Err(format!("expected exit code {}; {said}", step.exit));
        }
        self.matches(&step.stdout, &stdout, true).map_err(|p| format!("stdout does not match /{p}/; {said}"))?;
        self.matches(&step.stderr, &stderr, true).map_err(|p| format!("stderr does not match /{p}/; {said}"))?;
        let both = format!("{stdout}{stderr}");
        self.matches(&step.absent, &both, false).map_err(|p| format!("output matches /{p}/; {said}"))
    }

    /// The first pattern that does not match (or does, when none may).
    fn matches(&self, patterns: &Patterns, text: &str, wanted: bool) -> Result<(), String> {
        for pattern in patterns.iter().map(|p| self.substitute(p)) {
            let regex = RegexBuilder::new(&pattern).multi_line(true).build().map_err(|e| e.to_string())?;
            if regex.is_match(text) != wanted {
                return Err(pattern);
            }
        }
        Ok(())
    }

    fn http(&self, url: &str, step: &Step) -> Result<(), String> {
        let answer = get(url);
        let said = format!("GET {url}: {answer:?}");
        match answer {
            Err(_) if step.status == 0 => Ok(()),
            Ok((status, body)) if status == step.status => {
                self.matches(&step.body, &body, true).map_err(|p| format!("body does not match /{p}/; {said}"))?;
                self.matches(&step.absent, &body, false).map_err(|p| format!("body matches /{p}/; {said}"))
            }
            _ => Err(format!("expected status {}; {said}", step.status)),
        }
    }

    fn file(&self, name: &str, step: &Step) -> Result<(), String> {
        let text = std::fs::read_to_string(self.directory.join(name)).map_err(|e| format!("{name}: {e}"))?;
        self.matches(&step.content, &text, true).map_err(|p| format!("{name} does not match /{p}/: {text}"))?;
        self.matches(&step.absent, &text, false).map_err(|p| format!("{name} matches /{p}/: {text}"))
    }

    fn edit(&self, name: &str, step: &Step) -> Result<(), String> {
        let path = self.directory.join(name);
        let mut text = std::fs::read_to_string(&path).map_err(|e| format!("{name}: {e}"))?;
        for (old, new) in &step.change {
            if !text.contains(old.as_str()) {
                return Err(format!("{name}: no `{old}` to change"));
            }
            text = text.replace(old.as_str(), new);
        }
        std::fs::write(&path, text).map_err(|e| format!("{name}: {e}"))
    }

    fn clean_up(&self) -> Result<(), String> {
        let remove = match self.kind {
            EngineKind::Podkin => vec![vec!["pod", "rm", "-f", "-a", "-t", "0"], vec!["volume", "prune", "-f"]],
            EngineKind::Podman => vec![
                vec!["pod", "rm", "--all", "--force", "--time", "0"],
                vec!["volume", "prune", "--force"],
                vec!["secret", "rm", "--all"],
            ],
        };
        let mut problems = Vec::new();
        for args in remove {
            let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
            let output =
                engine::command(self.kind, &self.env, &self.directory, &args).output().map_err(|e| e.to_string())?;
            if !output.status.success() && self.kind == EngineKind::Podkin {
                problems.push(format!("clean-up {args:?}: {}", String::from_utf8_lossy(&output.stderr)));
            }
        }
        // What was mounted for the case, and by its containers; the innermost comes last in the table.
        for place in leftovers::mounts(&self.directory).iter().rev() {
            let undone = rustix::mount::unmount(place, rustix::mount::UnmountFlags::DETACH);
            problems.extend(undone.err().map(|e| format!("unmount of {}: {e}", place.display())));
        }
        if self.kind == EngineKind::Podkin {
            let end = Instant::now() + Duration::from_secs(5);
            while !self.env.leftovers().is_empty() && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(50));
            }
            problems.extend(self.env.leftovers().into_iter().map(|l| format!("left behind: {l}")));
        }
        if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
    }
}

/// Waits for a command with a limit, reading both of its streams.
fn finish(mut child: std::process::Child) -> Result<(i32, String, String), String> {
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let read = |stream: &mut Option<_>| stream.take();
    let out = read(&mut stdout).map(|s| std::thread::spawn(move || read_all(s)));
    let err = stderr.take().map(|s| std::thread::spawn(move || read_all(s)));
    let end = Instant::now() + COMMAND_LIMIT;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
            break status;
        }
        if Instant::now() > end {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("no end after {} s", COMMAND_LIMIT.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let text = |handle: Option<std::thread::JoinHandle<String>>| handle.and_then(|h| h.join().ok()).unwrap_or_default();
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    Ok((code, text(out), text(err)))
}

fn read_all(mut stream: impl Read) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Status and body of a GET over a connection of its own.
fn get(url: &str) -> Result<(u16, String), String> {
    let rest = url.strip_prefix("http://").ok_or("only http")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let address = authority.parse().map_err(|_| format!("{authority}: not address:port"))?;
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2)).map_err(|e| e.to_string())?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).map_err(|e| e.to_string())?;
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n")
        .map_err(|e| e.to_string())?;
    let answer = read_all(stream);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no HTTP answer")?;
    let status = head.split_whitespace().nth(1).and_then(|s| s.parse().ok()).ok_or("no status")?;
    Ok((status, body.to_owned()))
}

/// The text with each line that has `${FIRST..LAST}` once for every number.
fn repeated(text: &str) -> String {
    let range = |line: &str| {
        let (_, rest) = line.split_once("${")?;
        let (inner, _) = rest.split_once('}')?;
        let (first, last) = inner.split_once("..")?;
        Some((format!("${{{inner}}}"), first.parse::<u32>().ok()?..=last.parse().ok()?))
    };
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        match range(line) {
            Some((mark, numbers)) => out.extend(numbers.map(|n| line.replace(&mark, &n.to_string()))),
            None => out.push_str(line),
        }
    }
    out
}

/// Words of a command line; single and double quotes keep spaces.
fn split(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut started) = (Vec::new(), String::new(), None, false);
    for c in line.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), c) => word.push(c),
            (None, '\'' | '"') => (quote, started) = (Some(c), true),
            (None, c) if c.is_whitespace() => {
                if started || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                started = false;
            }
            (None, c) => word.push(c),
        }
    }
    if started || !word.is_empty() {
        words.push(word);
    }
    words
}

/// Three host ports nobody listens on, never given twice by this process.
fn free_ports() -> [u16; 3] {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let base = 20000 + (std::process::id() % 200) as u16 * 100;
    std::array::from_fn(|_| {
        loop {
            let port = base + NEXT.fetch_add(1, Ordering::Relaxed) % 10_000;
            if TcpListener::bind(("0.0.0.0", port)).is_ok() {
                return port;
            }
        }
    })
}
