//! Systems without the layers: everything is `Infra`, and nothing runs.

use std::io;
use std::sync::Arc;

use crate::python::Python;
use crate::{Integrity, Job, Layer, LayerState, Layers, Outcome, SandboxConfig, Usage, Verdict};

const REASON: &str = "submissions are confined by Linux, and this is another system";

/// As on Linux.
#[derive(Debug)]
#[allow(dead_code)]
pub(crate) struct Shared {
    pub(crate) python: Python,
    pub(crate) layers: Arc<Layers>,
    pub(crate) config: SandboxConfig,
}

impl Shared {
    pub(crate) fn new(config: SandboxConfig, python: Python, layers: Layers, _: usize) -> Self {
        Self { python, layers: Arc::new(layers), config }
    }
}

/// Runs nothing.
#[derive(Debug)]
pub(crate) struct Worker {
    shared: Arc<Shared>,
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, _: usize) -> Self {
        Self { shared }
    }

    pub(crate) fn warm_up(&mut self) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn run(&mut self, _: &Job) -> Outcome {
        Outcome {
            verdict: Verdict::infra(REASON, false),
            tests: Vec::new(),
            borrowed: Vec::new(),
            integrity: Integrity::Split,
            layers: Arc::clone(&self.shared.layers),
            usage: Usage::default(),
            stdout: Vec::new(),
            stderr: Vec::new(),
        }
    }
}

pub(crate) fn probe(_: &SandboxConfig, _: Option<&Python>) -> Layers {
    let missing = || LayerState::Missing { reason: REASON.to_owned() };
    Layers::new(Layer::ALL.into_iter().map(|layer| (layer, missing())).collect())
}
