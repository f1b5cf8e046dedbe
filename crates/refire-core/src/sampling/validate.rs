use super::{BudgetForcing, SamplingParams, SequenceBias};
use crate::CoreError;

/// Collects what is wrong, field by field.
struct Problems(Vec<CoreError>);

impl Problems {
    fn check(&mut self, ok: bool, field: &'static str, value: String, expected: &'static str) {
        if !ok {
            self.0.push(CoreError::OutOfRange { field, value, expected });
        }
    }

    fn share(&mut self, field: &'static str, value: Option<f32>) {
        if let Some(p) = value {
            self.check((0.0..=1.0).contains(&p), field, p.to_string(), "from 0 to 1");
        }
    }

    /// Above 0 and below 1.
    fn fraction(&mut self, field: &'static str, value: Option<f32>) {
        if let Some(p) = value {
            self.check(p > 0.0 && p < 1.0, field, p.to_string(), "above 0 and below 1");
        }
    }

    fn count(&mut self, field: &'static str, value: Option<usize>) {
        if let Some(n) = value {
            self.check(n > 0, field, n.to_string(), "at least 1");
        }
    }

    fn finite(&mut self, field: &'static str, value: f32) {
        self.check(value.is_finite(), field, value.to_string(), "a finite number");
    }
}

impl SamplingParams {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<CoreError> {
        let mut problems = Problems(Vec::new());
        self.check_truncation(&mut problems);
        self.check_penalties(&mut problems);
        self.check_tokens(&mut problems);
        self.check_lengths(&mut problems);
        problems.0
    }

    fn check_truncation(&self, p: &mut Problems) {
        let t = self.temperature;
        p.check(t.is_finite() && t >= 0.0, "temperature", t.to_string(), "a finite number from 0");
        p.count("top_k", self.top_k);
        p.share("top_p", self.top_p);
        p.share("min_p", self.min_p);
        p.fraction("typical_p", self.typical_p.filter(|p| *p != 1.0));
        p.fraction("top_h", self.top_h.filter(|p| *p != 1.0));
        p.fraction("epsilon_cutoff", self.epsilon_cutoff);
        p.fraction("eta_cutoff", self.eta_cutoff);
        if let Some(n) = self.top_n_sigma {
            p.check(n.is_finite() && n > 0.0, "top_n_sigma", n.to_string(), "above 0");
        }
        if let Some(xtc) = &self.xtc {
            p.share("xtc.probability", Some(xtc.probability));
            p.share("xtc.threshold", Some(xtc.threshold));
        }
        p.count("min_keep", Some(self.min_keep));
        let Some(mirostat) = &self.mirostat else { return };
        for (field, x) in [("mirostat.tau", mirostat.tau), ("mirostat.eta", mirostat.eta)] {
            p.check(x.is_finite() && x > 0.0, field, x.to_string(), "above 0");
        }
        let others = [
            ("top_k", self.top_k.is_some()),
            ("top_p", self.top_p.is_some()),
            ("min_p", self.min_p.is_some()),
            ("typical_p", self.typical_p.is_some()),
            ("top_h", self.top_h.is_some()),
            ("top_n_sigma", self.top_n_sigma.is_some()),
            ("epsilon_cutoff", self.epsilon_cutoff.is_some()),
            ("eta_cutoff", self.eta_cutoff.is_some()),
            ("xtc", self.xtc.is_some()),
        ];
        for (name, _) in others.into_iter().filter(|(_, set)| *set) {
            let value = format!("set together with `{name}`");
            p.check(false, "mirostat", value, "no other truncation");
        }
    }

    fn check_penalties(&self, p: &mut Problems) {
        let r = self.repetition_penalty;
        let positive = r.is_finite() && r > 0.0;
        p.check(positive, "repetition_penalty", r.to_string(), "a finite number above 0");
        p.finite("frequency_penalty", self.frequency_penalty);
        p.finite("presence_penalty", self.presence_penalty);
        p.count("penalty_last_n", self.penalty_last_n);
        p.count("no_repeat_ngram", self.no_repeat_ngram);
        if let Some(dry) = &self.dry {
            p.finite("dry.multiplier", dry.multiplier);
            let grows = dry.base.is_finite() && dry.base >= 1.0;
            p.check(grows, "dry.base", dry.base.to_string(), "a finite number from 1");
            p.count("dry.allowed_length", Some(dry.allowed_length));
            p.count("dry.last_n", dry.last_n);
        }
        if let Some(decay) = &self.length_decay {
            let grows = decay.factor.is_finite() && decay.factor >= 1.0;
            p.check(grows, "length_decay.factor", decay.factor.to_string(), "a number from 1");
        }
        if let Some(w) = self.blend {
            p.finite("blend", w);
        }
    }

