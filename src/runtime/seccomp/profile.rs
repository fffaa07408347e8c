//! Profiles: the built-in one's text, and the JSON of the OCI runtime specification ("Seccomp") with the additions that Docker and
//! containers-common make to it (`includes`, `excludes`, `archMap`).

use serde::Deserialize;

/// What happens to system calls, before it is known for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Profile {
    pub default: Action,
    /// Empty: this machine's, with the 32-bit ones it runs.
    pub architectures: Vec<String>,
    pub rules: Vec<Rule>,
    /// Kinds of sockets are refused that only the built-in profile knows about.
    pub guard_sockets: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Allow,
    Log,
    Errno(i32),
    Trap,
    KillThread,
    KillProcess,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub action: Action,
    pub names: Vec<String>,
    /// All must hold, each about another argument.
    pub comparisons: Vec<Comparison>,
    pub when: Conditions,
}

/// Whether a rule applies at all. Capabilities without `CAP_`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    pub capabilities: Vec<String>,
    pub without_capabilities: Vec<String>,
    /// As Go names them: `amd64`; empty is any.
    pub architectures: Vec<String>,
    pub not_architectures: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Comparison {
    pub argument: u32,
    pub operator: Operator,
    pub value: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    NotEqual,
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
    /// (argument & mask) == value
    MaskedEqual(u64),
}

fn errno(name: &str) -> Result<i32, String> {
    Ok(match name {
        "EPERM" => libc::EPERM,
        "ENOSYS" => libc::ENOSYS,
        "EINVAL" => libc::EINVAL,
        _ => return Err(format!("unknown error `{name}`")),
    })
}

/// Parses the text form, which the head of `default.txt` explains.
pub(super) fn parse_text(text: &str) -> Result<Profile, String> {
    let mut default = None;
    let mut rules: Vec<Rule> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        if line.starts_with(' ') {
            let rule = rules.last_mut().ok_or_else(|| format!("names outside a section: `{line}`"))?;
            rule.names.extend(line.split_ascii_whitespace().map(str::to_owned));
        } else if let Some(action) = line.strip_prefix("default ") {
            default = Some(Action::Errno(errno(action)?));
        } else {
            rules.push(parse_section(line)?);
        }
    }
    let default = default.ok_or("no default action")?;
    Ok(Profile { default, architectures: Vec::new(), rules, guard_sockets: true })
}

