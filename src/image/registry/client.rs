//! What all conversations with registries share: settings, connections, tokens.

use super::address::{Address, Scheme};
use super::certificates::{BUNDLES, Certificates};
use super::challenge::Challenge;
use super::configuration::Source;
use super::credentials::Login;
use super::error::{RegistryError, Unresolved};
use super::proxy::ProxyConfig;
use super::repository::Repository;
use super::retry::{Cancel, OnRetry, RetryPolicy, retrying};
use super::search::{self, SearchHit};
use super::session::{Ask, Session, To};
use super::tls::Tls;
use super::token::Tokens;
use std::collections::HashMap;
use std::hash::Hash;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{ConnectProxyConnector, Connector as _, NextTimeout, SocksConnector, TcpConnector};

/// What the caller decides; the default asks no proxy and knows no directory of certificates.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// certs.d directories, the most important first: the first that has one for a registry counts.
    pub certificates: Vec<PathBuf>,
    /// `--cert-dir`: certificates for every registry, used instead.
    pub cert_dir: Option<PathBuf>,
    /// Bundles of trusted certificates; the first that exists is read, when the first HTTPS connection is made.
    pub roots: Vec<PathBuf>,
    pub proxy: ProxyConfig,
    /// `--tls-verify`: `Some(false)` makes every registry insecure, `Some(true)` none; `None` leaves it to registries.conf.
    pub tls_verify: Option<bool>,
    /// Attempts after the first; for blobs, without a single byte in between.
    pub retries: u32,
    /// Pause before each. `None`: exponential from half a second, with jitter.
    pub retry_delay: Option<Duration>,
    /// Is told of each but those for blobs, which tell who asked for the blob.
    pub on_retry: OnRetry,
    /// For name look-up, connection and TLS.
    pub connect_timeout: Duration,
    /// For the next byte to come or go.
    pub stall_timeout: Duration,
    /// For the answer to an upload, which a registry may check and copy first.
    pub upload_timeout: Duration,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            certificates: Vec::new(),
            cert_dir: None,
            roots: BUNDLES.iter().map(PathBuf::from).collect(),
            proxy: ProxyConfig::default(),
            tls_verify: None,
            retries: 3,
            retry_delay: None,
            on_retry: OnRetry::default(),
            connect_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(60),
            upload_timeout: Duration::from_secs(600),
        }
    }
}

/// Speaks to registries (OCI distribution specification 1.1). Connections and tokens are shared by its clones and by all
/// threads that use it.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

impl Client {
    /// Reads and asks nothing yet.
    pub fn new(config: ClientConfig) -> Self {
        let certificates =
            Certificates::new(config.certificates.clone(), config.cert_dir.clone(), config.roots.clone());
        Self(Arc::new(Shared {
            config,
            certificates,
            agents: Table::default(),
            schemes: Table::default(),
            challenges: Table::default(),
            tokens: Tokens::default(),
            cancel: Arc::default(),
        }))
    }

    /// What lies at an address (`http://`, `https://`) that is no registry's, with the same proxies, certificates and patience as
    /// for one, and no login; `None` when nothing does.
    pub fn document(&self, url: &str, limit: u64) -> Result<Option<Vec<u8>>, RegistryError> {
        let malformed = || RegistryError::Malformed { registry: url.to_owned(), what: "no address" };
        let address = Address::parse(url).ok_or_else(malformed)?;
        let session = self.session(&address.host_and_port(), address.scheme == Scheme::Http, None);
        let ask = Ask { to: To::Address(&address), ..Ask::get(String::new(), format!("`{}`", address.rest)) };
        retrying(session.retry_policy(), || {
            let answer = session.ask(&ask, &[404])?;
            match answer.status {
                404 => Ok(None),
                _ => answer.bytes(session.registry(), &ask.what, limit).map(Some),
            }
        })
    }

    /// Ends every request under way, and all pauses between attempts: whoever waits gets an error at once, and so does everybody
    /// after that. Name look-ups and connections being made end with their own time limit.
    pub fn cancel(&self) {
        self.0.cancel.set();
        self.0.agents.values().into_iter().for_each(ureq::Agent::shutdown);
    }

