//! Images in: several at a time, layers side by side, each layer once, whoever asks for it.
//!
//! ```text
//! image:  resolve (a thread) ──> layers known ──────────────────────────> all layers stored ──> rows
//! layer:  lock ──> queue ──> open, unpack (a thread) ──> sync (a thread, many at once) ──> rename, row, unlock
//!           └─ held by another command: look again and again (a thread)
//! ```
//!
//! This thread alone decides and touches the database; the others do one thing each and send a message. No thread waits for a lock
//! while others wait for it: every layer is stored and its lock let go of on its own, so that commands that need the same
//! layers in whatever order never wait for each other in a circle. Layers that are stored before their image is are kept from
//! [`ImageStore::sweep`](super::ImageStore::sweep) by the lease that each intake holds.

use super::super::config::ConfigDocument;
use super::super::error::ImageError;
use super::super::layer::Unpacked;
use super::super::transfer::{Change, ImageSource, Incoming, LayerSource, LayerState, OpenLayer, STEP, TransferEvent};
use super::add::{NewImage, record_image, record_layers, recorded};
use super::stage::{Made, Stage};
use super::{ImageStore, Loaded};
use crate::store::lock::{FileLock, LockError};
use crate::sys::failpoint;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::Scope;
use std::time::Duration;

/// Images asked for, and layers read and unpacked, at a time.
const PARALLEL: usize = 6;

/// Longest time in which nobody looks whether the user has had enough.
const TICK: Duration = Duration::from_millis(200);

/// Between two looks at the lock of a layer that another command makes. It is not waited for by the kernel: a command that fails
/// for another reason ends at once.
const LOCK_POLL: Duration = Duration::from_millis(50);

type Report<'r> = &'r mut dyn FnMut(TransferEvent);

/// From a thread to the one that decides.
enum Message<'s> {
    Resolved(usize, Result<Incoming<'s>, ImageError>),
    Locked(String, Result<FileLock, LockError>),
    Bytes(String, u64),
    /// With the lock, which is held for as long as anybody writes there: longer than whoever decided may wait.
    Unpacked(String, FileLock, Result<Unpacked, ImageError>),
    Synced(Result<(), ImageError>),
}

/// An image on its way.
enum Image<'s> {
    Queued,
    Resolving,
    Layers(Box<Parts<'s>>),
    Done(Result<Loaded, ImageError>),
}

struct Parts<'s> {
    image: NewImage,
    document: ConfigDocument,
    chains: Vec<String>,
    /// Bytes of each blob, when known.
    sizes: Vec<Option<u64>>,
    source: Arc<dyn LayerSource + 's>,
}

/// A layer that some image lacks.
struct Layer {
    /// Images that need it and its number in each; the first provides it.
    wanted: Vec<(usize, usize)>,
    /// Twelve digits for messages.
    name: String,
    state: State,
}

enum State {
    /// Another command makes it, and a thread waits for that.
    Locking,
    Queued(FileLock),
    /// A thread works on it, and has its lock.
    Working(Arc<AtomicBool>),
    Unpacked(Box<Made>),
    Syncing(Box<Made>),
    Stored,
}

impl Layer {
    /// Whether some image on its way still wants it.
    fn is_needed(&self, images: &[Image<'_>]) -> bool {
        self.wanted.iter().any(|(image, _)| !matches!(images[*image], Image::Done(_)))
    }
}

impl ImageStore<'_> {
    /// Brings images here. Results are in the order of `sources`; one that fails does not keep the others from coming.
    ///
    /// When one fails, all sources are cancelled at the end: threads that still read for it are not waited for.
    ///
    /// # Errors
    /// What concerns all of them: the state cannot be written.
    pub fn take_in(
        &mut self,
        sources: &[&dyn ImageSource],
        report: Report<'_>,
    ) -> Result<Vec<Result<Loaded, ImageError>>, ImageError> {
        self.prepare()?;
        let lease = FileLock::acquire_shared(&self.layout.intake_lock())?;
        let stage = self.stage();
        let results = std::thread::scope(|scope| {
            let (send, receive) = channel();
            let images = sources.iter().map(|_| Image::Queued).collect();
            let (layers, queue, ended) = (BTreeMap::new(), VecDeque::new(), Arc::default());
            let (retried, retries) = channel();
            let mut intake = Intake {
                store: self,
                scope,
                stage,
                sources,
                report,
                send,
                retried,
                images,
                layers,
                queue,
                syncing: false,
                durable: false,
                ended,
            };
            let outcome = intake.run(&receive, &retries);
            let failed = |image: &Image<'_>| matches!(image, Image::Done(Err(_)));
            intake.stop(outcome.is_err() || intake.images.iter().any(failed));
            outcome.map(|()| intake.images.into_iter().map(Image::result).collect::<Vec<_>>())
        });
        if results.as_ref().map_or(true, |results| results.iter().any(Result::is_err)) {
            // A full disk is to be less full. What stays all the same is swept up by the next command.
            let _ = self.clear();
        }
        drop(lease);
        if self.layout.unswept().exists() {
            // What is here is here, whatever becomes of that.
            let _ = self.sweep();
        }
        results
    }

