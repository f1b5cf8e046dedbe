//! Networks that round their weights and activations as they are trained.

use super::fake::Rounding;
use super::{QatConfig, Quantizer, RotationChoice, RotationKind, Rotations};
use crate::adapter::linears;
use crate::decoder::{is_packed, train_only};
use crate::{Decoder, ModelError, Rows};

impl Decoder {
    /// The network as it is trained for few bits: the linear maps of its layers round their weights
    /// and inputs in forward, and gradients pass straight through. Embedding, head, norms and
    /// routers aren't rounded, and neither are cached keys and values. All weights are new and
    /// trained.
    ///
    /// Rotations are chosen once, on `rows` (some of the training data; not looked at unless the
    /// choice is adaptive), and absorbed. The paper chooses again now and then.
    ///
    /// Answers ([`logits`](Self::logits), [`FrozenDecoder`](crate::FrozenDecoder)) are rounded too,
    /// and so is decoding; where a number lies on the border of two steps, the order of sums decides
    /// on which side, so that the two may differ by a step there. [`without_rounding`](Self::without_rounding) gives
    /// the trained weights.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use refire_model::{Decoder, QatConfig, Rows, TinyLlama};
    /// let decoder = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
    /// let rows = Rows::new(vec![vec![1, 5, 6, 3]]);
    /// let (rounding, choice) = decoder.with_rounding(&QatConfig::default(), &rows)?;
    /// assert_eq!(choice.rotations.down.len(), decoder.config.layers.len());
    /// # Ok::<(), refire_model::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`choose_rotations`](Self::choose_rotations).
    pub fn with_rounding(
        &self,
        config: &QatConfig,
        rows: &Rows,
    ) -> Result<(Self, RotationChoice), ModelError> {
        ModelError::collect("qat", config.validate())?;
        let layers = self.config.layers.len();
        let without = |rotations| RotationChoice { rotations, sites: Vec::new() };
        let choice = match config.rotation {
            RotationKind::None => without(Rotations::none(layers)),
            RotationKind::All => without(Rotations::all(self)),
            RotationKind::Adaptive => self.choose_rotations(config, rows)?,
        };
        let mut decoder = self.rotated(&choice.rotations, config.seed)?;
        for named in linears(&mut decoder) {
            if !is_packed(&named.name) {
                continue;
            }
            let online = match named.linear.quantizer.take() {
                Some(Quantizer::Rounding(rounding)) => rounding.online,
                _ => None,
            };
            let (weight, input) = (Some(config.weights()), Some(config.inputs()));
            named.linear.quantizer = Some(Quantizer::Rounding(Rounding { weight, input, online }));
        }
        Ok((decoder, choice))
    }

    /// The network without rounding and without rotations of activations: a plain one of the same
    /// weights, with those rotations taken out of them. What was absorbed on both sides stays.
    pub fn without_rounding(&self) -> Self {
        let mut decoder = self.clone();
        let mut changed = false;
        for named in linears(&mut decoder) {
            let Some(quantizer) = named.linear.quantizer.take() else { continue };
            if let Quantizer::Rounding(Rounding { online: Some(rotation), .. }) = quantizer {
                named.linear.change(|weight| rotation.undo(weight.inner()));
                changed = true;
            }
        }
        if changed { train_only(burn::module::Module::valid(&decoder), &|_| true) } else { decoder }
    }

    /// Whether linear maps round, or rotate what they read.
    pub fn is_rounded(&self) -> bool {
        let mut all = self.clone();
        linears(&mut all).iter().any(|named| named.linear.quantizer.is_some())
    }
}
