//! Debian's nginx and redis, as Debian builds them: in one pod (`examples/debian.yaml`), and in two that find each other by name.

use crate::common::{TestEnv, can_run_containers, eventually};
use crate::host::{Following, connect, free_port, get, page};
use crate::terminal::Terminal;
use crate::{PATIENCE, assert_gone, assert_unchanged_by_a_replay, example, packages, wait_until_ready};
use std::io::{BufRead, BufReader, Write};

/// Imports the two images; `None`, after saying why, when they cannot be made here.
fn environment(name: &str) -> Option<TestEnv> {
    if !can_run_containers() {
        return None;
    }
    let nginx = packages::archive("debian-nginx", &["nginx", "nginx-common", "libnginx-mod-stream"]);
    let archives =
        nginx.and_then(|nginx| Ok((nginx, packages::archive("debian-redis", &["redis-server", "redis-tools"])?)));
    let (nginx, redis) = match archives {
        Ok(archives) => archives,
        Err(packages::Missing(what)) => {
            let said = format!("not checked with Debian's nginx and redis: {what}\n");
            // Also told where the test runner keeps the output of passing tests to itself: it catches macros only.
            std::io::stderr().write_all(said.as_bytes()).expect("someone listens");
            return None;
        }
    };
    let env = TestEnv::new(name);
    for (archive, name, changes) in [
        (nginx, "localhost/debian-nginx", [r#"CMD ["nginx", "-g", "daemon off;"]"#, "EXPOSE 80", "STOPSIGNAL SIGQUIT"]),
        (redis, "localhost/debian-redis", [r#"CMD ["redis-server"]"#, "EXPOSE 6379", "WORKDIR /var/lib/redis"]),
    ] {
        let changes = changes.iter().flat_map(|change| ["--change", change]);
        let archive = archive.to_str().expect("an ordinary path");
        env.ok(["import", "--quiet"].into_iter().chain(changes).chain([archive, name]));
    }
    Some(env)
}

#[test]
fn a_shop_in_one_pod() {
    let Some(env) = environment("shop") else { return };
    let port = free_port();
    let text = example("debian.yaml", 8081, port);
    let file = env.file("debian.yaml", &text);
    let file = file.to_str().expect("an ordinary path");

    env.ok(["kube", "play", file]);
    wait_until_ready(&env, "shop");
    assert!(page(port, "/").contains("<h1>Open</h1>"), "the page of the ConfigMap");
    assert_eq!(page(port, "/healthz"), "ok\n");
    let health = ["inspect", "--format", "{{.State.Health.Status}} {{.State.Ready}}", "shop-nginx", "shop-redis"];
    assert_eq!(env.ok(health), "healthy true\nhealthy true\n");

    let mut log = Following::start(env.command(["logs", "-f", "shop-nginx"]));
    assert_eq!(get(port, "/no-such-page").expect("an answer").0, 404);
    log.expect(&["GET /no-such-page HTTP/1.1", "404"]);

    assert_eq!(env.ok(["exec", "shop-redis", "redis-cli", "set", "colour", "green"]), "OK\n");
    counts_in_a_terminal(&env);
    shows_its_size_to_a_shell(&env);
    assert_eq!(env.ok(["kube", "generate", "shop"]), text, "what was played comes back as it went in");
    assert_unchanged_by_a_replay(&env, file);

    env.ok(["kube", "down", file]);
    assert_eq!(log.finish(), Some(0), "the log ends with its container");
    assert!(get(port, "/").is_err());
    env.ok(["kube", "play", file]);
    wait_until_ready(&env, "shop");
    assert_eq!(env.ok(["exec", "shop-redis", "redis-cli", "get", "colour"]), "green\n", "the volume outlives the pod");
    env.ok(["kube", "down", "--force", file]);
    assert_gone(&env);
}

/// The words of the example: `podkin exec -it shop-redis redis-cli`, with its prompt and its own line editing.
fn counts_in_a_terminal(env: &TestEnv) {
    let mut redis = Terminal::start(env.command(["exec", "-it", "shop-redis", "redis-cli"]), 24, 80);
    for (typed, answer) in [("incr visits\r", "(integer) 1\r\n"), ("incr visits\r", "(integer) 2\r\n"), ("quit\r", "")]
    {
        // What is typed while it changes the mode of its terminal, it throws away.
        redis.expect("127.0.0.1:6379> ");
        redis.enter(typed);
        redis.expect(answer);
    }
    assert_eq!(redis.finish().0, Some(0));
}

fn shows_its_size_to_a_shell(env: &TestEnv) {
    let mut shell = Terminal::start(env.command(["exec", "-it", "-e", "PS1=> ", "shop-nginx", "sh"]), 33, 99);
    shell.expect("> ");
    shell.enter("trap 'echo size changed' WINCH; stty size; tty\r");
    shell.expect("\n33 99\r\n");
    shell.expect("/dev/pts/");
    // With its prompt the shell is the foreground program again, which is told.
    shell.expect("> ");
    shell.resize(50, 132);
    shell.enter("stty size\r");
    shell.expect("size changed\r\n");
    shell.enter("stty size; exit 3\r");
    // What is typed may be shown before the prompt it belongs to.
    shell.expect("50 132\r\n");
    assert_eq!(shell.finish().0, Some(3));
}

const STORE: &str = "\
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: store}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: store}
spec:
  terminationGracePeriodSeconds: 10
  volumes:
  - {name: data, persistentVolumeClaim: {claimName: store}}
  containers:
  - name: redis
    image: localhost/debian-redis
    args: [redis-server, --protected-mode, \"no\", --appendonly, \"yes\"]
    volumeMounts: [{name: data, mountPath: /var/lib/redis}]
    readinessProbe: {exec: {command: [redis-cli, ping]}, periodSeconds: 1}
    livenessProbe: {tcpSocket: {port: 6379}, periodSeconds: 1}
";

/// Nginx passes a port of the host on to redis, which it knows by the name of its pod.
const FRONT: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: front}
data:
  nginx.conf: |
    load_module modules/ngx_stream_module.so;
    error_log /dev/stderr warn;
    pid /run/nginx.pid;
    events {}
    http {
      access_log /dev/stdout;
      server {
        listen 8080;
        location / { return 200 \"front\\n\"; }
      }
    }
    stream {
      server {
        listen 6379;
        proxy_pass store:6379;
      }
    }
---
apiVersion: v1
kind: Pod
metadata: {name: front}
spec:
  volumes:
  - {name: conf, configMap: {name: front}}
  containers:
  - name: nginx
    image: localhost/debian-nginx
    ports:
    - {name: http, containerPort: 8080}
    - {containerPort: 6379, hostPort: PORT}
    volumeMounts: [{name: conf, mountPath: /etc/nginx}]
    readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
";

#[test]
fn two_pods_that_find_each_other_by_name() {
    let Some(env) = environment("names") else { return };
    let port = free_port();
    let store = env.file("store.yaml", STORE);
    let front = env.file("front.yaml", &FRONT.replace("PORT", &port.to_string()));
    let (store, front) = (store.to_str().expect("an ordinary path"), front.to_str().expect("an ordinary path"));
    env.ok(["kube", "play", store]);
    wait_until_ready(&env, "store");
    env.ok(["kube", "play", front]);
    wait_until_ready(&env, "front");
    assert_eq!(ask(port, "SET greeting hello"), "+OK");
    assert_eq!(env.ok(["exec", "store-redis", "redis-cli", "get", "greeting"]), "hello\n");

    // Another pod of that name, at another address and with the same volume.
    env.ok(["kube", "down", store]);
    env.ok(["kube", "play", store]);
    wait_until_ready(&env, "store");
    env.ok(["pod", "restart", "front"]);
    wait_until_ready(&env, "front");
    eventually("redis answers through nginx", PATIENCE, || try_ask(port, "EXISTS greeting").is_ok());
    assert_eq!(ask(port, "EXISTS greeting"), ":1");
    assert_eq!(env.ok(["exec", "front-nginx", "sh", "-c", "cat /etc/hostname"]), "front\n");

    env.ok(["kube", "down", "--force", front]);
    env.ok(["kube", "down", "--force", store]);
    assert_gone(&env);
}

#[track_caller]
fn ask(port: u16, command: &str) -> String {
    try_ask(port, command).expect("redis answers through nginx")
}

/// First line of redis' answer to a command, by the port of the host that leads to it.
fn try_ask(port: u16, command: &str) -> std::io::Result<String> {
    let mut stream = connect(port)?;
    stream.write_all(format!("{command}\r\n").as_bytes())?;
    let mut line = String::new();
    match BufReader::new(stream).read_line(&mut line)? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line.trim_end().to_owned()),
    }
}
