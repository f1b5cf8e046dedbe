//! Published formulas, by hand or by another program.
#![allow(clippy::unwrap_used, clippy::panic)]

use refire_core::{Purpose, Stream};
use refire_data::{
    Attempt, Attempts, Distinct, GainWeight, Lsh, Normalise, Order, PairRule, PassRate,
    RejectionSampling, VarianceScore, distinct_n, edit_distance, equations, gradient_bearing, ifd,
    mean_edit_distance, pairs, pass_at_k, retain_negatives, sample_without_replacement,
    select_to_reason, self_bleu, target_probabilities, top_share,
};

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

fn attempt(text: &str, correct: Option<bool>, reward: f64) -> Attempt {
    Attempt {
        text: text.to_owned(),
        tokens: text.split_whitespace().count(),
        correct,
        reward: Some(reward),
    }
}

fn asked() -> Attempts {
    Attempts {
        id: 1,
        prompt: "How many?".to_owned(),
        attempts: vec![
            attempt("first 2+3=5 then 5*2=10 so ten", Some(true), 0.9),
            attempt("it is 12 I think and that is that", Some(false), 0.2),
            attempt("2+3=5 and 5*2=10", Some(true), 0.8),
            attempt("twice five: 5*2=10, ten in all as everybody can see at once", Some(true), 0.7),
            attempt("no idea", Some(false), 0.1),
            attempt("cut off", None, 0.0),
        ],
    }
}

#[test]
fn rates_and_intervals() {
    // By a separate program, from Wilson's formula with z = 1.96.
    let cases = [
        (0, 8, 0.0, 0.324_415_6),
        (1, 8, 0.022_416_9, 0.470_894_8),
        (7, 8, 0.529_105_2, 0.977_583_1),
        (50, 100, 0.403_829_8, 0.596_170_2),
    ];
    for (correct, judged, low, high) in cases {
        let found = PassRate { correct, judged }.wilson(1.96).unwrap();
        assert!(
            (found.0 - low).abs() < 1e-6 && (found.1 - high).abs() < 1e-6,
            "{correct} of {judged}: {found:?}"
        );
    }
    assert_eq!(PassRate::default().wilson(1.96), None);
    // Coverage: the interval holds the true rate about as often as it says.
    let mut draw = Stream::new(1, Purpose::named("t"), 0, 0, 0);
    for p in [0.05, 0.3, 0.5, 0.9] {
        let inside = (0..4000).filter(|_| {
            let correct = (0..32).filter(|_| draw.uniform() < p).count();
            let (low, high) = PassRate { correct, judged: 32 }.wilson(1.96).unwrap();
            (low..=high).contains(&p)
        });
        let share = inside.count() as f64 / 4000.0;
        assert!((0.92..0.985).contains(&share), "{p}: {share}");
    }
    let (mean, deviation) = PassRate { correct: 1, judged: 2 }.beta(1.0, 1.0);
    assert!(near(mean, 0.5) && near(deviation, 0.05_f64.sqrt()));
    let rate = |correct| PassRate { correct, judged: 10 };
    assert!(
        !rate(1).is_within(0.1, 0.9) && rate(2).is_within(0.1, 0.9) && !rate(9).is_within(0.1, 0.9)
    );
    assert!(!PassRate::default().is_within(0.0, 1.0));
    for (n, c, k, expected) in [
        (10, 3, 2, 1.0 - 21.0 / 45.0),
        (10, 3, 5, 1.0 - 21.0 / 252.0),
        (8, 1, 4, 0.5),
        (4, 4, 1, 1.0),
        (4, 0, 4, 0.0),
    ] {
        assert!(near(pass_at_k(n, c, k).unwrap(), expected), "{n} {c} {k}");
    }
    assert_eq!(pass_at_k(4, 1, 5), None);
}