fn parse_section(line: &str) -> Result<Rule, String> {
    let mut words = line.split_ascii_whitespace();
    let action = match words.next() {
        Some("allow") => Action::Allow,
        Some(name) => Action::Errno(errno(name)?),
        None => return Err("empty section".to_owned()),
    };
    let mut when = Conditions::default();
    let mut comparisons = Vec::new();
    for word in words {
        let unknown = || format!("unknown condition `{word}`");
        let (key, value) = word.split_once('=').ok_or_else(unknown)?;
        match key {
            "cap" => when.capabilities.push(value.to_owned()),
            "nocap" => when.without_capabilities.push(value.to_owned()),
            "arch" => when.architectures.extend(value.split(',').map(str::to_owned)),
            argument => {
                let value = value.strip_prefix('=').and_then(|v| v.parse().ok()).ok_or_else(unknown)?;
                let argument = argument.parse().map_err(|_| unknown())?;
                comparisons.push(Comparison { argument, operator: Operator::Equal, value });
            }
        }
    }
    Ok(Rule { action, names: Vec::new(), comparisons, when })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonProfile {
    default_action: String,
    default_errno_ret: Option<i32>,
    #[serde(default)]
    architectures: Vec<String>,
    #[serde(default)]
    arch_map: Vec<JsonArchitectures>,
    #[serde(default)]
    syscalls: Vec<JsonRule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonArchitectures {
    architecture: String,
    #[serde(default)]
    sub_architectures: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonRule {
    name: Option<String>,
    #[serde(default)]
    names: Vec<String>,
    action: String,
    errno_ret: Option<i32>,
    args: Option<Vec<JsonComparison>>,
    includes: Option<JsonConditions>,
    excludes: Option<JsonConditions>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonComparison {
    index: u32,
    value: u64,
    #[serde(default)]
    value_two: u64,
    op: String,
}

#[derive(Default, Deserialize)]
struct JsonConditions {
    #[serde(default)]
    caps: Vec<String>,
    #[serde(default)]
    arches: Vec<String>,
}

/// Parses a profile in one of the JSON forms.
pub(super) fn parse_json(text: &[u8]) -> Result<Profile, String> {
    let JsonProfile { default_action, default_errno_ret, architectures, arch_map, syscalls } =
        serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let own = native_architecture();
    let mapped = arch_map.into_iter().filter(|entry| Some(entry.architecture.as_str()) == own);
    let mapped = mapped.flat_map(|e| std::iter::once(e.architecture).chain(e.sub_architectures.unwrap_or_default()));
    Ok(Profile {
        default: json_action(&default_action, default_errno_ret)?,
        architectures: architectures.into_iter().chain(mapped).collect(),
        rules: syscalls.into_iter().map(json_rule).collect::<Result<_, _>>()?,
        guard_sockets: false,
    })
}

fn native_architecture() -> Option<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Some("SCMP_ARCH_X86_64"),
        "aarch64" => Some("SCMP_ARCH_AARCH64"),
        "s390x" => Some("SCMP_ARCH_S390X"),
        _ => None,
    }
}

fn json_rule(rule: JsonRule) -> Result<Rule, String> {
    let JsonRule { name, mut names, action, errno_ret, args, includes, excludes } = rule;
    names.extend(name);
    let (includes, excludes) = (includes.unwrap_or_default(), excludes.unwrap_or_default());
    let capability = |name: String| name.strip_prefix("CAP_").map(str::to_owned).unwrap_or(name);
    Ok(Rule {
        action: json_action(&action, errno_ret)?,
        names,
        comparisons: args.unwrap_or_default().iter().map(json_comparison).collect::<Result<_, _>>()?,
        when: Conditions {
            capabilities: includes.caps.into_iter().map(capability).collect(),
            without_capabilities: excludes.caps.into_iter().map(capability).collect(),
            architectures: includes.arches,
            not_architectures: excludes.arches,
        },
    })
}

fn json_action(action: &str, errno: Option<i32>) -> Result<Action, String> {
    Ok(match action {
        "SCMP_ACT_ALLOW" => Action::Allow,
        "SCMP_ACT_LOG" => Action::Log,
        "SCMP_ACT_ERRNO" => Action::Errno(errno.unwrap_or(libc::EPERM)),
        "SCMP_ACT_TRAP" => Action::Trap,
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => Action::KillThread,
        "SCMP_ACT_KILL_PROCESS" => Action::KillProcess,
        _ => return Err(format!("action `{action}` is not supported")),
    })
}

fn json_comparison(comparison: &JsonComparison) -> Result<Comparison, String> {
    let JsonComparison { index, value, value_two, op } = comparison;
    let (operator, value) = match op.as_str() {
        "SCMP_CMP_NE" => (Operator::NotEqual, *value),
        "SCMP_CMP_LT" => (Operator::Less, *value),
        "SCMP_CMP_LE" => (Operator::LessOrEqual, *value),
        "SCMP_CMP_EQ" => (Operator::Equal, *value),
        "SCMP_CMP_GE" => (Operator::GreaterOrEqual, *value),
        "SCMP_CMP_GT" => (Operator::Greater, *value),
        "SCMP_CMP_MASKED_EQ" => (Operator::MaskedEqual(*value), *value_two),
        _ => return Err(format!("operator `{op}` is not supported")),
    };
    if *index > 5 {
        return Err(format!("system calls have no argument {index}"));
    }
    Ok(Comparison { argument: *index, operator, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_profile() {
        let profile = parse_text(super::super::DEFAULT_PROFILE).unwrap();
        let unconditional = |name: &str| {
            profile
                .rules
                .iter()
                .filter(|r| r.comparisons.is_empty() && r.when == Conditions::default())
                .find(|r| r.names.iter().any(|n| n == name))
                .map(|r| r.action)
        };
        assert_eq!(unconditional("read"), Some(Action::Allow));
        assert_eq!(unconditional("clone3"), Some(Action::Allow));
        assert_eq!(unconditional("keyctl"), Some(Action::Errno(libc::EPERM)));
        for denied in ["bpf", "io_uring_setup", "perf_event_open", "init_module"] {
            assert_eq!(unconditional(denied), None, "{denied}");
        }
        assert_eq!(profile.default, Action::Errno(libc::ENOSYS));
        let allowed = profile.rules.first().map_or(0, |rule| rule.names.len());
        assert!((350..420).contains(&allowed), "{allowed} calls");
    }

    #[test]
    fn conditions_of_a_section() {
        let rule = parse_section("allow nocap=AUDIT_WRITE arch=amd64,x32 0==8").unwrap();
        assert_eq!(rule.comparisons, [Comparison { argument: 0, operator: Operator::Equal, value: 8 }]);
        assert_eq!(rule.when.without_capabilities, ["AUDIT_WRITE"]);
        assert_eq!(rule.when.architectures, ["amd64", "x32"]);
        for line in ["nonsense", "allow x", "allow 0=8", "allow a==8"] {
            assert!(parse_section(line).is_err(), "{line}");
        }
    }

    #[test]
    fn json_as_podman_and_docker_have_it() {
        let text = br#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
            "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
            "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": null, "comment": ""},
              {"name": "clone", "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_SYS_ADMIN"]},
               "args": [{"index": 0, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]}]}"#;
        let profile = parse_json(text).unwrap();
        assert_eq!(profile.default, Action::Errno(38));
        assert_eq!(profile.rules[1].names, ["clone"]);
        assert_eq!(profile.rules[1].when.without_capabilities, ["SYS_ADMIN"]);
        assert_eq!(profile.rules[1].comparisons[0].operator, Operator::MaskedEqual(2_114_060_288));
    }
}
