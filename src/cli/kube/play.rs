//! `kube play`: files to running pods.

use super::super::context::{Globals, explain, interruptible};
use super::super::error::{CommandError, Exit};
use super::super::output::{Output, notice};
use super::super::progress::ProgressView;
use super::super::registry::{RegistryArgs, RetryArgs};
use super::{input, options};
use crate::engine::{
    DownRequest, Engine, EngineError, LoadRequest, PlayReport, PlayRequest, PodOutcome, Removed, Validation,
};
use crate::graph::Format;
use crate::model::Application;
use crate::sys::signal::first;
use clap::{ArgAction, Args, ValueEnum};
use std::net::IpAddr;
use std::path::PathBuf;

/// Create and start what Kubernetes YAML asks for
///
/// Reads every file, checks all of it, and only then creates what is missing: a second run over an unchanged file changes
/// nothing. When a run fails or is interrupted, what it had made is taken back.
#[derive(Debug, Args)]
pub struct PlayArgs {
    /// Files, URLs, or `-` for standard input
    #[arg(required = true, value_name = "FILE|URL|-", value_hint = clap::ValueHint::FilePath)]
    pub inputs: Vec<String>,

    /// Recreate pods that changed, and remove those that the file no longer has; without it, a changed pod is an error
    #[arg(long)]
    pub replace: bool,
    /// Take down instead, as `kube down` does
    #[arg(long)]
    pub down: bool,
    /// With --down: also remove volumes
    #[arg(long, requires = "down")]
    pub force: bool,
    /// Start the pods; `--start=false` only creates them
    #[arg(long, action = ArgAction::Set, default_value_t = true, default_missing_value = "true", num_args = 0..=1,
          require_equals = true, value_name = "BOOL", hide_possible_values = true)]
    pub start: bool,
    /// Stay until the pods have ended or a signal comes, then take everything down, volumes too
    #[arg(short, long, conflicts_with_all = ["down", "dry_run"])]
    pub wait: bool,
    /// Print what would be done and change nothing
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "text", value_name = "FORMAT")]
    pub dry_run: Option<DryRun>,
    /// What to do about unknown fields and kinds
    #[arg(long, value_enum, default_value_t = Validate::Strict)]
    pub validate: Validate,
    /// Publish a container port, as [[IP:]HOST:]CONTAINER[/PROTOCOL]
    #[arg(long, value_delimiter = ',', value_name = "PORT")]
    pub publish: Vec<String>,
    /// Publish every containerPort under its own number
    #[arg(long)]
    pub publish_all: bool,
    /// Read more ConfigMaps from a file
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub configmap: Vec<PathBuf>,
    /// Annotate the pods, as key=value; can be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub annotation: Vec<String>,
    /// Log driver: k8s-file, json-file, none or passthrough
    #[arg(long, value_name = "DRIVER")]
    pub log_driver: Option<String>,
    /// Log option, as path=FILE or max-size=SIZE
    #[arg(long, value_delimiter = ',', value_name = "KEY=VALUE")]
    pub log_opt: Vec<String>,
    /// Network to join, or `host`, `none`
    #[arg(long, alias = "net", value_name = "NETWORK")]
    pub network: Vec<String>,
    /// Address of the n-th pod
    #[arg(long, value_delimiter = ',', value_name = "IP")]
    pub ip: Vec<IpAddr>,
    /// MAC address of the n-th pod
    #[arg(long, value_delimiter = ',', value_name = "MAC")]
    pub mac_address: Vec<String>,
    /// Do not manage /etc/hosts
    #[arg(long)]
    pub no_hosts: bool,
    /// Do not manage /etc/hostname
    #[arg(long)]
    pub no_hostname: bool,
    /// Directory of seccomp profiles of type Localhost, instead of /var/lib/kubelet/seccomp
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub seccomp_profile_root: Option<PathBuf>,
    /// Let pods set these sysctls of their namespaces too, as net.core.somaxconn or kernel.msg*
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub allowed_unsafe_sysctls: Vec<String>,
    /// The user namespace of every pod: host, auto, auto:size=N, private or keep-id, before what they say themselves
    #[arg(long, value_name = "MODE")]
    pub userns: Option<String>,
    /// Name containers as the YAML does, without the pod's name before
    #[arg(long)]
    pub no_pod_prefix: bool,
    /// Keep what was made when the play fails
    #[arg(long)]
    pub keep_on_error: bool,
    /// Number of pods started side by side; all of them when it is left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub parallel: Option<u16>,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,

    #[command(flatten)]
    pub registry: RegistryArgs,
    #[command(flatten)]
    pub retry: RetryArgs,
    #[command(flatten)]
    pub refused: Refused,
}

