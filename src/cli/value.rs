//! Values as people type them: with a unit, or as one of several forms of an address.

use std::net::IpAddr;

use ipnet::IpNet;

use mirrorscope_capture::inject::Pace;
use mirrorscope_engine::firewall::Preset;

/// The longest time that can be given, in nanoseconds: 31 years.
const LONGEST: f64 = 1e18;
/// The largest size that can be given, in bytes: a petabyte.
const LARGEST: f64 = 1e15;

/// Time as nanoseconds.
pub fn duration(text: &str) -> Result<i64, &'static str> {
    let (number, unit) = split(text).ok_or("not a time such as 1.5ms or 2h")?;
    let nanoseconds = match unit {
        "ns" => 1.0,
        "us" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" => 60e9,
        "h" => 3600e9,
        "d" => 86_400e9,
        _ => return Err("a number and its unit are needed: ns, us, ms, s, m, h or d"),
    };
    let time = (number * nanoseconds).round();
    if time > LONGEST {
        return Err("longer than any capture");
    }
    Ok(time as i64)
}

/// Time that passes: not zero.
pub fn span(text: &str) -> Result<i64, &'static str> {
    match duration(text)? {
        0 => Err("must be longer than nothing"),
        time => Ok(time),
    }
}

/// Size as bytes; units are powers of 1024.
pub fn size(text: &str) -> Result<usize, &'static str> {
    let (number, unit) = split(text).ok_or("not a size such as 512M or 2G")?;
    let bytes = match unit.trim_end_matches("iB").trim_end_matches('B') {
        "" => 1.0,
        "k" | "K" => 1024.0,
        "M" => 1_048_576.0,
        "G" => 1_073_741_824.0,
        "T" => 1_099_511_627_776.0,
        _ => return Err("a number and its unit are needed: K, M, G or T"),
    };
    let size = (number * bytes).round();
    if size > LARGEST {
        return Err("more than any machine has");
    }
    Ok(size as usize)
}

/// How fast packets are sent.
pub fn pace(text: &str) -> Result<Pace, &'static str> {
    match text {
        "recorded" => return Ok(Pace::Recorded),
        "max" => return Ok(Pace::Max),
        _ => {}
    }
    let (number, unit) =
        split(text).ok_or("one of recorded, max, or a rate such as 1000pps or 50Mbit")?;
    if number <= 0.0 {
        return Err("must be faster than not at all");
    }
    Ok(match unit {
        "pps" => Pace::Frames(number),
        "bit" => Pace::Bits(number),
        "kbit" | "Kbit" => Pace::Bits(number * 1e3),
        "Mbit" => Pace::Bits(number * 1e6),
        "Gbit" => Pace::Bits(number * 1e9),
        _ => return Err("a rate has a unit: pps, kbit, Mbit or Gbit"),
    })
}

/// Size as bytes, of something that cannot be empty.
pub fn extent(text: &str) -> Result<u64, &'static str> {
    match size(text)? {
        0 => Err("must be larger than nothing"),
        size => Ok(size as u64),
    }
}

/// A machine, by whichever address is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// Its IP address, or a prefix that holds it.
    Net(IpNet),
    /// Its MAC address, in lower case with colons.
    Mac(String),
}

/// An IP address or a prefix.
pub fn net(text: &str) -> Result<IpNet, &'static str> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse()
        .or_else(|_| address())
        .map_err(|_| "neither an IP address nor a prefix such as 10.60.0.0/24")
}

/// An IP address, a prefix, or a MAC address in any of the usual forms.
pub fn host(text: &str) -> Result<Host, &'static str> {
    if let Ok(net) = net(text) {
        return Ok(Host::Net(net));
    }
    let digits: String = text.chars().filter(|c| !":-.".contains(*c)).collect();
    if digits.len() != 12 || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err("neither an IP address or prefix, nor a MAC address such as 02:00:00:00:00:50");
    }
    let digits = digits.to_ascii_lowercase();
    let bytes: Vec<&str> = (0..12)
        .step_by(2)
        .filter_map(|at| digits.get(at..at + 2))
        .collect();
    Ok(Host::Mac(bytes.join(":")))
}

/// A kind of firewall, by name.
pub fn preset(text: &str) -> Result<Preset, String> {
    Preset::from_name(text).ok_or_else(|| {
        let names: Vec<&str> = Preset::ALL.iter().map(|preset| preset.as_str()).collect();
        format!("one of {}", names.join(", "))
    })
}

/// A plain decimal number and what follows it.
fn split(text: &str) -> Option<(f64, &str)> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = text.strip_suffix(unit)?.parse().ok()?;
    Some((number, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit() {
        assert_eq!(duration("20us"), Ok(20_000));
        assert_eq!(duration("1.5ms"), Ok(1_500_000));
        assert_eq!(duration("2s"), Ok(2_000_000_000));
        assert_eq!(duration("7ns"), Ok(7));
        assert_eq!(duration("90m"), duration("1.5h"));
        assert_eq!(duration("2d"), Ok(172_800_000_000_000));
        for wrong in ["", "5", "s", "-1s", "1.2.3s", "1e3s", "1w", "9999999999s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_machine_is_named_by_any_of_its_addresses() {
        let mac = Ok(Host::Mac("02:aa:00:00:00:50".to_owned()));
        for text in ["02:AA:00:00:00:50", "02-aa-00-00-00-50", "02aa.0000.0050"] {
            assert_eq!(host(text), mac);
        }
        assert_eq!(
            host("10.20.0.50"),
            Ok(Host::Net("10.20.0.50/32".parse().unwrap()))
        );
        assert!(host("2001:db8::/64").is_ok());
        for wrong in ["", "vm1", "10.20.0", "02:aa:00:00:00", "02:aa:00:00:00:zz"] {
            assert!(host(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_pace_is_a_word_or_a_rate() {
        assert_eq!(pace("recorded"), Ok(Pace::Recorded));
        assert_eq!(pace("max"), Ok(Pace::Max));
        assert_eq!(pace("1000pps"), Ok(Pace::Frames(1000.0)));
        assert_eq!(pace("1.5Mbit"), pace("1500kbit"));
        for wrong in ["", "fast", "0pps", "-1pps", "50", "50MB", "pps"] {
            assert!(pace(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_extent_is_not_empty() {
        assert_eq!(extent("100M"), Ok(104_857_600));
        for wrong in ["0", "0G", "0.4", "x"] {
            assert!(extent(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_size_may_have_a_unit() {
        assert_eq!(size("4096"), Ok(4096));
        assert_eq!(size("64K"), Ok(65_536));
        assert_eq!(size("1.5MiB"), Ok(1_572_864));
        assert_eq!(size("2GB"), Ok(2_147_483_648));
        for wrong in ["", "G", "-1", "1X", "1e9", "9999999T"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
