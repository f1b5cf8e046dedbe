//! Puts an adapter on a decoder, fresh or from a file.

use super::linears::{Role, linears};
use super::saved::{Adapted, check_named, saved};
use super::targets::Targets;
use super::{Lora, LoraConfig, dora, init, names, peft};
use crate::decoder::{MapParam, map_params, train_only};
use crate::weights::{TensorFiles, Tensors};
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
    /// When `config` objects to itself, names no module of this network or one that can't have an
    /// adapter (the head: name it in `modules_to_save`), or the network has an adapter already.
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
    /// Names the option that isn't supported, and the tensor that is missing, unknown or of
    /// another shape than this network needs, with both shapes.
    pub fn with_adapter(self, dir: &Path) -> Result<Self, ModelError> {
        let config = peft::read_config(dir)?;
        let files = TensorFiles::open(dir, [dir.join(peft::WEIGHTS)])?;
        let tensors = files.tensors()?;
        let model_type = self.config.family.model_type();
        let mut values = Values::File { tensors: &tensors, taken: BTreeSet::new() };
        let adapted = self.attach(config, &mut values)?;
        let Values::File { taken, .. } = values else { return Ok(adapted) };
        match tensors.names().find(|name| !taken.contains(*name)) {
            Some(name) => Err(ModelError::UnknownTensor {
                path: dir.join(peft::WEIGHTS),
                tensor: name.to_owned(),
                model_type: format!("{model_type} (with this adapter_config.json)"),
            }),
            None => Ok(adapted),
        }
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
        let base = self.valid();
        let mut decoder = base.clone();
        let mut adapted = BTreeSet::new();
        let targets = Targets::new(&config)?;
        for whole in ["model.embed_tokens", "lm_head", "score"] {
            if targets.has(whole, Role::Head)? {
                let reason = format!(
                    "`{whole}` can't have an adapter of thin products; name it in modules_to_save"
                );
                return Err(ModelError::Adapter { reason });
            }
        }
        for named in linears(&mut decoder) {
            if !targets.has(&named.name, named.role)? {
                continue;
            }
            let lora = values.lora(&named.name, named.linear, &targets, &config)?;
            named.linear.lora = Some(lora);
            adapted.insert(named.name);
        }
        if adapted.is_empty() {
            let reason = format!("no module of this model fits {:?}", config.target_modules);
            return Err(ModelError::Adapter { reason });
        }
        decoder.untie_for(&config);
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

    /// Gives a tied head a weight of its own where only one side is trained, as PEFT does.
    fn untie_for(&mut self, config: &LoraConfig) {
        let tied = self.lm_head.is_none() && self.score.is_none();
        let ends = |name: &str| config.modules_to_save.iter().any(|end| name.ends_with(end));
        if tied && (ends("lm_head") || ends("model.embed_tokens")) {
            let weight = Param::from_tensor(self.model.embed_tokens.weight.val());
            self.lm_head = Some(Linear { weight, bias: None, lora: None });
            self.config.untie();
        }
    }
}

/// Where an adapter's values come from.
enum Values<'a> {
    Fresh { seed: u64 },
    File { tensors: &'a Tensors<'a>, taken: BTreeSet<String> },
}

impl Values<'_> {
    fn lora(
        &mut self,
        name: &str,
        linear: &Linear,
        targets: &Targets<'_>,
        config: &LoraConfig,
    ) -> Result<Lora, ModelError> {
        let weight = linear.weight.val();
        let ([outputs, inputs], device) = (weight.dims(), weight.device());
        let (r, alpha) = targets.rank_and_alpha(name)?;
        let squares = config.use_dora.then(|| dora::squares(&weight));
        let like = (&device, weight.dtype());
        let matrix =
            |values: Vec<f32>, shape| Tensor::<2>::from_data(TensorData::new(values, shape), like);
        let a = self.tensor(&format!("{name}.lora.a"), &|_| false, [r, inputs], |seed| {
            let path = format!("{name}.lora.a");
            matrix(init::first(config.init_lora_weights, seed, &path, [r, inputs]), [r, inputs])
        })?;
        let b = self.tensor(&format!("{name}.lora.b"), &|_| false, [outputs, r], |_| {
            Tensor::zeros([outputs, r], like)
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
