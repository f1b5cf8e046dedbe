use crate::text::KeyMap;
use std::ops::Range;

/// A passage that goes round in circles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loop {
    /// Bytes of the passage.
    pub range: Range<usize>,
    /// Bytes of what is repeated.
    pub period: usize,
}

/// Bytes compared at once: repetitions shorter than this are found through their multiples.
const WINDOW: usize = 20;

/// The first passage in which one unit is repeated at least `repeats` times, one right after the
/// other, over at least `repeats * min_unit` bytes. A shorter unit must fill that length too, so
/// `ha ha ha ha ha` is no loop, but two hundred of them are.
///
/// Linear in the text: where a text has period `p`, each window of 20 bytes last stood `p` bytes
/// before. Graph-R1 looks for units of 20 characters repeated 5 times.
///
/// ```
/// use refire_data::find_loop;
/// let text = format!("So far so good. {}", "Let me check this again. ".repeat(8));
/// assert_eq!(find_loop(&text, 20, 5).unwrap().period, 25);
/// assert!(find_loop("2 + 2 = 4. 2 + 3 = 5. 2 + 4 = 6. 2 + 5 = 7.", 20, 5).is_none());
/// ```
pub fn find_loop(text: &str, min_unit: usize, repeats: usize) -> Option<Loop> {
    let bytes = text.as_bytes();
    let mut last: KeyMap<usize> = KeyMap::default();
    // The current period, and the first window that has it.
    let (mut period, mut since) = (0, 0);
    let mut rolling = Rolling::default();
    for (end, byte) in bytes.iter().enumerate() {
        rolling.push(*byte, end.checked_sub(WINDOW).map(|out| bytes[out]));
        let Some(start) = (end + 1).checked_sub(WINDOW) else { continue };
        let here = last.insert(rolling.key(), start).map_or(0, |before| start - before);
        if here == 0 {
            period = 0;
            continue;
        }
        if here != period {
            (period, since) = (here, start);
        }
        // Windows from `since` on repeat what stood one period before.
        let from = since - period;
        let length = end + 1 - from;
        if length >= repeats * period.max(min_unit) {
            return Some(Loop { range: from..end + 1, period });
        }
    }
    None
}

/// A hash of the last `WINDOW` bytes.
#[derive(Default)]
struct Rolling(u64);

const BASE: u64 = 0x9e37_79b9_7f4a_7c15;

/// `BASE^WINDOW`.
const LEAVING: u64 = {
    let (mut power, mut i) = (1_u64, 0);
    while i < WINDOW {
        power = power.wrapping_mul(BASE);
        i += 1;
    }
    power
};

impl Rolling {
    fn push(&mut self, byte: u8, out: Option<u8>) {
        let value = |byte: u8| u64::from(byte) + 1;
        self.0 = self.0.wrapping_mul(BASE).wrapping_add(value(byte));
        if let Some(out) = out {
            self.0 = self.0.wrapping_sub(value(out).wrapping_mul(LEAVING));
        }
    }

    fn key(&self) -> u64 {
        crate::text::mix(self.0)
    }
}
