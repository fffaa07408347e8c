//! The name server: aardvark's backend and sockets under a loop of our own with one thread (aardvark's own forks, starts a
//! thread for each core, and gives an address up when it cannot bind it at once).

use super::Place;
use super::process::Identity;
use crate::network::{SEARCH_DOMAIN, resolver};
use crate::sys::lock::FileLock;
use crate::sys::process::{close_on_exec_from, exit_now, set_title};
use aardvark_dns::backend::DNSBackend;
use aardvark_dns::config::parse_configs;
use aardvark_dns::dns::coredns::{CoreDns, DNS_PORT};
use arc_swap::ArcSwap;
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::net::{TcpListener, UdpSocket};
use tokio::signal::unix::{SignalKind, signal};

/// After which an address that could not be bound is tried again, and an end that had to wait for the lock.
const RETRY: Duration = Duration::from_millis(50);
/// How often the host's list of servers is looked at, and whether our directory still exists.
const REFRESH: Duration = Duration::from_secs(5);

/// Is the name server until no pod has names any more. `arguments` are those behind [`super::COMMAND`]: the directory
/// `<run>/networks`. Standard input is the locked lock file.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ! {
    let Some(run) = arguments.into_iter().next() else { exit_now(2) };
    let place = Place { run: PathBuf::from(run) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime.and_then(|runtime| runtime.block_on(serve(place)));
    if let Err(error) = result {
        complain(&error.to_string());
        exit_now(1)
    }
    exit_now(0)
}

/// A network and one of its addresses.
type Listener = (String, IpAddr);

struct Server {
    place: Place,
    backend: Option<&'static ArcSwap<DNSBackend>>,
    upstream: Arc<Mutex<Vec<SocketAddr>>>,
    upstream_read: Option<SystemTime>,
    /// Dropping the sender ends the task.
    running: BTreeMap<Listener, flume::Sender<()>>,
}

async fn serve(place: Place) -> io::Result<()> {
    settle()?;
    // Before anybody can learn our number.
    let mut wake = signal(SignalKind::hangup())?;
    introduce(&Identity::own()?.to_text())?;
    let (backend, upstream_read) = (None, None);
    let mut server = Server { place, backend, upstream: Arc::default(), upstream_read, running: BTreeMap::new() };
    loop {
        let wanted = server.read()?;
        let again = match wanted.is_empty() {
            true if server.may_end()? => return Ok(()),
            true => Some(RETRY),
            false => server.listen(wanted).await.then_some(RETRY),
        };
        while tokio::time::timeout(again.unwrap_or(REFRESH), wake.recv()).await.is_err() && again.is_none() {
            server.refresh_upstream();
            if is_orphan()? {
                return Ok(());
            }
        }
    }
}

impl Server {
    /// Reads the files; answers which network is to be served where.
    fn read(&mut self) -> io::Result<BTreeSet<Listener>> {
        let entries = self.place.entries();
        let domain = format!(".{SEARCH_DOMAIN}");
        let parsed = parse_configs(&entries.to_string_lossy(), &domain);
        let (backend, v4, v6) = parsed.map_err(|error| io::Error::other(error.to_string()))?;
        match self.backend {
            Some(known) => known.store(Arc::new(backend)),
            // aardvark asks for one that lives as long as the process; this is the only one.
            None => self.backend = Some(Box::leak(Box::new(ArcSwap::from_pointee(backend)))),
        }
        self.refresh_upstream();
        let v4 = v4.into_iter().flat_map(|(name, ips)| ips.into_iter().map(move |ip| (name.clone(), IpAddr::V4(ip))));
        let v6 = v6.into_iter().flat_map(|(name, ips)| ips.into_iter().map(move |ip| (name.clone(), IpAddr::V6(ip))));
        Ok(v4.chain(v6).collect())
    }

