//! A machine with an uplink, and pods on it.

use podkin::model::container::Protocol;
use podkin::network::{
    Attachment, NetworkError, NetworkStatus, NetworkWish, Networks, PublishedPort, SetupRequest, address,
};
use podkin::sys::mount::{Propagation, set_all_propagation};
use podkin::sys::namespace::{self, Kinds};
use podkin::sys::net::in_netns;
use podkin::sys::process::{fork_child, wait};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The machine's own address, and that of a neighbour on the wire.
pub const HOST: &str = "198.51.100.1";
pub const NEIGHBOUR: &str = "198.51.100.2";

pub struct Machine {
    pub dir: PathBuf,
    pub networks: Networks,
    /// A machine beside this one.
    pub neighbour: File,
    taken: RefCell<BTreeSet<IpAddr>>,
}

pub struct Pod {
    pub id: String,
    pub path: PathBuf,
    pub netns: File,
    pub request: SetupRequest,
}

impl Machine {
    /// In namespaces of its own already.
    pub fn new() -> Self {
        set_all_propagation(Propagation::Private).expect("private mounts");
        let dir = std::env::temp_dir().join(format!("podkin-net-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("scratch directory");
        let neighbour = new_netns(&dir.join("neighbour"));
        sh("ip link set lo up; ip link add up0 type veth peer name up1");
        sh(&format!("ip addr add {HOST}/24 dev up0; ip link set up0 up; ip route add default via {NEIGHBOUR}"));
        sh(&format!("ip link set up1 netns {}", dir.join("neighbour").display()));
        inside(&neighbour, || {
            sh(&format!("ip link set lo up; ip addr add {NEIGHBOUR}/24 dev up1; ip link set up1 up"))
        });
        // The wire carries nothing before both ends know that the other is there.
        sh("until ip link show up0 | grep -q 'state UP'; do sleep 0.01; done");
        inside(&neighbour, || sh("until ip link show up1 | grep -q 'state UP'; do sleep 0.01; done"));
        let networks = Networks::new(dir.join("root/networks"), dir.join("run/networks"));
        Self { dir, networks, neighbour, taken: RefCell::default() }
    }

    /// What `ip link` and `nft list ruleset` show, without the counters of the uplink.
    pub fn picture(&self) -> String {
        sh("ip -o link | cut -d: -f2- | sed 's/@.*//' | sort; nft list ruleset")
    }

    pub fn network(&self, name: &str, subnets: &[&str], internal: bool) {
        let subnets = subnets.iter().map(|s| s.parse().expect("subnet")).collect();
        let wish = NetworkWish { name: name.into(), subnets, internal, ..NetworkWish::default() };
        self.networks.create(&wish).expect("network");
    }

    /// A pod with a namespace and nothing in it.
    pub fn bare_pod(&self, name: &str, networks: &[&str], ports: &[PublishedPort]) -> Pod {
        let id = format!("{:x<64}", name.bytes().map(|b| format!("{b:02x}")).collect::<String>()).replace('x', "0");
        let attachments = networks.iter().enumerate().map(|(i, network)| self.attachment(network, i, name)).collect();
        let request = SetupRequest {
            pod_id: id.clone(),
            pod_name: name.into(),
            attachments,
            ports: ports.to_vec(),
            host_network: false,
        };
        let path = self.dir.join(format!("pod-{name}"));
        let netns = new_netns(&path);
        Pod { id, path, netns, request }
    }

    fn attachment(&self, network: &str, index: usize, pod: &str) -> Attachment {
        let definition = self.networks.get_or_create(network).expect("network");
        let mut taken = self.taken.borrow_mut();
        let ips = address::allocate(&definition, &taken, &[], &[]).expect("address");
        taken.extend(&ips);
        let names = vec![pod.to_owned(), format!("{pod}-main"), "main".to_owned()];
        Attachment { network: network.into(), interface: format!("eth{index}"), ips, mac: None, names }
    }

    /// A pod on the default network.
    pub fn pod(&self, name: &str, ports: &[PublishedPort]) -> Pod {
        let pod = self.bare_pod(name, &["podkin"], ports);
        self.set_up(&pod).expect("setup");
        pod
    }

    pub fn set_up(&self, pod: &Pod) -> Result<NetworkStatus, NetworkError> {
        self.networks.setup(&pod.path, &pod.request)
    }

    pub fn remove(&self, pod: Pod) {
        self.networks.teardown(&pod.id).expect("teardown");
        drop(pod.netns);
        namespace::unpin(&pod.path).expect("unpin");
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The namespaces go with the process; a name server is another one, and would keep them.
        let run = self.dir.join("run/networks");
        for entry in std::fs::read_dir(run.join("pods")).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let _ = self.networks.teardown(name.to_string_lossy().trim_end_matches(".json"));
        }
        while podkin::sys::lock::FileLock::is_held(&run.join("names.lock")).unwrap_or(false) {
            std::thread::sleep(Duration::from_millis(5));
        }
        for entry in std::fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let _ = namespace::unpin(&entry.path());
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Pod {
    pub fn ip(&self) -> IpAddr {
        self.request.attachments[0].ips[0]
    }

    pub fn gateway(&self) -> IpAddr {
        let IpAddr::V4(ip) = self.ip() else { panic!("an IPv4 address first") };
        let [a, b, c, _] = ip.octets();
        IpAddr::from([a, b, c, 1])
    }

    pub fn listen(&self, port: u16) -> TcpListener {
        inside(&self.netns, || TcpListener::bind(("0.0.0.0", port))).expect("listen in the pod")
    }

    pub fn udp(&self, port: u16) -> UdpSocket {
        let socket = inside(&self.netns, || UdpSocket::bind(("0.0.0.0", port))).expect("bind in the pod");
        socket.set_read_timeout(Some(Duration::from_secs(1))).expect("timeout");
        socket
    }
}

pub fn tcp(host_port: u16, container_port: u16) -> PublishedPort {
    PublishedPort { host_port, container_port, protocol: Protocol::Tcp, host_ip: None }
}

pub fn on(host_ip: &str, port: PublishedPort) -> PublishedPort {
    PublishedPort { host_ip: Some(host_ip.parse().expect("address")), ..port }
}

/// Connects from a namespace, or from the machine itself; sends a word and expects the listener to get it. Answers whom the
/// listener saw.
pub fn reach(from: Option<&File>, to: (IpAddr, u16), listener: &TcpListener) -> io::Result<IpAddr> {
    let address = SocketAddr::from(to);
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(700));
    let mut stream = match from {
        Some(netns) => inside(netns, connect),
        None => connect(),
    }?;
    let (mut accepted, peer) = listener.accept()?;
    stream.write_all(b"hello")?;
    let mut word = [0; 5];
    accepted.read_exact(&mut word)?;
    accepted.write_all(&word)?;
    stream.read_exact(&mut word)?;
    assert_eq!(&word, b"hello");
    Ok(peer.ip())
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().expect("address")
}

pub fn inside<T>(netns: &File, body: impl FnOnce() -> T) -> T {
    in_netns(netns.as_fd(), body).expect("enter a namespace")
}

pub fn sh(script: &str) -> String {
    let output = Command::new("sh").args(["-euc", script]).output().expect("sh");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`{script}` failed: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A new network namespace, pinned at `path` as a supervisor pins it.
fn new_netns(path: &Path) -> File {
    let child = fork_child(|| {
        namespace::unshare(Kinds::NETWORK).expect("unshare");
        namespace::pin(Path::new("/proc/self/ns/net"), path).expect("pin");
        0
    });
    wait(child.expect("fork").pidfd).expect("wait");
    File::open(path).expect("open the pinned namespace")
}
