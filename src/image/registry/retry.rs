//! When to try again, and after how long.

use super::error::RegistryError;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// No registry is waited for longer than this at once.
const LONGEST: Duration = Duration::from_secs(120);

/// How often, and how far apart.
#[derive(Debug, Clone)]
pub(super) struct RetryPolicy {
    pub retries: u32,
    /// `None`: half a second, one, two...
    pub delay: Option<Duration>,
    pub cancel: Arc<Cancel>,
    pub told: OnRetry,
}

/// Is told what went wrong before something is tried again.
#[derive(Clone)]
pub struct OnRetry(pub Arc<dyn Fn(&RegistryError) + Send + Sync>);

impl Default for OnRetry {
    fn default() -> Self {
        Self(Arc::new(|_| {}))
    }
}

impl std::fmt::Debug for OnRetry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnRetry")
    }
}

/// Whether nobody wants answers any more; wakes those who pause.
#[derive(Debug, Default)]
pub(super) struct Cancel {
    is_set: Mutex<bool>,
    changed: Condvar,
}

impl Cancel {
    pub fn set(&self) {
        *self.is_set.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    pub fn is_set(&self) -> bool {
        *self.is_set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pauses; shorter when it is set meanwhile.
    fn pause(&self, time: Duration) {
        let is_set = self.is_set.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.changed.wait_timeout_while(is_set, time, |is_set| !*is_set));
    }
}

/// The attempts of one request.
#[derive(Debug)]
pub(super) struct Attempts {
    policy: RetryPolicy,
    failed: u32,
}

impl Attempts {
    pub fn new(policy: RetryPolicy) -> Self {
        Self { policy, failed: 0 }
    }

    /// Something was got: failures before it count no more.
    pub fn progress(&mut self) {
        self.failed = 0;
    }

    /// Waits until the next attempt may be made.
    ///
    /// # Errors
    /// The one given, when another attempt is no use or there have been enough.
    pub fn wait(&mut self, error: RegistryError) -> Result<(), RegistryError> {
        self.wait_telling(error, &|_| {})
    }

    /// [`Attempts::wait`], and tells before it does so what went wrong.
    pub fn wait_telling(&mut self, error: RegistryError, tell: &dyn Fn(&RegistryError)) -> Result<(), RegistryError> {
        let asked = match &error {
            RegistryError::RateLimited { after, .. } | RegistryError::Said { after, .. } => *after,
            _ => None,
        };
        if !error.is_passing() || self.failed >= self.policy.retries || asked.is_some_and(|asked| asked > LONGEST) {
            return Err(error);
        }
        if self.policy.cancel.is_set() {
            return Err(error);
        }
        tell(&error);
        let pause = self.policy.delay.unwrap_or_else(|| back_off(self.failed, chance()));
        self.failed += 1;
        self.policy.cancel.pause(pause.max(asked.unwrap_or_default()));
        if self.policy.cancel.is_set() { Err(error) } else { Ok(()) }
    }
}

/// Does something until it succeeds or must not be repeated.
pub(super) fn retrying<T>(
    policy: RetryPolicy,
    mut attempt: impl FnMut() -> Result<T, RegistryError>,
) -> Result<T, RegistryError> {
    let told = policy.told.clone();
    let mut attempts = Attempts::new(policy);
    loop {
        match attempt() {
            Ok(done) => return Ok(done),
            Err(error) => attempts.wait_telling(error, &*told.0)?,
        }
    }
}

/// Half a second, one, two..., each up to a half longer, so that many who failed together do not come back together.
fn back_off(failed: u32, chance: f64) -> Duration {
    let base = Duration::from_millis(500 << failed.min(7));
    base.mul_f64(1.0 + chance / 2.0).min(LONGEST)
}

/// Between 0 and 1. Hash seeds are random, which is random enough here.
fn chance() -> f64 {
    f64::from(RandomState::new().build_hasher().finish() as u32) / f64::from(u32::MAX)
}

/// `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3).
pub(super) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(value.trim()).ok()?;
    let at = SystemTime::from(date.timestamp());
    Some(at.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken() -> RegistryError {
        RegistryError::Slow { host: "a.test".into() }
    }

    #[test]
    fn pauses_double_and_differ() {
        assert_eq!(back_off(0, 0.0), Duration::from_millis(500));
        assert_eq!(back_off(2, 0.0), Duration::from_secs(2));
        assert_eq!(back_off(2, 1.0), Duration::from_secs(3));
        assert_eq!(back_off(30, 1.0), Duration::from_secs(96));
        let chance = chance();
        assert!((0.0..=1.0).contains(&chance), "{chance}");
    }

    #[test]
    fn only_failures_without_progress_are_counted() {
        let policy =
            RetryPolicy { retries: 2, delay: Some(Duration::ZERO), cancel: Arc::default(), told: OnRetry::default() };
        let mut attempts = Attempts::new(policy);
        assert!(attempts.wait(broken()).is_ok() && attempts.wait(broken()).is_ok());
        attempts.progress();
        assert!(attempts.wait(broken()).is_ok() && attempts.wait(broken()).is_ok());
        assert!(attempts.wait(broken()).is_err());
        attempts.progress();
        let gone = RegistryError::NotFound { registry: "a.test".into(), what: "tag `x`".into() };
        assert!(attempts.wait(gone).is_err(), "what is not there will not be there");
        let long = RegistryError::RateLimited { registry: "a.test".into(), after: Some(Duration::from_secs(3600)) };
        assert!(attempts.wait(long).is_err(), "nobody waits an hour");
    }

    #[test]
    fn a_pause_ends_when_nobody_waits_any_more() {
        let cancel = Arc::new(Cancel::default());
        let policy = RetryPolicy {
            retries: 9,
            delay: Some(Duration::from_secs(60)),
            cancel: cancel.clone(),
            told: OnRetry::default(),
        };
        let begun = std::time::Instant::now();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| Attempts::new(policy).wait(broken()));
            std::thread::sleep(Duration::from_millis(50));
            cancel.set();
            assert!(waiting.join().unwrap().is_err());
        });
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }

    #[test]
    fn retry_after_has_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(retry_after(" 7 ", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:47 GMT", now), Some(Duration::from_secs(10)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:27 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
    }
}
