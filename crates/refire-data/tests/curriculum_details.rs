//! Settings of single curricula, and learners whose gain is a gradient's.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "common/learner.rs"]
mod learner;

use learner::*;
use refire_core::{
    BoxError, Group, Prompt, PromptSource, Request, Score, Stateful, decode_state, encode_state,
};
use refire_data::{
    Attempt, Attempts, Exhausted, HardBuffer, KernelPredictor, Mixture, Success, Targeted,
    TargetedConfig, UniformPrompts, VarianceConfig, VarianceSampling, VarianceScore,
    WarmUpRollouts,
};
use std::collections::HashMap;

/// Sampling among 16 prompts of which the first alone has mixed answers.
fn one_hot(mixture: f64, refresh_every: u64) -> (Vec<Prompt>, VarianceSampling) {
    let prompts = prompts(&LADDER, 2);
    let config = VarianceConfig { mixture, refresh_every, floor: 0.0, ..VarianceConfig::default() };
    let mut source = VarianceSampling::new(pool(&prompts), config).unwrap();
    let right: Vec<usize> = (0..16).map(|at| if at == 0 { 2 } else { 0 }).collect();
    let (groups, scores) = groups_of(&prompts, &(0..16).collect::<Vec<_>>(), &right);
    source.observe(&groups, &scores);
    (prompts, source)
}

fn ids(source: &mut dyn PromptSource, n: usize) -> Vec<u64> {
    source.next(n).unwrap().iter().map(|request| request.prompt.id - 1000).collect()
}

#[test]
fn every_so_many_batches_the_oldest_scores_are_refreshed() {
    let (_, mut source) = one_hot(1.0, 3);
    let batches: Vec<Vec<u64>> = (0..9).map(|_| ids(&mut source, 4)).collect();
    for (at, oldest) in [(2, [1, 2, 3, 4]), (5, [5, 6, 7, 8]), (8, [9, 10, 11, 12])] {
        assert_eq!(batches[at], oldest);
        assert_eq!(batches[at - 1], [0; 4], "drawn by score");
        assert_eq!(batches[at - 2], [0; 4]);
    }
    let (_, mut never) = one_hot(1.0, 0);
    assert!((0..20).all(|_| ids(&mut never, 4) == [0; 4]));
}

#[test]
fn the_mixture_splits_each_batch() {
    for (n, chosen) in [(8, 6), (7, 5), (1, 0), (3, 2)] {
        let (_, mut source) = one_hot(0.75, 0);
        let mut counts = [0; 16];
        let passes = n - chosen;
        // As many batches as make whole passes of the other share.
        let batches = 16;
        for _ in 0..batches {
            let batch = ids(&mut source, n);
            assert!(batch[..chosen].iter().all(|id| *id == 0), "{n}: {batch:?}");
            batch.iter().for_each(|id| counts[*id as usize] += 1);
        }
        assert_eq!(counts[0], batches * chosen + passes);
        assert!(counts[1..].iter().all(|count| *count == passes), "{n}: {counts:?}");
    }
}

#[test]
fn a_variance_score_is_its_formula() {
    let attempt =
        |text: &str, correct| Attempt { text: text.to_owned(), correct, ..Attempt::default() };
    let asked = |attempts| Attempts { id: 1, prompt: String::new(), attempts };
    let score = VarianceScore::default();
    let three = asked(vec![
        attempt("a b c d", Some(true)),
        attempt("a b c d", Some(false)),
        attempt("e f g h", Some(false)),
        attempt("i j", None),
    ]);
    // The rate is taken over what was judged.
    let rate = three.pass_rate().mean().unwrap();
    assert!((rate - 1.0 / 3.0).abs() < 1e-12);
    let same = asked(vec![attempt("a b c d", Some(true)), attempt("a b c d", Some(false))]);
    let other = asked(vec![attempt("a b c d", Some(true)), attempt("e f g h", Some(false))]);
    assert!(score.score(&other).unwrap() > score.score(&same).unwrap(), "diversity counts");
    let solved = asked(vec![attempt("a b c d", Some(true)), attempt("e f g h", Some(true))]);
    assert!(score.score(&other).unwrap() > score.score(&solved).unwrap(), "variance counts");
    // Texts with 1 of 2 distinct trigrams' worth: `of` gets the rate and the share.
    assert_eq!(score.score(&same), Some(score.of(0.5, 0.5)));
    assert_eq!(score.score(&other), Some(score.of(0.5, 1.0)));
    assert_eq!(score.score(&asked(vec![attempt("a", None)])), None, "nothing was judged");
}