    /// [`ImageStore::take_in`] of one image that nobody watches.
    pub(in crate::image) fn take_in_one(&mut self, source: &dyn ImageSource) -> Result<Loaded, ImageError> {
        let mut results = self.take_in(&[source], &mut |_| {})?;
        results.pop().expect("one source has one result")
    }
}

impl Image<'_> {
    fn result(self) -> Result<Loaded, ImageError> {
        match self {
            Self::Done(result) => result,
            Self::Queued | Self::Resolving | Self::Layers(_) => unreachable!("the intake ends with its last image"),
        }
    }
}

struct Intake<'i, 'a, 'scope, 'env> {
    store: &'i mut ImageStore<'a>,
    scope: &'scope Scope<'scope, 'env>,
    stage: Stage<'env>,
    sources: &'env [&'env dyn ImageSource],
    report: Report<'i>,
    send: Sender<Message<'env>>,
    /// Chain ids, and why something of that layer is asked for again. Apart from `send`, as the readers of blobs borrow nothing.
    retried: Sender<(String, String)>,
    images: Vec<Image<'env>>,
    layers: BTreeMap<String, Layer>,
    /// Layers whose lock is held, in the order in which they are to be made.
    queue: VecDeque<String>,
    syncing: bool,
    /// Some image must survive a loss of power, and so must its layers, even when they are all that comes of it.
    durable: bool,
    /// Nothing is waited for any more.
    ended: Arc<AtomicBool>,
}

