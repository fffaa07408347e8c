//! The files of configMap, secret, downwardAPI and projected volumes, computed when a pod starts or an object changes.

use super::environment::{EnvironmentError, Objects, PodFacts, downward_value};
use super::{DownwardFile, KeyToPath, ObjectKind, Pod, Projection, TokenProjection, VolumeSource};
use std::collections::BTreeMap;
use std::fmt;

/// Of a token whose reader is known; `fsGroup` adds the group's.
const TOKEN_MODE: u32 = 0o600;

/// One file of a volume. Its `Debug` does not show the data.
#[derive(Clone, PartialEq, Eq)]
pub struct PayloadFile {
    pub data: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// Whom it belongs to; whoever writes it when unset.
    pub user: Option<u32>,
}

/// The tokens of a volume by path, issued by whoever has the key.
pub type Tokens = BTreeMap<String, String>;

impl fmt::Debug for PayloadFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, mode {:o}", self.data.len(), self.mode)
    }
}

/// The files of a volume by relative path; `None` when the volume is not made of objects (emptyDir, hostPath, claim).
///
/// An optional object or key that does not exist contributes nothing.
pub fn payload(
    source: &VolumeSource,
    pod: &Pod,
    objects: Objects<'_>,
    facts: &PodFacts,
    tokens: &Tokens,
) -> Result<Option<BTreeMap<String, PayloadFile>>, EnvironmentError> {
    let mut files = Files { files: BTreeMap::new(), pod, objects, facts, tokens, default_mode: 0, default_user: None };
    match source {
        VolumeSource::ConfigMap { name, items, default_mode, default_user, optional } => {
            (files.default_mode, files.default_user) = (*default_mode, *default_user);
            files.add_object(ObjectKind::ConfigMap, name, items, *optional)?;
        }
        VolumeSource::Secret { name, items, default_mode, default_user, optional } => {
            (files.default_mode, files.default_user) = (*default_mode, *default_user);
            files.add_object(ObjectKind::Secret, name, items, *optional)?;
        }
        VolumeSource::DownwardApi { items, default_mode, default_user } => {
            (files.default_mode, files.default_user) = (*default_mode, *default_user);
            files.add_facts(items)?;
        }
        VolumeSource::Projected { sources, default_mode, default_user } => {
            (files.default_mode, files.default_user) = (*default_mode, *default_user);
            for source in sources {
                files.add_projection(source)?;
            }
        }
        VolumeSource::EmptyDir { .. }
        | VolumeSource::HostPath { .. }
        | VolumeSource::Claim { .. }
        | VolumeSource::Ephemeral { .. }
        | VolumeSource::Nfs(_)
        | VolumeSource::Image { .. } => return Ok(None),
    }
    Ok(Some(files.files))
}

struct Files<'a> {
    files: BTreeMap<String, PayloadFile>,
    pod: &'a Pod,
    objects: Objects<'a>,
    facts: &'a PodFacts,
    tokens: &'a Tokens,
    default_mode: u32,
    default_user: Option<u32>,
}

