//! Broken connections, slow and lying servers: a blob comes whole and right, or the reader is told why not.

use crate::common::fault_proxy::{Fault, FaultProxy};
use crate::common::registry::{Registry, Setup, source};
use crate::{chain, noise, quick};
use podkin::image::Digest;
use podkin::image::registry::{Blob, Client, ClientConfig, RegistryError, Which};
use std::io::Read;
use std::time::{Duration, Instant};

const SIZE: usize = 3_000_000;

struct Broken {
    proxy: FaultProxy,
    content: Vec<u8>,
    digest: Digest,
    registry: Registry,
}

impl Broken {
    fn new() -> Self {
        let registry = Registry::start(Setup::default());
        let content = noise(SIZE);
        let digest = registry.push_blob("app", &content);
        registry.push_image("app", "1", &[]);
        Self { proxy: FaultProxy::start(&registry.address), content, digest, registry }
    }

    fn open(&self) -> Result<Blob, RegistryError> {
        let client = Client::new(quick());
        client.repository(&source(&self.proxy.address, "app", true), None).blob(&self.digest, SIZE as u64)
    }

    /// Reads the blob; the error that ended it otherwise.
    fn read(&self) -> Result<Vec<u8>, RegistryError> {
        let mut read = Vec::new();
        match self.open()?.read_to_end(&mut read) {
            Ok(_) => Ok(read),
            Err(error) => Err(error.downcast().expect("a registry's error")),
        }
    }

    fn fail(&self, times: usize, fault: Fault) {
        self.proxy.fail("GET", "/blobs/", times, fault);
    }

    /// `Range` of each request.
    fn ranges(&self) -> Vec<String> {
        let seen = self.proxy.seen("GET", "/blobs/");
        seen.iter().map(|seen| seen.header("range").unwrap_or("-").to_owned()).collect()
    }
}

#[test]
fn a_cut_connection_is_taken_up_where_it_ended() {
    let broken = Broken::new();
    // Five times, though two attempts are allowed: each brings something.
    broken.fail(5, Fault::Cut(500_000));
    assert!(broken.read().unwrap() == broken.content);
    let ranges = ["-", "bytes=500000-", "bytes=1000000-", "bytes=1500000-", "bytes=2000000-", "bytes=2500000-"];
    assert_eq!(broken.ranges(), ranges);
}

#[test]
fn a_server_without_ranges_is_read_again_from_the_beginning() {
    let broken = Broken::new();
    broken.fail(1, Fault::Cut(2_000_000));
    broken.fail(1, Fault::IgnoreRange);
    assert!(broken.read().unwrap() == broken.content);
    assert_eq!(broken.ranges(), ["-", "bytes=2000000-"]);
}

#[test]
fn a_stalled_connection_is_given_up_and_a_slow_one_is_not() {
    let broken = Broken::new();
    broken.fail(1, Fault::Stall(1_000_000, Duration::from_secs(5)));
    let begin = Instant::now();
    assert!(broken.read().unwrap() == broken.content);
    assert!(begin.elapsed() < Duration::from_secs(4), "the server was waited for");
    assert_eq!(broken.ranges(), ["-", "bytes=1000000-"]);
    // Longer than the patience with a silent one in all, but never silent so long.
    broken.fail(1, Fault::Slow(500_000, Duration::from_millis(150)));
    assert!(broken.read().unwrap() == broken.content);
    assert_eq!(broken.ranges().len(), 3, "no second attempt");
}

#[test]
fn who_cancels_waits_for_no_server_and_no_pause() {
    let broken = Broken::new();
    let patient = || ClientConfig {
        stall_timeout: Duration::from_secs(60),
        retry_delay: Some(Duration::from_secs(60)),
        ..quick()
    };
    for fault in [Fault::Stall(1_000_000, Duration::from_secs(20)), Fault::Cut(0)] {
        broken.fail(1, fault.clone());
        let client = Client::new(patient());
        let repository = client.repository(&source(&broken.proxy.address, "app", true), None);
        let (tell, told) = std::sync::mpsc::channel();
        let again = Box::new(move |error: &RegistryError| drop(tell.send(error.to_string())));
        let begin = Instant::now();
        let result = std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut blob = repository.blob_telling(&broken.digest, SIZE as u64, again).unwrap();
                blob.read_to_end(&mut Vec::new())
            });
            std::thread::sleep(Duration::from_millis(500));
            client.cancel();
            reader.join().unwrap()
        });
        assert!(result.is_err() && begin.elapsed() < Duration::from_secs(5), "{fault:?}: {:?}", begin.elapsed());
        let is_pause = matches!(fault, Fault::Cut(_));
        assert_eq!(told.try_iter().count(), usize::from(is_pause), "told once why something is tried again");
        assert!(repository.manifest(&Which::Tag("1".into())).is_err(), "nothing is asked after that");
    }
}