impl<'scope, 'env: 'scope> Intake<'_, '_, 'scope, 'env> {
    fn run(
        &mut self,
        receive: &Receiver<Message<'env>>,
        retries: &Receiver<(String, String)>,
    ) -> Result<(), ImageError> {
        loop {
            if (self.store.interrupted)() {
                return Err(ImageError::Interrupted);
            }
            self.start_images();
            self.start_layers();
            self.store_ready()?;
            // Layers that are whole stay, though their image failed: for the next attempt.
            if !self.syncing && self.images.iter().all(|image| matches!(image, Image::Done(_))) {
                return Ok(());
            }
            match receive.recv_timeout(TICK) {
                Ok(first) => self.handle(first)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => unreachable!("this thread holds a sender itself"),
            }
            while let Ok(next) = receive.try_recv() {
                self.handle(next)?;
            }
            while let Ok((chain, why)) = retries.try_recv() {
                self.tell_layer(&chain, LayerState::Retrying { why });
            }
        }
    }

    fn handle(&mut self, message: Message<'env>) -> Result<(), ImageError> {
        match message {
            Message::Resolved(number, Ok(incoming)) => self.resolved(number, incoming),
            Message::Resolved(number, Err(error)) => {
                self.fail(number, error);
                Ok(())
            }
            Message::Locked(chain, lock) => self.locked(chain, lock?),
            Message::Bytes(chain, done) => {
                self.tell_layer(&chain, LayerState::Progress { done });
                Ok(())
            }
            Message::Unpacked(chain, lock, result) => {
                self.unpacked(&chain, lock, result);
                Ok(())
            }
            Message::Synced(result) => self.synced(result),
        }
    }

    fn start_images(&mut self) {
        let busy = self.images.iter().filter(|image| matches!(image, Image::Resolving)).count();
        let queued = (0..self.images.len()).filter(|n| matches!(self.images[*n], Image::Queued));
        for number in queued.take(PARALLEL.saturating_sub(busy)).collect::<Vec<_>>() {
            self.images[number] = Image::Resolving;
            self.tell(number, Change::Resolving);
            let (source, send) = (self.sources[number], self.send.clone());
            // Whoever decided may have ended because of an error, and wants no answer.
            self.scope.spawn(move || drop(send.send(Message::Resolved(number, source.resolve()))));
        }
    }

    fn resolved(&mut self, number: usize, incoming: Incoming<'env>) -> Result<(), ImageError> {
        let Incoming { names, config, manifests, blobs, repository, durable, layers } = incoming;
        self.durable |= durable;
        let document = match ConfigDocument::parse(&config) {
            Ok(document) => document,
            Err(error) => {
                self.fail(number, error.into());
                return Ok(());
            }
        };
        let chains: Vec<String> = document.chains().iter().map(|chain| chain.hex().to_owned()).collect();
        self.tell(number, Change::Resolved { layers: chains.len() });
        let sizes = (0..chains.len()).map(|at| blobs.get(at).map(|blob| blob.size)).collect();
        for (at, chain) in chains.iter().enumerate() {
            let digest = blobs.get(at).map_or(&document.rootfs.diff_ids[at], |blob| &blob.digest);
            let name = digest.hex()[..12].to_owned();
            self.want(number, at, chain, name)?;
        }
        let image = NewImage { names, config, manifests, blobs, checked: BTreeSet::new(), repository };
        let source = Arc::from(layers);
        self.images[number] = Image::Layers(Box::new(Parts { image, document, chains, sizes, source }));
        Ok(())
    }

    fn want(&mut self, image: usize, at: usize, chain: &str, name: String) -> Result<(), ImageError> {
        if let Some(layer) = self.layers.get_mut(chain) {
            layer.wanted.push((image, at));
            return Ok(());
        }
        let state = match self.store.has_layer(chain)? {
            true => State::Stored,
            false => match FileLock::try_acquire(&self.stage.layer_lock(chain))? {
                Some(lock) => self.begin(chain, lock)?,
                None => {
                    let (path, send, chain) = (self.stage.layer_lock(chain), self.send.clone(), chain.to_owned());
                    let ended = self.ended.clone();
                    self.scope.spawn(move || {
                        let locked = wait_for_lock(&path, &ended);
                        locked.into_iter().for_each(|lock| drop(send.send(Message::Locked(chain.clone(), lock))));
                    });
                    State::Locking
                }
            },
        };
        let told = match &state {
            State::Stored => Some(LayerState::Present),
            State::Locking => Some(LayerState::Waiting),
            _ => None,
        };
        self.layers.insert(chain.to_owned(), Layer { wanted: vec![(image, at)], name, state });
        if let Some(state) = told {
            self.tell_layer(chain, state);
        }
        Ok(())
    }

    /// The state of a layer whose lock was just taken: another command may have made it before.
    fn begin(&mut self, chain: &str, lock: FileLock) -> Result<State, ImageError> {
        let lock = lock.removing();
        if self.store.has_layer(chain)? {
            return Ok(State::Stored);
        }
        self.queue.push_back(chain.to_owned());
        Ok(State::Queued(lock))
    }

    fn locked(&mut self, chain: String, lock: FileLock) -> Result<(), ImageError> {
        if !self.layers.contains_key(&chain) {
            return Ok(());
        }
        let state = self.begin(&chain, lock)?;
        if matches!(state, State::Stored) {
            self.tell_layer(&chain, LayerState::Done);
        }
        if let Some(layer) = self.layers.get_mut(&chain) {
            layer.state = state;
        }
        Ok(())
    }

    fn start_layers(&mut self) {
        let working = |layer: &&Layer| matches!(layer.state, State::Working(_));
        let mut free = PARALLEL.saturating_sub(self.layers.values().filter(working).count());
        while free > 0
            && let Some(chain) = self.queue.pop_front()
        {
            if self.start_layer(&chain) {
                free -= 1;
            }
        }
    }

    /// Sets a thread to work on a queued layer, for the first of the images that still need it; false when none does.
    fn start_layer(&mut self, chain: &str) -> bool {
        let Some(layer) = self.layers.get_mut(chain) else { return false };
        let images = &self.images;
        layer.wanted.retain(|(image, _)| matches!(images[*image], Image::Layers(_)));
        let provider = layer.wanted.first().map(|(image, at)| (*image, *at, &images[*image]));
        let Some((number, at, Image::Layers(parts))) = provider else {
            self.layers.remove(chain);
            return false;
        };
        let (source, total) = (parts.source.clone(), parts.sizes[at]);
        let cancel = Arc::new(AtomicBool::new(false));
        let State::Queued(lock) = std::mem::replace(&mut layer.state, State::Stored) else {
            unreachable!("only layers whose lock is held are in the queue");
        };
        layer.state = State::Working(cancel.clone());
        self.tell_layer(chain, LayerState::Started { total });
        let (stage, send, label, chain) =
            (self.stage, self.send.clone(), self.sources[number].label(), chain.to_owned());
        let (retried, name) = (self.retried.clone(), chain.clone());
        // Whoever decided may have ended because of an error, and wants to hear nothing.
        let again = Box::new(move |why: &str| drop(retried.send((name.clone(), why.to_owned()))));
        self.scope.spawn(move || {
            let unpacked = source.open(at, again).and_then(|OpenLayer { blob, expected }| {
                let watched = Watched { blob, chain: &chain, send: &send, cancel: &cancel, done: 0, told: 0 };
                stage.unpack(&chain, watched, &expected, (label, at))
            });
            drop(send.send(Message::Unpacked(chain, lock, unpacked)));
        });
        true
    }

    fn unpacked(&mut self, chain: &str, lock: FileLock, result: Result<Unpacked, ImageError>) {
        let Some(layer) = self.layers.get_mut(chain) else { return };
        match result {
            Ok(unpacked) => {
                layer.state = State::Unpacked(Box::new(Made { chain: chain.to_owned(), unpacked, _lock: lock }));
                // The first one gave the blob: none is taken from the list while a thread works.
                if let Some((image, at)) = layer.wanted.first().copied()
                    && let Image::Layers(parts) = &mut self.images[image]
                {
                    parts.image.checked.insert(at);
                }
            }
            Err(error) => {
                // Another image may have a better source for it.
                layer.state = State::Queued(lock);
                self.queue.push_front(chain.to_owned());
                let (provider, _) = layer.wanted[0];
                self.fail(provider, error);
            }
        }
    }

    /// Syncs all layers that are whole, unless that goes on already; records images that are complete.
    fn store_ready(&mut self) -> Result<(), ImageError> {
        if self.syncing {
            return Ok(());
        }
        let mut batch = false;
        for layer in self.layers.values_mut().filter(|layer| matches!(layer.state, State::Unpacked(_))) {
            if let State::Unpacked(made) = std::mem::replace(&mut layer.state, State::Stored) {
                layer.state = State::Syncing(made);
                batch = true;
            }
        }
        if !batch {
            return self.record(Vec::new());
        }
        self.syncing = true;
        for number in 0..self.images.len() {
            let syncing = |chain: &String| matches!(self.layers[chain].state, State::Stored | State::Syncing(_));
            if matches!(&self.images[number], Image::Layers(parts) if parts.chains.iter().all(syncing)) {
                self.tell(number, Change::Storing);
            }
        }
        if !self.durable {
            return self.synced(Ok(()));
        }
        let (stage, send) = (self.stage, self.send.clone());
        self.scope.spawn(move || drop(send.send(Message::Synced(stage.sync()))));
        Ok(())
    }

    fn synced(&mut self, result: Result<(), ImageError>) -> Result<(), ImageError> {
        self.syncing = false;
        result?;
        let mut batch = Vec::new();
        for layer in self.layers.values_mut() {
            if matches!(layer.state, State::Syncing(_))
                && let State::Syncing(made) = std::mem::replace(&mut layer.state, State::Stored)
            {
                batch.push(*made);
            }
        }
        self.stage.publish(batch.iter(), self.durable)?;
        self.record(batch)
    }

    /// Writes the rows of layers that are in place, and of images that are complete with them.
    fn record(&mut self, batch: Vec<Made>) -> Result<(), ImageError> {
        let complete: Vec<usize> = (0..self.images.len()).filter(|number| self.is_complete(*number)).collect();
        let mut pending = Vec::new();
        for number in complete {
            let Image::Layers(parts) = &self.images[number] else { continue };
            match recorded(self.store.database.connection(), &parts.image)? {
                Some(loaded) if batch.is_empty() => self.done(number, loaded),
                _ => pending.push(number),
            }
        }
        let complete = pending;
        if batch.is_empty() && complete.is_empty() {
            return Ok(());
        }
        let parts = complete.iter().filter_map(|number| match &self.images[*number] {
            Image::Layers(parts) => Some((*number, parts)),
            _ => None,
        });
        let write = |transaction: &rusqlite::Connection| -> Result<Vec<(usize, Loaded)>, ImageError> {
            record_layers(transaction, &batch)?;
            parts
                .map(|(number, parts)| Ok((number, record_image(transaction, &parts.image, &parts.document)?)))
                .collect()
        };
        if !complete.is_empty() {
            failpoint::reach("image.commit").map_err(ImageError::Failpoint)?;
        }
        let database = &mut *self.store.database;
        let loaded = if self.durable { database.write(write) } else { database.write_relaxed(write) }?;
        for made in &batch {
            self.tell_layer(&made.chain, LayerState::Done);
        }
        loaded.into_iter().for_each(|(number, loaded)| self.done(number, loaded));
        Ok(())
    }

    fn done(&mut self, number: usize, loaded: Loaded) {
        if let Image::Layers(parts) = &self.images[number]
            && self.durable
        {
            let action = if parts.image.repository.is_some() { "pull" } else { "load" };
            self.store.note(action, &loaded.id, &loaded.names);
        }
        self.tell(number, Change::Done { id: loaded.id.clone() });
        self.images[number] = Image::Done(Ok(loaded));
    }

    fn is_complete(&self, number: usize) -> bool {
        let stored = |chain: &String| matches!(self.layers[chain].state, State::Stored);
        matches!(&self.images[number], Image::Layers(parts) if parts.chains.iter().all(stored))
    }

    /// Gives an image up; layers that only it needs are no longer worked on.
    fn fail(&mut self, number: usize, error: ImageError) {
        // The first error tells more than what follows from it.
        if matches!(self.images[number], Image::Done(_)) {
            return;
        }
        self.tell(number, Change::Failed);
        self.images[number] = Image::Done(Err(error));
        for layer in self.layers.values() {
            if let State::Working(cancel) = &layer.state
                && !layer.is_needed(&self.images)
            {
                cancel.store(true, Ordering::Relaxed);
            }
        }
        self.let_go();
    }

    /// Gives up layers that no image needs any more and nobody works on, so that other commands need not wait for them.
    fn let_go(&mut self) {
        self.layers.retain(|_, layer| !matches!(layer.state, State::Queued(_)) || layer.is_needed(&self.images));
        self.queue.retain(|chain| self.layers.contains_key(chain));
    }

    /// Ends what still goes on, as nobody waits for it; with `all`, also what the images' sources wait for themselves.
    fn stop(&self, all: bool) {
        self.ended.store(true, Ordering::Relaxed);
        if all {
            self.sources.iter().for_each(|source| source.cancel());
        }
        for layer in self.layers.values() {
            if let State::Working(cancel) = &layer.state {
                cancel.store(true, Ordering::Relaxed);
            }
        }
    }

    fn tell(&mut self, number: usize, change: Change) {
        (self.report)(TransferEvent { image: self.sources[number].label().to_owned(), change });
    }

    fn tell_layer(&mut self, chain: &str, state: LayerState) {
        let Some(layer) = self.layers.get(chain) else { return };
        let lives = |(image, _): &&(usize, usize)| !matches!(self.images[*image], Image::Done(Err(_)));
        let Some((image, _)) = layer.wanted.iter().find(lives) else { return };
        let change = Change::Layer { layer: layer.name.clone(), state };
        (self.report)(TransferEvent { image: self.sources[*image].label().to_owned(), change });
    }
}

/// Waits for the lock of a layer; `None` when nobody wants it any more.
fn wait_for_lock(path: &Path, ended: &AtomicBool) -> Option<Result<FileLock, LockError>> {
    while !ended.load(Ordering::Relaxed) {
        match FileLock::try_acquire(path).transpose() {
            Some(locked) => return Some(locked),
            None => std::thread::sleep(LOCK_POLL),
        }
    }
    None
}

/// Reports what is read of a layer, and ends when nobody needs it any more.
struct Watched<'w, 's, R> {
    blob: R,
    chain: &'w str,
    send: &'w Sender<Message<'s>>,
    cancel: &'w AtomicBool,
    done: u64,
    told: u64,
}

impl<R: Read> Read for Watched<'_, '_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(io::Error::other("no longer needed"));
        }
        let read = self.blob.read(buffer)?;
        self.done += read as u64;
        if self.done - self.told >= STEP || (read == 0 && self.done > self.told) {
            self.told = self.done;
            // Whoever decided may have ended because of an error.
            let _ = self.send.send(Message::Bytes(self.chain.to_owned(), self.done));
        }
        Ok(read)
    }
}
