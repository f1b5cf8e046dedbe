//! Order and batches.
#![allow(clippy::unwrap_used, clippy::panic)]

use refire_core::{Purpose, Row, RowSource, Stateful, Stream};
use refire_data::{
    Balance, Permutation, Prefetch, Shuffle, ShuffledRows, Strategy, balance, group_by_length,
    pack, pack_rows, token_budget,
};

fn stream(case: u64) -> Stream {
    Stream::new(case, Purpose::named("test"), 0, 0, 0)
}

fn lengths(case: u64, most: usize) -> Vec<usize> {
    let mut draw = stream(case);
    let n = 1 + draw.below(300);
    (0..n).map(|_| draw.below(most)).collect()
}

#[test]
fn packing_keeps_every_token_it_promises_to() {
    for case in 0..60 {
        let lengths = lengths(case, 80);
        let seq_length = 1 + stream(case).at(9).below(64);
        let column: Vec<Vec<u64>> = lengths
            .iter()
            .enumerate()
            .map(|(s, n)| (0..*n).map(|t| (s * 1000 + t) as u64).collect())
            .collect();
        for strategy in [Strategy::Bfd, Strategy::BfdSplit, Strategy::Wrapped] {
            let Ok(plan) = pack(&lengths, seq_length, strategy) else { panic!("{case}") };
            let rows = plan.gather(&column).unwrap();
            assert!(rows.iter().all(|row| !row.is_empty() && row.len() <= seq_length));
            let mut found: Vec<u64> = rows.concat();
            found.sort_unstable();
            let expected: Vec<u64> = match strategy {
                Strategy::Bfd => {
                    column.iter().flat_map(|s| &s[..s.len().min(seq_length)]).copied().collect()
                }
                _ => column.concat(),
            };
            assert_eq!(found, expected, "{case} {strategy:?}");
            assert_eq!(plan.lost_tokens(), column.concat().len() - expected.len());
            if strategy == Strategy::Wrapped {
                assert!(rows.iter().rev().skip(1).all(|row| row.len() == seq_length));
            }
        }
    }
}

/// Best fit by its definition, row by row.
#[test]
fn best_fit_is_the_best_fit() {
    for case in 0..40 {
        let lengths = lengths(case, 30);
        let seq_length = 29;
        let mut order: Vec<usize> = lengths.iter().copied().filter(|n| *n > 0).collect();
        order.sort_unstable_by(|a, b| b.cmp(a));
        let mut rooms: Vec<usize> = Vec::new();
        for n in order {
            match rooms.iter_mut().filter(|room| **room >= n).min() {
                Some(room) => *room -= n,
                None => rooms.push(seq_length - n),
            }
        }
        rooms.sort_unstable();
        let plan = pack(&lengths, seq_length, Strategy::Bfd).unwrap();
        let mut found: Vec<usize> =
            plan.seq_lengths().iter().map(|row| seq_length - row.iter().sum::<usize>()).collect();
        found.sort_unstable();
        assert_eq!(found, rooms, "{case}");
    }
}

#[test]
fn masks_and_weights_survive_packing() {
    let row = |id: u64, n: usize, weights: bool| Row {
        id,
        tokens: (0..n as u32).map(|t| id as u32 * 100 + t).collect(),
        loss_mask: (0..n).map(|t| t % 3 != 0).collect(),
        weights: weights.then(|| (0..n).map(|t| t as f32).collect()),
        ..Row::default()
    };
    let rows = [row(1, 7, false), row(2, 4, true), row(3, 2, false), row(4, 0, false)];
    for strategy in [Strategy::Bfd, Strategy::BfdSplit, Strategy::Wrapped] {
        let mut seen = 0;
        for packed in pack_rows(&rows, 5, strategy).unwrap() {
            let n = packed.tokens.len();
            assert_eq!((packed.loss_mask.len(), packed.weights.as_ref().unwrap().len()), (n, n));
            let mut at = 0;
            for (length, id) in packed.seq_lengths.iter().zip(&packed.ids) {
                for position in 0..*length {
                    let token = packed.tokens[at] % 100;
                    assert_eq!(packed.tokens[at] / 100, *id as u32);
                    assert_eq!(packed.loss_mask[at], position > 0 && !token.is_multiple_of(3));
                    let weight = if *id == 2 { token as f32 } else { 1.0 };
                    assert_eq!(packed.weights.as_ref().unwrap()[at], weight);
                    (at, seen) = (at + 1, seen + 1);
                }
            }
            assert_eq!(at, n);
        }
        assert_eq!(seen, if strategy == Strategy::Bfd { 11 } else { 13 });
    }
}