impl Files<'_> {
    fn add_projection(&mut self, source: &Projection) -> Result<(), EnvironmentError> {
        match source {
            Projection::ConfigMap { name, items, optional } => {
                self.add_object(ObjectKind::ConfigMap, name, items, *optional)
            }
            Projection::Secret { name, items, optional } => self.add_object(ObjectKind::Secret, name, items, *optional),
            Projection::DownwardApi { items } => self.add_facts(items),
            Projection::ServiceAccountToken(token) => {
                self.add_token(token);
                Ok(())
            }
        }
    }

    fn add_object(
        &mut self,
        kind: ObjectKind,
        name: &str,
        items: &[KeyToPath],
        optional: bool,
    ) -> Result<(), EnvironmentError> {
        let Some((data, _)) = self.objects.data(kind, name) else {
            return if optional {
                Ok(())
            } else {
                Err(EnvironmentError::MissingObject { kind, name: name.to_owned() })
            };
        };
        if items.is_empty() {
            for (key, value) in data {
                self.add(key, value.clone(), None, None);
            }
        }
        for item in items {
            match data.get(&item.key) {
                Some(value) => self.add(&item.path, value.clone(), item.mode, item.user),
                None if optional => {}
                None => {
                    let (name, key) = (name.to_owned(), item.key.clone());
                    return Err(EnvironmentError::MissingKey { kind, name, key });
                }
            }
        }
        Ok(())
    }

    fn add_facts(&mut self, items: &[DownwardFile]) -> Result<(), EnvironmentError> {
        for item in items {
            if let Some(text) = downward_value(&item.value, None, self.pod, self.facts)? {
                self.add(&item.path, text.into_bytes(), item.mode, item.user);
            }
        }
        Ok(())
    }

    /// Only those may read a token who it is for, where the pod says who that is; else the volume's mode holds, as it does on a
    /// kubelet.
    fn add_token(&mut self, wanted: &TokenProjection) {
        let Some(token) = self.tokens.get(&wanted.path) else { return };
        let user = wanted.user.or(self.default_user).or_else(|| self.pod.common_user());
        let mode = if user.is_some() || self.pod.security.fs_group.is_some() { TOKEN_MODE } else { self.default_mode };
        self.files.insert(wanted.path.clone(), PayloadFile { data: token.clone().into_bytes(), mode, user });
    }

    fn add(&mut self, path: &str, data: Vec<u8>, mode: Option<u32>, user: Option<u32>) {
        let (mode, user) = (mode.unwrap_or(self.default_mode), user.or(self.default_user));
        self.files.insert(path.to_owned(), PayloadFile { data, mode, user });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ConfigMap, Container, ContainerSecurity, EnvValue, PodSecurity};

    #[test]
    fn sources_are_joined_and_modes_kept() {
        let map = ConfigMap {
            name: "m".into(),
            data: [("a".to_owned(), b"1".to_vec()), ("b".to_owned(), vec![0xff])].into(),
            ..ConfigMap::default()
        };
        let (maps, secrets) = ([("m".to_owned(), map)].into(), BTreeMap::new());
        let objects = Objects { config_maps: &maps, secrets: &secrets };
        let pod = Pod { name: "web".into(), ..Pod::default() };
        let files = |sources| {
            let source = VolumeSource::Projected { sources, default_mode: 0o644, default_user: Some(7) };
            payload(&source, &pod, objects, &PodFacts::default(), &Tokens::new())
        };
        let item =
            |key: &str| KeyToPath { key: key.into(), path: format!("dir/{key}"), mode: Some(0o400), user: Some(5) };
        let map = |items, optional| Projection::ConfigMap { name: "m".into(), items, optional };
        let fact = DownwardFile {
            path: "name".into(),
            value: EnvValue::Field("metadata.name".into()),
            mode: None,
            user: None,
        };
        let got = files(vec![map(vec![item("a")], false), Projection::DownwardApi { items: vec![fact] }]);
        let got = got.unwrap().unwrap();
        assert_eq!(got.keys().collect::<Vec<_>>(), ["dir/a", "name"]);
        assert_eq!((got["dir/a"].mode, got["name"].mode), (0o400, 0o644));
        assert_eq!((got["dir/a"].user, got["name"].user), (Some(5), Some(7)));
        assert_eq!(got["name"].data, b"web");
        assert_eq!(files(vec![map(vec![], false)]).unwrap().unwrap().len(), 2, "binary keys are files, too");
        assert!(matches!(files(vec![map(vec![item("c")], false)]), Err(EnvironmentError::MissingKey { .. })));
        assert_eq!(files(vec![map(vec![item("c")], true)]).unwrap().unwrap().len(), 0);
        let absent = Projection::Secret { name: "none".into(), items: vec![], optional: false };
        assert!(matches!(files(vec![absent]), Err(EnvironmentError::MissingObject { .. })));
    }
    #[test]
    fn a_token_belongs_to_the_user_of_all_containers() {
        let token = TokenProjection { path: "token".into(), audience: None, expiration_seconds: 3600, user: None };
        let sources = vec![Projection::ServiceAccountToken(token)];
        let source = VolumeSource::Projected { sources, default_mode: 0o644, default_user: None };
        let (maps, secrets) = (BTreeMap::new(), BTreeMap::new());
        let objects = Objects { config_maps: &maps, secrets: &secrets };
        let tokens: Tokens = [("token".to_owned(), "a.b.c".to_owned())].into();
        let of = |users: &[Option<u32>], fs_group| {
            let container = |run_as_user: &Option<u32>| {
                let security = ContainerSecurity { run_as_user: *run_as_user, ..ContainerSecurity::default() };
                Container { security, ..Container::default() }
            };
            let security = PodSecurity { fs_group, ..PodSecurity::default() };
            let pod = Pod { containers: users.iter().map(container).collect(), security, ..Pod::default() };
            let mut files = payload(&source, &pod, objects, &PodFacts::default(), &tokens).unwrap().unwrap();
            let file = files.remove("token").unwrap();
            assert_eq!(file.data, b"a.b.c");
            (file.mode, file.user)
        };
        assert_eq!(of(&[None], None), (0o644, None));
        assert_eq!(of(&[Some(7), Some(7)], None), (0o600, Some(7)));
        assert_eq!(of(&[Some(7), Some(8)], None), (0o644, None));
        assert_eq!(of(&[Some(7), None], None), (0o644, None));
        assert_eq!(of(&[None], Some(9)), (0o600, None));
    }
}
