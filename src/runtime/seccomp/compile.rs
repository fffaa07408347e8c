//! From a profile to the instructions the kernel runs, by libseccomp.

use super::guard;
use super::profile::{Action, Comparison, Conditions, Operator, Profile};
use crate::sys::capability::Capabilities;
use libseccomp::{ScmpAction, ScmpArch, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall};
use rustix::fs::{MemfdFlags, SeekFrom};
use std::collections::HashSet;
use std::io::Read;

/// Compiles the rules that apply to a container with these capabilities on this machine.
pub(super) fn compile(profile: &Profile, capabilities: Capabilities) -> Result<Vec<u8>, String> {
    let text = |error: libseccomp::error::SeccompError| error.to_string();
    let mut context = ScmpFilterContext::new(scmp_action(profile.default)).map_err(text)?;
    for arch in architectures(profile)? {
        context.add_arch(arch).map_err(text)?;
    }
    // A search tree by number instead of a list; older versions of the library do without.
    let _ = context.set_ctl_optimize(2);
    context.set_ctl_nnp(false).map_err(text)?;

    let applicable: Vec<_> = profile.rules.iter().filter(|rule| applies(&rule.when, capabilities)).collect();
    // An unconditional rule wins over all others for its call; of several, the first.
    let mut settled = HashSet::new();
    for rule in applicable.iter().filter(|rule| rule.comparisons.is_empty()) {
        for name in &rule.names {
            let Some(call) = known(name) else { continue };
            if settled.insert(name) && rule.action != profile.default {
                context.add_rule(scmp_action(rule.action), call).map_err(|e| format!("rule for `{name}`: {e}"))?;
            }
        }
    }
    for rule in applicable.iter().filter(|rule| !rule.comparisons.is_empty() && rule.action != profile.default) {
        let comparisons: Vec<_> = rule.comparisons.iter().map(scmp_comparison).collect();
        for name in rule.names.iter().filter(|name| !settled.contains(name)) {
            let Some(call) = known(name) else { continue };
            context
                .add_rule_conditional(scmp_action(rule.action), call, &comparisons)
                .map_err(|e| format!("rule for `{name}`: {e}"))?;
        }
    }
    let guard = if profile.guard_sockets { guard::program(capabilities.contains("AUDIT_WRITE")) } else { Vec::new() };
    Ok([guard, export(&context)?].concat())
}

/// A name the library does not know is of another machine or of a newer kernel; calling it has the default result.
fn known(name: &str) -> Option<ScmpSyscall> {
    ScmpSyscall::from_name(name).ok()
}

fn export(context: &ScmpFilterContext) -> Result<Vec<u8>, String> {
    let file = rustix::fs::memfd_create("seccomp", MemfdFlags::CLOEXEC).map_err(|error| error.to_string())?;
    context.export_bpf(&file).map_err(|error| error.to_string())?;
    rustix::fs::seek(&file, SeekFrom::Start(0)).map_err(|error| error.to_string())?;
    let mut program = Vec::new();
    std::fs::File::from(file).read_to_end(&mut program).map_err(|error| error.to_string())?;
    Ok(program)
}

fn architectures(profile: &Profile) -> Result<Vec<ScmpArch>, String> {
    if profile.architectures.is_empty() {
        return Ok(match std::env::consts::ARCH {
            "x86_64" => vec![ScmpArch::X8664, ScmpArch::X86, ScmpArch::X32],
            "aarch64" => vec![ScmpArch::Aarch64, ScmpArch::Arm],
            _ => vec![ScmpArch::Native],
        });
    }
    let mut architectures = vec![ScmpArch::Native];
    for name in &profile.architectures {
        let arch: ScmpArch = name.parse().map_err(|_| format!("unknown architecture `{name}`"))?;
        if !architectures.contains(&arch) {
            architectures.push(arch);
        }
    }
    Ok(architectures)
}

fn applies(when: &Conditions, capabilities: Capabilities) -> bool {
    let own = match std::env::consts::ARCH {
        "x86_64" => &["amd64", "x86", "x32"][..],
        "aarch64" => &["arm64", "arm"],
        "s390x" => &["s390x", "s390"],
        "powerpc64" => &["ppc64le"],
        other => &[other][..],
    };
    let is_own = |names: &[String]| names.iter().any(|name| own.contains(&name.as_str()));
    when.capabilities.iter().all(|name| capabilities.contains(name))
        && !when.without_capabilities.iter().any(|name| capabilities.contains(name))
        && (when.architectures.is_empty() || is_own(&when.architectures))
        && !is_own(&when.not_architectures)
}

fn scmp_action(action: Action) -> ScmpAction {
    match action {
        Action::Allow => ScmpAction::Allow,
        Action::Log => ScmpAction::Log,
        Action::Errno(number) => ScmpAction::Errno(number),
        Action::Trap => ScmpAction::Trap,
        Action::KillThread => ScmpAction::KillThread,
        Action::KillProcess => ScmpAction::KillProcess,
    }
}

fn scmp_comparison(comparison: &Comparison) -> ScmpArgCompare {
    let operator = match comparison.operator {
        Operator::NotEqual => ScmpCompareOp::NotEqual,
        Operator::Less => ScmpCompareOp::Less,
        Operator::LessOrEqual => ScmpCompareOp::LessOrEqual,
        Operator::Equal => ScmpCompareOp::Equal,
        Operator::GreaterOrEqual => ScmpCompareOp::GreaterEqual,
        Operator::Greater => ScmpCompareOp::Greater,
        Operator::MaskedEqual(mask) => ScmpCompareOp::MaskedEqual(mask),
    };
    ScmpArgCompare::new(comparison.argument, operator, comparison.value)
}
