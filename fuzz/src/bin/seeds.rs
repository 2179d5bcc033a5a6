//! Writes the seed corpus of every target below a folder: `seeds [folder]`, `corpus` by default.

use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = PathBuf::from(env::args_os().nth(1).unwrap_or_else(|| "corpus".into()));
    for (name, seeds) in slotmesh_fuzz::seeds() {
        let target = folder.join(name);
        fs::create_dir_all(&target)?;
        for (index, seed) in seeds.iter().enumerate() {
            fs::write(target.join(format!("seed-{index:03}")), seed)?;
        }
    }
    Ok(())
}
