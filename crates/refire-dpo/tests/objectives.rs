//! What must hold of every objective: its gradient depends on nothing but the step.
#![allow(clippy::unwrap_used, clippy::panic)]

mod world;

use proptest::prelude::*;
use refire_core::{BoxError, Stateful};
use refire_dpo::{
    BcoConfig, CopgConfig, CpoConfig, CpoLoss, DpoConfig, FDivergence, KtoConfig, ModpoConfig,
    OrpoConfig, PairLoss, PreferenceConfig, PreferenceStep, RankingConfig, RankingLoss,
    WeightedLoss, loss,
};
use refire_objective::{Objective, Scope, StepContext};
use world::{Layout, Outcome, PLAIN, World, close, host, run, sorted};

/// Objective, what it knows of the step, and rows per group.
type Built = (Box<dyn Objective>, StepContext, usize);

fn every(step: &dyn Fn(usize) -> PreferenceStep) -> Vec<(String, Built)> {
    let mut all: Vec<(String, Built)> = Vec::new();
    let mut dpo = |name: &str, config: DpoConfig| {
        let built = config.build().unwrap();
        let context = built.context(&step(2)).unwrap();
        all.push((name.to_owned(), (Box::new(built), context, 2)));
    };
    let e = 0.1;
    let losses = [
        PairLoss::Sigmoid,
        PairLoss::Cdpo { label_smoothing: e },
        PairLoss::Odpo { scale: 0.5 },
        PairLoss::Hinge,
        PairLoss::IpoSum,
        PairLoss::Ipo,
        PairLoss::ExoPair { label_smoothing: e },
        PairLoss::NcaPair,
        PairLoss::Robust { label_smoothing: e },
        PairLoss::BcoPair,
        PairLoss::SppoHard,
        PairLoss::Aot { label_smoothing: e },
        PairLoss::AotUnpaired { label_smoothing: e },
        PairLoss::ApoZero,
        PairLoss::ApoDown,
        PairLoss::Discopop { tau: 0.05 },
        PairLoss::SigmoidNorm,
        PairLoss::Sft,
    ];
    for loss in losses {
        dpo(&format!("{loss:?}"), DpoConfig::of(loss, 0.3));
    }
    let mix = [(PairLoss::Sigmoid, 0.8), (PairLoss::BcoPair, 0.2), (PairLoss::Sft, 1.0)];
    let mix = mix.map(|(loss, weight)| WeightedLoss { loss, weight }).to_vec();
    dpo("mixture", DpoConfig { losses: mix, ..DpoConfig::default() });
    dpo("ld", DpoConfig { ld_alpha: Some(0.3), ..DpoConfig::default() });
    dpo("wpo", DpoConfig { wpo: true, ..DpoConfig::default() });
    dpo("js", DpoConfig { divergence: FDivergence::JsDivergence, ..DpoConfig::default() });

    for loss in [CpoLoss::Sigmoid, CpoLoss::Hinge, CpoLoss::Ipo, CpoLoss::Simpo { gamma: 0.5 }] {
        let built = CpoConfig { loss, alpha: 0.2, ..CpoConfig::default() }.build().unwrap();
        let context = built.context(&step(2));
        all.push((format!("cpo {loss:?}"), (Box::new(built), context, 2)));
    }
    let orpo = OrpoConfig { beta: 0.5 }.build().unwrap();
    let context = orpo.context(&step(2));
    all.push(("orpo".to_owned(), (Box::new(orpo), context, 2)));
    let modpo = ModpoConfig::default().build().unwrap();
    all.push(("modpo".to_owned(), (Box::new(modpo), StepContext::empty(), 2)));
    let kto = KtoConfig::default().build().unwrap();
    let context = kto.context(&step(2)).unwrap();
    all.push(("kto".to_owned(), (Box::new(kto), context, 2)));
    let mut bco = BcoConfig::default().build().unwrap();
    let context = bco.context(&step(2)).unwrap();
    all.push(("bco".to_owned(), (Box::new(bco), context, 2)));
    for loss in [RankingLoss::default(), RankingLoss::Rrhf, RankingLoss::Pro] {
        let built = RankingConfig { loss, nll_weight: 0.5 }.build().unwrap();
        let context = built.context(&step(3));
        all.push((format!("{loss:?}"), (Box::new(built), context, 3)));
    }
    let copg = CopgConfig::default().build().unwrap();
    let context = copg.context(&step(3));
    all.push(("copg".to_owned(), (Box::new(copg), context, 3)));
    all
}

fn whole(world: &World, (objective, context, _): &Built, layout: Layout) -> Outcome {
    let places: Vec<usize> = (0..world.rows.len()).collect();
    run(world, &places, &world.counts(1), objective.as_ref(), context, layout)
}

