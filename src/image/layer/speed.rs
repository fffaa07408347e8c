//! What unpacking costs. Not run with the tests; the numbers mean something when this crate is optimised:
//!
//! ```text
//! cargo test --lib --config profile.dev.opt-level=2 image::layer::speed -- --ignored --nocapture --test-threads=1
//! ```

use super::{Expected, Limits, restore, unpack, verify};
use crate::sys::dir::{self, Dir};
use std::io::Write;
use std::time::{Duration, Instant};

/// Text that shrinks to about a third, as programs do.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut out = Vec::with_capacity(size + 16);
    while out.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&(state & 0x0f0f_0f0f_ffff_ffff).to_le_bytes());
        out.extend_from_slice(&[0, 1, 2, 3, 4, 5, 6, 7]);
    }
    out.truncate(size);
    out
}

fn archive(files: usize, size: usize) -> Vec<u8> {
    let content = noise(size);
    let mut builder = tar::Builder::new(Vec::new());
    for number in 0..files {
        let mut header = crate::image::archive::writer::header(tar::EntryType::Regular, size as u64, 0o644);
        let name = format!("usr/lib/package-{}/module-{number}.py", number / 50);
        builder.append_data(&mut header, name, &content[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn measure(name: &str, blob: &[u8], bytes: usize) {
    let path = std::env::temp_dir().join(format!("podkin-speed-{}", std::process::id()));
    let mut best = [Duration::MAX; 3];
    let mut recipe = 0;
    for _ in 0..3 {
        dir::remove_tree(&path).unwrap();
        std::fs::create_dir_all(&path).unwrap();
        let into = Dir::open(&path).unwrap();
        let timed = |best: &mut Duration, work: &mut dyn FnMut()| {
            let start = Instant::now();
            work();
            *best = start.elapsed().min(*best);
        };
        let mut unpacked = None;
        timed(&mut best[0], &mut || {
            unpacked = Some(unpack(blob, &Expected::default(), &into, &Limits::default()).unwrap())
        });
        let diff_id = unpacked.unwrap().diff_id;
        timed(&mut best[1], &mut || drop(restore(&path, std::io::sink()).unwrap()));
        timed(&mut best[2], &mut || assert!(verify(&path, &diff_id).unwrap().is_empty()));
        recipe = std::fs::metadata(path.join("recipe")).unwrap().len();
    }
    dir::remove_tree(&path).unwrap();
    let [unpack, restore, verify] = best.map(|time| time.as_secs_f64());
    let rate = bytes as f64 / 1e6 / unpack;
    println!(
        "{name}: unpack {unpack:.3} s ({rate:.0} MB/s), restore {restore:.3} s, verify {verify:.3} s, recipe {recipe} bytes"
    );
}

#[test]
#[ignore = "measures, and asserts nothing"]
fn one_large_layer() {
    let plain = archive(6, 50 << 20);
    measure("300 MB, gzip", &gzip(&plain), plain.len());
    measure("300 MB, plain", &plain, plain.len());
}

#[test]
#[ignore = "measures, and asserts nothing"]
fn many_small_files() {
    let plain = archive(100_000, 1000);
    measure("100000 files of 1000 bytes", &plain, plain.len());
    let plain = archive(100_000, 60);
    measure("100000 files of 60 bytes", &plain, plain.len());
}

#[test]
#[ignore = "measures, and asserts nothing"]
fn many_small_layers() {
    let plain = archive(50, 20_000);
    let blob = gzip(&plain);
    let path = std::env::temp_dir().join(format!("podkin-speed-40-{}", std::process::id()));
    let start = Instant::now();
    for number in 0..40 {
        let layer = path.join(number.to_string());
        std::fs::create_dir_all(&layer).unwrap();
        unpack(&blob[..], &Expected::default(), &Dir::open(&layer).unwrap(), &Limits::default()).unwrap();
    }
    println!("40 layers of 1 MB one after the other: {:.3} s", start.elapsed().as_secs_f64());
    dir::remove_tree(&path).unwrap();
}

#[test]
#[ignore = "measures, and asserts nothing"]
fn hashes() {
    use sha2::Digest as _;
    let data = noise(256 << 20);
    let start = Instant::now();
    std::hint::black_box(sha2::Sha256::digest(&data));
    println!("sha2: {:.0} MB/s", data.len() as f64 / 1e6 / start.elapsed().as_secs_f64());
}
