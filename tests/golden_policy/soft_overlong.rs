//! The soft overlong punishment of three peers.

use super::Outcome;
use super::case::Case;
use super::compare::{EXACT, close};
use refire::reward::{Beyond, SoftOverlong, SoftOverlongConfig};

pub(crate) fn check(case: &Case) -> Outcome {
    let get = |key: &str| case.hyper_number(key);
    let lengths = case.list("lengths");
    let compare = || {
        for (peer, beyond) in
            [("trl", Beyond::Floor), ("openrlhf", Beyond::Floor), ("verl", Beyond::Linear)]
        {
            let config = SoftOverlongConfig {
                max_length: get("max_len").ok_or("no max_len")? as usize,
                cache: get("cache").ok_or("no cache")? as usize,
                factor: get("factor").unwrap_or(1.0),
                beyond,
            };
            let reward = SoftOverlong::new(config).map_err(|e| e.to_string())?;
            let ours: Vec<f64> = lengths.iter().map(|n| reward.penalty(*n as usize)).collect();
            close(&ours, &case.expected_list(peer), EXACT, peer)?;
        }
        Ok::<(), String>(())
    };
    compare().into()
}
