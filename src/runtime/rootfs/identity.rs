//! Who a process is: user and groups, looked up in the container's own files and nowhere else.
//!
//! The C library is not asked: after entering a container it would load what the image tells it to (CVE-2019-14271).

use super::tree::Tree;
use crate::runtime::RuntimeError;
use crate::runtime::config::UserSpec;
use serde::{Deserialize, Serialize};

/// Largest `/etc/passwd` or `/etc/group` that is read.
const LIMIT: u64 = 1 << 20;
/// The kernel's -1 means "do not change", and larger ids than this are not portable (CVE-2024-40635).
const LARGEST_ID: u32 = i32::MAX as u32;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub uid: u32,
    pub gid: u32,
    /// Supplementary, without duplicates; as they go to setgroups(2).
    pub groups: Vec<u32>,
    pub home: String,
}

/// Resolves a user against `/etc/passwd` and `/etc/group` of the tree.
pub(crate) fn resolve(tree: &Tree, user: &UserSpec) -> Result<Identity, RuntimeError> {
    let read = |path| {
        tree.read(path, LIMIT)
            .map(|content| String::from_utf8_lossy(&content.unwrap_or_default()).into_owned())
            .map_err(|error| RuntimeError::User {
                user: user.spec.clone(),
                reason: format!("cannot read `{path}`: {error}"),
            })
    };
    resolve_in(user, &read("/etc/passwd")?, &read("/etc/group")?)
}

struct Account<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

fn accounts(passwd: &str) -> impl Iterator<Item = Account<'_>> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        let home = fields.nth(1).unwrap_or("/");
        Some(Account { name, uid, gid, home })
    })
}

struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

fn groups(group: &str) -> impl Iterator<Item = Group<'_>> {
    group.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let gid = fields.nth(1)?.parse().ok()?;
        Some(Group { name, gid, members: fields.next().unwrap_or("") })
    })
}

fn resolve_in(user: &UserSpec, passwd: &str, group: &str) -> Result<Identity, RuntimeError> {
    let UserSpec { spec, uid, gid, additional_gids, strict_groups, must_not_be_root } = user;
    let named = match (spec.is_empty(), uid) {
        (_, Some(uid)) => uid.to_string(),
        (true, None) => "root".to_owned(),
        (false, None) => spec.clone(),
    };
    let fail = |reason: String| RuntimeError::User { user: named.clone(), reason };
    let (user_part, group_part) = match spec.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (spec.as_str(), None),
    };
    let account = match uid {
        Some(uid) => accounts(passwd).find(|a| a.uid == *uid),
        None => find_account(user_part, passwd),
    };
    let uid = match (uid, &account, user_part) {
        (Some(uid), _, _) => *uid,
        (None, Some(account), _) => account.uid,
        (None, None, "") => 0,
        (None, None, text) => number(text).map_err(&fail)?,
    };
    let primary = match (gid, group_part) {
        (Some(gid), _) => *gid,
        (None, Some(text)) if !text.is_empty() && user.uid.is_none() => find_group(text, group).map_err(&fail)?,
        _ => account.as_ref().map_or(0, |a| a.gid),
    };
    for id in [uid, primary].iter().chain(additional_gids) {
        check_range(*id).map_err(&fail)?;
    }
    if *must_not_be_root {
        check_not_root(user, user_part, uid).map_err(RuntimeError::NonRoot)?;
    }
    // A group that was asked for replaces what the image's files add, as everywhere in this field.
    let replaced = group_part.is_some_and(|g| !g.is_empty()) && user.uid.is_none();
    let from_image = account.as_ref().filter(|_| !replaced && !strict_groups);
    let mut supplementary: Vec<u32> = additional_gids.clone();
    if let Some(account) = from_image {
        supplementary.extend(groups(group).filter(|g| g.members.split(',').any(|m| m == account.name)).map(|g| g.gid));
    }
    supplementary.retain(|gid| *gid <= LARGEST_ID);
    let mut seen = std::collections::BTreeSet::new();
    supplementary.retain(|gid| seen.insert(*gid));
    let home = account.map(|a| a.home).filter(|home| !home.is_empty()).unwrap_or("/").to_owned();
    Ok(Identity { uid, gid: primary, groups: supplementary, home })
}

/// By name first, and by number only when no account has that name.
fn find_account<'a>(text: &str, passwd: &'a str) -> Option<Account<'a>> {
    if text.is_empty() {
        return accounts(passwd).find(|a| a.uid == 0);
    }
    accounts(passwd).find(|a| a.name == text).or_else(|| {
        let uid = number(text).ok()?;
        accounts(passwd).find(|a| a.uid == uid)
    })
}