#[test]
fn observations_lose_half_their_weight_in_a_half_life() {
    let prompts = prompts(&[0.0], 3);
    for (half_life, batches) in [(2.0, 4), (1.0, 1), (8.0, 4), (5.0, 0)] {
        let predictor = KernelPredictor::new(vec![vec![0.0]; 3], 1.0, 1e-12).unwrap();
        let config = TargetedConfig { half_life, ..TargetedConfig::default() };
        let mut source = Targeted::new(pool(&prompts), predictor, config).unwrap();
        let observe = |source: &mut Targeted, at, right| {
            let (groups, scores) = groups_of(&prompts, &[at], &[right]);
            source.observe(&groups, &scores);
        };
        observe(&mut source, 0, 4);
        (0..batches).for_each(|_| drop(source.next(1).unwrap()));
        observe(&mut source, 1, 0);
        let old = 0.5_f64.powf(f64::from(batches) / half_life);
        let expected = old / (old + 1.0);
        assert!((source.predicted()[2] - expected).abs() < 1e-9, "{half_life} {batches}");
    }
}

/// A source with an end.
struct Finite(std::vec::IntoIter<u64>);

impl PromptSource for Finite {
    fn next(&mut self, n: usize) -> Result<Vec<Request>, BoxError> {
        let request =
            |id| Request { prompt: Prompt { id, ..Prompt::default() }, ..Request::default() };
        Ok(self.0.by_ref().take(n).map(request).collect())
    }
    fn observe(&mut self, _: &[Group], _: &[Vec<Score>]) {}
}

impl Stateful for Finite {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        encode_state(self.0.as_slice())
    }
    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        self.0 = decode_state::<Vec<u64>>("Finite", state)?.into_iter();
        Ok(())
    }
}

fn finite(exhausted: Exhausted) -> Mixture {
    let source = |ids: std::ops::Range<u64>, weight| -> (Box<dyn PromptSource>, f64) {
        (Box::new(Finite(ids.collect::<Vec<_>>().into_iter())), weight)
    };
    let sources = vec![source(0..10, 0.5), source(100..200, 0.3), source(200..300, 0.2)];
    Mixture::new(sources, exhausted).unwrap()
}

#[test]
fn an_exhausted_source_leaves_the_others_in_their_proportions() {
    let mut mixture = finite(Exhausted::GoOn);
    let mut seen = Vec::new();
    for at in 0..40 {
        let batch = mixture.next(7).unwrap();
        assert!(batch.len() == 7 || seen.len() + batch.len() == 210, "{at}: {}", batch.len());
        seen.extend(batch.iter().map(|request| request.prompt.id));
        let state = mixture.state().unwrap();
        mixture = finite(Exhausted::GoOn);
        mixture.restore(&state).unwrap();
        if at == 9 {
            let served = mixture.served();
            assert_eq!((served[0], served.iter().sum::<u64>()), (10, 70));
            assert!((served[1] as f64 - 60.0 * 0.6).abs() <= 3.0, "{served:?}");
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..10).chain(100..300).collect::<Vec<_>>(), "each once, to the end");
    assert!(mixture.next(3).unwrap().is_empty());
}

#[test]
fn a_mixture_that_stops_ends_with_its_first_source() {
    let mut mixture = finite(Exhausted::Stop);
    let mut n = 0;
    let mut last = 7;
    while last > 0 {
        last = mixture.next(7).unwrap().len();
        n += last;
    }
    assert_eq!(mixture.served()[0], 10);
    assert!((20..=27).contains(&n), "{n}");
    assert!(mixture.next(1).unwrap().is_empty());
}

/// A softmax over 20 answers of each prompt, of which the first is right, trained by gradients
/// alone.
#[derive(Clone)]
struct Table {
    logits: HashMap<u64, Vec<f64>>,
    seed: u64,
}

impl Table {
    fn new(prompts: &[Prompt], seed: u64) -> Self {
        let start = |prompt: &Prompt| {
            let mut logits = vec![0.0; 20];
            logits[0] = -difficulty(prompt);
            (prompt.id, logits)
        };
        Self { logits: prompts.iter().map(start).collect(), seed }
    }

    fn chances(&self, id: u64) -> Vec<f64> {
        let powers: Vec<f64> = self.logits[&id].iter().map(|x| x.exp()).collect();
        let sum: f64 = powers.iter().sum();
        powers.into_iter().map(|p| p / sum).collect()
    }

    fn samples(&self, request: &Request) -> Vec<usize> {
        let chances = self.chances(request.prompt.id);
        let one = |sample: usize| {
            let mut left =
                draw(self.seed + request.visit, request.prompt.id, sample as u64).uniform();
            let at = chances.iter().position(|p| {
                left -= p;
                left < 0.0
            });
            at.unwrap_or(19)
        };
        (0..request.n).map(one).collect()
    }

