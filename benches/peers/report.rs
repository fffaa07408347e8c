//! Figures: medians of interleaved runs, and their ratios.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;

/// Samples by figure and engine, in the order they first came.
#[derive(Default)]
pub struct Report {
    order: Vec<(String, &'static str)>,
    samples: BTreeMap<(String, &'static str), Vec<f64>>,
}

impl Report {
    pub fn add(&mut self, figure: &str, unit: &'static str, engine: &'static str, value: f64) {
        if !self.order.iter().any(|(name, _)| name == figure) {
            self.order.push((figure.to_owned(), unit));
        }
        self.samples.entry((figure.to_owned(), engine)).or_default().push(value);
    }

    fn median(&self, figure: &str, engine: &'static str) -> Option<f64> {
        let mut values = self.samples.get(&(figure.to_owned(), engine))?.clone();
        values.sort_by(f64::total_cmp);
        Some(values[values.len() / 2])
    }

    pub fn table(&self) -> String {
        let mut out = String::from(
            "\n| figure (medians) | podkin | podman | skopeo | podman / podkin |\n|---|---:|---:|---:|---:|\n",
        );
        for (figure, unit) in &self.order {
            let (own, peer) = (self.median(figure, "podkin"), self.median(figure, "podman"));
            let show = |v: Option<f64>| v.map_or("-".to_owned(), |v| format!("{v:.1} {unit}").trim_end().to_owned());
            let ratio = own.zip(peer).map_or("-".to_owned(), |(a, b)| format!("{:.1}", b / a));
            let skopeo = show(self.median(figure, "skopeo"));
            let _ = writeln!(out, "| {figure} | {} | {} | {skopeo} | {ratio} |", show(own), show(peer));
        }
        out
    }

    pub fn json(&self) -> String {
        let rows: Vec<_> = self
            .order
            .iter()
            .map(|(figure, unit)| {
                let of = |engine| self.samples.get(&(figure.clone(), engine));
                let (own, peer) = (self.median(figure, "podkin"), self.median(figure, "podman"));
                serde_json::json!({
                    "figure": figure,
                    "unit": unit,
                    "median": {"podkin": own, "podman": peer},
                    "ratio": own.zip(peer).map(|(own, peer)| peer / own),
                    "samples": {"podkin": of("podkin"), "podman": of("podman")},
                })
            })
            .collect();
        serde_json::to_string_pretty(&rows).unwrap_or_else(|e: serde_json::Error| io::Error::from(e).to_string())
    }
}
