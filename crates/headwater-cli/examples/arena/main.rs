//! Plays a match of eight players in a small arena, the same one each time, and records it.
//!
//! ```text
//! cargo run -p headwater-cli --example arena -- arena.ndjson.gz
//! headwater replay arena.ndjson.gz
//! ```
//!
//! Each step is a JSON Patch that one player's client or the server sends; the recording has them in
//! the order in which the server applied them, with the digest of the document after each.

mod base;
mod game;
mod player;
mod random;
mod recording;
mod turn;

use std::{env, error::Error, fs::File, io::Write as _};

use flate2::{Compression, write::GzEncoder};

fn main() -> Result<(), Box<dyn Error>> {
    let path = env::args_os().nth(1).ok_or("usage: arena FILE.ndjson.gz")?;
    let mut file = GzEncoder::new(File::create(path)?, Compression::best());
    file.write_all(game::play()?.as_bytes())?;
    file.finish()?;
    Ok(())
}