#[test]
fn a_group_bears_a_gradient_as_often_as_the_formula_says() {
    let mut draw = Stream::new(2, Purpose::named("t"), 0, 0, 0);
    for (p, k) in [(0.1, 8), (0.5, 4), (0.9, 16)] {
        let hits = (0..20_000).filter(|_| {
            let correct = (0..k).filter(|_| draw.uniform() < p).count();
            PassRate { correct, judged: k }.is_mixed()
        });
        let (found, expected) = (hits.count() as f64 / 20_000.0, gradient_bearing(p, k));
        assert!((found - expected).abs() < 0.012, "{p} {k}: {found} {expected}");
    }
}

#[test]
fn rejection_sampling() {
    let asked = asked();
    let texts = |order, distinct, cap| -> Vec<usize> {
        let rule = RejectionSampling { cap, order, distinct };
        let place = |a: &&Attempt| asked.attempts.iter().position(|b| b.text == a.text).unwrap();
        rule.select(&asked).iter().map(place).collect()
    };
    assert_eq!(texts(Order::Sampled, Distinct::No, 9), [0, 2, 3]);
    assert_eq!(texts(Order::Sampled, Distinct::Equations, 9), [0, 3], "the same equations once");
    assert_eq!(texts(Order::Shortest, Distinct::No, 2), [2, 0]);
    assert_eq!(texts(Order::Longest, Distinct::No, 1), [3]);
    assert_eq!(texts(Order::Diverse, Distinct::No, 2), [2, 3]);
    assert_eq!(texts(Order::Diverse, Distinct::No, 0), [0_usize; 0]);
    assert_eq!(
        equations("He pays $1,200 * 2 = $2,400. Then x = y and 3=3"),
        ["1200*2=2400", "3=3"]
    );
}

#[test]
fn preference_pairs() {
    let asked = asked();
    let of = |rule| -> Vec<(usize, usize)> {
        let place = |a: &Attempt| asked.attempts.iter().position(|b| std::ptr::eq(a, b)).unwrap();
        pairs(&asked, rule).iter().map(|p| (place(p.chosen), place(p.rejected))).collect()
    };
    assert_eq!(of(PairRule::ShortestLongest), [(2, 3)]);
    assert_eq!(of(PairRule::ShortestRightLongestWrong), [(2, 1)]);
    assert_eq!(of(PairRule::LongToShort { ratio: 1.5 }), [(2, 0), (2, 1), (2, 3)]);
    assert_eq!(of(PairRule::LongToShort { ratio: 3.0 }), [(2, 1), (2, 3)]);
    assert_eq!(of(PairRule::Ranked { margin: 0.5 }), [(0, 5)]);
    assert_eq!(of(PairRule::Ranked { margin: 0.95 }), []);
    assert_eq!(of(PairRule::FirstRightWrong), [(0, 1)]);
    let nothing = Attempts::default();
    for rule in [
        PairRule::ShortestLongest,
        PairRule::ShortestRightLongestWrong,
        PairRule::Ranked { margin: 0.0 },
    ] {
        assert!(pairs(&nothing, rule).is_empty());
    }
}

#[test]
fn diversity_scores() {
    let sequences = vec![vec![1, 2, 3, 4, 5, 6], vec![1, 2, 3, 9, 5, 6], vec![7, 2, 3, 4, 8, 6, 5]];
    // NLTK 3.9, sentence_bleu with smoothing method 1.
    for (n, expected) in [(1, SELF_BLEU[0]), (2, SELF_BLEU[1]), (3, SELF_BLEU[2])] {
        let found = self_bleu(&sequences, n);
        assert!((found - expected).abs() < 1e-9, "{n}: {found} {expected}");
    }
    assert!(near(distinct_n(&sequences, 2), 11.0 / 16.0), "{}", distinct_n(&sequences, 2));
    assert_eq!(edit_distance(&sequences[0], &sequences[2]), 3);
    assert!(near(mean_edit_distance(&sequences), (1.0 / 6.0 + 3.0 / 7.0 + 4.0 / 7.0) / 3.0));
    assert!(near(VarianceScore::default().of(0.25, 0.5), 0.8 * 0.1875 + 0.1));
}

