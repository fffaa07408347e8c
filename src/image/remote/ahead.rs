//! Manifests that are asked for before the state is open: a registry takes longer to answer than all the rest of a pull that finds
//! every layer here.

use super::access::RegistryAccess;
use crate::image::policy::Origin;
use crate::image::reference::Reference;
use crate::image::registry::{Fetched, RegistryError, Source, Which};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

/// So many answers are waited for at most; what else is wanted is asked for in its turn.
const MOST: usize = 4;

type Asked = JoinHandle<Option<Result<Fetched, RegistryError>>>;

/// What was asked, by the reference at the place that was asked.
#[derive(Default)]
pub(super) struct Ahead(Mutex<HashMap<String, Asked>>);

impl RegistryAccess {
    /// Asks for the manifests of images that will be wanted, of those whose place is beyond doubt. Nothing is told of what goes wrong
    /// here: who wants the image asks again, and learns it.
    pub fn ask_ahead(self: &Arc<Self>, names: &[&str]) {
        for name in names.iter().take(MOST) {
            let Ok(candidates) = self.registries.expand(name) else { continue };
            let [reference] = candidates.as_slice() else { continue };
            let Some(place) = self.only_place(reference) else { continue };
            let (access, key) = (self.clone(), place.reference.to_string());
            let ask = move || {
                let repository = access.repository(&place, &[]).ok()?;
                Some(repository.manifest(&Which::from(&place.reference)))
            };
            if let Ok(asked) = Builder::new().name("ask".to_owned()).spawn(ask) {
                self.ahead.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, asked);
            }
        }
    }

    /// The place of an image that may come from one only, and that the policy does not turn away unseen.
    fn only_place(&self, reference: &Reference) -> Option<Source> {
        self.policy.check_before(&Origin::Docker(reference)).ok()?;
        match <[Source; 1]>::try_from(self.registries.sources(reference).ok()?) {
            Ok([place]) => Some(place),
            Err(_) => None,
        }
    }

    /// The answer to what was asked ahead at a place, once; `None` when nothing was. Waits for it.
    pub(super) fn answer(&self, place: &Reference) -> Option<Result<Fetched, RegistryError>> {
        let asked = self.ahead.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&place.to_string())?;
        asked.join().ok().flatten()
    }
}
