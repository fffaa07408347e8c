//! Which kinds there are, and what is said about those that are not played.

use super::spot::nearest;

/// Kinds that are played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    Pod,
    Deployment,
    ConfigMap,
    Secret,
    PersistentVolumeClaim,
    ServiceAccount,
    PersistentVolume,
    StorageClass,
    PriorityClass,
    RuntimeClass,
}

impl Kind {
    const ALL: &[(&'static str, Kind, &'static str)] = &[
        ("Pod", Kind::Pod, "v1"),
        ("Deployment", Kind::Deployment, "apps/v1"),
        ("ConfigMap", Kind::ConfigMap, "v1"),
        ("Secret", Kind::Secret, "v1"),
        ("PersistentVolumeClaim", Kind::PersistentVolumeClaim, "v1"),
        ("ServiceAccount", Kind::ServiceAccount, "v1"),
        ("PersistentVolume", Kind::PersistentVolume, "v1"),
        ("StorageClass", Kind::StorageClass, "storage.k8s.io/v1"),
        ("PriorityClass", Kind::PriorityClass, "scheduling.k8s.io/v1"),
        ("RuntimeClass", Kind::RuntimeClass, "node.k8s.io/v1"),
    ];

    /// Every played kind.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::ALL.iter().map(|(_, kind, _)| *kind)
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(n, _, _)| *n == name).map(|(_, kind, _)| *kind)
    }

    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].0
    }

    pub fn api_version(self) -> &'static str {
        Self::ALL[self as usize].2
    }
}

/// Kinds of Kubernetes that are known and not played, with what to do instead.
const OTHERS: &[(&str, &str)] = &[
    ("Service", "publish ports with `hostPort`; pods reach each other by pod name"),
    ("Ingress", "publish ports with `hostPort`"),
    ("IngressClass", "publish ports with `hostPort`; leave it out"),
    ("NetworkPolicy", "put pods that must not reach each other on different networks: `--network`"),
    ("Gateway", "publish ports with `hostPort`"),
    ("HTTPRoute", "publish ports with `hostPort`"),
    ("Endpoints", "pods reach each other by pod name"),
    ("EndpointSlice", "pods reach each other by pod name"),
    ("StatefulSet", "on one machine a Deployment with a PersistentVolumeClaim does"),
    ("DaemonSet", "on one machine a Pod or Deployment does the same"),
    ("ReplicaSet", "use a Deployment"),
    ("ReplicationController", "use a Deployment"),
    ("Job", "use a Pod with `restartPolicy: OnFailure`"),
    ("CronJob", "play a Pod with `restartPolicy: OnFailure` from a timer"),
    ("PodTemplate", "write it as a Pod"),
    ("Namespace", "names are unique on the machine; leave it out"),
    ("Node", "a cluster makes it; leave it out"),
    ("Event", "a cluster makes it; leave it out"),
    ("Binding", "a cluster makes it; leave it out"),
    ("Lease", "a cluster makes it; leave it out"),
    ("Role", "there is no API server whose access it would rule; leave it out"),
    ("RoleBinding", "there is no API server whose access it would rule; leave it out"),
    ("ClusterRole", "there is no API server whose access it would rule; leave it out"),
    ("ClusterRoleBinding", "there is no API server whose access it would rule; leave it out"),
    ("VolumeAttachment", "a cluster makes it; leave it out"),
    ("CSIDriver", "there are no CSI drivers; leave it out"),
    ("CSINode", "there are no CSI drivers; leave it out"),
    ("HorizontalPodAutoscaler", "set `replicas` of the Deployment"),
    ("VerticalPodAutoscaler", "set `resources` of each container"),
    ("PodDisruptionBudget", "pods are not evicted here; leave it out"),
    ("PodSecurityPolicy", "set `securityContext` of each pod and container"),
    ("LimitRange", "set `resources` of each container"),
    ("ResourceQuota", "set `resources` of each container"),
    ("CustomResourceDefinition", "there is no API server to extend; leave it out"),
    ("MutatingWebhookConfiguration", "there is no API server to extend; leave it out"),
    ("ValidatingWebhookConfiguration", "there is no API server to extend; leave it out"),
    ("APIService", "there is no API server to extend; leave it out"),
];

/// A known kind that is not played, by its name or plural in lower case, with what to do instead.
pub(super) fn not_played(name: &str) -> Option<(&'static str, String)> {
    let is_it = |kind: &str| {
        let single = kind.to_lowercase();
        let stem = single.strip_suffix('y').map_or_else(|| single.clone(), |stem| format!("{stem}ie"));
        name == single || name == format!("{stem}s") || name == format!("{stem}es")
    };
    let (known, hint) = OTHERS.iter().find(|(kind, _)| is_it(kind))?;
    let played: Vec<_> = Kind::ALL.iter().map(|(name, _, _)| *name).collect();
    let hint = if hint.is_empty() { format!("played kinds: {}", played.join(", ")) } else { (*hint).to_owned() };
    Some((known, hint))
}

/// What to say about a kind that is not played.
pub(super) struct Stranger {
    pub message: String,
    /// Stands below the marker.
    pub label: String,
    pub hint: String,
}

/// Words the finding for a kind that [`Kind::parse`] does not know.
pub(super) fn stranger(kind: &str) -> Stranger {
    let played: Vec<_> = Kind::ALL.iter().map(|(name, _, _)| *name).chain(["List"]).collect();
    let played_list = format!("played kinds: {}", played.join(", "));
    let known = OTHERS.iter().find(|(name, _)| *name == kind);
    let single = kind.strip_suffix("List").filter(|k| Kind::parse(k).is_some());
    let known_of = if known.is_some() { "is not supported yet" } else { "is not known" };
    let message = format!("kind `{}` {known_of}", super::spot::shown(kind));
    match (known, single) {
        (Some((_, "")), _) => Stranger { message, label: String::new(), hint: played_list },
        (Some((_, hint)), _) => Stranger { message, label: String::new(), hint: (*hint).to_owned() },
        (None, Some(_)) => {
            Stranger { message, label: "write `List`, each item with its own `kind`".into(), hint: played_list }
        }
        (None, None) => {
            let all = played.iter().copied().chain(OTHERS.iter().map(|(name, _)| *name));
            let label = nearest(kind, all).map(|k| format!("did you mean `{k}`?")).unwrap_or_default();
            Stranger { message, label, hint: played_list }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for &(name, kind, version) in Kind::ALL {
            assert_eq!((Kind::parse(name), kind.name(), kind.api_version()), (Some(kind), name, version));
        }
    }

    #[test]
    fn strangers_are_told_what_to_do() {
        assert_eq!(stranger("Podd").label, "did you mean `Pod`?");
        assert_eq!(stranger("Servce").label, "did you mean `Service`?");
        assert_eq!(stranger("Service").label, "");
        assert!(stranger("Service").hint.contains("hostPort"));
        assert!(stranger("PodList").label.contains("List"));
        assert!(stranger("Widget").hint.contains("Deployment"));
    }
}