#[test]
fn errors_of_the_server_pass() {
    let broken = Broken::new();
    broken.fail(2, Fault::Status(500, None));
    assert!(broken.read().unwrap() == broken.content);
    broken.fail(1, Fault::Cut(100));
    broken.fail(1, Fault::Status(429, Some("1")));
    let begin = Instant::now();
    assert!(broken.read().unwrap() == broken.content);
    assert!(begin.elapsed() >= Duration::from_secs(1), "the server wanted a second");
    // One that wants an hour is not waited for.
    broken.fail(1, Fault::Status(429, Some("3600")));
    let limited = broken.read().unwrap_err();
    assert!(matches!(limited, RegistryError::RateLimited { after: Some(after), .. } if after.as_secs() == 3600));
    broken.fail(9, Fault::Status(502, None));
    let error = broken.read().unwrap_err();
    assert!(matches!(error, RegistryError::Said { status: 502, .. }), "{error}");
}

#[test]
fn without_a_byte_there_are_few_attempts() {
    let broken = Broken::new();
    broken.fail(1, Fault::Cut(1_000_000));
    broken.fail(99, Fault::Cut(0));
    let error = broken.read().unwrap_err();
    assert!(matches!(error, RegistryError::Broken { .. }), "{}", chain(&error));
    assert_eq!(broken.ranges(), ["-", "bytes=1000000-", "bytes=1000000-"]);
}

#[test]
fn a_changed_byte_is_an_error_and_no_end() {
    let broken = Broken::new();
    broken.fail(1, Fault::Corrupt(2_999_999));
    let mut blob = broken.open().unwrap();
    let mut read = vec![0; SIZE];
    blob.read_exact(&mut read).unwrap();
    assert_eq!((blob.position(), blob.size()), (SIZE as u64, SIZE as u64));
    let error = blob.read(&mut [0; 10]).unwrap_err();
    let wrong = RegistryError::of(&error).expect("a registry's error");
    assert!(matches!(wrong, RegistryError::WrongDigest { expected, .. } if *expected == broken.digest), "{wrong}");
    assert_eq!(broken.ranges().len(), 1, "it is not tried again");
    assert!(blob.read(&mut [0; 10]).is_err(), "and stays an error");
    // After an interruption, too: then one of the two parts is wrong, and nobody knows which.
    broken.fail(1, Fault::Cut(1_000_000));
    broken.fail(1, Fault::Corrupt(7));
    assert!(matches!(broken.read(), Err(RegistryError::WrongDigest { .. })));
    assert_eq!(broken.ranges().len(), 3);
}

#[test]
fn a_shorter_answer_is_completed_and_a_wrong_size_is_told() {
    let broken = Broken::new();
    broken.fail(1, Fault::Truncate(1000));
    assert!(broken.read().unwrap() == broken.content);
    assert_eq!(broken.ranges(), ["-", "bytes=1000-"]);
    let app = broken.registry.repository("app");
    for size in [SIZE as u64 - 1, SIZE as u64 + 1] {
        let error = app.blob_bytes(&broken.digest, size).unwrap_err();
        assert!(
            matches!(error, RegistryError::WrongSize { expected, found, .. } if expected == size && found == SIZE as u64),
            "{error}"
        );
    }
}

#[test]
fn manifests_are_asked_for_again() {
    let broken = Broken::new();
    let app = Client::new(quick()).repository(&source(&broken.proxy.address, "app", true), None);
    broken.proxy.fail("GET", "/manifests/", 1, Fault::Status(503, Some("0")));
    broken.proxy.fail("GET", "/manifests/", 1, Fault::Cut(10));
    app.manifest(&Which::Tag("1".into())).unwrap();
    broken.proxy.fail("GET", "/manifests/", 1, Fault::Corrupt(10));
    let pinned = app.manifest_digest(&Which::Tag("1".into())).unwrap().unwrap().0;
    assert!(matches!(app.manifest(&Which::Digest(pinned)), Err(RegistryError::WrongDigest { .. })));
}

#[test]
fn a_registry_that_comes_back_is_welcome() {
    let mut registry = Registry::start(Setup::default());
    let content = noise(SIZE);
    let digest = registry.push_blob("app", &content);
    let mut config = registry.client_config();
    config.retry_delay = Some(Duration::from_millis(100));
    config.retries = 30;
    let mut blob = Client::new(config).repository(&registry.source("app"), None).blob(&digest, SIZE as u64).unwrap();
    let mut begin = vec![0; 1000];
    blob.read_exact(&mut begin).unwrap();
    registry.stop();
    let restart = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        registry.resume();
        registry
    });
    let mut rest = Vec::new();
    blob.read_to_end(&mut rest).unwrap();
    assert!([begin, rest].concat() == content);
    restart.join().unwrap();
}
