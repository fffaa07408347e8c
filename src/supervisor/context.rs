//! What all parts of a supervisor share.

use super::hub::Hub;
use super::keeper::Keeper;
use super::machine::{BackOffRule, Moment, Now};
use super::pod::Handle;
use super::reaper::Reaper;
use super::{network_queue::NetworkQueue, sandbox};
use crate::model::environment::{HostResources, PodFacts};
use crate::network::Networks;
use crate::runtime::Runtime;
use crate::store::layout::Layout;
use crate::store::record::{PodNetwork, PodRecord};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, UdpSocket};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};

pub(super) struct Context {
    pub layout: Layout,
    pub app: String,
    pub boot_id: String,
    pub back_off: BackOffRule,
    /// Between two looks at what a pod with limits takes of the disk.
    pub housekeeping: Duration,
    pub reaper: Rc<Reaper>,
    pub runtime: Box<dyn Runtime>,
    pub networks: Networks,
    pub network_queue: NetworkQueue,
    /// How many containers are created at once.
    pub slots: Semaphore,
    pub machine: MachineFacts,
    pub hub: Hub,
    pub keeper: Keeper,
    pub pods: RefCell<HashMap<String, Handle>>,
    /// Connections and requests that keep the process alive beside the pods.
    pub busy: Cell<usize>,
    /// Something ended that the process may have lived for.
    pub idle: Notify,
}

impl Context {
    /// Counts something that keeps the process alive until the guard is dropped.
    pub fn keep_alive(self: &Rc<Self>) -> Busy {
        self.busy.set(self.busy.get() + 1);
        Busy { context: self.clone() }
    }

    pub fn is_idle(&self) -> bool {
        self.busy.get() == 0 && self.pods.borrow().is_empty()
    }

    /// What a container may ask about its pod and the machine.
    pub fn pod_facts(&self, record: &PodRecord) -> PodFacts {
        let request = sandbox::network_request(record);
        // A network that cannot be found is reported where it is set up.
        let expected = request.as_ref().and_then(|r| self.networks.expected_status(r).ok());
        let gateway = expected.as_ref().and_then(|e| e.gateway());
        let host_ips: Vec<IpAddr> = gateway.or_else(primary_address).into_iter().collect();
        let pod_ips = match (&record.network, expected) {
            (PodNetwork::Networks(_), Some(expected)) => expected.addresses().collect(),
            (_, None) => host_ips.clone(),
            _ => Vec::new(),
        };
        let node_name = self.machine.name.clone();
        PodFacts { uid: record.uid(), pod_ips, host_ips, node_name, host: self.machine.resources }
    }
}

/// See [`Context::keep_alive`].
pub(super) struct Busy {
    context: Rc<Context>,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.context.busy.set(self.context.busy.get() - 1);
        self.context.idle.notify_one();
    }
}

/// The machine as pods see it.
#[derive(Debug, Clone)]
pub(super) struct MachineFacts {
    pub name: String,
    pub resources: HostResources,
}

impl MachineFacts {
    pub fn read(layout: &Layout) -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
        let info = rustix::system::sysinfo();
        let storage = rustix::fs::statvfs(&layout.root).map_or(0, |s| s.f_blocks * s.f_frsize);
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let memory = info.totalram * u64::from(info.mem_unit);
        Self { name, resources: HostResources { cpu_milli: cpus * 1000, memory, ephemeral_storage: storage } }
    }
}

/// Name and resources of this machine, as containers may ask for them.
pub fn machine_facts(layout: &Layout) -> (String, HostResources) {
    let MachineFacts { name, resources } = MachineFacts::read(layout);
    (name, resources)
}

/// The address the machine would talk to the world from; asks the routing table, sends nothing.
fn primary_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip())
}

pub(super) fn now() -> Now {
    Now { moment: moment(), wall: jiff::Timestamp::now() }
}

pub(super) fn moment() -> Moment {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Moment(time.tv_sec as u64 * 1_000 + time.tv_nsec as u64 / 1_000_000)
}

pub(super) fn boot_id() -> io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}
