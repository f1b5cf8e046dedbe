//! Which modules have an adapter, by PEFT's rules.

use super::linears::Role;
use super::{LoraConfig, TargetModules};
use crate::ModelError;
use fancy_regex::Regex;

/// A configuration's rules, compiled.
pub(super) struct Targets<'a> {
    config: &'a LoraConfig,
    whole: Option<Regex>,
    excluded: Option<Regex>,
    layer: Vec<Regex>,
    ranks: Vec<(Regex, usize)>,
    alphas: Vec<(Regex, f64)>,
}

impl<'a> Targets<'a> {
    pub(super) fn new(config: &'a LoraConfig) -> Result<Self, ModelError> {
        let whole = |modules: &TargetModules| match modules {
            TargetModules::Pattern(pattern) => compiled(&format!(r"\A(?:{pattern})\z")).map(Some),
            _ => Ok(None),
        };
        let layer = match config.layers_pattern.as_slice() {
            [] => vec![compiled(r"\A.*?\.[^.]*\.(\d+)\.")?],
            patterns => {
                let patterns = patterns.iter().map(|p| format!(r"\A(?:|.*?\.)(?:{p})\.(\d+)\."));
                patterns.map(|pattern| compiled(&pattern)).collect::<Result<_, _>>()?
            }
        };
        Ok(Self {
            config,
            whole: whole(&config.target_modules)?,
            excluded: config.exclude_modules.as_ref().map_or(Ok(None), whole)?,
            layer,
            ranks: ends(&config.rank_pattern.0)?,
            alphas: ends(&config.alpha_pattern.0)?,
        })
    }

    /// Whether a module has an adapter.
    pub(super) fn has(&self, name: &str, role: Role) -> Result<bool, ModelError> {
        let saved = self.config.modules_to_save.iter();
        if self.is_excluded(name)? || saved.clone().any(|saved| is_within(name, saved)) {
            return Ok(false);
        }
        match (&self.config.target_modules, &self.whole) {
            (TargetModules::AllLinear, _) => Ok(role == Role::Projection),
            (TargetModules::Names(names), _) => Ok(is_among(name, names) && self.in_layer(name)?),
            (TargetModules::Pattern(_), Some(pattern)) => fits(pattern, name),
            (TargetModules::Pattern(_), None) => Ok(false),
        }
    }

    /// A module's rank and alpha.
    pub(super) fn rank_and_alpha(&self, name: &str) -> Result<(usize, f64), ModelError> {
        let rank = first(&self.ranks, name)?.unwrap_or(self.config.r);
        Ok((rank, first(&self.alphas, name)?.unwrap_or(self.config.lora_alpha)))
    }

    fn is_excluded(&self, name: &str) -> Result<bool, ModelError> {
        match (&self.config.exclude_modules, &self.excluded) {
            (Some(TargetModules::Names(names)), _) => Ok(is_among(name, names)),
            (_, Some(pattern)) => fits(pattern, name),
            _ => Ok(false),
        }
    }

    fn in_layer(&self, name: &str) -> Result<bool, ModelError> {
        let Some(layers) = &self.config.layers_to_transform else { return Ok(true) };
        for pattern in &self.layer {
            if let Some(found) = pattern.captures(name).map_err(failed)? {
                let number = found.get(1).and_then(|digits| digits.as_str().parse().ok());
                return Ok(number.is_some_and(|number: usize| layers.contains(&number)));
            }
        }
        Ok(false)
    }
}

/// Whether a name, or its end after a dot, is among these.
fn is_among(name: &str, names: &[String]) -> bool {
    names.iter().any(|end| ends_with(name, end))
}

fn ends_with(name: &str, end: &str) -> bool {
    name == end || name.strip_suffix(end).is_some_and(|rest| rest.ends_with('.'))
}

/// Whether a module is one that `end` names, or lies within one.
fn is_within(name: &str, end: &str) -> bool {
    let cuts = name.match_indices('.').map(|(at, _)| at).chain([name.len()]);
    cuts.into_iter().any(|at| ends_with(&name[..at], end))
}

fn ends<T: Copy>(patterns: &[(String, T)]) -> Result<Vec<(Regex, T)>, ModelError> {
    let end = |(pattern, value): &(String, T)| {
        Ok((compiled(&format!(r"\A(?:.*\.)?(?:{pattern})\z"))?, *value))
    };
    patterns.iter().map(end).collect()
}

