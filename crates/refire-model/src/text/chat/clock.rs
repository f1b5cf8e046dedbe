use minijinja::{Error, ErrorKind};
use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A moment as templates print it, without a time zone.
///
/// ```
/// use refire_model::{ChatTemplate, DateTime, RenderOptions};
///
/// let day = DateTime { year: 2025, month: 1, day: 2, hour: 3, minute: 4, second: 5 };
/// let template = ChatTemplate::new("{{ strftime_now('%d %b %Y') }}")?.with_clock(move || day);
/// assert_eq!(template.render(&[], &RenderOptions::default())?, "02 Jan 2025");
/// # Ok::<(), refire_model::ModelError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DateTime {
    /// Year of the Gregorian calendar.
    pub year: i32,
    /// Month, 1 to 12.
    pub month: u8,
    /// Day of the month, 1 to 31.
    pub day: u8,
    /// Hour, 0 to 23.
    pub hour: u8,
    /// Minute, 0 to 59.
    pub minute: u8,
    /// Second, 0 to 59.
    pub second: u8,
}

impl DateTime {
    /// The system's time in UTC.
    pub fn now_utc() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::from_unix(since.as_secs())
    }

    /// Seconds since 1970-01-01 00:00 UTC. Days to dates as in Howard Hinnant's
    /// `civil_from_days`.
    pub fn from_unix(seconds: u64) -> Self {
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let shifted = days + 719_468; // days since 0000-03-01
        let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        Self {
            year: year as i32,
            month: month as u8,
            day: (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u8,
            hour: (second / 3_600) as u8,
            minute: (second / 60 % 60) as u8,
            second: (second % 60) as u8,
        }
    }

    fn leap(&self) -> bool {
        self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0)
    }

    fn day_of_year(&self) -> u32 {
        const BEFORE: [u32; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
        let before = BEFORE[usize::from(self.month.clamp(1, 12)) - 1];
        before + u32::from(self.day) + u32::from(self.leap() && self.month > 2)
    }

    /// Days since Sunday.
    fn weekday(&self) -> usize {
        let years = i64::from(self.year) - 1;
        let days = 365 * years + years.div_euclid(4) - years.div_euclid(100)
            + years.div_euclid(400)
            + i64::from(self.day_of_year());
        days.rem_euclid(7) as usize
    }

    fn hour12(&self) -> u8 {
        match self.hour % 12 {
            0 => 12,
            hour => hour,
        }
    }
}

/// Python's `strftime` for the codes templates use; another code is an error.
pub(super) fn strftime(moment: &DateTime, format: &str) -> Result<String, Error> {
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let code = chars.next();
        // glibc's `%-d`: no padding.
        let (code, plain) = if code == Some('-') { (chars.next(), true) } else { (code, false) };
        let known = match code {
            Some(code) => field(moment, code, plain, &mut out).is_some(),
            None => false,
        };
        if !known {
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                format!("strftime_now: a code in {format:?} is not supported"),
            ));
        }
    }
    Ok(out)
}

fn field(moment: &DateTime, code: char, plain: bool, out: &mut String) -> Option<()> {
    let month = MONTHS[usize::from(moment.month.clamp(1, 12)) - 1];
    let weekday = WEEKDAYS[moment.weekday()];
    let (value, width) = match code {
        'Y' => (moment.year, 1),
        'y' => (moment.year.rem_euclid(100), 2),
        'm' => (i32::from(moment.month), 2),
        'd' => (i32::from(moment.day), 2),
        'H' => (i32::from(moment.hour), 2),
        'I' => (i32::from(moment.hour12()), 2),
        'M' => (i32::from(moment.minute), 2),
        'S' => (i32::from(moment.second), 2),
        'j' => (moment.day_of_year() as i32, 3),
        'w' => (moment.weekday() as i32, 1),
        _ => {
            match code {
                'B' => out.push_str(month),
                'b' | 'h' => out.push_str(&month[..3]),
                'A' => out.push_str(weekday),
                'a' => out.push_str(&weekday[..3]),
                'p' => out.push_str(if moment.hour < 12 { "AM" } else { "PM" }),
                'F' => out.push_str(&strftime(moment, "%Y-%m-%d").ok()?),
                'T' => out.push_str(&strftime(moment, "%H:%M:%S").ok()?),
                'e' => write!(out, "{:2}", moment.day).ok()?,
                'z' | 'Z' => {} // empty for moments without a time zone
                'n' => out.push('\n'),
                't' => out.push('\t'),
                '%' => out.push('%'),
                _ => return None,
            }
            return Some(());
        }
    };
    let width = if plain { 1 } else { width };
    write!(out, "{value:0width$}").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_from_seconds() {
        let at = |s| strftime(&DateTime::from_unix(s), "%F %T %a %j").unwrap();
        assert_eq!(at(0), "1970-01-01 00:00:00 Thu 001");
        assert_eq!(at(951_827_696), "2000-02-29 12:34:56 Tue 060");
        assert_eq!(at(1_735_787_045), "2025-01-02 03:04:05 Thu 002");
        assert_eq!(at(4_107_542_399), "2100-02-28 23:59:59 Sun 059");
        assert_eq!(at(4_107_542_400), "2100-03-01 00:00:00 Mon 060");
    }

    #[test]
    fn codes() {
        let moment = DateTime { year: 2025, month: 9, day: 7, hour: 0, minute: 5, second: 9 };
        let text = |format| strftime(&moment, format).unwrap();
        assert_eq!(text("%d %B %Y, %A; %-d %-m %e %b"), "07 September 2025, Sunday; 7 9  7 Sep");
        assert_eq!(text("%I:%M:%S %p %y %% %H"), "12:05:09 AM 25 % 00");
        assert!(strftime(&moment, "%Q").is_err());
        assert!(strftime(&moment, "%").is_err());
    }
}
