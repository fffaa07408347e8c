//! Manifest lists: put together, pushed, pulled again.

use crate::common::TestEnv;
use crate::common::registry::{Registry, Setup};
use crate::{at, id, load, load_for};
use podkin::image::platform::host_architecture;
use serde_json::Value;

/// The index of a list, here or at the registry.
fn index(env: &TestEnv, name: &str) -> Value {
    serde_json::from_str(&env.ok(["manifest", "inspect", "--tls-verify=false", name])).unwrap()
}

fn digest(instance: &Value) -> &str {
    instance["digest"].as_str().unwrap()
}

/// An architecture that is not this machine's.
fn other_architecture() -> &'static str {
    if host_architecture() == "s390x" { "ppc64le" } else { "s390x" }
}

#[test]
fn a_list_is_put_together_and_taken_apart() {
    let env = TestEnv::new("list");
    load(&env, "localhost/one:1", "a");
    load(&env, "localhost/two:1", "a b");
    assert_eq!(env.run(["manifest", "exists", "all"]).code(), 1);
    let list = env.ok(["manifest", "create", "all", "one:1"]).trim().to_owned();
    env.ok(["manifest", "exists", "all"]);
    env.ok(["image", "exists", "all"]);
    let again = env.run(["manifest", "create", "all"]);
    assert!(again.code() == 125 && again.stderr.contains("`localhost/all:latest`"), "{}", again.stderr);
    let taken = env.run(["tag", "one:1", "all"]);
    assert!(taken.code() == 125 && taken.stderr.contains("`localhost/all:latest`"), "{}", taken.stderr);
    assert_eq!(env.ok(["manifest", "create", "--amend", "all", "two:1"]).trim(), list);
    let two = index(&env, "all")["manifests"][1].clone();
    let annotate = ["manifest", "annotate", "--os", "plan9", "--arch", "arm", "--variant", "v7", "--os-version", "4"];
    let more = ["--features", "x,y", "--os-features", "z", "--annotation", "key=a=b", "all", digest(&two)];
    env.ok([&annotate[..], &more].concat());
    let found = index(&env, "all");
    assert_eq!(found["mediaType"], "application/vnd.oci.image.index.v1+json");
    assert_eq!(found["manifests"][0]["platform"]["architecture"], host_architecture());
    let expected = serde_json::json!({
        "mediaType": two["mediaType"], "digest": two["digest"], "size": two["size"],
        "annotations": { "key": "a=b" },
        "platform": {
            "architecture": "arm", "os": "plan9", "variant": "v7", "os.version": "4",
            "os.features": ["z"], "features": ["x", "y"],
        },
    });
    assert_eq!(found["manifests"][1], expected);
    // Among the images it is one of them.
    assert_eq!(env.ok(["images", "-q", "--filter", "manifest=true"]).trim(), &list[..12]);
    assert_eq!(env.ok(["images", "--noheading", "all"]).split_whitespace().next(), Some("localhost/all"));
    assert!(!env.ok(["images", "-q", "--filter", "manifest=false"]).contains(&list[..12]));
    env.ok(["manifest", "remove", "all", digest(&two)]);
    assert_eq!(index(&env, "all")["manifests"].as_array().unwrap().len(), 1);
    let absent = env.run(["manifest", "remove", "all", digest(&two)]);
    assert!(absent.code() == 125 && absent.stderr.contains(digest(&two)), "{}", absent.stderr);
    assert_eq!(env.ok(["manifest", "rm", "all"]), format!("Untagged: localhost/all:latest\nDeleted: {list}\n"));
    assert_eq!(env.run(["manifest", "rm", "all"]).code(), 1);
    env.ok(["manifest", "create", "all", "one:1"]);
    assert!(env.ok(["rmi", "all"]).contains("Untagged: localhost/all:latest"));
    env.ok(["image", "exists", "one:1"]);
    // What cannot be filled is not made.
    assert_eq!(env.run(["manifest", "create", "bad", "one:1", "containers-storage:nothing"]).code(), 125);
    assert_eq!(env.run(["manifest", "exists", "bad"]).code(), 1);
}

