//! Puts an adapter on a decoder, fresh or from a file.

use super::linears::{Role, linears};
use super::saved::{Adapted, check_named, saved};
use super::targets::Targets;
use super::{Lora, LoraConfig, dora, init, names, peft};
use crate::decoder::{MapParam, map_params, train_only};
use crate::weights::{TensorFiles, Tensors, host_values};
use crate::{Decoder, Linear, ModelError};
use burn::module::{Module, Param};
use burn::tensor::{Tensor, TensorData};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

impl Decoder {
    /// The network with a fresh adapter, which changes nothing yet: `B` is 0.
    ///
    /// Only the adapter is trained from then on, with the biases and modules that `config` names;
    /// the weights of this network are shared, not copied. Each matrix draws from its own stream,
    /// keyed by seed and path.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use refire_model::{Decoder, LoraConfig, TinyLlama};
    /// let decoder = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
    /// let adapted = decoder.clone().with_lora(&LoraConfig::default(), 0)?;
    /// let difference = adapted.logits(&[1, 2])? - decoder.logits(&[1, 2])?;
    /// assert_eq!(difference.abs().max().into_scalar::<f32>(), 0.0);
    /// # Ok::<(), refire_model::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// When `config` objects to itself, names no module of this network, asks for DoRA on the head
    /// or the embedding, or the network has an adapter already.
    pub fn with_lora(self, config: &LoraConfig, seed: u64) -> Result<Self, ModelError> {
        if let Some(problem) = config.validate().into_iter().next() {
            return Err(ModelError::Adapter { reason: problem.to_string() });
        }
        self.attach(config.clone(), &mut Values::Fresh { seed })
    }

    /// The network with an adapter from a folder that PEFT or [`save_adapter`](Self::save_adapter)
    /// wrote: `adapter_config.json` and `adapter_model.safetensors`.
    ///
    /// ```no_run
    /// # use burn::tensor::Device;
    /// use refire_model::Pretrained;
    /// use std::path::Path;
    /// let model = Pretrained::open(Path::new("SmolLM2-135M-Instruct"), &Device::flex())?;
    /// let adapted = model.decoder.with_adapter(Path::new("my-adapter"))?;
    /// let merged = adapted.merged();
    /// # Ok::<(), refire_model::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// Names the folder, and the option that isn't supported or the tensor that is missing, unknown
    /// or of another shape than this network needs, with both shapes.
    pub fn with_adapter(self, dir: &Path) -> Result<Self, ModelError> {
        self.adapted_from(dir).map_err(|error| error.of_adapter(dir))
    }

    fn adapted_from(self, dir: &Path) -> Result<Self, ModelError> {
        let config = peft::read_config(dir)?;
        let files = TensorFiles::open(dir, [dir.join(peft::WEIGHTS)])?;
        let tensors = files.tensors()?;
        let model_type = self.config.family.model_type();
        let mut values = Values::File { tensors: &tensors, taken: BTreeSet::new() };
        let adapted = self.attach(config, &mut values)?;
        let Values::File { taken, .. } = values else { return Ok(adapted) };
        for name in tensors.names().filter(|name| !taken.contains(*name)) {
            if !adapted.has_end(&tensors, name)? {
                return Err(ModelError::UnknownTensor {
                    path: dir.join(peft::WEIGHTS),
                    tensor: name.to_owned(),
                    model_type: format!("{model_type} (with this adapter_config.json)"),
                });
            }
        }
        Ok(adapted)
    }

    /// Whether a tensor is the base's own embedding or head, which PEFT saves beside an adapter of
    /// theirs; one with other values is refused.
    fn has_end(&self, tensors: &Tensors<'_>, name: &str) -> Result<bool, ModelError> {
        let Some((_, end)) = names::saved_ends().find(|(saved, _)| saved == name) else {
            return Ok(false);
        };
        let base = self.base();
        let weight = match end {
            EMBEDDING => base.model.embed_tokens.weight.val(),
            _ if base.score.is_some() => return Ok(false),
            _ => base.head_weight(),
        };
        let values = tensors.values(name, &weight.dims())?;
        if values == host_values(end, weight)? {
            return Ok(true);
        }
        let reason = format!(
            "`{name}` holds other values than the model's own `{end}`; fold the adapter into its \
             model with PEFT first (merge_and_unload)"
        );
        Err(ModelError::Adapter { reason })
    }

