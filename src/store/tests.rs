//! Rows written and read back, and the constraints between them.

use super::apps::{self, AppRow, AppState};
use super::journal::{self, Made, MadeKind, Run};
use super::layout::Layout;
use super::objects::{self, Object, ObjectRow};
use super::record::*;
use super::{Database, StoreError, pods, volumes};
use crate::model::device::ContainerDevices;
use crate::model::{Container, ObjectKind, Pod, Secret, Volume, VolumeSource};

struct Temporary(Layout);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0.root);
    }
}

fn database(name: &str) -> (Temporary, Database) {
    let base = std::env::temp_dir().join(format!("podkin-store-{}-{name}", std::process::id()));
    let layout = Layout::new(&base, base.join("run"));
    let database = Database::open(&layout).unwrap();
    (Temporary(layout), database)
}

fn app(id: &str) -> AppRow {
    AppRow {
        id: id.into(),
        name: "web".into(),
        sources: vec![crate::model::Source {
            name: "web.yaml".into(),
            path: Some("/srv/web.yaml".into()),
            text: "kind: Pod".into(),
            documents: vec![],
        }],
        workloads: vec![],
        claims: vec![],
        created: jiff::Timestamp::UNIX_EPOCH,
        state: AppState::Present,
    }
}

fn pod(id: &str, name: &str, ip: &str) -> PodRecord {
    let claim = VolumeSource::Claim { name: "data".into(), read_only: false };
    let pod = Pod {
        name: name.into(),
        containers: vec![Container { name: "c".into(), ..Container::default() }],
        volumes: vec![Volume { name: "v".into(), source: claim }],
        ..Pod::default()
    };
    PodRecord {
        version: RECORD_VERSION,
        id: id.into(),
        app: "a1".into(),
        created: jiff::Timestamp::UNIX_EPOCH,
        spec_hash: "h".into(),
        environment_hash: String::new(),
        ephemeral: Vec::new(),
        pod,
        containers: vec![ContainerRecord {
            pull: None,
            id: format!("c{id}"),
            name: format!("{name}-c"),
            container: "c".into(),
            init: false,
            image: ImageRecord::default(),
            devices: ContainerDevices::default(),
        }],
        image_volumes: Vec::new(),
        claims: Vec::new(),
        mount_nfs: None,
        network: PodNetwork::Networks(vec![NetworkAttachment {
            network: "podkin".into(),
            interface: "eth0".into(),
            ips: vec![ip.parse().unwrap()],
            mac: None,
            aliases: vec![],
        }]),
        first_user_id: None,
        manage_hosts: true,
        manage_hostname: true,
        log: LogConfig { driver: LogDriver::K8sFile, max_size: None, path: None },
        cgroup_manager: "cgroupfs".into(),
    }
}

#[test]
fn applications_pods_and_what_goes_with_them() {
    let (_base, mut database) = database("rows");
    database
        .write(|t| {
            apps::put(t, &app("a1"))?;
            pods::insert(t, &pod("aa01", "web", "10.0.0.2"))?;
            pods::insert(t, &pod("ab02", "api", "10.0.0.3"))
        })
        .unwrap();
    let c = database.connection();
    assert_eq!(apps::get(c, "a1").unwrap(), Some(app("a1")));
    assert_eq!(apps::from_sources(c, &["/srv/web.yaml".into(), "/else".into()]).unwrap(), ["a1"]);
    assert_eq!(pods::by_name(c, "web").unwrap().unwrap().record, pod("aa01", "web", "10.0.0.2"));
    assert_eq!(pods::ids_by_prefix(c, "a").unwrap(), ["aa01", "ab02"]);
    assert_eq!(pods::ids_by_prefix(c, "aa").unwrap(), ["aa01"]);
    assert_eq!(pods::containers_by_prefix(c, "cab").unwrap()[0].name, "api-c");
    assert_eq!(super::volumes::users(c, "data").unwrap(), ["api", "web"]);
    assert_eq!(pods::leases(c, "podkin").unwrap().len(), 2);
    let clash = database.write(|t| pods::insert(t, &pod("ac03", "other", "10.0.0.3")));
    assert!(matches!(clash, Err(StoreError::Query(_))), "an address is given once");
    database.write(|t| pods::delete(t, "aa01")).unwrap();
    assert_eq!(pods::leases(database.connection(), "podkin").unwrap().len(), 1);
    database.write(|t| apps::delete(t, "a1")).unwrap();
    assert!(pods::ids(database.connection()).unwrap().is_empty());
}

