//! The files the name server reads. A file is replaced as a whole: the server never reads half a line.

use super::Place;
use crate::network::{Attachment, Definition, SEARCH_DOMAIN, file};
use std::io;
use std::path::PathBuf;

/// What marks a network without a way out: its pods' questions are not passed on.
const INTERNAL: &str = "%int";

/// Adds or replaces the pod's line.
pub(super) fn add(place: &Place, definition: &Definition, attachment: &Attachment, pod_id: &str) -> io::Result<()> {
    std::fs::create_dir_all(place.entries())?;
    let suffix = if definition.internal() { INTERNAL } else { "" };
    let path = place.entries().join(format!("{}{suffix}", definition.name()));
    let mut text = read(&path)?.unwrap_or_default();
    if text.is_empty() {
        text = definition.gateways().map(|g| g.to_string()).collect::<Vec<_>>().join(",") + "\n";
    }
    let mut text = without(&text, pod_id);
    text.push_str(&line(attachment, pod_id));
    file::replace(&path, &place.run.join("names.new"), text.as_bytes(), false)
}

/// Removes the pod's line from the files of these networks, and files without a line; answers whether anything changed.
pub(super) fn remove<'a>(place: &Place, networks: impl Iterator<Item = &'a str>, pod_id: &str) -> io::Result<bool> {
    let mut changed = false;
    for network in networks {
        for path in [network.to_owned(), format!("{network}{INTERNAL}")].map(|name| place.entries().join(name)) {
            let Some(text) = read(&path)? else { continue };
            let rest = without(&text, pod_id);
            if rest == text {
                continue;
            }
            changed = true;
            match rest.lines().count() {
                0 | 1 => file::remove(&path)?,
                _ => file::replace(&path, &place.run.join("names.new"), rest.as_bytes(), false)?,
            }
        }
    }
    Ok(changed)
}

/// Whether any pod has names.
pub(super) fn any(place: &Place) -> io::Result<bool> {
    match std::fs::read_dir(place.entries()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        result => Ok(result?.next().is_some()),
    }
}

/// The names as the server compares them, without its own domain; what cannot stand in its files is left out.
pub(super) fn names(names: &[String]) -> impl Iterator<Item = String> {
    let usable = |name: &&String| !name.is_empty() && !name.contains([',', ' ', '\n']);
    let domain = format!(".{SEARCH_DOMAIN}");
    names.iter().filter(usable).map(move |name| {
        let name = name.to_ascii_lowercase();
        name.strip_suffix(&domain).map(str::to_owned).unwrap_or(name)
    })
}

fn line(attachment: &Attachment, pod_id: &str) -> String {
    let addresses = |v4: bool| {
        let matching = attachment.ips.iter().filter(|ip| ip.is_ipv4() == v4);
        matching.map(|ip| ip.to_string()).collect::<Vec<_>>().join(",")
    };
    let mut unique: Vec<String> = Vec::new();
    for name in names(&attachment.names) {
        if !unique.contains(&name) {
            unique.push(name);
        }
    }
    format!("{pod_id} {} {} {}\n", addresses(true), addresses(false), unique.join(","))
}

fn without(text: &str, pod_id: &str) -> String {
    let others = |line: &&str| line.split(' ').next() != Some(pod_id);
    text.lines().filter(others).flat_map(|line| [line, "\n"]).collect()
}

fn read(path: &PathBuf) -> io::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Definition, NetworkWish};

    fn attachment(ips: &[&str], names: &[&str]) -> Attachment {
        Attachment {
            network: "net".into(),
            interface: "eth0".into(),
            ips: ips.iter().map(|ip| ip.parse().expect("address")).collect(),
            mac: None,
            names: names.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    #[test]
    fn files_come_change_and_go() -> io::Result<()> {
        let run = std::env::temp_dir().join(format!("podkin-names-{}", std::process::id()));
        let place = Place { run: run.clone() };
        let subnets = ["10.89.0.0/24", "fd00::/64"].map(|s| s.parse().expect("subnet")).to_vec();
        let wish = NetworkWish { name: "net".into(), subnets, internal: true, ..NetworkWish::default() };
        let definition = Definition::from_wish(&wish, "pkb0".into(), Vec::new()).expect("definition");
        assert!(!any(&place)?);
        add(&place, &definition, &attachment(&["10.89.0.2", "fd00::2"], &["Web", "main", "a b", "", "web"]), "1")?;
        add(&place, &definition, &attachment(&["10.89.0.3"], &["api"]), "2")?;
        add(&place, &definition, &attachment(&["10.89.0.2", "fd00::2"], &["web"]), "1")?;
        let text = std::fs::read_to_string(run.join("names/net%int"))?;
        assert_eq!(text, "10.89.0.1,fd00::1\n2 10.89.0.3  api\n1 10.89.0.2 fd00::2 web\n");
        assert!(remove(&place, ["net"].into_iter(), "2")?);
        assert!(!remove(&place, ["net"].into_iter(), "2")?);
        assert!(any(&place)?);
        assert!(remove(&place, ["net"].into_iter(), "1")?);
        assert!(!any(&place)?);
        std::fs::remove_dir_all(run)
    }

    #[test]
    fn names_are_compared_in_lower_case_and_once() {
        let line = line(&attachment(&["10.89.0.2"], &["Web", "web", "x,y", "main", "a.b.svc.Cluster.local"]), "7");
        assert_eq!(line, "7 10.89.0.2  web,main,a.b.svc\n");
    }
}
