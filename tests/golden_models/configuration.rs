use crate::reference::{Model, json};
use refire::model::ModelConfig;

/// The same model written the old way reads as the same configuration.
pub(crate) fn check(model: &Model) {
    let path = model.dir.join("config_legacy.json");
    if !path.exists() {
        return;
    }
    let new = &model.decoder.config;
    let old = ModelConfig::from_map(json(&path).as_object().unwrap().clone(), &path).unwrap();
    assert_eq!(ModelConfig { raw: new.raw.clone(), ..old }, *new);
}