    /// Serves these and no others; answers whether something has to be tried again.
    async fn listen(&mut self, wanted: BTreeSet<Listener>) -> bool {
        self.running.retain(|place, stop| wanted.contains(place) && !stop.is_disconnected());
        let mut complaint = None;
        for place in wanted {
            if self.running.contains_key(&place) {
                continue;
            }
            match self.start(&place).await {
                Ok(stop) => {
                    self.running.insert(place, stop);
                }
                Err(error) => complaint = Some(format!("cannot listen on {}:{DNS_PORT}: {error}", place.1)),
            }
        }
        if let Some(text) = &complaint {
            complain(text);
        }
        complaint.is_some()
    }

    async fn start(&self, (name, ip): &Listener) -> io::Result<flume::Sender<()>> {
        let Some(backend) = self.backend else { return Err(io::ErrorKind::NotConnected.into()) };
        let address = SocketAddr::new(*ip, DNS_PORT);
        let (udp, tcp) = (UdpSocket::bind(address).await?, TcpListener::bind(address).await?);
        let (stop, stopped) = flume::bounded(0);
        let server = CoreDns::new(name.clone(), backend, stopped, false, self.upstream.clone());
        // Its end, wanted or not, disconnects the channel, and the next reading of the files starts another.
        tokio::spawn(async move { server.run(udp, tcp).await.map_err(|error| complain(&error.to_string())) });
        Ok(stop)
    }

    /// Takes the host's servers over when its file has changed.
    fn refresh_upstream(&mut self) {
        let modified = std::fs::metadata(resolver::PATH).and_then(|m| m.modified()).ok();
        if modified.is_some() && modified == self.upstream_read {
            return;
        }
        let text = std::fs::read_to_string(resolver::PATH).unwrap_or_default();
        let servers = resolver::nameservers(&text).into_iter().map(|ip| SocketAddr::new(ip, DNS_PORT)).collect();
        // A panic of the only other user leaves a list that is as good as before.
        *self.upstream.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = servers;
        self.upstream_read = modified;
    }

    /// Whether there is still nothing to serve now that nobody can add anything: the lock is held until the process ends.
    fn may_end(&self) -> io::Result<bool> {
        let Some(lock) = FileLock::try_acquire(&self.place.networks_lock())? else { return Ok(false) };
        let empty = !super::entries::any(&self.place)?;
        if empty {
            std::mem::forget(lock);
        }
        Ok(empty)
    }
}

/// Whether somebody has removed the whole directory: nobody will ever wake us again.
fn is_orphan() -> io::Result<bool> {
    Ok(rustix::fs::fstat(io::stdin())?.st_nlink == 0)
}

/// Leaves what was inherited behind: session, directory, rights beyond binding low ports, names.
fn settle() -> io::Result<()> {
    // Fails when we lead a group already, which is as good.
    let _ = rustix::process::setsid();
    rustix::process::chdir("/")?;
    close_on_exec_from(3)?;
    set_no_new_privs(true)?;
    let bind = CapabilitySet::NET_BIND_SERVICE;
    let held = rustix::thread::capabilities(None)?.permitted & bind;
    set_capabilities(None, CapabilitySets { effective: held, permitted: held, inheritable: CapabilitySet::empty() })?;
    // For `ps` only.
    let _ = rustix::thread::set_name(c"podkin-names");
    let _ = set_title("podkin: names of pods");
    Ok(())
}

/// Says who we are, where [`super::process`] looks.
fn introduce(text: &str) -> io::Result<()> {
    let file = std::fs::File::from(io::stdin().as_fd().try_clone_to_owned()?);
    file.set_len(0)?;
    file.write_all_at(text.as_bytes(), 0)
}

/// Leaves a complaint behind the introduction; nobody else would hear it.
fn complain(text: &str) {
    if let Ok(identity) = Identity::own() {
        let line = text.replace('\n', " ");
        // There is nobody to tell that this failed, too.
        let _ = introduce(&format!("{}{line}\n", identity.to_text()));
    }
}