    /// The adapter's configuration, if there is an adapter.
    pub fn adapter(&self) -> Option<&LoraConfig> {
        self.adapted.as_ref().map(|adapted| &adapted.config)
    }

    /// The network without its adapter, on the same tensors: the reference of a run that trains
    /// only the adapter. Nothing is copied.
    pub fn base(&self) -> Self {
        match &self.adapted {
            Some(adapted) => adapted.base.clone(),
            None => self.valid(),
        }
    }

    fn attach(self, config: LoraConfig, values: &mut Values<'_>) -> Result<Self, ModelError> {
        if self.adapted.is_some() {
            let reason = "the model has an adapter already; merge it first".to_owned();
            return Err(ModelError::Adapter { reason });
        }
        if self.is_rounded() {
            let reason = "the model rounds its weights; train those (or take without_rounding)";
            return Err(ModelError::Adapter { reason: reason.to_owned() });
        }
        let base = self.valid();
        let mut decoder = base.clone();
        let mut adapted = BTreeSet::new();
        let targets = Targets::new(&config)?;
        decoder.untie_for(&config, &targets)?;
        for named in linears(&mut decoder) {
            if !targets.has(&named.name, named.role)? {
                continue;
            }
            let lora = values.lora(&named.name, &named.linear.weight.val(), &targets, &config)?;
            named.linear.lora = Some(lora);
            adapted.insert(named.name);
        }
        if targets.has(EMBEDDING, Role::Head)? {
            let embedding = &mut decoder.model.embed_tokens;
            let lora = values.lora(EMBEDDING, &embedding.weight.val(), &targets, &config)?;
            embedding.lora = Some(lora);
            adapted.insert(EMBEDDING.to_owned());
        }
        if adapted.is_empty() {
            let reason = format!("no module of this model fits {:?}", config.target_modules);
            return Err(ModelError::Adapter { reason });
        }
        let saved = saved(&decoder, &config, &adapted);
        // In a file, the tensors tell what was saved.
        if matches!(values, Values::Fresh { .. }) {
            check_named(&saved, &config)?;
        }
        let trained: BTreeSet<String> = saved.parameters.into_keys().collect();
        let mut replace = Replace { trained: &trained, adapted: &adapted, values, problem: None };
        let decoder = map_params(decoder, &mut replace);
        if let Some(problem) = replace.problem {
            return Err(problem);
        }
        let mut decoder =
            train_only(decoder, &|path| names::is_adapters(path) || trained.contains(path));
        decoder.adapted = Some(Arc::new(Adapted { config, base }));
        Ok(decoder)
    }

    /// Gives a tied head a handle of its own on the shared weight where only one side is changed,
    /// as PEFT does.
    fn untie_for(&mut self, config: &LoraConfig, targets: &Targets<'_>) -> Result<(), ModelError> {
        let tied = self.lm_head.is_none() && self.score.is_none();
        let mut changed = false;
        for end in [EMBEDDING, HEAD] {
            let target = targets.has(end, Role::Head)?;
            if target && config.use_dora {
                let reason =
                    format!("`{end}` can't have a DoRA; name it in modules_to_save, or exclude it");
                return Err(ModelError::Adapter { reason });
            }
            changed |= target || config.modules_to_save.iter().any(|name| end.ends_with(name));
        }
        if tied && changed {
            let weight = self.model.embed_tokens.weight.val().into();
            self.lm_head = Some(Linear::new(weight, None));
            self.config.untie();
        }
        Ok(())
    }
}

