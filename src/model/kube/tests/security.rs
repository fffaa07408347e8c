//! Security contexts: what comes of them where the machine and options have a say.

use super::*;
use crate::model::kube::Machine;
use crate::model::{AppArmorProfile, SeccompProfile};

#[test]
fn what_the_machine_has_decides_about_security_modules() {
    let text = |context: &str| with_container(&format!("securityContext: {{{context}}}"));
    let loaded = ["podkin-default", "web"].map(str::to_owned);
    let machine = Machine { app_armor: Some(loaded.into()), se_linux: true, ..Machine::default() };
    let options = LoadOptions { machine, ..LoadOptions::default() };
    let security = |context: &str| {
        let loaded = load_text(&text(context), &options);
        assert!(loaded.diagnostics.is_empty(), "{:?}", shown(&loaded));
        loaded.application.expect("it is valid").pods.remove(0).containers.remove(0).security
    };
    let found = security("appArmorProfile: {type: Localhost, localhostProfile: web}");
    assert_eq!(found.app_armor, Some(AppArmorProfile::Localhost("web".into())));
    assert_eq!(security("appArmorProfile: {type: RuntimeDefault}").app_armor, Some(AppArmorProfile::RuntimeDefault));
    let label = security("seLinuxOptions: {type: spc_t, level: 's0:c1,c2'}").se_linux.expect("a label");
    assert_eq!(label.of_process(), "system_u:system_r:spc_t:s0:c1,c2");
    let found =
        shown(&load_text(&text("appArmorProfile: {type: Localhost, localhostProfile: podkin-defualt}"), &options))
            .join("\n");
    assert!(found.contains("not loaded") && found.contains("did you mean `podkin-default`?"), "{found}");
}

#[test]
fn unsafe_sysctls_are_allowed_by_name_or_prefix() {
    let text = with_spec(
        "securityContext: {sysctls: [{name: net.core.somaxconn, value: '4096'}, {name: kernel/msgmax, value: '1'}]}",
    );
    let unsafe_sysctls = vec!["net.core.somaxconn".to_owned(), "kernel.msg*".to_owned()];
    let loaded = load_text(&text, &LoadOptions { unsafe_sysctls, ..LoadOptions::default() });
    let sysctls = loaded.application.unwrap_or_else(|| panic!("{}", loaded.diagnostics[0].message)).pods[0]
        .security
        .sysctls
        .clone();
    assert_eq!(sysctls, [("net.core.somaxconn".into(), "4096".into()), ("kernel.msgmax".into(), "1".into())]);
}

#[test]
fn annotations_of_profiles_have_the_place_of_fields() {
    let with = |annotation: &str, context: &str| {
        with_container(&format!("securityContext: {{{context}}}"))
            .replace("{name: p}", &format!("{{name: p, annotations: {{{annotation}}}}}"))
    };
    let pod =
        application(&with("container.seccomp.security.alpha.kubernetes.io/c: localhost/a.json", "")).pods.remove(0);
    assert_eq!(pod.containers[0].security.seccomp, Some(SeccompProfile::Localhost("a.json".into())));
    let pod = application(&with("seccomp.security.alpha.kubernetes.io/pod: unconfined", "")).pods.remove(0);
    assert_eq!(pod.security.seccomp, Some(SeccompProfile::Unconfined));
    let context = "seccompProfile: {type: RuntimeDefault}";
    finds(&with("container.seccomp.security.alpha.kubernetes.io/c: unconfined", context), &["K118", "differ"]);
    let root = LoadOptions { seccomp_root: Some("/profiles".into()), ..LoadOptions::default() };
    let text = with("", "seccompProfile: {type: Localhost, localhostProfile: a/b.json}");
    let pod = load_text(&text, &root).application.expect("it is valid").pods.remove(0);
    assert_eq!(pod.containers[0].security.seccomp, Some(SeccompProfile::Localhost("/profiles/a/b.json".into())));
}