/// A sum over random keys of where each item lands: a biased permutation shows at once.
#[test]
fn permutations_are_permutations_and_even() {
    for n in [1_u64, 2, 3, 4, 5, 16, 17, 100, 1000, 4097] {
        for seed in 0..5 {
            let order = Permutation::new(n, seed, 1);
            let mut seen = vec![false; n as usize];
            (0..n).for_each(|i| seen[order.at(i) as usize] = true);
            assert!(seen.iter().all(|s| *s), "{n} {seed}");
        }
    }
    let (n, keys) = (6_u64, 6000);
    let mut counts = [[0_u32; 6]; 6];
    for seed in 0..keys {
        let order = Permutation::new(n, seed, 0);
        (0..n).for_each(|i| counts[i as usize][order.at(i) as usize] += 1);
    }
    let expected = keys as f64 / n as f64;
    let chi: f64 =
        counts.iter().flatten().map(|c| (f64::from(*c) - expected).powi(2) / expected).sum();
    // 25 degrees of freedom: mean 25, deviation 7.1.
    assert!(chi < 55.0, "{chi}");
}

#[test]
fn shuffles_resume_anywhere() {
    let mut whole = Shuffle::new(11, 5).unwrap();
    let all: Vec<_> = (0..50).map(|_| whole.next_index()).collect();
    for cut in [0, 1, 10, 11, 12, 33, 49] {
        let mut first = Shuffle::new(11, 5).unwrap();
        for _ in 0..cut {
            first.next_index();
        }
        let state = first.state().unwrap();
        assert!(state.len() < 64);
        let mut second = Shuffle::new(11, 5).unwrap();
        second.restore(&state).unwrap();
        assert_eq!((cut..50).map(|_| second.next_index()).collect::<Vec<_>>(), all[cut..]);
        assert!(Shuffle::new(12, 5).unwrap().restore(&state).is_err());
        assert!(Shuffle::new(11, 6).unwrap().restore(&state).is_err());
    }
    for epoch in all.chunks(11).take(4) {
        let mut indices: Vec<_> = epoch.iter().map(|(index, _)| *index).collect();
        indices.sort_unstable();
        assert_eq!(indices, (0..11).collect::<Vec<_>>());
    }
}

#[test]
fn reading_ahead_changes_nothing_and_resumes() {
    let rows = || (0..23).map(|id| Row { id, ..Row::default() }).collect::<Vec<_>>();
    let plain: Vec<u64> =
        ShuffledRows::new(rows(), 1).unwrap().next(200).unwrap().iter().map(|r| r.id).collect();
    let ahead = || Prefetch::new(ShuffledRows::new(rows(), 1).unwrap(), 8, 3).unwrap();
    for cut in [0, 1, 7, 8, 9, 100] {
        let mut first = ahead();
        let mut ids: Vec<u64> = first.next(cut).unwrap().iter().map(|r| r.id).collect();
        let state = first.state().unwrap();
        drop(first);
        let mut second = ahead();
        second.next(3).unwrap();
        second.restore(&state).unwrap();
        while ids.len() < 200 {
            ids.extend(second.next(7.min(200 - ids.len())).unwrap().iter().map(|r| r.id));
        }
        assert_eq!(ids, plain, "{cut}");
    }
}

#[test]
fn grouping_is_a_permutation_with_less_padding() {
    let lengths = lengths(3, 500);
    let waste = |order: &[usize]| -> usize {
        order
            .chunks(8)
            .map(|b| {
                b.iter().map(|i| lengths[*i]).max().unwrap() * b.len()
                    - b.iter().map(|i| lengths[*i]).sum::<usize>()
            })
            .sum()
    };
    let order = group_by_length(&lengths, 8, 50, stream(0)).unwrap();
    let mut sorted = order.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..lengths.len()).collect::<Vec<_>>());
    assert_eq!(lengths[order[0]], *lengths.iter().max().unwrap());
    assert!(waste(&order) * 4 < waste(&sorted), "{} {}", waste(&order), waste(&sorted));
    assert!(group_by_length(&lengths, 0, 50, stream(0)).is_err());
}

