//! Rewards over a model: what they score, what they refuse, and every reward's conformance.

#![allow(clippy::unwrap_used, clippy::panic)]

use refire::burn::tensor::Device;
use refire::core::{BoxError, Completion, Prompt, Reward, Score, Scored};
use refire::model::{
    Decoder, FrozenDecoder, ModelReward, ModelRewardConfig, PoolingKind, ScoreModel,
    SimilarityConfig, SimilarityReward, TextCodec, TinyLlama,
};
use refire::objective::RewardModel;
use refire::reward::{Weighted, conformance};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const END: u32 = 2;

/// One token per byte; counts what it encodes.
#[derive(Default)]
struct Bytes(AtomicUsize);

impl TextCodec for Bytes {
    fn decode(&self, tokens: &[u32]) -> Result<String, BoxError> {
        let bytes = tokens.iter().map(|t| u8::try_from(*t)).collect::<Result<Vec<_>, _>>()?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>, BoxError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(text.bytes().map(u32::from).collect())
    }
}

fn decoder() -> Decoder {
    Decoder::init(&TinyLlama::default().config(), 4, &Device::flex())
}

fn judge() -> ScoreModel {
    ScoreModel::new(&decoder().with_score_head(1)).unwrap()
}

fn prompt(text: &str, answer: Option<&str>) -> Prompt {
    let tokens = text.bytes().map(u32::from).collect();
    Prompt { tokens, text: text.to_owned(), answer: answer.map(str::to_owned), ..Prompt::default() }
}

fn completion(text: &str) -> Completion {
    let tokens = text.bytes().map(u32::from).chain([END]).collect();
    Completion { text: text.to_owned(), ..Completion::given(tokens) }
}

fn replies() -> Vec<Completion> {
    ["4 + 5", "four plus five", "9", "", "4 + 5", "no idea at all, sorry"].map(completion).into()
}

fn items<'a>(prompts: &'a [Prompt], replies: &'a [Completion]) -> Vec<Scored<'a>> {
    let group = |(group, prompt): (usize, &'a Prompt)| {
        replies.iter().map(move |completion| Scored { prompt, completion, group })
    };
    prompts.iter().enumerate().flat_map(group).collect()
}

fn totals(scores: &[Score]) -> Vec<f64> {
    scores.iter().map(|score| score.total().unwrap()).collect()
}

fn model_reward<M: RewardModel>(model: M) -> ModelReward<M> {
    ModelReward::new(model, ModelRewardConfig::default()).unwrap()
}

fn similarity(config: SimilarityConfig) -> SimilarityReward {
    let config = SimilarityConfig { ignore: BTreeSet::from([END]), ..config };
    SimilarityReward::new(FrozenDecoder::new(&decoder()), Bytes::default(), config).unwrap()
}

#[test]
fn a_models_scores_are_those_of_whole_rows_whatever_the_batch() {
    let (prompts, replies) = ([prompt("Sum?", None), prompt("And now?", None)], replies());
    let items = items(&prompts, &replies);
    let alone: Vec<f64> = items
        .iter()
        .map(|item| [&item.prompt.tokens[..], &item.completion.tokens].concat())
        .map(|row| judge().scores(&[&row]).unwrap()[0])
        .collect();
    assert!(alone.iter().any(|score| (score - alone[0]).abs() > 1e-3), "{alone:?}");
    for batch_rows in [1, 3, 100] {
        let config = ModelRewardConfig { batch_rows, ..ModelRewardConfig::default() };
        let scores = ModelReward::new(judge(), config).unwrap().score(&items).unwrap();
        for (score, alone) in scores.iter().zip(&alone) {
            assert!((score.total().unwrap() - alone).abs() < 1e-5, "{score:?}, alone {alone}");
            assert_eq!(score.total(), score.part("score"));
        }
    }
}

#[test]
fn scores_are_centred_scaled_and_clipped_in_this_order() {
    struct Lengths;
    impl RewardModel for Lengths {
        fn scores(&self, rows: &[&[u32]]) -> Result<Vec<f64>, BoxError> {
            Ok(rows.iter().map(|row| row.len() as f64).collect())
        }
    }
    let config =
        ModelRewardConfig { center: 4.0, scale: 2.0, clip: Some(1.5), ..Default::default() };
    let reward = ModelReward::new(Lengths, config).unwrap().named("length");
    let replies = ["", "a", "abcd", "abcdefghi"].map(completion);
    let prompts = [prompt("p", None)];
    let scores = reward.score(&items(&prompts, &replies)).unwrap();
    assert_eq!(reward.name(), "length");
    assert_eq!(totals(&scores), [-1.0, -0.5, 1.0, 1.5]);
    assert_eq!(scores[3].part("score"), Some(11.0));
}

#[test]
fn a_row_that_the_model_refuses_costs_no_other_its_score() {
    let tokens = vec![7; decoder().config.max_position_embeddings + 1];
    let replies = [completion("fine"), Completion::given(tokens), completion("fine too")];
    let prompts = [prompt("Sum?", None)];
    let scores = model_reward(judge()).score(&items(&prompts, &replies)).unwrap();
    assert!(scores[0].total().is_some() && scores[2].total().is_some());
    match &scores[1] {
        Score::Unscorable { reason } => assert!(reason.0.contains("the context is"), "{reason}"),
        other => panic!("{other:?}"),
    }
    let nothing = [Completion::given(Vec::new())];
    let scores = model_reward(judge()).score(&items(&[Prompt::default()], &nothing)).unwrap();
    assert!(matches!(scores[0], Score::Unscorable { .. }));
}

