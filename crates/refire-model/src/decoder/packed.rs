use crate::nn::Span;
use crate::{ModelConfig, ModelError, Rows};
use burn::tensor::{Device, Int, Tensor, TensorData};
use refire_kernels::Layout;
use std::sync::Arc;

/// Tokens as the network reads them: runs one after another, without padding.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    pub(crate) tokens: Vec<u32>,
    pub(crate) layout: Arc<Layout>,
    /// Length of the row that each run belongs to: some ropes turn long rows otherwise. Where rows
    /// share a run, one of theirs.
    pub(crate) lengths: Vec<usize>,
}

impl Packed {
    pub(crate) fn rows(rows: &Rows) -> Self {
        let lengths: Vec<usize> = rows.as_slice().iter().map(Vec::len).collect();
        let layout = Arc::new(Layout::rows(lengths.iter().copied()));
        Self { tokens: rows.as_slice().concat(), layout, lengths }
    }

    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Its runs as parts of rows.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let runs = self.layout.runs().iter().zip(&self.lengths).enumerate();
        let span = |(run, (part, length)): (usize, (&refire_kernels::Run, &usize))| Span {
            first: self.layout.position(run),
            len: part.len,
            length: *length,
        };
        runs.map(span).collect()
    }

    pub(crate) fn check(&self, config: &ModelConfig) -> Result<(), ModelError> {
        let (context, rows) = (config.context(), config.vocab_size);
        for run in 0..self.layout.runs().len() {
            let places = self.layout.places(run);
            let tokens = self.layout.position(run) + places.len();
            if tokens > context {
                return Err(ModelError::ContextLength { row: run, tokens, context });
            }
            if let Some(token) = self.tokens[places].iter().find(|t| **t as usize >= rows) {
                return Err(ModelError::TokenId { token: *token, row: run, rows });
            }
        }
        Ok(())
    }
}

/// Token ids as a tensor.
pub(crate) fn ids(tokens: &[u32], device: &Device) -> Tensor<1, Int> {
    let ids: Vec<i64> = tokens.iter().map(|id| i64::from(*id)).collect();
    Tensor::from_data(TensorData::new(ids, [tokens.len()]), device)
}
