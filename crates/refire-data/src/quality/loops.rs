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

/// Bytes compared at once, at first.
const WINDOW: usize = 20;

/// The first passage in which one unit is repeated at least `repeats` times, one right after the
/// other, over at least `repeats * min_unit` bytes. A shorter unit must fill that length too, so
/// `ha ha ha ha ha` is no loop, but two hundred of them are. `repeats` below 2 counts as 2, and with
/// 2 a unit that holds another passage twice may be missed.
///
/// Where a text has period `p`, each window of `p` bytes or more last stood `p` bytes before; so
/// windows of 20, 40, 80... bytes find every period, each in linear time. Most texts are found to
/// have none by one window in 16 of them. Graph-R1 looks for units of 20 characters repeated 5
/// times.
///
/// ```
/// use refire_data::find_loop;
/// let text = format!("So far so good. {}", "Let me check this again. ".repeat(8));
/// assert_eq!(find_loop(&text, 20, 5).unwrap().period, 25);
/// assert!(find_loop("2 + 2 = 4. 2 + 3 = 5. 2 + 4 = 6. 2 + 5 = 7.", 20, 5).is_none());
/// ```
pub fn find_loop(text: &str, min_unit: usize, repeats: usize) -> Option<Loop> {
    let (bytes, repeats) = (text.as_bytes(), repeats.max(2));
    // What repeats stands at least this long behind its first unit.
    let behind = (repeats - 1).saturating_mul(min_unit);
    // A shorter passage might hold no anchor that recurs in it.
    if behind >= WINDOW + ANCHORS && !may_loop(bytes, min_unit, repeats) {
        return None;
    }
    let mut window = WINDOW.min(behind).max(1);
    let mut first: Option<Loop> = None;
    loop {
        let (found, recurs) = first_loop(bytes, window, min_unit, repeats);
        let earlier = |loops: &Loop| (loops.range.end, loops.period);
        first = first.into_iter().chain(found).min_by_key(earlier);
        // What repeats with a longer period has windows of this length twice too.
        if !recurs || window > bytes.len() / repeats {
            return first;
        }
        window *= 2;
    }
}

/// Windows from one that is remembered to the next.
const ANCHORS: usize = 16;

