//! Numbers, sizes and times as tables have them: short, with three digits at least.

use mirrorscope_engine::time::{SECOND, Timestamp};

/// A count: `950`, `12.3k`, `4.56M`. Up to five digits it is exact.
pub fn number(number: u64) -> String {
    if number < 100_000 {
        return number.to_string();
    }
    scaled(number as f64, &["", "k", "M", "G", "T", "P", "E"])
}

/// Bytes: `950 B`, `12.3 kB`.
pub fn bytes(number: u64) -> String {
    scaled(
        number as f64,
        &[" B", " kB", " MB", " GB", " TB", " PB", " EB"],
    )
}

/// Bits a second, of bytes a second: `12.3 Mbit/s`.
pub fn bits(bytes: u64) -> String {
    let units = [
        " bit/s", " kbit/s", " Mbit/s", " Gbit/s", " Tbit/s", " Pbit/s", " Ebit/s",
    ];
    scaled(bytes as f64 * 8.0, &units)
}

fn scaled(mut value: f64, units: &[&str]) -> String {
    let mut unit = 0;
    // What would be rounded to 1000 belongs to the next unit.
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = match (unit, value) {
        (0, _) => 0,
        (_, value) if value >= 99.95 => 0,
        (_, value) if value >= 9.995 => 1,
        _ => 2,
    };
    let unit = units.get(unit).copied().unwrap_or_default();
    format!("{value:.digits$}{unit}")
}

/// The time of day, to milliseconds.
pub fn clock(time: Timestamp) -> String {
    let text = time.to_string();
    text.get(11..23).unwrap_or(&text).to_owned()
}

/// A span of time: `0.4 ms`, `12.3 s`, `4:05 min`, `3:20 h`.
pub fn span(nanoseconds: i64) -> String {
    let seconds = nanoseconds as f64 / SECOND as f64;
    let whole = seconds as u64;
    match seconds {
        s if s < 0.0 => "0 s".to_owned(),
        s if s < 0.01 => format!("{:.1} ms", s * 1e3),
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s if s < 60.0 => format!("{s:.1} s"),
        s if s < 3600.0 => format!("{}:{:02} min", whole / 60, whole % 60),
        _ => format!("{}:{:02} h", whole / 3600, whole / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact_up_to_five_digits_and_short_beyond() {
        assert_eq!(number(0), "0");
        assert_eq!(number(99_999), "99999");
        assert_eq!(number(123_456), "123k");
        assert_eq!(number(999_600), "1.00M");
        assert_eq!(number(u64::MAX), "18.4E");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(12_345), "12.3 kB");
        assert_eq!(bits(1_000_000), "8.00 Mbit/s");
    }

    #[test]
    fn spans_have_the_unit_that_fits() {
        let spans = [400_000, 250_000_000, 12_345_000_000, 245 * SECOND];
        let texts = spans.map(span);
        assert_eq!(texts, ["0.4 ms", "250 ms", "12.3 s", "4:05 min"]);
        assert_eq!(span(12_000 * SECOND), "3:20 h");
    }

    #[test]
    fn clock_is_the_time_of_day() {
        assert_eq!(clock(Timestamp(1_700_000_000_123_456_789)), "22:13:20.123");
    }
}