/// Micro-batches of whole units.
fn parts(world: &World, (objective, context, siblings): &Built, weighted: bool) -> Vec<Outcome> {
    let unit = if objective.scope() <= Scope::Row { 1 } else { *siblings };
    let places: Vec<usize> = (0..world.rows.len()).collect();
    let counts = world.counts(places.len() / unit);
    let layout = Layout { weighted, ..PLAIN };
    let part = |part: &[usize]| run(world, part, &counts, objective.as_ref(), context, layout);
    places.chunks(unit).map(part).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_gradient_depends_on_the_step_alone(seed in any::<u64>()) {
        let worlds = |siblings| World::new(seed, 3, siblings);
        for (name, built) in every(&|siblings| worlds(siblings).step()) {
            let world = worlds(built.2);
            for weighted in [false, true] {
                let plain = whole(&world, &built, Layout { weighted, ..PLAIN });
                let expected = sorted(std::slice::from_ref(&plain));
                assert!(plain.total.is_finite(), "{name}");

                let padded = Layout { padding: 3, weighted, ..PLAIN };
                close(&sorted(&[whole(&world, &built, padded)]), &expected, &name);

                for junk in [f64::NAN, f64::INFINITY, -1e30] {
                    let layout = Layout { padding: 1, junk: Some(junk), weighted };
                    let outcome = whole(&world, &built, layout);
                    close(&sorted(std::slice::from_ref(&outcome)), &expected, &name);
                    prop_assert!((outcome.total - plain.total).abs() < 1e-10, "{name}");
                    prop_assert_eq!(&outcome.metrics, &plain.metrics);
                }

                let mut places: Vec<usize> = (0..world.rows.len()).collect();
                places.reverse();
                places.rotate_left(2);
                let layout = Layout { weighted, ..PLAIN };
                let counts = world.counts(1);
                let turned = run(&world, &places, &counts, built.0.as_ref(), &built.1, layout);
                close(&sorted(&[turned]), &expected, &name);

                let outcomes = parts(&world, &built, weighted);
                close(&sorted(&outcomes), &expected, &name);
                let total: f64 = outcomes.iter().map(|outcome| outcome.total).sum();
                prop_assert!((total - plain.total).abs() < 1e-9, "{name}: {total}");
                let mut merged = refire_core::Metrics::default();
                outcomes.into_iter().for_each(|outcome| merged.extend(outcome.metrics));
                for (metric, value) in plain.metrics.iter() {
                    let found = merged.get(metric).unwrap();
                    prop_assert!((found - value).abs() < 1e-9, "{name}, {metric}: {found}");
                }
            }
        }
    }

    #[test]
    fn sorting_the_step_is_what_the_plain_function_does(seed in any::<u64>()) {
        let world = World::new(seed, 4, 2);
        let side = |chosen: f64, reference: bool| -> Vec<f64> {
            let rows = world.step().rows.into_iter().filter(|row| row.label == Some(chosen));
            rows.map(|row| if reference { row.ref_logps } else { row.logps }.unwrap()).collect()
        };
        let column = |values: Vec<f64>| {
            let n = values.len();
            let data = burn::tensor::TensorData::new(values, [n]);
            let options = (&world::device(), burn::tensor::DType::F64);
            burn::tensor::Tensor::<1>::from_data(data, options)
        };
        let [w, l] = [1.0, 0.0].map(|label| column(side(label, false)));
        let [ref_w, ref_l] = [1.0, 0.0].map(|label| column(side(label, true)));
        let paired = loss::aot(w.clone(), l.clone(), ref_w.clone(), ref_l.clone(), 0.3, 0.1);
        let unpaired = loss::aot_unpaired(w - ref_w, l - ref_l, 0.3, 0.1);
        let kinds = [
            (PairLoss::Aot { label_smoothing: 0.1 }, paired),
            (PairLoss::AotUnpaired { label_smoothing: 0.1 }, unpaired),
        ];
        for (kind, expected) in kinds {
            let dpo = DpoConfig::of(kind, 0.3).build().unwrap();
            let context = dpo.context(&world.step()).unwrap();
            let outcome = whole(&world, &(Box::new(dpo), context, 2), PLAIN);
            let expected = host(&expected.mean())[0];
            prop_assert!((outcome.total - expected).abs() < 1e-10);
        }
    }
}

#[test]
fn nothing_is_zero_with_a_gradient() {
    let world = World::new(1, 2, 2);
    for (name, (objective, context, _)) in every(&|siblings| World::new(1, 2, siblings).step()) {
        let counts = world.counts(1);
        let outcome = run(&world, &[], &counts, objective.as_ref(), &context, PLAIN);
        assert_eq!((outcome.total, outcome.gradient.len()), (0.0, 0), "{name}");
    }
}

#[test]
fn rows_without_tokens_are_finite_and_learn_nothing() {
    for (name, built) in every(&|siblings| World::new(3, 2, siblings).step()) {
        let mut world = World::new(3, 2, built.2);
        for row in &mut world.rows {
            row.mask.fill(false);
        }
        let outcome = whole(&world, &built, PLAIN);
        assert!(outcome.total.is_finite(), "{name}: {}", outcome.total);
        let gradient = outcome.gradient.iter().flat_map(|(_, row)| row);
        assert!(gradient.into_iter().all(|g| *g == 0.0), "{name}");
    }
}

