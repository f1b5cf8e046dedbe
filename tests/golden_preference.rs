//! Every case of the peers' preference losses: value and gradient, of the plain functions and of the
//! objectives.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "golden_preference/bco.rs"]
mod bco;
#[path = "golden_preference/copg.rs"]
mod copg;
#[path = "golden_preference/cpo_simpo.rs"]
mod cpo_simpo;
#[path = "golden_preference/dpo_sequence.rs"]
mod dpo_sequence;
#[path = "golden_preference/dpo_token.rs"]
mod dpo_token;
#[path = "golden_preference/harness.rs"]
mod harness;
#[path = "golden_preference/kto.rs"]
mod kto;
#[path = "golden_preference/logits.rs"]
mod logits;
#[path = "golden_preference/modpo.rs"]
mod modpo;
#[path = "golden_preference/openrlhf_dpo_rm.rs"]
mod openrlhf_dpo_rm;
#[path = "golden_preference/oracle.rs"]
mod oracle;
#[path = "golden_preference/orpo.rs"]
mod orpo;
#[path = "golden_preference/ranking.rs"]
mod ranking;
#[path = "golden_preference/reward_model.rs"]
mod reward_model;
#[path = "golden_preference/tensors.rs"]
mod tensors;

use std::process::ExitCode;

fn main() -> ExitCode {
    let drivers: [(&str, harness::Driver); 12] = [
        ("aft.json", ranking::aft),
        ("bco.json", bco::check),
        ("copg.json", copg::check),
        ("cpo_simpo.json", cpo_simpo::check),
        ("dpo_sequence.json", dpo_sequence::check),
        ("dpo_token.json", dpo_token::check),
        ("kto.json", kto::check),
        ("modpo.json", modpo::check),
        ("openrlhf_dpo_rm.json", openrlhf_dpo_rm::check),
        ("orpo.json", orpo::check),
        ("rank_rrhf_pro.json", ranking::rrhf_pro),
        ("reward_model.json", reward_model::check),
    ];
    harness::run("preference", &drivers, &[])
}