/// False if no unit is repeated as [`find_loop`] asks. Every window is looked up among those at
/// multiples of 16 before it. Of a passage with period `p` one window in 16 is found there, at most
/// `p` bytes before, from at most `p + 15` bytes behind its begin to at most 35 bytes before its
/// end; so it shows as windows that are found with gaps of at most 16, which go on for `repeats - 1`
/// times the least distance.
fn may_loop(bytes: &[u8], min_unit: usize, repeats: usize) -> bool {
    let Some(windows) = (bytes.len() + 1).checked_sub(WINDOW) else { return false };
    let size = (4 * windows.div_ceil(ANCHORS)).next_power_of_two();
    // An anchor and 1; 0 is free.
    let mut anchors = vec![0_u32; size];
    // The windows found one after another: the first, the last, the least distance.
    let (mut first, mut last, mut least) = (0, 0, 0);
    for (at, window) in bytes.windows(WINDOW).enumerate() {
        let mut slot = place(window) & (size - 1);
        while let Some(anchor) = (anchors[slot] as usize).checked_sub(1) {
            if bytes[anchor..anchor + WINDOW] == *window {
                if least == 0 || at - last > ANCHORS {
                    (first, least) = (at, at - anchor);
                }
                (last, least) = (at, least.min(at - anchor));
                if last - first + 15 + 35 >= (repeats - 1).saturating_mul(least.max(min_unit)) {
                    return true;
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

/// The first passage whose windows all last stood one period before; and whether any window stands
/// twice.
fn first_loop(
    bytes: &[u8],
    window: usize,
    min_unit: usize,
    repeats: usize,
) -> (Option<Loop>, bool) {
    let mut last: KeyMap<usize> = KeyMap::default();
    // The current period, and the first window that has it.
    let (mut period, mut since, mut recurs) = (0, 0, false);
    let mut rolling = Rolling::new(window);
    for (end, byte) in bytes.iter().enumerate() {
        rolling.push(*byte, end.checked_sub(window).map(|out| bytes[out]));
        let Some(start) = (end + 1).checked_sub(window) else { continue };
        let here = last.insert(rolling.key(), start).map_or(0, |before| start - before);
        if here == 0 {
            period = 0;
            continue;
        }
        recurs = true;
        if here != period {
            (period, since) = (here, start);
        }
        // Windows from `since` on repeat what stood one period before.
        let from = since - period;
        let length = end + 1 - from;
        if length >= repeats.saturating_mul(period.max(min_unit)) {
            return (Some(Loop { range: from..end + 1, period }), true);
        }
    }
    (None, recurs)
}

/// A hash of the last bytes.
struct Rolling {
    hash: u64,
    /// `BASE^window`.
    leaving: u64,
}

const BASE: u64 = 0x9e37_79b9_7f4a_7c15;

impl Rolling {
    fn new(window: usize) -> Self {
        let leaving = (0..window).fold(1_u64, |power, _| power.wrapping_mul(BASE));
        Self { hash: 0, leaving }
    }

    fn push(&mut self, byte: u8, out: Option<u8>) {
        let value = |byte: u8| u64::from(byte) + 1;
        self.hash = self.hash.wrapping_mul(BASE).wrapping_add(value(byte));
        if let Some(out) = out {
            self.hash = self.hash.wrapping_sub(value(out).wrapping_mul(self.leaving));
        }
    }

    fn key(&self) -> u64 {
        crate::text::mix(self.hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::mix;

    /// By the definition, every period for itself: where the first passage is complete.
    fn slowly(bytes: &[u8], min_unit: usize, repeats: usize) -> Option<usize> {
        let of_period = |period: usize| {
            let (wanted, mut length) = (repeats * period.max(min_unit), period);
            (period..bytes.len()).find_map(|at| {
                length = if bytes[at] == bytes[at - period] { length + 1 } else { period };
                (length >= wanted).then_some(at + 1)
            })
        };
        (1..=bytes.len() / repeats).filter_map(of_period).min()
    }

    #[test]
    fn every_loop_is_found_and_nothing_else() {
        let (mut looped, mut turned_away) = (0, 0);
        for seed in 0..3000_u64 {
            let draw = |what: u64, below: u64| mix(mix(seed) ^ what) % below;
            // Few letters, so that windows recur by themselves too.
            let letters = [2, 3, 26][draw(0, 3) as usize];
            let letter = |i: u64| b'a' + draw(1 << 20 | i, letters) as u8;
            // Units that are made of a few pieces again and again.
            let piece = [1 + draw(1, 80), 16, 8 << draw(1, 3)][draw(2, 3) as usize];
            let pieces = 1 + draw(3, 7);
            let of = |at: u64| (0..piece).map(move |i| letter(draw(50 + at, 3) << 8 | i));
            let unit: Vec<u8> = (0..pieces).flat_map(of).collect();
            let mut bytes: Vec<u8> = (1000..1000 + draw(4, 90)).map(letter).collect();
            bytes.extend(unit.repeat(draw(5, 9) as usize));
            bytes.truncate(bytes.len() - (draw(6, 40) as usize).min(bytes.len()));
            bytes.extend((2000..2000 + draw(7, 90)).map(letter));
            let text = String::from_utf8(bytes).unwrap();
            for (min_unit, repeats) in [(20, 5), (20, 3), (5, 4), (60, 3)] {
                let found = find_loop(&text, min_unit, repeats);
                let end = slowly(text.as_bytes(), min_unit, repeats);
                assert_eq!(found.is_some(), end.is_some(), "{min_unit} {repeats} {text}");
                let Some(Loop { range, period }) = found else { continue };
                let bytes = text.as_bytes();
                assert!(range.len() >= repeats * period.max(min_unit));
                let mut repeated = range.clone().skip(period);
                assert!(repeated.all(|at| bytes[at] == bytes[at - period]));
                assert!(range.end >= end.unwrap() && range.end <= end.unwrap() + 2 * period + 20);
                looped += 1;
            }
            turned_away += u32::from(!may_loop(text.as_bytes(), 20, 5));
        }
        println!("{looped} loops, {turned_away} texts without one by the quick look");
        assert!(looped > 4000 && turned_away > 1000, "{looped} {turned_away}");
    }

    #[test]
    fn a_loop_with_a_phrase_twice_in_its_unit() {
        let unit = "So it is 77. But let me look once more at it. Then it is 10. But let me look \
                    once more at it. ";
        assert_eq!(find_loop(&unit.repeat(6), 20, 5).unwrap().period, unit.len());
        assert!(find_loop(&unit.repeat(4), 20, 5).is_none());
    }
}