    /// A step along `weight` times the gradient of the log-probability of an answer.
    fn step(&mut self, id: u64, answer: usize, weight: f64) {
        let chances = self.chances(id);
        for (at, logit) in self.logits.get_mut(&id).unwrap().iter_mut().enumerate() {
            *logit += weight * (f64::from(u8::from(at == answer)) - chances[at]);
        }
    }

    fn right(&self) -> f64 {
        let all = self.logits.keys().map(|id| self.chances(*id)[0]);
        all.sum::<f64>() / self.logits.len() as f64
    }
}

fn judged(request: &Request, samples: &[usize]) -> (Group, Vec<Score>) {
    let completions = vec![Learner::completion(); samples.len()];
    let right = |sample: &usize| Score::value(f64::from(u8::from(*sample == 0)));
    (Group { request: request.clone(), completions }, samples.iter().map(right).collect())
}

/// Updates by `reward - critic` with a critic that starts far off: a policy that is mostly right
/// unlearns before the critic is. Rollouts before the first update set the critic first.
#[test]
fn warm_up_keeps_what_a_wrong_critic_would_unlearn() {
    let prompts = prompts(&[-4.0], 30);
    for seed in 0..5 {
        let run = |warm: u64| {
            let mut source = WarmUpRollouts::new(UniformPrompts::new(pool(&prompts), seed), warm);
            let (mut table, mut critic, mut least) = (Table::new(&prompts, seed), 6.0, 1.0_f64);
            for _ in 0..60 {
                for request in source.next(10).unwrap() {
                    for answer in table.samples(&request) {
                        let error = f64::from(u8::from(answer == 0)) - critic;
                        if !WarmUpRollouts::<UniformPrompts>::is_marked(&request) {
                            table.step(request.prompt.id, answer, 0.3 * error);
                        }
                        critic += 0.005 * error;
                    }
                }
                least = least.min(table.right());
            }
            (least, table.right())
        };
        let ((least, with), (dip, without)) = (run(150), run(0));
        println!(
            "WSRL: least {least:.2} and last {with:.2} with warm-up, {dip:.2} and {without:.2} without"
        );
        assert!(least > dip + 0.05 && with >= without - 0.02, "{least} {dip} {with} {without}");
    }
}

/// Demonstrations of what the buffer gathered, against as many of prompts drawn blindly, and none:
/// where no answer is right there is no gradient of rewards, and one of a demonstration.
#[test]
fn demonstrations_of_gathered_prompts_teach_more_than_others() {
    let prompts = prompts(&[-4.0, -3.0, 6.0], 30);
    for seed in 0..5 {
        let run = |pick: &dyn Fn(&mut HardBuffer<UniformPrompts>, u64) -> Vec<u64>| {
            let inner = UniformPrompts::new(pool(&prompts), seed);
            let mut source = HardBuffer::new(inner, 8, Success::default());
            let mut table = Table::new(&prompts, seed);
            for at in 0..60 {
                let requests = source.next(12).unwrap();
                let answers: Vec<Vec<usize>> = requests.iter().map(|r| table.samples(r)).collect();
                let judged = requests.iter().zip(&answers).map(|(r, a)| judged(r, a));
                let (groups, scores): (Vec<Group>, Vec<Vec<Score>>) = judged.unzip();
                source.observe(&groups, &scores);
                for (request, answers) in requests.iter().zip(&answers) {
                    let n = answers.len() as f64;
                    let mean = answers.iter().filter(|a| **a == 0).count() as f64 / n;
                    for answer in answers {
                        let advantage = f64::from(u8::from(*answer == 0)) - mean;
                        table.step(request.prompt.id, *answer, advantage / n);
                    }
                }
                for id in pick(&mut source, at) {
                    table.step(id, 0, 2.0);
                }
            }
            table.right()
        };
        let gathered = |source: &mut HardBuffer<UniformPrompts>, _: u64| -> Vec<u64> {
            source.take().into_iter().flatten().map(|prompt| prompt.id).collect()
        };
        let blind = |source: &mut HardBuffer<UniformPrompts>, at: u64| -> Vec<u64> {
            let n = source.take().map_or(0, |batch| batch.len() as u64);
            (0..n).map(|i| 1000 + draw(seed, at, i).below(90) as u64).collect()
        };
        let (with, other, none) = (run(&gathered), run(&blind), run(&|_, _| Vec::new()));
        println!("ReLIFT: {with:.2} right, {other:.2} by blind demonstrations, {none:.2} by none");
        assert!(with - none > 1.3 * (other - none) && other > none, "{with} {other} {none}");
    }
}
