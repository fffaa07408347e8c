//! Tokens of service accounts in volumes: kept while they are fresh, renewed without anybody asking.

use super::fixture::{App, FOREVER, PATIENCE, pod, shell};
use crate::common::eventually;
use podkin::model::RestartPolicy::Always;
use podkin::model::{Projection, TokenProjection, Volume, VolumeMount, VolumeSource};
use podkin::store::record::{PodObjects, PodRecord};
use podkin::supervisor::protocol::Operation;
use std::os::unix::fs::MetadataExt;

fn with_token(app: &App, name: &str) -> PodRecord {
    let mut container = shell("main", FOREVER);
    container.security.run_as_user = Some(1234);
    container.mounts.push(VolumeMount { volume: "t".into(), path: "/t".into(), ..VolumeMount::default() });
    let mut spec = pod(name, Always, vec![container]);
    let token =
        TokenProjection { path: "token".into(), audience: Some("vault".into()), expiration_seconds: 600, user: None };
    let sources = vec![Projection::ServiceAccountToken(token)];
    spec.volumes = vec![Volume {
        name: "t".into(),
        source: VolumeSource::Projected { sources, default_mode: 0o644, default_user: None },
    }];
    app.pod(spec)
}

#[test]
fn a_token_stays_while_it_is_fresh_and_is_renewed_by_the_next_supervisor() {
    let Some(app) = App::new("tokens") else { return };
    let record = with_token(&app, "tokens");
    app.start(&record);
    let path = app.layout.pod_run_volume(&record.id, "t").join("token");
    let read = || std::fs::read_to_string(&path).expect("there is always a token");
    let first = read();
    let metadata = std::fs::metadata(&path).expect("there is a token");
    assert_eq!((metadata.uid(), metadata.mode() & 0o777), (1234, 0o600), "only for the container's user");

    app.write_objects(&record, &PodObjects { version: 1, ..PodObjects::default() });
    assert_eq!(app.call(Operation::RefreshObjects { pods: vec![record.id.clone()] }), []);
    assert_eq!(read(), first, "nothing has changed");

    // A token that the key of the root did not sign is worth nothing: it is due at once.
    std::fs::remove_file(app.layout.service_account_key()).expect("there is a key");
    app.kill_supervisor(&record);
    assert_eq!(app.call(Operation::Ping), []);
    eventually("a new token", PATIENCE, || read() != first);
    app.remove(&[&record]);
}