fn find_group(text: &str, group: &str) -> Result<u32, String> {
    match groups(group).find(|g| g.name == text) {
        Some(found) => Ok(found.gid),
        None => number(text).map_err(|_| format!("no group `{text}` in `/etc/group` of the image")),
    }
}

/// Digits only: no sign, no spaces, no other base.
fn number(text: &str) -> Result<u32, String> {
    let unknown = || format!("no user `{text}` in `/etc/passwd` of the image");
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(unknown());
    }
    text.parse::<u32>().map_err(|_| format!("id {text} is out of range"))
}

fn check_range(id: u32) -> Result<(), String> {
    if id <= LARGEST_ID { Ok(()) } else { Err(format!("id {id} is out of range")) }
}

/// `runAsNonRoot` (Kubernetes, SecurityContext): a name says nothing about its number before the image is looked at, so it is
/// refused, too.
fn check_not_root(user: &UserSpec, user_part: &str, uid: u32) -> Result<(), String> {
    match user.uid {
        Some(0) => Err("container's runAsUser breaks non-root policy".to_owned()),
        None if !user_part.is_empty() && number(user_part).is_err() => Err(format!(
            "container has runAsNonRoot and image has non-numeric user ({user_part}), cannot verify user is non-root"
        )),
        _ if uid == 0 => Err("container has runAsNonRoot and image will run as root".to_owned()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:Web,,,:/srv:/bin/sh\n1000:x:7:7::/seven:\nbroken\n";
    const GROUP: &str = "root:x:0:\nwww:x:34:\nextra:x:50:web,other\nmore:x:51:web\nn:x:99:\n";

    fn spec(text: &str) -> UserSpec {
        UserSpec { spec: text.into(), ..UserSpec::default() }
    }

    fn ids(user: &UserSpec) -> Result<(u32, u32, Vec<u32>, String), String> {
        match resolve_in(user, PASSWD, GROUP) {
            Ok(i) => Ok((i.uid, i.gid, i.groups, i.home)),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn users_as_images_and_exec_name_them() {
        assert_eq!(ids(&spec("")), Ok((0, 0, vec![], "/root".into())));
        assert_eq!(ids(&spec("web")), Ok((33, 34, vec![50, 51], "/srv".into())));
        assert_eq!(ids(&spec("33")), Ok((33, 34, vec![50, 51], "/srv".into())));
        assert_eq!(ids(&spec("web:n")), Ok((33, 99, vec![], "/srv".into())));
        assert_eq!(ids(&spec("web:5")), Ok((33, 5, vec![], "/srv".into())));
        assert_eq!(ids(&spec("4000")), Ok((4000, 0, vec![], "/".into())));
        assert_eq!(ids(&spec("4000:4001")), Ok((4000, 4001, vec![], "/".into())));
        // A numeric name is a name.
        assert_eq!(ids(&spec("1000")), Ok((7, 7, vec![], "/seven".into())));
    }

    #[test]
    fn what_the_pod_says_replaces_what_the_image_says() {
        let user = UserSpec { uid: Some(33), gid: Some(1), additional_gids: vec![50, 60], ..spec("root:root") };
        assert_eq!(ids(&user), Ok((33, 1, vec![50, 60, 51], "/srv".into())));
        let strict = UserSpec { strict_groups: true, ..user };
        assert_eq!(ids(&strict), Ok((33, 1, vec![50, 60], "/srv".into())));
        let user = UserSpec { uid: Some(5000), ..spec("web:www") };
        assert_eq!(ids(&user), Ok((5000, 0, vec![], "/".into())));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["nobody", "-1", "+0", " 0", "0x0", "4294967296", "4294967295", "2147483648", "web:nogroup"] {
            assert!(ids(&spec(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn run_as_non_root() {
        let non_root = |text: &str| UserSpec { must_not_be_root: true, ..spec(text) };
        assert!(ids(&non_root("")).is_err());
        assert!(ids(&non_root("0")).is_err());
        let error = ids(&non_root("web")).unwrap_err();
        assert!(error.contains("image has non-numeric user (web), cannot verify user is non-root"), "{error}");
        let error = ids(&non_root("0")).unwrap_err();
        assert!(error.contains("container has runAsNonRoot and image will run as root"), "{error}");
        let error = ids(&UserSpec { uid: Some(0), ..non_root("33") }).unwrap_err();
        assert!(error.contains("container's runAsUser breaks non-root policy"), "{error}");
        assert!(ids(&non_root("33")).is_ok());
        assert!(ids(&UserSpec { uid: Some(33), ..non_root("web") }).is_ok());
    }
}
