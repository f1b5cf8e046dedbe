//! What every reward must do, as a check that any implementation can run in its tests.

use crate::RewardError;
use crate::check::{check_scores, token_rewards};
use refire_core::{BoxError, Purpose, Reward, Score, Scored, Stream};

/// Relative difference that two sums over the same siblings may have.
const ROUNDING: f64 = 1e-9;

/// Checks a reward on a batch.
///
/// - There is one score per item, none for an empty batch.
/// - Every number is finite, and token rewards are as many as the completion's tokens.
/// - The same batch scores the same twice, bit for bit.
/// - Permuted items get the permuted scores. Siblings keep their group index, so rewards that
///   compare siblings pass too; numbers may differ by 1e-9 relative, since their sums may round
///   differently.
///
/// Rows that are [`Score::Unavailable`] are left out of the comparisons: outages come and go.
///
/// # Errors
/// Names the reward, the row and the rule that was broken; errors of the reward itself pass
/// through.
///
/// ```
/// use refire_core::{Completion, Finish, Prompt, Score, Scored, reward_fn};
/// let text = Completion {
///     tokens: vec![7, 8],
///     loss_mask: vec![true; 2],
///     model_logprobs: vec![0.0; 2],
///     behaviour_logprobs: vec![0.0; 2],
///     versions: vec![0; 2],
///     turns: vec![],
///     text: "hi".into(),
///     finish: Finish::Length,
/// };
/// let (prompt, completion) = (&Prompt::default(), &text);
/// let items = [Scored { prompt, completion, group: 0 }];
/// let length = reward_fn("length", |item| Ok(Score::value(item.completion.len() as f64)));
/// refire_reward::conformance::check(&length, &items)?;
/// let broken = reward_fn("broken", |_| Ok(Score::value(f64::NAN)));
/// assert!(refire_reward::conformance::check(&broken, &items).is_err());
/// # Ok::<(), refire_core::BoxError>(())
/// ```
pub fn check(reward: &dyn Reward, items: &[Scored<'_>]) -> Result<(), BoxError> {
    let name = reward.name();
    let scored = |items: &[Scored<'_>]| -> Result<Vec<Score>, BoxError> {
        let scores = reward.score(items)?;
        check_scores(name, items, &scores)?;
        Ok(scores)
    };
    let scores = scored(items)?;
    scored(&[])?;
    let again = scored(items)?;
    compare(name, "the same batch must score the same twice", &scores, &again, 0.0)?;
    for order in orders(items.len()) {
        let permuted: Vec<_> = order.iter().map(|i| items[*i]).collect();
        let expected: Vec<_> = order.iter().map(|i| scores[*i].clone()).collect();
        let rule = "permuted items must get the permuted scores";
        compare(name, rule, &expected, &scored(&permuted)?, ROUNDING)?;
    }
    Ok(())
}

/// Reversed, rotated by one, and three shuffles.
fn orders(n: usize) -> Vec<Vec<usize>> {
    let mut orders: Vec<Vec<usize>> =
        vec![(0..n).rev().collect(), (0..n).map(|i| (i + 1) % n).collect()];
    for sample in 0..3 {
        let mut order: Vec<usize> = (0..n).collect();
        Stream::new(0, Purpose::named("conformance"), 0, 0, sample).shuffle(&mut order);
        orders.push(order);
    }
    orders
}

fn compare(
    reward: &str,
    rule: &'static str,
    expected: &[Score],
    found: &[Score],
    tolerance: f64,
) -> Result<(), RewardError> {
    let differs = |(a, b): (&Score, &Score)| !alike(a, b, tolerance);
    match expected.iter().zip(found).position(differs) {
        None => Ok(()),
        Some(row) => Err(RewardError::Conformance {
            reward: reward.to_owned(),
            row,
            rule,
            first: format!("{:?}", expected[row]),
            second: format!("{:?}", found[row]),
        }),
    }
}

fn alike(a: &Score, b: &Score, tolerance: f64) -> bool {
    let close = |x: f64, y: f64| (x - y).abs() <= tolerance * x.abs().max(y.abs()).max(1.0);
    match (a, b) {
        (Score::Unavailable { .. }, _) | (_, Score::Unavailable { .. }) => true,
        (Score::Unscorable { reason: a }, Score::Unscorable { reason: b }) => a == b,
        (Score::Value { total: x, parts: xs, .. }, Score::Value { total: y, parts: ys, .. }) => {
            let same_part =
                |(p, q): (&(String, f64), &(String, f64))| p.0 == q.0 && close(p.1, q.1);
            let parts = xs.len() == ys.len() && xs.iter().zip(ys).all(same_part);
            close(*x, *y) && parts && same_tokens(token_rewards(a), token_rewards(b), close)
        }
        (Score::Value { .. }, Score::Unscorable { .. })
        | (Score::Unscorable { .. }, Score::Value { .. }) => false,
    }
}

fn same_tokens(a: Option<&[f32]>, b: Option<&[f32]>, close: impl Fn(f64, f64) -> bool) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => {
            let near = |(x, y): (&f32, &f32)| close(f64::from(*x), f64::from(*y));
            a.len() == b.len() && a.iter().zip(b).all(near)
        }
        (Some(_), None) | (None, Some(_)) => false,
    }
}
