//! Runs the conformance cases, which are data, against an engine.
//!
//! ```text
//! cargo test --test conformance -- [NAME...] [--engine podman] [--prove] [--score] [--jobs N] [--verbose]
//! ```
//!
//! A case is a file `conformance/kube/<name>.yaml` (format: [`case`]). Each runs with state directories and host ports of its own.
//!
//! A field counts as supported when a case fails without it. `--prove` shows that: for every field a case claims it takes
//! the field out of the case's files, runs the case again and expects it to fail. What it finds goes to
//! `conformance/proven.json`, from which docs/SUPPORT.md is written; the ordinary run fails when either is out of date.
//!
//! `--score` runs nothing: it counts the statements of Kubernetes' node conformance that the cases show ([`statements`]).

mod case;
mod engine;
mod offer;
mod run;
mod statements;
mod support;

#[path = "../common/mod.rs"]
mod common;

use case::Case;
use engine::EngineKind;
use run::Outcome;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;

struct Options {
    names: Vec<String>,
    engine: EngineKind,
    prove: bool,
    score: bool,
    jobs: usize,
    verbose: bool,
}

impl Options {
    fn from_args() -> Result<Self, String> {
        let mut options =
            Self { names: Vec::new(), engine: EngineKind::Podkin, prove: false, score: false, jobs: 4, verbose: false };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--engine" => options.engine = EngineKind::parse(&args.next().unwrap_or_default())?,
                "--prove" => options.prove = true,
                "--score" => options.score = true,
                "--jobs" => options.jobs = args.next().and_then(|n| n.parse().ok()).ok_or("--jobs takes a number")?,
                "--verbose" => options.verbose = true,
                // What test runners pass to every test binary.
                "--nocapture" | "--quiet" | "--exact" | "--include-ignored" => {}
                "--test-threads" => drop(args.next()),
                other if other.starts_with('-') => return Err(format!("unknown argument {other}")),
                name => options.names.push(name.to_owned()),
            }
        }
        Ok(options)
    }
}

fn main() -> ExitCode {
    let options = match Options::from_args() {
        Ok(options) => options,
        Err(message) => {
            eprintln!("conformance: {message}");
            return ExitCode::from(2);
        }
    };
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/kube");
    let all = match load_all(&directory) {
        Ok(cases) => cases,
        Err(message) => {
            eprintln!("conformance: {message}");
            return ExitCode::FAILURE;
        }
    };
    if options.score {
        return score(&all);
    }
    let wanted =
        |case: &&Case| options.names.is_empty() || options.names.iter().any(|n| case.name.contains(n.as_str()));
    let cases: Vec<&Case> = all.iter().filter(wanted).collect();
    if let Err(missing) = engine::available(options.engine) {
        println!("conformance: {missing}; nothing was run");
        return if options.engine == EngineKind::Podkin { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    if options.prove {
        return prove(&all, &cases, &options);
    }
    // Podman has one state for all of them, in which their names would clash.
    let jobs = if options.engine == EngineKind::Podman { 1 } else { options.jobs };
    let outcomes = in_parallel(&cases, jobs, |case| (case.name.clone(), run::run(case, None, options.engine)));
    engine::finish(options.engine);
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (name, outcome) in &outcomes {
        match outcome {
            Outcome::Passed(took) => {
                passed += 1;
                println!("ok      {name} ({:.1} s)", took.as_secs_f64());
            }
            Outcome::Skipped(why) => {
                skipped += 1;
                println!("skipped {name}: {why}");
            }
            Outcome::Failed(why) => {
                failed += 1;
                println!("FAILED  {name}\n{}", indent(why));
            }
        }
    }
    if options.engine == EngineKind::Podkin && options.names.is_empty() {
        let score = statements::Score::load(&all).and_then(|score| score.check());
        for (name, checked) in [("docs/SUPPORT.md", support::check(&all)), ("conformance/statements.yaml", score)] {
            match checked {
                Ok(()) => passed += 1,
                Err(why) => {
                    failed += 1;
                    println!("FAILED  {name}\n{}", indent(&why));
                }
            }
        }
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Takes each claimed field out and expects the case to fail.
fn prove(all: &[Case], cases: &[&Case], options: &Options) -> ExitCode {
    let mut work = Vec::new();
    for case in cases {
        work.extend((0..case.proves.len()).map(|index| (*case, index)));
    }
    let results = in_parallel(&work, options.jobs, |(case, index)| {
        let outcome = run::run(case, Some(&case.proves[*index]), options.engine);
        (case.name.clone(), case.proves[*index].field.clone(), outcome)
    });
    let mut proven = support::Proven::load();
    let mut unproven = 0;
    for (case, field, outcome) in results {
        match outcome {
            Outcome::Failed(why) => {
                if options.verbose {
                    println!("proven   {field} by {case}\n{}", indent(&why));
                } else {
                    println!("proven   {field} by {case}");
                }
                proven.insert(&field, &case);
            }
            Outcome::Passed(_) => {
                unproven += 1;
                println!("UNPROVEN {field}: {case} passes without it");
                proven.remove(&field, &case);
            }
            Outcome::Skipped(why) => println!("skipped  {field} in {case}: {why}"),
        }
    }
    proven.retain_claimed(all);
    if let Err(error) = proven.save().and_then(|()| support::write(all)) {
        eprintln!("conformance: {error}");
        return ExitCode::FAILURE;
    }
    let scored = score(all);
    if unproven == 0 { scored } else { ExitCode::FAILURE }
}

/// Prints the score and writes it where it is shown.
fn score(all: &[Case]) -> ExitCode {
    let written = statements::Score::load(all).and_then(|score| {
        score.print();
        score.write()
    });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("conformance: {why}");
            ExitCode::FAILURE
        }
    }
}

fn load_all(directory: &Path) -> Result<Vec<Case>, String> {
    let entries = std::fs::read_dir(directory).map_err(|e| format!("{}: {e}", directory.display()))?;
    let mut paths: Vec<PathBuf> =
        entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|x| x == "yaml")).collect();
    paths.sort();
    paths.iter().map(|path| Case::load(path)).collect()
}

fn indent(text: &str) -> String {
    text.lines().map(|l| format!("        {l}\n")).collect()
}

/// Maps every item on a few threads, keeping the order.
fn in_parallel<T: Sync, R: Send>(items: &[T], jobs: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let queue: Mutex<VecDeque<usize>> = Mutex::new((0..items.len()).collect());
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some(index) = queue.lock().ok().and_then(|mut q| q.pop_front()) {
                    let result = work(&items[index]);
                    if let Ok(mut results) = results.lock() {
                        results.push((index, result));
                    }
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_default();
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