    fn check_tokens(&self, p: &mut Problems) {
        let not_nan = |bias: &f32| !bias.is_nan() && *bias != f32::INFINITY;
        for (token, bias) in &self.logit_bias {
            let value = format!("{bias} for token {token}");
            p.check(not_nan(bias), "logit_bias", value, "a finite number or -inf");
        }
        for SequenceBias { tokens, bias } in &self.sequence_bias {
            let ok = !tokens.is_empty() && not_nan(bias);
            let value = format!("{bias} for {tokens:?}");
            p.check(ok, "sequence_bias", value, "at least one token, and a finite number or -inf");
        }
        let some = self.allowed_tokens.as_ref().is_none_or(|tokens| !tokens.is_empty());
        p.check(some, "allowed_tokens", "[]".to_owned(), "at least one token");
        let words = self.bad_words.iter().all(|word| !word.is_empty());
        p.check(words, "bad_words", "[]".to_owned(), "words of at least one token");
        let texts = self.stop.iter().all(|s| !s.is_empty());
        p.check(texts, "stop", "\"\"".to_owned(), "texts, not empty");
        if let Some(problem) = self.budget.as_ref().and_then(BudgetForcing::problem) {
            p.check(false, "budget", "contradictory".to_owned(), problem);
        }
    }

    fn check_lengths(&self, p: &mut Problems) {
        p.count("max_tokens", Some(self.max_tokens));
        let (low, high) = (self.min_tokens, self.max_tokens);
        p.check(low <= high, "min_tokens", low.to_string(), "at most `max_tokens`");
        let forced = self.forced_tokens.len();
        p.check(forced <= high, "forced_tokens", forced.to_string(), "at most `max_tokens`");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dry, LengthDecay, Mirostat, Xtc};

    fn fields(params: &SamplingParams) -> Vec<&'static str> {
        let field = |e: &CoreError| match e {
            CoreError::OutOfRange { field, .. } => *field,
            _ => "",
        };
        params.validate().iter().map(field).collect()
    }

    #[test]
    fn every_problem_is_named() {
        let nan = f32::NAN;
        let params = SamplingParams {
            temperature: nan,
            top_k: Some(0),
            top_p: Some(1.5),
            min_p: Some(nan),
            typical_p: Some(0.0),
            top_h: Some(2.0),
            top_n_sigma: Some(0.0),
            epsilon_cutoff: Some(1.0),
            eta_cutoff: Some(0.0),
            xtc: Some(Xtc { probability: 2.0, threshold: -1.0 }),
            min_keep: 0,
            repetition_penalty: 0.0,
            frequency_penalty: nan,
            presence_penalty: f32::INFINITY,
            penalty_last_n: Some(0),
            dry: Some(Dry { multiplier: nan, base: 0.5, allowed_length: 0, ..Dry::default() }),
            no_repeat_ngram: Some(0),
            logit_bias: [(3, nan)].into(),
            sequence_bias: vec![SequenceBias { tokens: vec![], bias: 1.0 }],
            allowed_tokens: Some(vec![]),
            bad_words: vec![vec![]],
            forced_tokens: vec![1; 5],
            length_decay: Some(LengthDecay { start: 3, factor: 0.9 }),
            blend: Some(nan),
            budget: Some(BudgetForcing { waits: 1, ..Default::default() }),
            max_tokens: 4,
            min_tokens: 9,
            stop: vec![String::new()],
            ..Default::default()
        };
        let found = fields(&params);
        for field in [
            "temperature",
            "top_k",
            "top_p",
            "min_p",
            "typical_p",
            "top_h",
            "top_n_sigma",
            "epsilon_cutoff",
            "eta_cutoff",
            "xtc.probability",
            "xtc.threshold",
            "min_keep",
            "repetition_penalty",
            "frequency_penalty",
            "presence_penalty",
            "penalty_last_n",
            "dry.multiplier",
            "dry.base",
            "dry.allowed_length",
            "no_repeat_ngram",
            "logit_bias",
            "sequence_bias",
            "allowed_tokens",
            "bad_words",
            "forced_tokens",
            "length_decay.factor",
            "blend",
            "budget",
            "min_tokens",
            "stop",
        ] {
            assert!(found.contains(&field), "{field} is not among {found:?}");
        }
    }

    #[test]
    fn mirostat_stands_alone() {
        let mirostat = Some(Mirostat::default());
        let alone = SamplingParams { mirostat, ..Default::default() };
        assert!(fields(&alone).is_empty());
        assert_eq!(fields(&SamplingParams { top_k: Some(4), ..alone }), ["mirostat"]);
    }

    #[test]
    fn only_what_leaves_the_distribution_alone_is_on_policy() {
        let plain = SamplingParams {
            temperature: 0.7,
            stop: vec!["x".into()],
            ignore_end: true,
            seed: 4,
            ..Default::default()
        };
        assert!(plain.is_on_policy());
        for change in [
            SamplingParams { temperature: 0.0, ..plain.clone() },
            SamplingParams { repetition_penalty: 1.1, ..plain.clone() },
            SamplingParams { logit_bias: [(1, 0.5)].into(), ..plain.clone() },
            SamplingParams { xtc: Some(Xtc::default()), ..plain.clone() },
            SamplingParams { blend: Some(1.0), ..plain.clone() },
            SamplingParams { min_tokens: 1, ..plain.clone() },
        ] {
            assert!(!change.is_on_policy(), "{change:?}");
        }
    }

    #[test]
    fn params_survive_json() {
        let params = SamplingParams {
            logit_bias: [(50256, -100.0)].into(),
            dry: Some(Dry::default()),
            mirostat: Some(Mirostat::default()),
            ..SamplingParams::llama_cpp(9)
        };
        let text = serde_json::to_string(&params).unwrap_or_default();
        assert_eq!(serde_json::from_str::<SamplingParams>(&text).ok(), Some(params));
        assert!(serde_json::from_str::<SamplingParams>(r#"{"top_q": 1}"#).is_err());
    }
}
