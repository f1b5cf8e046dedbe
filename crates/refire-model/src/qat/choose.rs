//! Which rotations lower the error of rounding.

use super::probe::Probe;
use super::rotate::{Available, Rotations};
use super::{QatConfig, Quantizer};
use crate::adapter::linears;
use crate::decoder::is_packed;
use crate::{Decoder, ModelError, Rows};
use burn::module::Module;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The rotations that were chosen, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct RotationChoice {
    /// What is rotated.
    pub rotations: Rotations,
    /// The errors that were compared.
    pub sites: Vec<SiteError>,
}

/// A part of the network that may be rotated, and the error of its rounded products with and
/// without: the squared error over the squared product, summed over the maps that read it.
#[derive(Debug, Clone, PartialEq)]
pub struct SiteError {
    /// Such as `residual` or `model.layers.3.mlp.down_proj`.
    pub site: String,
    /// Without the rotation.
    pub plain: f64,
    /// With it.
    pub rotated: f64,
}

/// Errors by the maps' names.
type Errors = BTreeMap<String, f64>;

impl Decoder {
    /// Compares the error of rounding with and without each rotation on some rows, and takes those
    /// that lower it: RoSTE's lower level. For the residual stream, all maps that read it count
    /// together; of a layer's values, `o_proj`; of its inner activations, `down_proj`.
    ///
    /// Rows are read in full precision: each map's error is its own.
    ///
    /// # Errors
    /// For a configuration that objects to itself, a network that isn't plain, and rows that can't
    /// be read or are none.
    pub fn choose_rotations(
        &self,
        config: &QatConfig,
        rows: &Rows,
    ) -> Result<RotationChoice, ModelError> {
        ModelError::collect("qat", config.validate())?;
        self.check_plain()?;
        if rows.as_slice().iter().all(Vec::is_empty) {
            let reason = "rotations are chosen by some rows, and there is none".to_owned();
            return Err(ModelError::Quantization { reason });
        }
        let plain = self.errors(config, rows, None)?;
        let mut folded = self.valid();
        if self.can_rotate_residual() {
            folded.fold_norms();
        }
        let available = Available::new(self, config.seed);
        let rotated = folded.errors(config, rows, Some(&available))?;
        Ok(self.compare(&plain, &rotated))
    }

    /// Each map's relative error.
    fn errors(
        &self,
        config: &QatConfig,
        rows: &Rows,
        rotations: Option<&Available>,
    ) -> Result<Errors, ModelError> {
        let (mut decoder, mut probes) = (self.valid(), Vec::new());
        let heads = self.config.num_attention_heads;
        for named in linears(&mut decoder) {
            if !is_packed(&named.name) {
                continue;
            }
            let width = named.linear.weight.dims()[1];
            let rotation = rotations.map(|available| match kind(&named.name) {
                Kind::Reader => available.residual.clone(),
                Kind::Values => available.head.repeated(heads),
                Kind::Down => available.down(width),
            });
            let probe = Arc::new(Probe::new(config, rotation));
            named.linear.quantizer = Some(Quantizer::Probe(probe.clone()));
            probes.push((named.name, probe));
        }
        decoder.hidden(rows)?;
        let mut errors = Errors::new();
        for (name, probe) in probes {
            // Of experts, some may have read nothing.
            if let Some(error) = probe.relative(&name)? {
                errors.insert(name, error);
            }
        }
        Ok(errors)
    }

    fn compare(&self, plain: &Errors, rotated: &Errors) -> RotationChoice {
        let mut rotations = Rotations::none(self.config.layers.len());
        let mut sites = Vec::new();
        let mut site = |site: String, belongs: &dyn Fn(&str) -> bool| {
            let sum = |errors: &Errors| {
                errors.iter().filter(|(name, _)| belongs(name)).map(|(_, error)| error).sum::<f64>()
            };
            let found = SiteError { site, plain: sum(plain), rotated: sum(rotated) };
            let better = found.rotated < found.plain;
            sites.push(found);
            better
        };
        if self.can_rotate_residual() {
            rotations.residual =
                site("residual".to_owned(), &|name| matches!(kind(name), Kind::Reader));
        }
        for layer in 0..self.config.layers.len() {
            let at = format!("model.layers.{layer}.");
            let values = |name: &str| name.starts_with(&at) && matches!(kind(name), Kind::Values);
            rotations.values[layer] = site(format!("{at}self_attn.o_proj"), &values);
            let down = |name: &str| name.starts_with(&at) && matches!(kind(name), Kind::Down);
            rotations.down[layer] = site(format!("{at}mlp.down_proj"), &down);
        }
        RotationChoice { rotations, sites }
    }
}

/// What a map reads.
enum Kind {
    /// The residual stream.
    Reader,
    /// Mixed values.
    Values,
    /// Inner activations.
    Down,
}

fn kind(name: &str) -> Kind {
    match name.rsplit('.').next() {
        Some("o_proj") => Kind::Values,
        Some("down_proj") => Kind::Down,
        _ => Kind::Reader,
    }
}
