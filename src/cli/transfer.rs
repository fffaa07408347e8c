//! What is shown on standard error while images are pulled, pushed, loaded or saved: on a terminal a line for each image and a bar
//! for each layer on its way, elsewhere lines that stay, or JSON for programs.

use super::error::CommandError;
use super::output::{notice, stderr_is_live};
use super::registry::{RegistryArgs, RetryArgs};
use super::units::human_size;
use crate::image::remote::RegistrySettings;
use crate::image::transfer::{Change, LayerState, TransferEvent};
use clap::{Args, ValueEnum};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::HashMap;
use std::time::Duration;

/// `--progress`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ProgressFormat {
    /// Bars on a terminal, plain lines elsewhere
    #[default]
    Auto,
    /// Bars
    Tty,
    /// A line for each thing that happened
    Plain,
    /// A JSON object a line for each thing that happened
    Json,
    /// Nothing
    Quiet,
}

/// Options of commands that take their time with images.
#[derive(Debug, Clone, Args)]
pub struct ProgressArgs {
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
    /// How progress is shown
    #[arg(long, value_enum, default_value_t = ProgressFormat::Auto, value_name = "FORM")]
    pub progress: ProgressFormat,
}

impl ProgressArgs {
    /// What shows it; `verb` as in `pulling`.
    pub fn view(&self, verb: &'static str) -> TransferView {
        TransferView::new(verb, self.progress, self.quiet)
    }
}

/// Options of commands that transfer images from or to registries.
#[derive(Debug, Clone, Args)]
pub struct TransferArgs {
    #[command(flatten)]
    pub progress: ProgressArgs,
    #[command(flatten)]
    pub retry: RetryArgs,
    #[command(flatten)]
    pub registry: RegistryArgs,
}

impl TransferArgs {
    /// The configuration of this user, and what these options say.
    pub fn settings(&self) -> Result<RegistrySettings, CommandError> {
        let mut settings = self.registry.settings()?;
        self.retry.apply(&mut settings)?;
        Ok(settings)
    }
}

/// Shows the transfer of images.
pub struct TransferView {
    mode: Mode,
    /// `pulling`, `pushing`.
    verb: &'static str,
}

enum Mode {
    Quiet,
    Plain(HashMap<(String, String), u64>),
    Json,
    Live(Box<Bars>),
}

/// Lines that are drawn over.
struct Bars {
    all: MultiProgress,
    /// In the order in which they were first heard of.
    images: Vec<(String, ProgressBar)>,
    layers: HashMap<(String, String), ProgressBar>,
}

impl TransferView {
    pub fn new(verb: &'static str, format: ProgressFormat, quiet: bool) -> Self {
        let mode = match format {
            _ if quiet => Mode::Quiet,
            ProgressFormat::Quiet => Mode::Quiet,
            ProgressFormat::Json => Mode::Json,
            ProgressFormat::Plain => Mode::Plain(HashMap::new()),
            ProgressFormat::Auto if !stderr_is_live() => Mode::Plain(HashMap::new()),
            ProgressFormat::Auto | ProgressFormat::Tty => Mode::Live(Box::new(Bars::new())),
        };
        Self { mode, verb }
    }

    /// Takes one thing that happened.
    pub fn show(&mut self, event: TransferEvent) {
        match &mut self.mode {
            Mode::Quiet => {}
            Mode::Plain(sizes) => {
                if let Some(line) = plain(self.verb, sizes, &event) {
                    notice(line);
                }
            }
            Mode::Json => notice(json(&event).to_string()),
            Mode::Live(bars) => bars.show(self.verb, event),
        }
    }

    /// Leaves what is to stay, and takes the bars away.
    pub fn finish(&mut self) {
        if let Mode::Live(bars) = &mut self.mode {
            bars.layers.drain().for_each(|(_, bar)| bar.finish_and_clear());
            // Drawn once more as lines that stay, with a line end behind the last one.
            let said: Vec<String> = bars.images.iter().map(|(_, bar)| bar.message()).collect();
            bars.images.drain(..).for_each(|(_, bar)| bar.finish_and_clear());
            said.iter().for_each(notice);
        }
    }
}

impl Drop for TransferView {
    fn drop(&mut self) {
        self.finish();
    }
}

/// The line for an event where lines stay; bytes on the way are not worth one.
fn plain(verb: &str, sizes: &mut HashMap<(String, String), u64>, event: &TransferEvent) -> Option<String> {
    let image = &event.image;
    match &event.change {
        Change::Resolving => Some(format!("{verb} {image}")),
        Change::Resolved { .. } | Change::Storing | Change::Failed => None,
        Change::Done { .. } => Some(format!("{image}: done")),
        Change::Layer { layer, state } => {
            let key = (image.clone(), layer.clone());
            match state {
                LayerState::Present => Some(format!("{image}: layer {layer} is there already")),
                LayerState::Waiting => Some(format!("{image}: layer {layer} is in the hands of another command")),
                LayerState::Started { total } => {
                    sizes.insert(key, total.unwrap_or(0));
                    None
                }
                LayerState::Progress { done } => {
                    sizes.insert(key, *done);
                    None
                }
                LayerState::Retrying { why } => Some(format!("{image}: layer {layer}: {why}; trying again")),
                LayerState::Done => {
                    let size = sizes.remove(&key).filter(|size| *size > 0);
                    Some(match size {
                        Some(size) => format!("{image}: layer {layer} done, {}", human_size(size)),
                        None => format!("{image}: layer {layer} done"),
                    })
                }
            }
        }
    }
}