const SELF_BLEU: [f64; 3] =
    [0.849_206_349_206_349_3, 0.696_494_669_553_576_6, 0.533_088_808_020_791_8];

#[test]
fn draws_without_replacement_follow_the_weights() {
    let weights = [4.0, 2.0, 1.0, 1.0];
    let mut first = [0_u32; 4];
    for seed in 0..8000 {
        let mut draw = Stream::new(seed, Purpose::named("t"), 0, 0, 0);
        let drawn = sample_without_replacement(&weights, 3, &mut draw);
        assert!(
            drawn.len() == 3
                && drawn[0] != drawn[1]
                && drawn[1] != drawn[2]
                && drawn[0] != drawn[2]
        );
        first[drawn[0]] += 1;
    }
    for (count, weight) in first.iter().zip(weights) {
        assert!((f64::from(*count) / 8000.0 - weight / 8.0).abs() < 0.02, "{first:?}");
    }
    let p = target_probabilities(&[0.5, 0.4, 0.0], 0.5, 0.1);
    let expected = [1.0, (-1.0_f64).exp(), (-5.0_f64).exp()];
    let sum: f64 = expected.iter().sum();
    assert!(p.iter().zip(expected).all(|(p, e)| near(*p, e / sum)));
    let greedy = target_probabilities(&[0.5, 0.4, 0.0], 0.5, 1e-3);
    assert!(greedy[0] > 1.0 - 1e-9 && greedy.iter().all(|p| p.is_finite()));
}

#[test]
fn rankings_and_difficulties() {
    let (difficulty, length) = ([0.2, 0.9, 0.5, 0.5], [10.0, 20.0, 40.0, 30.0]);
    let ranks = select_to_reason(&difficulty, &length, 0.25, Normalise::Rank).unwrap();
    // Ranks 0, 3, 1.5, 1.5 and 0, 1, 3, 2, of 3.
    let expected = [0.0, 0.25 + 0.25, 0.125 + 0.75, 0.125 + 0.5];
    assert!(ranks.iter().zip(expected).all(|(a, b)| near(*a, b)), "{ranks:?}");
    assert_eq!(top_share(&ranks, 0.5), [2, 3]);
    let scaled = select_to_reason(&difficulty, &length, 0.5, Normalise::MinMax).unwrap();
    assert!(near(scaled[1], 0.5 + 0.5 / 3.0));
    assert!(select_to_reason(&difficulty, &length[..2], 0.5, Normalise::Rank).is_err());
    assert!(select_to_reason(&difficulty, &length, 1.5, Normalise::Rank).is_err());
    assert!(near(ifd(&[-0.5, -1.5], &[-3.0]).unwrap(), (1.0_f64 - 3.0).exp()));
    assert_eq!(ifd(&[], &[-1.0]), None);
}

#[test]
fn negatives_and_their_weights() {
    let asked = asked();
    let kept: Vec<bool> = retain_negatives(&asked, 0.5, 2).iter().map(|t| t.correct).collect();
    assert_eq!(
        kept,
        [true, false, true, true],
        "half a wrong one for each right one, rounded down"
    );
    let unsolved =
        Attempts { attempts: vec![attempt("a", Some(false), 0.0); 5], ..Attempts::default() };
    assert_eq!(retain_negatives(&unsolved, 1.0, 2).len(), 2);
    let weights = GainWeight { alpha: 2.0, beta: 3.0 }
        .weights(Some(&[1.0, 1.0, 1.0]), &[1.0, 0.5, 1.5])
        .unwrap();
    let expected = [1.0, 2.0 / (1.0 + 1.5_f64.exp()), 2.0 / (1.0 + (-1.5_f64).exp())];
    assert!(weights.iter().zip(expected).all(|(a, b)| near(*a, b)), "{weights:?}");
    assert!(Lsh::for_threshold(1.5, 128, 0.5).is_err());
}
