use crate::text::mix;

/// True if two texts aren't copies, however alike, since their numbers differ: in order, neither's
/// are all among the other's. So a problem with other numbers, or with two of them exchanged, is
/// another problem, while a copy that lacks some, or has more, such as that of a page, stays a copy.
///
/// Numbers are those in digits `0` to `9`, with a decimal point and thousands separators; not those
/// behind one of the letters `a` to `z`, as in `h2o`.
///
/// ```
/// use refire_data::renumbered;
/// assert!(renumbered("He has 3 of 12 pens.", "He has 4 of 12 pens."));
/// assert!(renumbered("From 3 to 5.", "From 5 to 3."));
/// assert!(!renumbered("He has 1,200 pens.", "7. He has 1200 pens."));
/// ```
pub fn renumbered(a: &str, b: &str) -> bool {
    differ(&numbers(a), &numbers(b))
}

/// A text's numbers in their order, 32 bits each.
pub(super) fn numbers(text: &str) -> Vec<u32> {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let (mut numbers, mut at) = (Vec::new(), 0);
    while let Some(found) = bytes[at..].iter().position(u8::is_ascii_digit) {
        let start = at + found;
        let (mut hash, mut fraction) = (0_u64, false);
        at = start;
        loop {
            if digit(at) {
                hash = mix(hash ^ u64::from(bytes[at]));
            } else if bytes.get(at) == Some(&b'.') && digit(at + 1) && !fraction {
                hash = mix(hash ^ u64::from(b'.'));
                fraction = true;
            } else if bytes.get(at) != Some(&b',')
                || fraction
                || !(1..4).all(|next| digit(at + next))
                || digit(at + 4)
            {
                break;
            }
            at += 1;
        }
        let in_word = start.checked_sub(1).is_some_and(|at| bytes[at].is_ascii_alphabetic());
        if !in_word {
            numbers.push((hash >> 32) as u32);
        }
    }
    numbers
}

/// True if, in order, neither's numbers are all among the other's.
pub(super) fn differ(a: &[u32], b: &[u32]) -> bool {
    let (few, many) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let mut rest = many.iter();
    !few.iter().all(|number| rest.any(|other| other == number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_people_write_them() {
        let same = |a: &str, b: &str| assert_eq!(numbers(a), numbers(b), "{a} {b}");
        same("$1,200.50, then 3.", "1200.50 3");
        same("5kg of 7-8% (12:30)", "5 7 8 12 30");
        same("1,2,3", "1 2 3");
        same("1.2.3", "1.2 3");
        same("h2o, x1 and v10", "");
        same("有5个苹果，3个梨", "5 3");
        same("12,3456", "12 3456");
        assert_ne!(numbers("1.5"), numbers("1 5"));
        assert_ne!(numbers("12 3"), numbers("1 23"));
        assert!(numbers("").is_empty() && numbers("3.")[..] == numbers("3")[..]);
    }

    #[test]
    fn added_numbers_make_no_difference_and_others_do() {
        let cases = [
            ("1 2 3", "1 3", false),
            ("", "1 2", false),
            ("1 2", "1 2", false),
            ("1 2", "2 1", true),
            ("1 1", "1", false),
            ("1 1 2", "1 2 2", true),
            ("1 2 3 4", "1 5 4", true),
        ];
        for (a, b, other) in cases {
            assert_eq!((renumbered(a, b), renumbered(b, a)), (other, other), "{a} | {b}");
        }
    }
}
