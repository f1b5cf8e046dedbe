//! What is trained as a whole beside the thin products: copies of modules, and biases.

use super::{Bias, LoraConfig};
use crate::decoder::{VisitParam, visit_params};
use crate::{Decoder, ModelError};
use burn::tensor::Tensor;
use std::collections::{BTreeMap, BTreeSet};

/// What a decoder with an adapter knows beside its weights.
#[derive(Debug)]
pub(crate) struct Adapted {
    pub(crate) config: LoraConfig,
    /// The network as it is without the adapter, on the same tensors.
    pub(crate) base: Decoder,
}

/// Parameters of which a copy is trained, with their shapes.
///
/// A module counts when its name ends as one of `modules_to_save` says, as in PEFT; `named` are the
/// entries that named something.
pub(super) struct Saved<'a> {
    pub(super) parameters: BTreeMap<String, Vec<usize>>,
    pub(super) named: BTreeSet<&'a str>,
}

pub(super) fn saved<'a>(
    decoder: &Decoder,
    config: &'a LoraConfig,
    adapted: &BTreeSet<String>,
) -> Saved<'a> {
    let mut shapes = Shapes(BTreeMap::new());
    visit_params(decoder, &mut shapes);
    let mut named = BTreeSet::new();
    let parameters = shapes.0.into_iter().filter(|(path, _)| {
        let ends = config.modules_to_save.iter().filter(|end| is_saved(path, end));
        let mut found = false;
        ends.for_each(|end| {
            found = true;
            named.insert(end.as_str());
        });
        found || is_trained_bias(path, config.bias, adapted)
    });
    let parameters = parameters.collect();
    Saved { parameters, named }
}

/// Whether the module that holds a parameter, or one around it, has such a name.
pub(super) fn is_saved(path: &str, end: &str) -> bool {
    let modules = path.match_indices('.').map(|(at, _)| &path[..at]);
    modules.into_iter().any(|module| module.ends_with(end))
}

fn is_trained_bias(path: &str, bias: Bias, adapted: &BTreeSet<String>) -> bool {
    let Some(module) = path.strip_suffix(".bias") else { return false };
    match bias {
        Bias::None => false,
        Bias::All => true,
        Bias::LoraOnly => adapted.contains(module),
    }
}

/// Refuses entries of `modules_to_save` that name nothing.
pub(super) fn check_named(saved: &Saved<'_>, config: &LoraConfig) -> Result<(), ModelError> {
    match config.modules_to_save.iter().find(|end| !saved.named.contains(end.as_str())) {
        Some(end) => {
            let reason = format!("no module of this model is called `{end}`, of modules_to_save");
            Err(ModelError::Adapter { reason })
        }
        None => Ok(()),
    }
}

struct Shapes(BTreeMap<String, Vec<usize>>);

impl VisitParam for Shapes {
    fn visit<const D: usize>(&mut self, path: &str, tensor: Tensor<D>) {
        self.0.insert(path.to_owned(), tensor.dims().to_vec());
    }
}