#[test]
fn a_score_that_is_no_number_is_unavailable_and_a_missing_one_an_error() {
    struct Broken(Vec<f64>);
    impl RewardModel for Broken {
        fn scores(&self, _: &[&[u32]]) -> Result<Vec<f64>, BoxError> {
            Ok(self.0.clone())
        }
    }
    let (prompts, replies) = ([prompt("p", None)], [completion("a"), completion("bc")]);
    let items = items(&prompts, &replies);
    let scores = model_reward(Broken(vec![f64::NAN, 1.0])).score(&items).unwrap();
    assert_eq!(scores[0], Score::unavailable("the model's score is NaN", false));
    assert_eq!(scores[1].total(), Some(1.0));
    let error = model_reward(Broken(vec![1.0])).score(&items).unwrap_err().to_string();
    assert!(error.contains("scores of a reward model"), "{error}");
}

#[test]
fn the_reference_itself_is_nearest_to_it() {
    let (prompts, replies) = ([prompt("Sum?", Some("4 + 5"))], replies());
    for pooling in [PoolingKind::Mean, PoolingKind::LastToken] {
        for after_prompt in [false, true] {
            let reward =
                similarity(SimilarityConfig { pooling, after_prompt, ..Default::default() });
            let scores = totals(&reward.score(&items(&prompts, &replies)).unwrap());
            let what = format!("{pooling:?}, after the prompt {after_prompt}: {scores:?}");
            assert!(scores[0] > 1.0 - 1e-9 && scores[0] == scores[4], "{what}");
            assert_eq!(scores[3], 0.0, "an empty reply, {what}");
            for other in [1, 2, 5] {
                assert!((-1.0..0.999).contains(&scores[other]), "{what}");
            }
        }
    }
}

#[test]
fn only_what_the_policy_wrote_is_compared() {
    let prompts = [prompt("Sum?", Some("4 + 5"))];
    let mut tool = completion("4 + 5 = 9 says the tool");
    tool.loss_mask.iter_mut().skip(5).for_each(|counts| *counts = false);
    let scores = similarity(SimilarityConfig::default()).score(&items(&prompts, &[tool])).unwrap();
    // A causal network's states at the first five tokens don't depend on what follows.
    assert!(scores[0].total().unwrap() > 1.0 - 1e-6, "{scores:?}");
}

#[test]
fn scores_have_the_same_bits_with_and_without_kept_vectors() {
    let prompts = [
        prompt("Sum?", Some("4 + 5")),
        prompt("Product?", Some("20")),
        prompt("Again?", Some("4 + 5")),
    ];
    let replies = replies();
    let items = items(&prompts, &replies);
    let kept = similarity(SimilarityConfig::default());
    let first = kept.score(&items).unwrap();
    assert_eq!(kept.score(&items).unwrap(), first);
    for cache in [0, 1] {
        let reward = similarity(SimilarityConfig { cache, ..Default::default() });
        assert_eq!(reward.score(&items).unwrap(), first, "room for {cache}");
        assert_eq!(reward.score(&items).unwrap(), first, "room for {cache}, again");
    }
    for (item, score) in items.iter().zip(&first) {
        assert_eq!(kept.score(&[*item]).unwrap()[0], *score, "alone");
    }
}

#[test]
fn references_come_from_where_the_configuration_says() {
    let mut with_solution = prompt("Sum?", None);
    with_solution.meta.insert("solution".to_owned(), "4 + 5".into());
    let prompts = [with_solution, prompt("Sum?", Some("4 + 5"))];
    let reward = similarity(SimilarityConfig {
        reference: Some("solution".to_owned()),
        ..SimilarityConfig::default()
    });
    let scores = reward.score(&items(&prompts, &[completion("4 + 5")])).unwrap();
    assert!(scores[0].total().unwrap() > 1.0 - 1e-9);
    assert_eq!(scores[1], Score::unscorable("the prompt's meta has no text `solution`"));
    let answers = similarity(SimilarityConfig::default());
    let scores = answers.score(&items(&prompts, &[completion("4 + 5")])).unwrap();
    assert_eq!(scores[0], Score::unscorable("the prompt has no reference answer"));
}

#[test]
fn configurations_say_what_is_wrong() {
    let config =
        ModelRewardConfig { batch_rows: 0, center: f64::NAN, scale: 0.0, clip: Some(-1.0) };
    let error = ModelReward::new(judge(), config).unwrap_err().to_string();
    for problem in ["`batch_rows` is 0", "`center` is NaN", "`scale` is 0", "`clip` is -1"] {
        assert!(error.contains(problem), "{error}");
    }
    let config = SimilarityConfig { empty: 2.0, ..SimilarityConfig::default() };
    let model = FrozenDecoder::new(&decoder());
    let error = SimilarityReward::new(model, Bytes::default(), config).unwrap_err().to_string();
    assert!(error.contains("`empty` is 2, expected a number from -1 to 1"), "{error}");
}

#[test]
fn both_keep_the_promises_of_every_reward() {
    let prompts = [prompt("Sum?", Some("4 + 5")), prompt("Product?", None)];
    let replies = replies();
    let items = items(&prompts, &replies);
    let model = Arc::new(model_reward(judge()));
    let similarity = Arc::new(similarity(SimilarityConfig::default()));
    conformance::check(&model, &items).unwrap();
    conformance::check(&similarity, &items).unwrap();
    let both = Weighted::new(vec![(1.0, Box::new(model)), (0.5, Box::new(similarity))]).unwrap();
    conformance::check(&both, &items).unwrap();
}