fn first<T: Copy>(patterns: &[(Regex, T)], name: &str) -> Result<Option<T>, ModelError> {
    for (pattern, value) in patterns {
        if fits(pattern, name)? {
            return Ok(Some(*value));
        }
    }
    Ok(None)
}

fn fits(pattern: &Regex, name: &str) -> Result<bool, ModelError> {
    pattern.is_match(name).map_err(failed)
}

fn compiled(pattern: &str) -> Result<Regex, ModelError> {
    Regex::new(pattern).map_err(failed)
}

fn failed(error: fancy_regex::Error) -> ModelError {
    ModelError::Adapter { reason: format!("a pattern of modules: {error}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Patterns;

    fn names(names: &[&str]) -> TargetModules {
        TargetModules::Names(names.iter().map(|name| (*name).to_owned()).collect())
    }

    const Q0: &str = "model.layers.0.self_attn.q_proj";
    const UP11: &str = "model.layers.11.mlp.up_proj";
    const EXPERT: &str = "model.layers.1.mlp.experts.0.up_proj";

    fn found(config: &LoraConfig) -> Vec<bool> {
        let targets = Targets::new(config).unwrap();
        let has = |(name, role)| targets.has(name, role).unwrap();
        let maps = [
            (Q0, Role::Projection),
            (UP11, Role::Projection),
            (EXPERT, Role::Mixture),
            ("lm_head", Role::Head),
        ];
        maps.map(has).to_vec()
    }

    #[test]
    fn targets_are_names_ends_or_patterns() {
        let with = |target_modules| LoraConfig { target_modules, ..LoraConfig::default() };
        assert_eq!(found(&LoraConfig::default()), [true, true, false, false]);
        assert_eq!(found(&with(names(&["up_proj"]))), [false, true, true, false]);
        assert_eq!(found(&with(names(&["proj", "lm_head"]))), [false, false, false, true]);
        assert_eq!(found(&with(names(&["self_attn.q_proj"]))), [true, false, false, false]);
        let pattern = TargetModules::Pattern(r".*\.(?!0)\d+\..*(q|up)_proj".to_owned());
        assert_eq!(found(&with(pattern)), [false, true, true, false]);
        let part = TargetModules::Pattern("q_proj".to_owned());
        assert_eq!(found(&with(part)), [false; 4], "a pattern is for the whole name");
        let broken = with(TargetModules::Pattern("(".to_owned()));
        assert!(Targets::new(&broken).is_err());
    }

    #[test]
    fn layers_exclusions_and_saved_modules_take_targets_away() {
        let base =
            LoraConfig { target_modules: names(&["q_proj", "up_proj"]), ..Default::default() };
        let layers = LoraConfig { layers_to_transform: Some(vec![1, 11]), ..base.clone() };
        assert_eq!(found(&layers), [false, true, true, false], "the first number is the layer's");
        let other = LoraConfig { layers_pattern: vec!["blocks".to_owned()], ..layers.clone() };
        assert_eq!(found(&other), [false; 4]);
        let same = LoraConfig { layers_pattern: vec!["layers".to_owned()], ..layers };
        assert_eq!(found(&same), [false, true, true, false]);
        let excluded =
            LoraConfig { exclude_modules: Some(names(&["mlp.up_proj"])), ..base.clone() };
        assert_eq!(found(&excluded), [true, false, true, false]);
        let saved = LoraConfig { modules_to_save: vec!["mlp".to_owned()], ..base };
        assert_eq!(found(&saved), [true, false, false, false]);
    }

    #[test]
    fn the_first_pattern_that_fits_gives_rank_and_alpha() {
        let pairs = |pairs: &[(&str, usize)]| {
            Patterns(pairs.iter().map(|(name, rank)| ((*name).to_owned(), *rank)).collect())
        };
        let config = LoraConfig {
            rank_pattern: pairs(&[("0.self_attn.q_proj", 2), ("q_proj", 3), ("p_proj", 9)]),
            alpha_pattern: Patterns(vec![("layers.1[0-9].*".to_owned(), 1.5)]),
            ..LoraConfig::default()
        };
        let targets = Targets::new(&config).unwrap();
        assert_eq!(targets.rank_and_alpha(Q0).unwrap(), (2, 8.0));
        assert_eq!(targets.rank_and_alpha(UP11).unwrap(), (8, 1.5));
    }
}