/// Form of the plan that `--dry-run` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DryRun {
    Text,
    Json,
    Dot,
    Mermaid,
}

/// What to do about fields and kinds that are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Validate {
    /// They are errors
    Strict,
    /// They are reported and ignored
    Warn,
    /// They are ignored
    Ignore,
}

/// Flags that podman has and podkin does not obey: refused with the reason.
#[derive(Debug, Args)]
pub struct Refused {
    #[arg(long, hide = true)]
    build: bool,
    #[arg(long, hide = true)]
    context_dir: Option<String>,
    #[arg(long, hide = true)]
    service_container: bool,
    #[arg(long, hide = true)]
    service_exit_code_propagation: Option<String>,
    /// Accepted for old scripts: listings of ids are never truncated here
    #[arg(long, hide = true)]
    no_trunc: bool,
}

/// A flag that podman has and podkin does not.
#[derive(Debug, thiserror::Error)]
#[error("`--{flag}` is not supported: {reason}")]
pub struct RefusedFlag {
    flag: &'static str,
    reason: &'static str,
}

impl Refused {
    /// The first refused flag that was given.
    pub fn check(&self) -> Result<(), RefusedFlag> {
        let Refused { build, context_dir, service_container, service_exit_code_propagation, no_trunc: _ } = self;
        let building = "images are not built; build them with another tool and use `podkin load`";
        let service = "every application has a supervisor of its own, no service container is needed";
        let given = [
            ("build", *build, building),
            ("context-dir", context_dir.is_some(), building),
            ("service-container", *service_container, service),
            ("service-exit-code-propagation", service_exit_code_propagation.is_some(), service),
        ];
        match given.into_iter().find(|(_, given, _)| *given) {
            Some((flag, _, reason)) => Err(RefusedFlag { flag, reason }),
            None => Ok(()),
        }
    }
}

pub fn run(globals: &Globals, args: &PlayArgs) -> Result<(), CommandError> {
    args.refused.check().map_err(CommandError::invalid)?;
    if args.down {
        return super::down::take_down(globals, &args.inputs, args.force, args.quiet);
    }
    let mut settings = args.registry.settings()?;
    args.retry.apply(&mut settings)?;
    let mut engine = globals.engine_with(settings)?;
    let application = input::load(&mut engine, &load_request(args)?)?;
    let request = play_request(args, application)?;
    if let Some(format) = args.dry_run {
        return print_plan(&mut engine, &request, format);
    }
    interruptible(&mut engine)?;
    let mut view = ProgressView::new(args.quiet);
    let result = engine.play(&request, &mut |progress| view.show(progress));
    view.finish();
    let report = result.map_err(|error| explain(&mut engine, error))?;
    print_report(args, &report)?;
    if args.wait {
        return wait_and_remove(&mut engine, &request, &report);
    }
    if report.failures.is_empty() {
        return Ok(());
    }
    Err(EngineError::several(report.failures).into())
}

fn load_request(args: &PlayArgs) -> Result<LoadRequest, CommandError> {
    Ok(LoadRequest {
        inputs: input::inputs(&args.inputs)?,
        config_maps: args.configmap.clone(),
        annotations: args
            .annotation
            .iter()
            .map(|text| options::key_value("--annotation", text))
            .collect::<Result<_, _>>()?,
        publish: args.publish.clone(),
        publish_all: args.publish_all,
        no_pod_prefix: args.no_pod_prefix,
        no_hosts: args.no_hosts,
        seccomp_root: args.seccomp_profile_root.as_deref().map(std::path::absolute).transpose().map_err(|source| {
            CommandError::from(EngineError::Read { name: "--seccomp-profile-root".to_owned(), source })
        })?,
        unsafe_sysctls: args.allowed_unsafe_sysctls.clone(),
        user_namespace: args.userns.clone(),
        validation: match args.validate {
            Validate::Strict => Validation::Strict,
            Validate::Warn => Validation::Warn,
            Validate::Ignore => Validation::Ignore,
        },
    })
}

fn play_request(args: &PlayArgs, application: Application) -> Result<PlayRequest, CommandError> {
    Ok(PlayRequest {
        application,
        replace: args.replace,
        start: args.start,
        networks: args.network.iter().map(|text| options::network(text)).collect::<Result<_, _>>()?,
        ips: args.ip.clone(),
        macs: args.mac_address.clone(),
        no_hosts: args.no_hosts,
        no_hostname: args.no_hostname,
        no_pod_prefix: args.no_pod_prefix,
        log: options::log(args.log_driver.as_deref(), &args.log_opt)?,
        keep_on_error: args.keep_on_error,
        parallel: args.parallel.map_or(0, usize::from),
    })
}

