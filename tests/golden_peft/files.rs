//! Adapters on disk.

use crate::Adapted;
use refire::burn::tensor::Device;
use refire::model::{Decoder, ModelError, TinyLlama};
use refire::objective::{Dtype, Policy};
use safetensors::SafeTensors;
use std::path::Path;

/// What is exported equals what was read: names, shapes and bits.
pub(crate) fn written_again(adapted: &Adapted) {
    let dir = tempfile::tempdir().unwrap();
    adapted.model.learner().export(dir.path(), Dtype::F32).unwrap();
    let read = |dir: &Path| std::fs::read(dir.join("adapter_model.safetensors")).unwrap();
    let (theirs, ours) = (read(&adapted.dir), read(dir.path()));
    let theirs = SafeTensors::deserialize(&theirs).unwrap();
    let ours = SafeTensors::deserialize(&ours).unwrap();
    let names = |file: &SafeTensors<'_>| {
        let mut names: Vec<String> = file.names().iter().map(|name| (*name).to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&ours), names(&theirs));
    for name in theirs.names() {
        let (ours, theirs) = (ours.tensor(name).unwrap(), theirs.tensor(name).unwrap());
        assert_eq!(ours.shape(), theirs.shape(), "{name}");
        if theirs.dtype() == safetensors::Dtype::F32 {
            assert!(ours.data() == theirs.data(), "{name} has other bits");
        }
    }
    let again = adapted.base.decoder.clone().with_adapter(dir.path()).unwrap();
    let (again, first) = (again.adapter().unwrap(), adapted.model.decoder.adapter().unwrap());
    assert_eq!((again.r, again.lora_alpha), (first.r, first.lora_alpha));
    assert_eq!(again.rank_pattern, first.rank_pattern);
    assert_eq!(again.alpha_pattern, first.alpha_pattern);
    assert_eq!(again.modules_to_save, first.modules_to_save);
}

/// A model of other widths refuses it, with the tensor and both shapes.
pub(crate) fn another_model(adapted: &Adapted) {
    let shape = TinyLlama { hidden_size: 40, intermediate_size: 24, ..TinyLlama::default() };
    let other = Decoder::init(&shape.config(), 0, &Device::flex());
    match other.with_adapter(&adapted.dir) {
        Err(ModelError::TensorShape { tensor, found, expected, .. }) => {
            assert!(tensor.starts_with("base_model.model."), "{tensor}");
            assert_ne!(found, expected);
        }
        other => panic!("expected an error about a shape, found {other:?}"),
    }
}