    /// The repository that a source names. Asks nothing yet.
    pub fn repository(&self, source: &Source, login: Option<Login>) -> Repository {
        let session = self.session(&source.reference.registry, source.insecure, login);
        Repository::new(session, source.reference.repository.clone())
    }

    /// Checks a login with a registry (`host[:port]`; a path behind it is ignored), which is asked once.
    ///
    /// # Errors
    /// [`RegistryError::LoginRefused`] when it is not accepted. A registry that wants no login accepts every one.
    pub fn log_in(&self, registry: &str, insecure: bool, login: &Login) -> Result<(), RegistryError> {
        Session { once: true, ..self.session(registry, insecure, Some(login.clone())) }.check_login()
    }

    /// Repositories whose name or description has the term, `limit` at most: by Docker's search where the registry has it, by
    /// its catalogue otherwise. Asks once.
    pub fn search(
        &self,
        registry: &str,
        insecure: bool,
        login: Option<&Login>,
        term: &str,
        limit: usize,
    ) -> Result<Vec<SearchHit>, RegistryError> {
        let session = |host: &str| Session { once: true, ..self.session(host, insecure, login.cloned()) };
        search::search(&session, registry, term, limit)
    }

    /// Begins to fetch what lies at a URL, without a login; `None` for what is no URL of http or https, or has a user in it.
    pub fn download(&self, url: &str) -> Result<Option<Box<dyn Read + Send>>, RegistryError> {
        let Some(address) = Address::parse(url) else { return Ok(None) };
        let session = self.session(&address.host_and_port(), address.scheme == Scheme::Http, None);
        let ask = Ask { to: To::Address(&address), ..Ask::get(String::new(), "file") };
        let answer = retrying(session.retry_policy(), || session.ask(&ask, &[]))?;
        Ok(Some(Box::new(answer.body.into_reader())))
    }

    fn session(&self, registry: &str, insecure: bool, login: Option<Login>) -> Session {
        let host = registry.split('/').next().unwrap_or(registry);
        let insecure = self.0.config.tls_verify.map_or(insecure, |verify| !verify);
        Session::new(self.0.clone(), Endpoint { registry: host.to_owned(), insecure }, login)
    }
}

/// Settings only: connections are of no interest and tokens are secret.
impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Client").field(&self.0.config).finish()
    }
}

/// A registry, and what is accepted from it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Endpoint {
    /// As names of images have it: `docker.io`.
    pub registry: String,
    pub insecure: bool,
}

impl Endpoint {
    /// Whether it is on this machine, by its name or address.
    pub fn is_local(&self) -> bool {
        let Some(address) = self.address(Scheme::Http, "/") else { return false };
        let host = address.host.trim_matches(['[', ']']);
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Where to ask for `path`.
    pub fn address(&self, scheme: Scheme, path: &str) -> Option<Address> {
        // The one registry that is not where its name says.
        let host = if self.registry == "docker.io" { "registry-1.docker.io" } else { &self.registry };
        let scheme = if scheme == Scheme::Https { "https" } else { "http" };
        Address::parse(&format!("{scheme}://{host}{path}"))
    }
}

pub(super) struct Shared {
    pub config: ClientConfig,
    certificates: Certificates,
    agents: Table<AgentKey, ureq::Agent>,
    /// How insecure registries want to be spoken to.
    pub schemes: Table<Endpoint, Scheme>,
    /// What registries asked for, to save the refusal before each request.
    pub challenges: Table<Endpoint, Challenge>,
    pub tokens: Tokens,
    cancel: Arc<Cancel>,
}

/// How long an answer may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Pace {
    Quick,
    /// The registry has something to do first.
    Patient,
}

/// Connections that may be used for one another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct AgentKey {
    endpoint: Endpoint,
    scheme: Scheme,
    is_registry: bool,
    is_proxied: bool,
    pace: Pace,
}

impl Shared {
    pub fn retry_policy(&self) -> RetryPolicy {
        let (retries, delay) = (self.config.retries, self.config.retry_delay);
        RetryPolicy { retries, delay, cancel: self.cancel.clone(), told: self.config.on_retry.clone() }
    }