#[test]
fn a_pushed_list_has_its_images_and_gives_the_one_that_fits() {
    let registry = Registry::start(Setup::default());
    let env = TestEnv::new("list-push");
    let own = load(&env, "localhost/own:1", "a b");
    let foreign = load_for(&env, "localhost/foreign:1", "a c", other_architecture());
    // One from here, one from another repository of the registry.
    env.ok(["push", "-q", "--tls-verify=false", "foreign:1", &at(&registry, "parts/foreign:1")]);
    env.ok(["manifest", "create", "all", "own:1"]);
    let remote = format!("docker://{}", at(&registry, "parts/foreign:1"));
    env.ok(["manifest", "add", "--tls-verify=false", "--annotation", "a=b", "all", &remote]);
    let name = at(&registry, "team/all:1");
    let file = env.base.join("digest");
    let push = ["manifest", "push", "-q", "--tls-verify=false", "--digestfile", file.to_str().unwrap(), "all", &name];
    env.ok(push);
    let pushed = registry.repository("team/all");
    let which = podkin::image::registry::Which::Tag("1".into());
    assert_eq!(pushed.manifest(&which).unwrap().digest.to_string(), std::fs::read_to_string(&file).unwrap());
    assert_eq!(pushed.tags().unwrap(), ["1"], "images of a list have no tags of their own");
    assert_eq!(index(&env, &name)["manifests"][1]["annotations"]["a"], "b");

    let other = TestEnv::new("list-pull");
    assert_eq!(other.ok(["pull", "-q", "--tls-verify=false", &name]).trim(), own);
    let platform = format!("linux/{}", other_architecture());
    assert_eq!(other.ok(["pull", "-q", "--tls-verify=false", "--platform", &platform, &name]).trim(), foreign);

    // A list of that list: all of it, or what fits this machine.
    other.ok(["manifest", "create", "--tls-verify=false", "--all", "whole", &format!("docker://{name}")]);
    other.ok(["manifest", "create", "--tls-verify=false", "part", &format!("docker://{name}")]);
    assert_eq!(index(&other, "whole")["manifests"], index(&env, &name)["manifests"]);
    let part = index(&other, "part")["manifests"].clone();
    assert_eq!(part.as_array().unwrap().len(), 1);
    assert_eq!(part[0]["platform"]["architecture"], host_architecture());

    // `push` pushes lists, too; Docker's form has no annotations.
    let docker = at(&registry, "team/docker:1");
    env.ok(["push", "-q", "--tls-verify=false", "--format", "v2s2", "all", &docker]);
    let found = index(&env, &docker);
    assert_eq!(found["mediaType"], "application/vnd.docker.distribution.manifest.list.v2+json");
    for instance in found["manifests"].as_array().unwrap() {
        assert_eq!(instance["mediaType"], "application/vnd.docker.distribution.manifest.v2+json");
        assert!(instance.get("annotations").is_none());
    }
    let third = TestEnv::new("list-docker");
    assert_eq!(third.ok(["pull", "-q", "--tls-verify=false", &docker]).trim(), id(&env, "own:1"));
    assert_eq!(third.ok(["pull", "-q", "--tls-verify=false", "--platform", &platform, &docker]).trim(), foreign);

    // Without its images a registry does not take it; with `--rm` it goes when it was pushed, and only then.
    let bare = at(&registry, "bare/all:1");
    let refused = env.run(["manifest", "push", "-q", "--all=false", "--rm", "--tls-verify=false", "all", &bare]);
    assert!(refused.code() == 125 && refused.stderr.contains("cannot push to"), "{}", refused.stderr);
    env.ok(["manifest", "exists", "all"]);
    env.ok(["manifest", "push", "-q", "--rm", "--tls-verify=false", "all", &bare]);
    assert_eq!(env.run(["manifest", "exists", "all"]).code(), 1);
}
