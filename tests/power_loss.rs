//! What a command said is done survives a loss of power (R3).
//!
//! The root lies on a file system of its own, in a file. A copy of that file, taken the moment the command ends, is what a disk
//! would have held had the power gone then: what only the kernel knew is not in it. The journal of the file system is told to wait
//! much longer than the test lasts, so that nothing gets there by itself.

mod common;

use common::TestEnv;
use podkin::image::archive::writer::{ImageToWrite, LayerFile, header, write_docker_archive};
use podkin::image::config::ConfigDocument;
use podkin::image::platform::host_architecture;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An archive of an image with some layers of many small files and a large one.
fn archive(env: &TestEnv) -> PathBuf {
    let layer = |number: usize| {
        LayerFile::build(&env.base, |builder| {
            for file in 0..100 {
                let content = vec![b'a' + (file % 26) as u8; 100 + file * 50];
                let mut header = header(tar::EntryType::Regular, content.len() as u64, 0o640);
                builder.append_data(&mut header, format!("srv/{number}/{file}"), &content[..])?;
            }
            let large: Vec<u8> = (0..3_000_000u32).map(|at| (at / 7 + number as u32) as u8).collect();
            let mut header = header(tar::EntryType::Regular, large.len() as u64, 0o600);
            builder.append_data(&mut header, format!("srv/{number}/large"), &large[..])
        })
        .expect("the base is writable")
    };
    let image = ImageToWrite {
        names: vec!["localhost/lasting:1".to_owned()],
        config: ConfigDocument { os: "linux".into(), architecture: host_architecture().into(), ..Default::default() },
        layers: (0..4).map(layer).collect(),
    };
    let path = env.base.join("image.tar");
    write_docker_archive(fs::File::create(&path).expect("the base is writable"), vec![image]).expect("it is written");
    path
}

/// A file system in a file, mounted.
struct Disk {
    mounted: PathBuf,
}

impl Disk {
    fn mount(image: &Path, at: &Path) -> Self {
        fs::create_dir_all(at).expect("the base is writable");
        run("mount", &["-o", "loop,commit=600", text(image), text(at)]);
        Self { mounted: at.to_owned() }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run("umount", &[text(&self.mounted)]);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the temporary directory has a plain name")
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program} is missing: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A root on a disk of its own, and what the power left of it after `command`.
fn after_power_loss(env: &mut TestEnv, command: &[&str]) {
    let image = env.base.join("disk.img");
    fs::File::create(&image).and_then(|file| file.set_len(256 << 20)).expect("the base is writable");
    run("mkfs.ext4", &["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", text(&image)]);
    let copy = env.base.join("copy.img");
    {
        let disk = Disk::mount(&image, &env.base.join("disk"));
        env.root = disk.mounted.join("root");
        env.ok(command);
        fs::copy(&image, &copy).expect("the base is writable");
        env.ok(["system", "reset", "--force"]);
        drop(disk);
    }
    fs::rename(&copy, &image).expect("the base is writable");
}

#[test]
fn an_image_that_was_loaded_is_there_and_whole_after_the_power_went() {
    let mut env = TestEnv::new("power");
    let archive = archive(&env);
    after_power_loss(&mut env, &["load", "-q", "-i", text(&archive)]);
    let disk = Disk::mount(&env.base.join("disk.img"), &env.base.join("disk"));
    assert_eq!(env.ok(["images", "--format", "{{.Repository}}:{{.Tag}}"]).trim(), "localhost/lasting:1");
    let checked = env.run(["system", "check"]);
    assert_eq!((checked.code(), checked.stdout.as_str()), (0, ""), "{}", checked.stderr);
    env.ok(["system", "reset", "--force"]);
    drop(disk);
}