#[test]
fn budgets_are_kept_and_used() {
    for case in 0..30 {
        let lengths = lengths(case, 50);
        for padded in [false, true] {
            let batches = token_budget(&lengths, 100, padded).unwrap();
            assert_eq!(batches.concat(), (0..lengths.len()).collect::<Vec<_>>());
            let cost = |batch: &[usize]| {
                let of = batch.iter().map(|i| lengths[*i]);
                if padded { of.max().unwrap() * batch.len() } else { of.sum() }
            };
            assert!(batches.iter().all(|batch| cost(batch) <= 100));
            for pair in batches.windows(2) {
                let more = [pair[0].as_slice(), &pair[1][..1]].concat();
                assert!(cost(&more) > 100, "a sequence would have fitted");
            }
        }
        assert!(token_budget(&[1, 101], 100, true).is_err());
    }
}

#[test]
fn differencing_beats_greed_and_can_keep_sizes() {
    let (mut kk, mut greedy) = (0, 0);
    for case in 0..50 {
        let loads: Vec<usize> = {
            let mut d = stream(case);
            (0..24).map(|_| 1 + d.below(1000)).collect()
        };
        let spread = |method| {
            let parts = balance(&loads, 4, method).unwrap();
            let mut all = parts.concat();
            all.sort_unstable();
            assert_eq!(all, (0..24).collect::<Vec<_>>());
            if method == Balance::EqualSize {
                assert!(parts.iter().all(|part| part.len() == 6));
            }
            let sums: Vec<usize> =
                parts.iter().map(|p| p.iter().map(|i| loads[*i]).sum()).collect();
            sums.iter().max().unwrap() - sums.iter().min().unwrap()
        };
        kk += spread(Balance::KarmarkarKarp);
        greedy += spread(Balance::Greedy);
        spread(Balance::EqualSize);
    }
    assert!(kk * 2 < greedy, "{kk} {greedy}");
    assert!(balance(&[1, 2, 3], 2, Balance::EqualSize).is_err());
    assert!(balance(&[1], 2, Balance::Greedy).is_err());
}

/// Cases run through verl's `karmarkar_karp`.
#[test]
fn differencing_equals_verls() {
    type Case<'a> = (&'a [usize], usize, bool, Vec<Vec<usize>>);
    let cases: [Case<'_>; 5] = [
        (
            &[5, 19, 28, 26, 25, 3, 9, 4, 16, 25, 15, 16, 21],
            3,
            false,
            vec![vec![1, 3, 5, 6, 10], vec![4, 7, 9, 11], vec![0, 2, 8, 12]],
        ),
        (
            &[13, 26, 7, 4, 16, 1, 29, 27, 13, 14, 20, 25],
            4,
            true,
            vec![vec![0, 8, 11], vec![3, 4, 6], vec![2, 7, 9], vec![1, 5, 10]],
        ),
        (
            &[25, 1, 23, 15, 9, 24, 26, 8, 19, 4, 29, 11, 1, 1, 1, 21, 18, 1, 29, 13],
            6,
            false,
            vec![
                vec![3, 9, 18],
                vec![10, 16],
                vec![1, 2, 7, 17, 19],
                vec![0, 4, 11, 12],
                vec![6, 8, 13],
                vec![5, 14, 15],
            ],
        ),
        (
            &[22, 7, 14, 24, 1, 17, 8, 25, 15],
            3,
            true,
            vec![vec![0, 6, 8], vec![1, 2, 3], vec![4, 5, 7]],
        ),
        (
            &[
                16, 18, 8, 12, 8, 22, 8, 25, 15, 10, 30, 1, 14, 27, 30, 18, 30, 21, 4, 6, 21, 24,
                28, 10, 4, 24, 11, 29, 24, 23,
            ],
            4,
            false,
            vec![
                vec![0, 1, 11, 21, 22, 24, 26, 27],
                vec![3, 10, 13, 15, 18, 19, 23, 29],
                vec![4, 6, 8, 14, 20, 25, 28],
                vec![2, 5, 7, 9, 12, 16, 17],
            ],
        ),
    ];
    for (loads, parts, equal, expected) in cases {
        let method = if equal { Balance::EqualSize } else { Balance::KarmarkarKarp };
        let mut found = balance(loads, parts, method).unwrap();
        let mut expected = expected;
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }
}