#[test]
fn an_object_is_found_in_its_own_application_first() {
    let (_base, mut database) = database("objects");
    let secret = |app: &str, value: &str| ObjectRow {
        app: app.into(),
        id: "0".repeat(12),
        object: Object::Secret(Secret {
            name: "password".into(),
            data: [("p".to_owned(), value.as_bytes().to_vec())].into(),
            ..Secret::default()
        }),
    };
    database
        .write(|t| {
            for id in ["a1", "a2"] {
                apps::put(t, &app(id))?;
                objects::put(t, &secret(id, id))?;
            }
            objects::put(t, &secret("a1", "changed"))
        })
        .unwrap();
    let c = database.connection();
    let found = |app: &str| objects::find(c, app, ObjectKind::Secret, "password").unwrap().unwrap();
    assert_eq!(found("a2"), secret("a2", "a2").object);
    assert_eq!(found("a1"), secret("a1", "changed").object);
    assert_eq!(found("none"), secret("a1", "changed").object);
    assert_eq!(objects::names(c).unwrap(), [(ObjectKind::Secret, "password".to_owned())]);
    assert!(!format!("{:?}", objects::of_app(c, "a1").unwrap()).contains("changed"), "no secret in Debug");
}

#[test]
fn a_run_lists_what_it_made_last_first() {
    let (_base, mut database) = database("journal");
    let run = Run { id: "r".into(), command: "kube play".into(), app: "a1".into(), accepted: false };
    let changed = Made { before: Some("{}".into()), ..Made::new(MadeKind::ConfigMap, "conf") };
    let things = [Made::new(MadeKind::App, "a1"), changed, Made::new(MadeKind::Pod, "p")];
    database.write(|t| journal::begin(t, &run, &things)).unwrap();
    assert_eq!(journal::runs(database.connection()).unwrap(), [run]);
    let mut reversed = things.to_vec();
    reversed.reverse();
    assert_eq!(journal::made(database.connection(), "r").unwrap(), reversed);
    database.write_relaxed(|t| journal::accept(t, "r")).unwrap();
    assert!(journal::runs(database.connection()).unwrap()[0].accepted);
    database.write_relaxed(|t| journal::finish(t, "r")).unwrap();
    assert!(journal::runs(database.connection()).unwrap().is_empty());
    assert!(journal::made(database.connection(), "r").unwrap().is_empty());
}

#[test]
fn a_pods_uid_is_a_uuid_made_of_its_id() {
    let id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    assert_eq!(pod(id, "web", "10.0.0.2").uid(), "01234567-89ab-8def-8123-456789abcdef");
    let id = "f".repeat(64);
    assert_eq!(pod(&id, "web", "10.0.0.2").uid(), "ffffffff-ffff-8fff-bfff-ffffffffffff");
}

#[test]
fn only_volumes_that_went_with_a_pod_are_orphans() {
    let (_temporary, mut database) = database("orphans");
    let claim = crate::model::ClaimTemplate::default();
    let row = |name: &str, pod: Option<&str>| volumes::VolumeRow {
        name: name.to_owned(),
        labels: Default::default(),
        options: volumes::claim_options(&claim, pod),
        created: jiff::Timestamp::UNIX_EPOCH,
        app: None,
        anonymous: false,
    };
    let rows = [row("data", None), row("gone-scratch", Some("gone")), row("web-scratch", Some("p1"))];
    let orphaned = |database: &Database| volumes::orphaned(database.connection()).unwrap();
    database.write(|t| rows.iter().try_for_each(|row| volumes::insert(t, row).map(drop))).unwrap();
    assert_eq!(orphaned(&database), ["gone-scratch", "web-scratch"], "without any pod, too");
    database
        .write(|t| {
            apps::put(t, &app("a1"))?;
            pods::insert(t, &pod("p1", "web", "10.0.0.2"))
        })
        .unwrap();
    assert_eq!(orphaned(&database), ["gone-scratch"]);
}
