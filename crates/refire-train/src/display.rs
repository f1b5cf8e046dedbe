//! Numbers and times as people read them.

use std::time::Duration;

/// That many significant digits (whole ones all), without trailing zeros: `0.1234`, `-12.5`, `3e-6`.
pub(crate) fn number(value: f64, digits: usize) -> String {
    let size = value.abs();
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".to_owned() } else { value.to_string() };
    }
    if !(1e-4..1e7).contains(&size) {
        let text = format!("{value:.*e}", digits - 1);
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{}e{exponent}", without_zeros(mantissa));
    }
    let places = (digits as i64 - 1 - size.log10().floor() as i64).clamp(0, 8) as usize;
    without_zeros(&format!("{value:.places$}")).to_owned()
}

fn without_zeros(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// `45s`, `3m 05s`, `2h 07m`.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m {s:02}s"),
        (h, m, _) => format!("{h}h {m:02}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.0, "0"),
            (1.0, "1"),
            (0.123_456, "0.1235"),
            (-12.5, "-12.5"),
            (1234.56, "1235"),
            (3e-6, "3e-6"),
            (1.5e9, "1.5e9"),
            (0.099_999_9, "0.1"),
            (100.0, "100"),
            (f64::NAN, "NaN"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value, 4), text);
        }
        assert_eq!([0.123_456, 1234.5, 1.239e9].map(|v| number(v, 3)), ["0.123", "1234", "1.24e9"]);
    }

    #[test]
    fn times_have_two_units_at_most() {
        for (seconds, text) in [(0, "0s"), (45, "45s"), (185, "3m 05s"), (7620, "2h 07m")] {
            assert_eq!(duration(Duration::from_secs(seconds)), text);
        }
    }
}
