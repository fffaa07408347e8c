//! What registries have, and archives that lie on servers.

use crate::common::TestEnv;
use crate::common::registry::{Registry, Setup};
use crate::{at, id, load};
use std::io::{Read, Write};
use std::net::TcpListener;

/// A registries.conf that searches these registries, without certificates.
fn configuration(env: &TestEnv, registries: &[&str]) -> String {
    let mut text = format!("unqualified-search-registries = {registries:?}\n");
    for registry in registries {
        text += &format!("[[registry]]\nlocation = \"{registry}\"\ninsecure = true\n");
    }
    env.file("registries.conf", &text).display().to_string()
}

#[test]
fn repositories_and_tags_are_found() {
    let registry = Registry::start(Setup { password: true, ..Setup::default() });
    for (name, tag) in [("team/web", "1"), ("team/web", "2"), ("team/db", "1")] {
        registry.push_image(name, tag, &[name.as_bytes().to_vec()]);
    }
    let env = TestEnv::new("search");
    let login = format!("{}:{}", crate::common::registry::USER, crate::common::registry::PASSWORD);
    let auth = env.base.join("auth.json").display().to_string();
    let search = |arguments: &[&str]| {
        let mut command = env.command([&["search", "--authfile", &auth][..], arguments].concat());
        command.env("CONTAINERS_REGISTRIES_CONF", configuration(&env, &[&registry.address, "127.0.0.1:9"]));
        env.finish(command)
    };
    let (user, password) = login.split_once(':').unwrap();
    let mut command = env.command(["login", "--authfile", &auth, "-u", user, "-p", password, &registry.address]);
    command.env("CONTAINERS_REGISTRIES_CONF", configuration(&env, &[&registry.address]));
    let logged_in = env.finish(command);
    assert_eq!(logged_in.code(), 0, "{}", logged_in.stderr);

    let found = search(&["--format", "{{.Name}}", "we"]);
    assert_eq!((found.code(), found.stdout.trim()), (0, &at(&registry, "team/web")[..]), "{}", found.stderr);
    assert!(found.stderr.contains("`127.0.0.1:9` could not be searched"), "{}", found.stderr);
    let all = search(&["--format", "json", &at(&registry, "team")]);
    let all: serde_json::Value = serde_json::from_str(&all.stdout).unwrap();
    assert_eq!(all.as_array().unwrap().len(), 2);
    assert_eq!(all[0]["Index"], registry.address.as_str());
    assert_eq!(search(&["--limit", "1", "--format", "{{.Name}}", "team"]).stdout.lines().count(), 1);
    let table = search(&["--compatible", "web"]).stdout;
    let header: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(header, ["NAME", "DESCRIPTION", "STARS", "OFFICIAL", "AUTOMATED"]);
    assert_eq!(search(&["--filter", "stars=1", "--format", "{{.Name}}", "web"]).stdout, "");
    let tags = search(&["--list-tags", "--format", "{{.Tag}}", &at(&registry, "team/web")]).stdout;
    let mut tags: Vec<&str> = tags.lines().collect();
    tags.sort_unstable();
    assert_eq!(tags, ["1", "2"]);

    let nobody = search(&["127.0.0.1:9/web"]);
    assert!(nobody.code() == 125 && nobody.stderr.contains("cannot search `127.0.0.1:9`"), "{}", nobody.stderr);
    assert_eq!(search(&["--filter", "stars=many", "web"]).code(), 2);
}

#[test]
fn archives_are_loaded_and_imported_from_servers() {
    let env = TestEnv::new("download");
    let one = load(&env, "localhost/one:1", "a b");
    let archive = env.base.join("one.tar");
    env.ok(["save", "-q", "-o", archive.to_str().unwrap(), "one:1"]);
    let content = std::fs::read(&archive).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        // One that is whole, one that breaks off, one that is not there.
        for (status, sent) in [("200 OK", content.len()), ("200 OK", content.len() / 2), ("404 Not Found", 0)] {
            let (mut connection, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let _ = connection.read(&mut request).unwrap();
            let length = if status.starts_with('2') { content.len() } else { 0 };
            write!(connection, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n").unwrap();
            connection.write_all(&content[..sent]).unwrap();
        }
    });
    let url = format!("http://{address}/one.tar?signature=secret");
    let other = TestEnv::new("download-other");
    other.ok(["load", "-q", "-i", &url]);
    assert_eq!(id(&other, "one:1"), one);
    let cut = other.run(["import", "-q", &url, "cut"]);
    assert_eq!(cut.code(), 125, "{}", cut.stdout);
    assert_eq!(other.run(["image", "exists", "cut"]).code(), 1);
    let absent = other.run(["load", "-q", "-i", &url]);
    assert!(absent.code() == 125 && absent.stderr.contains("cannot download"), "{}", absent.stderr);
    assert!(!absent.stderr.contains("secret"), "{}", absent.stderr);
    server.join().unwrap();
    let refused = other.run(["load", "-i", "https://user:secret@example.com/x"]);
    assert!(refused.code() == 2 && !refused.stderr.contains("secret"), "{}", refused.stderr);
}