    /// Connections to `address` on behalf of a registry.
    pub fn agent(&self, endpoint: &Endpoint, address: &Address, pace: Pace) -> Result<ureq::Agent, RegistryError> {
        let proxy = self.config.proxy.of(address)?;
        let own = endpoint.address(address.scheme, "/");
        let key = AgentKey {
            endpoint: endpoint.clone(),
            scheme: address.scheme,
            is_registry: own.is_some_and(|own| own.is_same_server(address)),
            is_proxied: proxy.is_some(),
            pace,
        };
        if let Some(agent) = self.agents.get(&key) {
            return Ok(agent);
        }
        let agent = self.new_agent(&key, proxy)?;
        let agent = self.agents.get_or_insert(key, agent);
        // Looked at after it can be found: whoever cancels ends it, or it is ended here.
        if self.cancel.is_set() {
            agent.shutdown();
            return Err(RegistryError::Cancelled);
        }
        Ok(agent)
    }

    fn new_agent(&self, key: &AgentKey, proxy: Option<ureq::Proxy>) -> Result<ureq::Agent, RegistryError> {
        let ClientConfig { connect_timeout, stall_timeout, upload_timeout, .. } = self.config;
        let mut builder = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // Redirects are followed where it is known what may be sent along.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(proxy)
            .user_agent(concat!("podkin/", env!("CARGO_PKG_VERSION")))
            .max_idle_connections_per_host(16)
            .max_idle_connections(32)
            .timeout_connect(Some(connect_timeout))
            .timeout_resolve(Some(connect_timeout))
            .timeout_per_write(Some(stall_timeout));
        builder = match key.pace {
            Pace::Quick => builder.timeout_per_read(Some(stall_timeout)),
            Pace::Patient => builder.timeout_per_read(Some(upload_timeout)),
        };
        let tcp =
            ().chain(SocksConnector::default()).chain(ConnectProxyConnector::default()).chain(TcpConnector::default());
        let (config, names) = (builder.build(), Names::default());
        // A proxy may itself be spoken to with TLS.
        if key.scheme == Scheme::Http && !key.is_proxied {
            return Ok(ureq::Agent::with_parts(config, tcp, names));
        }
        let trust = self.certificates.of(&key.endpoint.registry)?;
        let tls = Tls(trust.tls(key.is_registry, key.endpoint.insecure)?);
        Ok(ureq::Agent::with_parts(config, tcp.chain(tls), names))
    }
}

/// Looks up names, and says when it was that which failed. Addresses need no look-up, and `localhost` is known (RFC 6761, section
/// 6.3): one with a time limit costs a thread.
#[derive(Debug, Default)]
struct Names(DefaultResolver);

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let known =
            if config.proxy().is_some() { Vec::new() } else { uri.host().map(known_addresses).unwrap_or_default() };
        if !known.is_empty() {
            let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
            let mut addresses = self.empty();
            known.into_iter().for_each(|address| addresses.push((address, port).into()));
            return Ok(addresses);
        }
        self.0.resolve(uri, config, timeout).map_err(|error| match error {
            ureq::Error::Io(error) => ureq::Error::Other(Box::new(Unresolved(error))),
            error => error,
        })
    }
}

/// Addresses of a host that nobody has to be asked for.
fn known_addresses(host: &str) -> Vec<IpAddr> {
    match host {
        "localhost" => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        _ => host.trim_matches(['[', ']']).parse().ok().into_iter().collect(),
    }
}

/// A map that threads share.
pub(super) struct Table<K, V>(Mutex<HashMap<K, V>>);

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> Table<K, V> {
    pub fn get(&self, key: &K) -> Option<V> {
        self.lock().get(key).cloned()
    }

    pub fn values(&self) -> Vec<V> {
        self.lock().values().cloned().collect()
    }

    pub fn insert(&self, key: K, value: V) {
        self.lock().insert(key, value);
    }

    pub fn get_or_insert(&self, key: K, value: V) -> V {
        self.lock().entry(key).or_insert(value).clone()
    }

    /// Whole after a panic, too: each change is one call.
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
