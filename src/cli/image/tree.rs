//! `image tree`.

use super::super::complete;
use super::super::context::Globals;
use super::super::error::CommandError;
use super::super::listing::short_id;
use super::super::output::Output;
use super::super::units::exact_size;
use crate::image::{ImageError, ImageStore, LayerSummary, LayerTree};
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

/// Draw the layers of an image
#[derive(Debug, Args)]
pub struct TreeArgs {
    #[arg(value_name = "IMAGE", add = ArgValueCompleter::new(complete::images))]
    pub name: String,
    /// What lies on the image's uppermost layer, instead of what lies below
    #[arg(long)]
    pub whatrequires: bool,
}

pub fn run(globals: &Globals, args: &TreeArgs) -> Result<(), CommandError> {
    let mut engine = globals.engine()?;
    let text = draw(&engine.images(), args).map_err(|error| super::explain(&mut engine, error))?;
    let mut out = Output::new();
    out.text(text)?;
    out.finish()
}

fn draw(images: &ImageStore<'_>, args: &TreeArgs) -> Result<String, ImageError> {
    let image = images.inspect(&args.name)?;
    let trees: Vec<LayerTree> = match args.whatrequires {
        true => images.layers_above(&image.id)?.into_iter().collect(),
        false => {
            let layers = images.layers_of(&image.id)?.into_iter();
            layers.map(|layer| LayerTree { layer, above: Vec::new() }).collect()
        }
    };
    let mut text = format!(
        "Image ID: {}\nTags:     [{}]\nSize:     {}\n{}\n",
        short_id(&image.id),
        image.repo_tags.join(" "),
        exact_size(image.size),
        if trees.is_empty() { "No Image Layers" } else { "Image Layers" }
    );
    branches(&mut text, &trees, "");
    Ok(text)
}

fn branches(text: &mut String, trees: &[LayerTree], indent: &str) {
    for (position, tree) in trees.iter().enumerate() {
        let last = position + 1 == trees.len();
        text.push_str(&format!("{indent}{} {}\n", if last { "└──" } else { "├──" }, line(&tree.layer)));
        branches(text, &tree.above, &format!("{indent}{}", if last { "    " } else { "│   " }));
    }
}

fn line(layer: &LayerSummary) -> String {
    let top = match layer.top_of.as_slice() {
        [] => String::new(),
        names => format!(" Top Layer of: [{}]", names.join(" ")),
    };
    format!("ID: {} Size: {:>7}{top}", short_id(&layer.chain), exact_size(layer.size))
}