#[test]
fn the_mean_reward_survives_a_resume() -> Result<(), BoxError> {
    let steps: Vec<PreferenceStep> = (0..4).map(|seed| World::new(seed, 2, 2).step()).collect();
    let mut whole = BcoConfig::default().build()?;
    for step in &steps {
        whole.context(step)?;
    }
    let mut first = BcoConfig::default().build()?;
    first.context(&steps[0])?;
    first.context(&steps[1])?;
    let saved = first.state()?;
    let mut second = BcoConfig::default().build()?;
    second.restore(&saved)?;
    second.context(&steps[2])?;
    second.context(&steps[3])?;
    assert_eq!(second.delta().to_bits(), whole.delta().to_bits());
    assert!(BcoConfig::default().build()?.restore(b"nonsense").is_err());
    Ok(())
}

#[test]
fn problems_are_named() {
    let refused = |text: &str, words: &str| {
        let config: PreferenceConfig = serde_json::from_str(text).unwrap();
        let error = config.build().err().unwrap().to_string();
        assert!(error.contains(words), "{text}: {error}");
    };
    refused(r#"{"kind": "dpo", "beta": 0}"#, "beta");
    refused(r#"{"kind": "dpo", "losses": []}"#, "at least one loss");
    refused(r#"{"kind": "dpo", "ld_alpha": 2}"#, "ld_alpha");
    let sorted = r#"{"kind": "dpo", "ld_alpha": 0.5, "losses": [{"loss": {"aot": {"label_smoothing": 0}}}]}"#;
    refused(sorted, "leave `ld_alpha` out");
    refused(r#"{"kind": "dpo", "wpo": true, "losses": [{"loss": "sft"}]}"#, "take one of them out");
    let smooth = r#"{"kind": "dpo", "losses": [{"loss": {"exo_pair": {"label_smoothing": 0}}}]}"#;
    refused(smooth, "label_smoothing");
    refused(r#"{"kind": "cpo", "loss": "hinge", "label_smoothing": 0.1}"#, "don't read it");
    refused(r#"{"kind": "modpo", "weight": 0}"#, "weight");
    refused(r#"{"kind": "kto", "weights": {"desirable": -1}}"#, "weights.desirable");
    let boundary = r#"{"kind": "ranking", "loss": {"aft": {"boundary": {"beta": -1}}}}"#;
    refused(boundary, "boundary.beta");
    for unknown in [
        r#"{"kind": "dpo", "gamma": 1}"#,
        r#"{"kind": "dpo", "losses": [{"loss": "sigmoid", "tau": 1}]}"#,
        r#"{"kind": "nothing"}"#,
        r#"{"kind": "kto", "weights": {"good": 1}}"#,
        r#"{"kind": "dpo", "divergence": {"alpha_divergence": {"a": 1}}}"#,
    ] {
        assert!(serde_json::from_str::<PreferenceConfig>(unknown).is_err(), "{unknown}");
    }
}

#[test]
fn contradictions_are_errors() {
    use burn::tensor::Tensor;
    use refire_objective::{Counts, Targets, TokenStats};
    let device = world::device();
    let ones = || Tensor::<2>::ones([2, 1], &device);
    let stats = || TokenStats::from_logprobs(ones().neg());
    let counts = Counts::of([[true], [true]], 1);
    let error = |config: &str, change: &dyn Fn(&mut Targets), words: &str| {
        let mut targets = Targets::new(ones());
        targets.groups = vec![0, 0];
        targets.labels = Some(vec![1.0, 0.0]);
        targets.ref_logprobs = Some(ones());
        change(&mut targets);
        let config: PreferenceConfig = serde_json::from_str(config).unwrap();
        let loss = config.build().unwrap().loss(&stats(), &targets, &StepContext::empty(), &counts);
        let error = loss.err().unwrap().to_string();
        assert!(error.contains(words), "{error}");
    };
    let dpo = r#"{"kind": "dpo"}"#;
    error(dpo, &|targets| targets.labels = None, "labels");
    error(dpo, &|targets| targets.labels = Some(vec![1.0]), "1 entries, expected 2");
    error(dpo, &|targets| targets.labels = Some(vec![1.0, 0.5]), "0 or 1");
    error(dpo, &|targets| targets.labels = Some(vec![1.0, 1.0]), "2 chosen and 0 rejected");
    error(dpo, &|targets| targets.groups = vec![0, 1], "one of each");
    error(dpo, &|targets| targets.ref_logprobs = None, "ref_logprobs");
    let odpo = r#"{"kind": "dpo", "losses": [{"loss": {"odpo": {"scale": 1}}}]}"#;
    error(odpo, &|_| (), "margins");
    error(r#"{"kind": "dpo", "wpo": true}"#, &|_| (), "sum_sq");
    for unprepared in ["orpo", "kto", "bco", "ranking", "copg", "cpo"] {
        let config = format!(r#"{{"kind": "{unprepared}"}}"#);
        error(&config, &|_| (), "step context");
    }
    let step = World { probes: Vec::new(), ..World::new(1, 1, 2) }.step();
    let error = KtoConfig::default().build().unwrap().context(&step).err().unwrap();
    assert!(error.to_string().contains("no mismatched rows"));
}