const EMBEDDING: &str = "model.embed_tokens";
const HEAD: &str = "lm_head";

/// Where an adapter's values come from.
enum Values<'a> {
    Fresh { seed: u64 },
    File { tensors: &'a Tensors<'a>, taken: BTreeSet<String> },
}

impl Values<'_> {
    fn lora(
        &mut self,
        name: &str,
        weight: &Tensor<2>,
        targets: &Targets<'_>,
        config: &LoraConfig,
    ) -> Result<Lora, ModelError> {
        let (mut dims, device) = (weight.dims(), weight.device());
        let looked_up = name == EMBEDDING;
        if looked_up {
            dims.reverse();
        }
        let [outputs, inputs] = dims;
        let (r, alpha) = targets.rank_and_alpha(name)?;
        let squares = config.use_dora.then(|| dora::squares(weight));
        let like = (&device, weight.dtype());
        let matrix =
            |values: Vec<f32>, shape| Tensor::<2>::from_data(TensorData::new(values, shape), like);
        let a = self.tensor(&format!("{name}.lora.a"), &|_| false, [r, inputs], |seed| {
            if looked_up {
                return Tensor::zeros([r, inputs], like);
            }
            let path = format!("{name}.lora.a");
            matrix(init::first(config.init_lora_weights, seed, &path, [r, inputs]), [r, inputs])
        })?;
        let b = self.tensor(&format!("{name}.lora.b"), &|_| false, [outputs, r], |seed| {
            if !looked_up {
                return Tensor::zeros([outputs, r], like);
            }
            let path = format!("{name}.lora.b");
            matrix(init::second_of_embedding(seed, &path, [outputs, r]), [outputs, r])
        })?;
        let magnitude = match &squares {
            Some(squares) => {
                let path = format!("{name}.lora.magnitude");
                let fresh = |_| squares.clone().sqrt();
                Some(self.tensor(&path, &|_| false, [outputs], fresh)?)
            }
            None => None,
        };
        Ok(Lora {
            a: Param::from_tensor(a.to_device(&device).cast(weight.dtype())),
            b: Param::from_tensor(b.to_device(&device).cast(weight.dtype())),
            magnitude: magnitude
                .map(|m| Param::from_tensor(m.to_device(&device).cast(weight.dtype()))),
            scale: config.scale(r, alpha),
            squares,
            dropout: None,
        })
    }

    /// A parameter's values: from the file, or made from the seed.
    fn tensor<const D: usize>(
        &mut self,
        path: &str,
        adapted: &dyn Fn(&str) -> bool,
        shape: [usize; D],
        fresh: impl FnOnce(u64) -> Tensor<D>,
    ) -> Result<Tensor<D>, ModelError> {
        match self {
            Self::Fresh { seed } => Ok(fresh(*seed)),
            Self::File { tensors, taken } => {
                let name = names::on_disk(path, adapted);
                let values = tensors.values(&name, &shape)?;
                let like = fresh(0);
                taken.insert(name);
                let data = TensorData::new(values, shape);
                Ok(Tensor::from_data(data, (&like.device(), like.dtype())))
            }
        }
    }
}

/// Gives copies of modules, and biases, their values.
struct Replace<'a, 'b> {
    trained: &'a BTreeSet<String>,
    adapted: &'a BTreeSet<String>,
    values: &'a mut Values<'b>,
    problem: Option<ModelError>,
}

impl MapParam for Replace<'_, '_> {
    fn map<const D: usize>(&mut self, path: &str, tensor: Tensor<D>) -> Tensor<D> {
        if self.problem.is_some() || !self.trained.contains(path) {
            return tensor;
        }
        let adapted = |module: &str| self.adapted.contains(module);
        let (shape, kept) = (tensor.dims(), tensor.clone());
        let found = self.values.tensor(path, &adapted, shape, |_| kept);
        found.unwrap_or_else(|error| {
            self.problem = Some(error);
            tensor
        })
    }
}