fn print_plan(engine: &mut Engine, request: &PlayRequest, format: DryRun) -> Result<(), CommandError> {
    let mut view = ProgressView::new(false);
    let plan = engine.plan(request, &mut |progress| view.show(progress)).map_err(|error| explain(engine, error))?;
    let format = match format {
        DryRun::Text => Format::Text,
        DryRun::Json => Format::Json,
        DryRun::Dot => Format::Dot,
        DryRun::Mermaid => Format::Mermaid,
    };
    let mut out = Output::new();
    out.text(plan.render(format))?;
    out.finish()
}

/// Prints what podman prints: with --replace what was taken away, then volumes, secrets, and each pod with its containers.
fn print_report(args: &PlayArgs, report: &PlayReport) -> Result<(), CommandError> {
    let mut out = Output::new();
    if args.replace {
        print_removed(&mut out, &report.removed)?;
    }
    print_block(&mut out, "Volumes:", &report.volumes)?;
    print_block(&mut out, "Secrets:", report.secrets.iter().map(|(_, id)| id))?;
    for pod in &report.pods {
        out.line(format!("Pod:\n{}", pod.id))?;
        let heading = if pod.containers.len() == 1 { "Container:" } else { "Containers:" };
        print_block(&mut out, heading, pod.containers.iter().map(|(_, id)| id))?;
        out.line("")?;
    }
    out.finish()?;
    if !args.quiet {
        say_outcome(report);
    }
    Ok(())
}

/// One line on standard error about each pod that was not simply left alone, or one about all when nothing changed.
fn say_outcome(report: &PlayReport) {
    for pod in &report.plan.lost {
        notice(format!("pod {pod}: no longer in the file, and left alone; --replace removes it"));
    }
    for pod in report.pruned() {
        notice(format!("pod {pod}: removed, as it is no longer in the file"));
    }
    if report.is_unchanged() {
        let pods = report.pods.len();
        notice(format!(
            "unchanged: {} {} as the input has {}",
            pods,
            plural(pods, "pod is", "pods are"),
            plural(pods, "it", "them")
        ));
        return;
    }
    for pod in &report.pods {
        let verb = match pod.outcome {
            PodOutcome::Created => "created",
            PodOutcome::Started => "started",
            PodOutcome::Replaced => "replaced",
            PodOutcome::Refreshed => "refreshed",
            PodOutcome::Unchanged => "unchanged",
        };
        notice(format!("pod {}: {verb}", pod.name));
    }
}

fn plural<'a>(count: usize, one: &'a str, many: &'a str) -> &'a str {
    if count == 1 { one } else { many }
}

/// A heading and lines below it; nothing when there are no lines.
fn print_block<T: AsRef<str>>(
    out: &mut Output,
    heading: &str,
    lines: impl IntoIterator<Item = T>,
) -> Result<(), CommandError> {
    let mut lines = lines.into_iter().peekable();
    if lines.peek().is_none() {
        return Ok(());
    }
    out.line(heading)?;
    lines.try_for_each(|line| out.line(line))
}

/// The four blocks of `kube down`; their headings are always there.
pub fn print_removed(out: &mut Output, removed: &Removed) -> Result<(), CommandError> {
    let Removed { stopped, pods, secrets, volumes } = removed;
    let blocks = [
        ("Pods stopped:", stopped),
        ("Pods removed:", pods),
        ("Secrets removed:", secrets),
        ("Volumes removed:", volumes),
    ];
    for (heading, lines) in blocks {
        out.line(heading)?;
        lines.iter().try_for_each(|line| out.line(line))?;
    }
    Ok(())
}

/// Stays until every pod has ended or a signal came, then takes everything down, volumes too.
fn wait_and_remove(engine: &mut Engine, request: &PlayRequest, report: &PlayReport) -> Result<(), CommandError> {
    let pods: Vec<String> = report.pods.iter().map(|pod| pod.id.clone()).collect();
    let signal = match engine.wait_pods(&pods) {
        Ok(()) => None,
        Err(EngineError::Interrupted) => first(),
        Err(error) => return Err(explain(engine, error)),
    };
    engine.interrupt_when(|| false);
    let down = DownRequest { application: request.application.clone(), force: true, grace_seconds: None };
    let mut view = ProgressView::new(false);
    let result = engine.down(&down, &mut |progress| view.show(progress));
    view.finish();
    let report = result.map_err(|error| explain(engine, error))?;
    let mut out = Output::new();
    print_removed(&mut out, &report.removed)?;
    out.finish()?;
    match (report.failures.is_empty(), signal) {
        (true, None) => Ok(()),
        (true, Some(signal)) => Err(CommandError::silent(Exit::Program(128 + signal as u8))),
        (false, _) => Err(CommandError::each(report.failures.into_iter().map(Into::into).collect())),
    }
}