/// An event as an object: `image` and `status`, and what belongs to it.
fn json(event: &TransferEvent) -> serde_json::Value {
    let image = &event.image;
    match &event.change {
        Change::Resolving => serde_json::json!({"image": image, "status": "resolving"}),
        Change::Resolved { layers } => serde_json::json!({"image": image, "status": "resolved", "layers": layers}),
        Change::Storing => serde_json::json!({"image": image, "status": "storing"}),
        Change::Done { id } => serde_json::json!({"image": image, "status": "done", "id": id}),
        Change::Failed => serde_json::json!({"image": image, "status": "failed"}),
        Change::Layer { layer, state } => {
            let mut object = serde_json::json!({"image": image, "layer": layer});
            if let LayerState::Retrying { why } = state {
                object["why"] = why.as_str().into();
            }
            let (status, extra) = match state {
                LayerState::Present => ("present", None),
                LayerState::Waiting => ("waiting", None),
                LayerState::Started { total } => ("started", total.map(|total| ("total", total))),
                LayerState::Progress { done } => ("progress", Some(("current", *done))),
                LayerState::Retrying { .. } => ("retrying", None),
                LayerState::Done => ("done", None),
            };
            object["status"] = status.into();
            if let Some((key, bytes)) = extra {
                object[key] = bytes.into();
            }
            object
        }
    }
}

impl Bars {
    fn new() -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(15));
        Self { all, images: Vec::new(), layers: HashMap::new() }
    }

    fn show(&mut self, verb: &'static str, event: TransferEvent) {
        let TransferEvent { image, change } = event;
        let Change::Layer { layer, state } = change else { return self.show_image(verb, &image, &change) };
        let key = (image, layer);
        match state {
            LayerState::Present => {}
            LayerState::Waiting => {
                let bar = self.layer(key, "waits for another command", None);
                bar.enable_steady_tick(Duration::from_millis(200));
            }
            LayerState::Started { total } => drop(self.layer(key, "", total)),
            LayerState::Progress { done } => {
                let known = self.layers.get(&key).cloned();
                let bar = known.unwrap_or_else(|| self.layer(key, "", None));
                bar.set_position(done);
                bar.set_message(if bar.length() == Some(done) { "storing" } else { "" });
            }
            LayerState::Retrying { why } => {
                let known = self.layers.get(&key).cloned();
                let bar = known.unwrap_or_else(|| self.layer(key, "", None));
                bar.set_message(format!("{why}; trying again"));
            }
            LayerState::Done => {
                if let Some(bar) = self.layers.remove(&key) {
                    bar.finish_and_clear();
                }
            }
        }
    }

    fn show_image(&mut self, verb: &'static str, image: &str, change: &Change) {
        let bar = self.image(image);
        let said = match change {
            Change::Resolving => format!("{verb} {image}"),
            Change::Resolved { layers } => format!("{verb} {image} ({layers} {})", plural(*layers, "layer")),
            Change::Storing => format!("{verb} {image}: storing"),
            Change::Done { .. } => format!("{image}: done in {}", seconds(bar.elapsed())),
            Change::Failed => format!("{image}: failed"),
            Change::Layer { .. } => return,
        };
        bar.set_message(said);
        if matches!(change, Change::Done { .. } | Change::Failed) {
            // Of layers that were given up nothing more is heard.
            let of_image = self.layers.extract_if(|(of, _), _| of == image);
            of_image.for_each(|(_, bar)| bar.finish_and_clear());
        }
    }

    /// The line of an image.
    fn image(&mut self, image: &str) -> ProgressBar {
        if let Some((_, bar)) = self.images.iter().find(|(name, _)| name == image) {
            return bar.clone();
        }
        let bar = self.all.add(ProgressBar::no_length().with_style(style("{msg}")));
        self.images.push((image.to_owned(), bar.clone()));
        bar
    }

    /// The bar of a layer, below its image.
    fn layer(&mut self, key: (String, String), message: &'static str, total: Option<u64>) -> ProgressBar {
        if let Some(old) = self.layers.remove(&key) {
            old.finish_and_clear();
        }
        let template = match total {
            Some(_) => "  {prefix} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}",
            None => "  {prefix} {spinner} {bytes} {msg}",
        };
        let bar = match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::no_length(),
        };
        bar.set_style(style(template).progress_chars("=> "));
        bar.set_prefix(key.1.clone());
        bar.set_message(message);
        let image = self.image(&key.0);
        let bar = self.all.insert_after(&image, bar);
        self.layers.insert(key, bar.clone());
        bar
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates of this file are sound")
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(change: Change) -> TransferEvent {
        TransferEvent { image: "quay.io/a/b:1".into(), change }
    }

    fn layer(state: LayerState) -> TransferEvent {
        event(Change::Layer { layer: "0123456789ab".into(), state })
    }

    #[test]
    fn lines_that_stay_tell_what_came() {
        let mut sizes = HashMap::new();
        let events = [
            event(Change::Resolving),
            event(Change::Resolved { layers: 1 }),
            layer(LayerState::Started { total: Some(5_000_000) }),
            layer(LayerState::Progress { done: 5_000_000 }),
            layer(LayerState::Done),
            event(Change::Done { id: "x".into() }),
        ];
        let lines: Vec<String> = events.iter().filter_map(|event| plain("pulling", &mut sizes, event)).collect();
        assert_eq!(
            lines,
            ["pulling quay.io/a/b:1", "quay.io/a/b:1: layer 0123456789ab done, 5 MB", "quay.io/a/b:1: done"]
        );
    }

    #[test]
    fn objects_have_a_status_and_numbers() {
        let said = json(&layer(LayerState::Progress { done: 7 })).to_string();
        assert_eq!(said, r#"{"image":"quay.io/a/b:1","layer":"0123456789ab","status":"progress","current":7}"#);
        assert_eq!(json(&layer(LayerState::Started { total: None }))["status"], "started");
    }
}
