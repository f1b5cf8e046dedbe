use crate::cube::Map;
use burn::tensor::Device;
use std::sync::{Mutex, PoisonError};

/// What kernels of each device read of a layout. Follows from the layout: copies begin without it,
/// and comparisons pass over it.
#[derive(Debug, Default)]
pub(super) struct Placed(Mutex<Vec<(Device, Option<Map>)>>);

impl Placed {
    pub(super) fn on(&self, device: &Device, make: impl FnOnce() -> Option<Map>) -> Option<Map> {
        let mut maps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, map)) = maps.iter().find(|(other, _)| other == device) {
            return map.clone();
        }
        let map = make();
        maps.push((device.clone(), map.clone()));
        map
    }
}

impl Clone for Placed {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Placed {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Placed {}
