use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// Share of different n-grams among all n-grams of several sequences, in `(0, 1]`; 1 where there is
/// none. Higher is more diverse.
///
/// ```
/// assert_eq!(refire_data::distinct_n(&[vec![1, 2, 3], vec![1, 2, 4]], 2), 3.0 / 4.0);
/// ```
pub fn distinct_n<T: Hash + Eq>(sequences: &[Vec<T>], n: usize) -> f64 {
    let grams = || sequences.iter().flat_map(|sequence| sequence.windows(n.max(1)));
    let all = grams().count();
    if all == 0 { 1.0 } else { grams().collect::<HashSet<_>>().len() as f64 / all as f64 }
}

/// Levenshtein's distance: the least number of insertions, deletions and substitutions.
///
/// ```
/// assert_eq!(refire_data::edit_distance(b"kitten", b"sitting"), 3);
/// ```
pub fn edit_distance<T: PartialEq>(a: &[T], b: &[T]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// Mean over pairs of the edit distance divided by the longer length, in `[0, 1]`; 0 for fewer than
/// two sequences. Higher is more diverse.
///
/// ```
/// let answers = [vec!["two", "and", "three"], vec!["two", "plus", "three"], vec!["two", "plus", "3"]];
/// let mean = refire_data::mean_edit_distance(&answers);
/// assert!((mean - (1.0 + 2.0 + 1.0) / 9.0).abs() < 1e-12);
/// ```
pub fn mean_edit_distance<T: PartialEq>(sequences: &[Vec<T>]) -> f64 {
    let (mut sum, mut pairs) = (0.0, 0.0);
    for (i, a) in sequences.iter().enumerate() {
        for b in &sequences[i + 1..] {
            let longer = a.len().max(b.len()).max(1);
            sum += edit_distance(a, b) as f64 / longer as f64;
            pairs += 1.0;
        }
    }
    if pairs == 0.0 { 0.0 } else { sum / pairs }
}

/// Mean over sequences of BLEU with 1- to `max_n`-grams against the others as references, in
/// `[0, 1]`. Higher is *less* diverse: use `1 - self_bleu` as a score. Counts of zero are taken as
/// 0.1, NLTK's smoothing method 1. 0 for fewer than two sequences.
///
/// ```
/// let same = vec![vec![1, 2, 3, 4]; 2];
/// assert_eq!(refire_data::self_bleu(&same, 2), 1.0);
/// ```
pub fn self_bleu<T: Hash + Eq>(sequences: &[Vec<T>], max_n: usize) -> f64 {
    if sequences.len() < 2 {
        return 0.0;
    }
    let one = |index: usize| {
        let others = || sequences.iter().enumerate().filter(move |(i, _)| *i != index);
        let references: Vec<&[T]> = others().map(|(_, other)| other.as_slice()).collect();
        bleu(&sequences[index], &references, max_n.max(1))
    };
    (0..sequences.len()).map(one).sum::<f64>() / sequences.len() as f64
}

/// BLEU (Papineni et al.) with uniform weights.
fn bleu<T: Hash + Eq>(hypothesis: &[T], references: &[&[T]], max_n: usize) -> f64 {
    const SMALL: f64 = 0.1;
    let length = hypothesis.len();
    let nearest =
        references.iter().map(|r| r.len()).min_by_key(|r| (r.abs_diff(length), *r)).unwrap_or(0);
    let brevity = if length == 0 {
        return 0.0;
    } else if length > nearest {
        1.0
    } else {
        (1.0 - nearest as f64 / length as f64).exp()
    };
    let mut logs = 0.0;
    for n in 1..=max_n {
        let counted = counts(hypothesis, n);
        let seen: Vec<_> = references.iter().map(|reference| counts(reference, n)).collect();
        let clipped = |gram: &&[T], count: usize| {
            let most = seen.iter().filter_map(|counts| counts.get(gram)).max().copied();
            count.min(most.unwrap_or(0))
        };
        let hits: usize = counted.iter().map(|(gram, count)| clipped(gram, *count)).sum();
        let all = counted.values().sum::<usize>().max(1) as f64;
        if n == 1 && hits == 0 {
            return 0.0;
        }
        logs += (if hits == 0 { SMALL } else { hits as f64 } / all).ln() / max_n as f64;
    }
    brevity * logs.exp()
}

fn counts<T: Hash + Eq>(sequence: &[T], n: usize) -> HashMap<&[T], usize> {
    let mut counts = HashMap::new();
    sequence.windows(n).for_each(|gram| *counts.entry(gram).or_default() += 1);
    counts
}
