//! The rules of every time zone, packed: a container has none, and of them all a project needs one. Which one that is, is
//! left to `zones.rs`.

use std::io::Read;

use flate2::bufread::DeflateDecoder;
use jiff::tz::TimeZone;

/// As `src/build.rs` writes them, zone by zone: the names, with line ends between them, and the rules as TZif; before each of
/// the two its length, in two bytes.
static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/zones"));

/// The zone of this name, as in `US/Pacific`, in any case. Unpacks 230 KB at most.
pub(super) fn zone(name: &str) -> Option<TimeZone> {
    let mut unpacked = DeflateDecoder::new(PACKED);
    let mut part = Vec::new();
    loop {
        read_part(&mut unpacked, &mut part)?;
        let mut names = part.split(|byte| *byte == b'\n');
        let is_wanted = names.any(|known| known.eq_ignore_ascii_case(name.as_bytes()));
        read_part(&mut unpacked, &mut part)?;
        if is_wanted {
            return TimeZone::tzif(name, &part).ok();
        }
    }
}

/// Nothing at the end.
fn read_part(unpacked: &mut impl Read, part: &mut Vec<u8>) -> Option<()> {
    let mut length = [0; 2];
    unpacked.read_exact(&mut length).ok()?;
    part.resize(u16::from_le_bytes(length).into(), 0);
    unpacked.read_exact(part).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_zone_is_as_jiff_brings_it() {
        let mut number = 0;
        for name in jiff::tz::db().available() {
            let found = zone(name.as_str()).unwrap();
            assert_eq!(found.iana_name(), Some(name.as_str()));
            for second in [
                0,
                1_000_000_000,
                1_780_000_000,
                1_800_000_000,
                4_000_000_000,
            ] {
                let moment = jiff::Timestamp::from_second(second).unwrap();
                let expected = TimeZone::get(name.as_str()).unwrap();
                assert_eq!(
                    found.to_datetime(moment),
                    expected.to_datetime(moment),
                    "{name}"
                );
            }
            number += 1;
        }
        assert!(number > 500, "{number}");
    }

    #[test]
    fn a_name_is_found_in_any_case_and_only_whole() {
        let name = zone("europe/BERLIN").unwrap();
        assert_eq!(name.iana_name(), Some("europe/BERLIN"));
        for unknown in [
            "",
            "Europe",
            "Europe/Berlin ",
            "Europe/Berlin\nEurope/Oslo",
            "Mars/Phobos",
        ] {
            assert!(zone(unknown).is_none(), "{unknown}");
        }
    }
}
