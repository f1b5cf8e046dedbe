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
/// before. Most texts are found to have none by one window in 16 of them. Graph-R1 looks for units of 20 characters repeated 5 times.
///
/// ```
/// use refire_data::find_loop;
/// let text = format!("So far so good. {}", "Let me check this again. ".repeat(8));
/// assert_eq!(find_loop(&text, 20, 5).unwrap().period, 25);
/// assert!(find_loop("2 + 2 = 4. 2 + 3 = 5. 2 + 4 = 6. 2 + 5 = 7.", 20, 5).is_none());
/// ```
pub fn find_loop(text: &str, min_unit: usize, repeats: usize) -> Option<Loop> {
    let bytes = text.as_bytes();
    // A shorter passage might hold no anchor that recurs in it.
    let certain = repeats.saturating_sub(1).saturating_mul(min_unit) >= WINDOW + ANCHORS;
    if certain && !may_loop(bytes, min_unit, repeats) {
        return None;
    }
    first_loop(bytes, min_unit, repeats)
}

/// Windows from one that is remembered to the next.
const ANCHORS: usize = 16;

/// False if no unit is repeated as [`find_loop`] asks. Every window is looked up among those at
/// multiples of 16 before it: a passage that repeats has one of these in its first units, which
/// stands there again one unit later.
fn may_loop(bytes: &[u8], min_unit: usize, repeats: usize) -> bool {
    let Some(windows) = (bytes.len() + 1).checked_sub(WINDOW) else { return false };
    let size = (4 * windows.div_ceil(ANCHORS)).next_power_of_two();
    // An anchor and 1; 0 is free.
    let mut anchors = vec![0_u32; size];
    // The last period looked at, and where the passage that has it ends.
    let (mut known, mut until) = (0, 0);
    for (at, window) in bytes.windows(WINDOW).enumerate() {
        let mut slot = place(window) & (size - 1);
        while let Some(anchor) = (anchors[slot] as usize).checked_sub(1) {
            if bytes[anchor..anchor + WINDOW] == *window {
                let period = at - anchor;
                if period != known || at >= until {
                    let range = passage(bytes, at, period);
                    if range.len() >= repeats * period.max(min_unit) {
                        return true;
                    }
                    (known, until) = (period, range.end);
                }
                break;
            }
            slot = (slot + 1) & (size - 1);
        }
        if at.is_multiple_of(ANCHORS) {
            let Ok(anchor) = u32::try_from(at + 1) else { return true };
            anchors[slot] = anchor;
        }
    }
    false
}

/// Where a window is looked up.
fn place(window: &[u8]) -> usize {
    let word = |at: usize| window[at..at + 8].iter().rev().fold(0, |n, b| n << 8 | u64::from(*b));
    let (first, middle, last) = (word(0), word(8), word(WINDOW - 8));
    let hash = (first.wrapping_mul(BASE) ^ middle).wrapping_mul(BASE) ^ last;
    (hash.wrapping_mul(BASE) >> 32) as usize
}

/// The whole passage that has a period at a place.
fn passage(bytes: &[u8], at: usize, period: usize) -> Range<usize> {
    let same = |at: &usize| bytes[*at] == bytes[*at - period];
    let before = (period..at).rev().take_while(same).count();
    let behind = (at..bytes.len()).take_while(same).count();
    at - before - period..at + behind
}

fn first_loop(bytes: &[u8], min_unit: usize, repeats: usize) -> Option<Loop> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::mix;

    #[test]
    fn the_quick_look_misses_no_loop() {
        let (mut looped, mut turned_away) = (0, 0);
        for seed in 0..20_000_u64 {
            let draw = |what: u64, below: u64| mix(seed << 8 | what) % below;
            // Few letters, so that windows recur by themselves too.
            let letters = [2, 3, 26][draw(0, 3) as usize];
            let letter = |i: u64| b'a' + (mix(seed << 20 | i) % letters) as u8;
            let unit: Vec<u8> = (0..1 + draw(1, 80)).map(letter).collect();
            let mut text: Vec<u8> = (1000..1000 + draw(2, 90)).map(letter).collect();
            text.extend(unit.repeat(draw(3, 9) as usize));
            text.extend((2000..2000 + draw(4, 90)).map(letter));
            let text = String::from_utf8(text).unwrap();
            let (min_unit, repeats) = [(20, 5), (20, 3), (40, 2)][draw(5, 3) as usize];
            let found = first_loop(text.as_bytes(), min_unit, repeats);
            let may = may_loop(text.as_bytes(), min_unit, repeats);
            assert!(may || found.is_none(), "{text}");
            assert_eq!(find_loop(&text, min_unit, repeats), found);
            looped += u32::from(found.is_some());
            turned_away += u32::from(!may);
        }
        assert!(looped > 2000 && turned_away > 2000, "{looped} {turned_away}");
    }
}
