mod case;
mod compare;
mod correction;
mod openrlhf;
mod openrlhf_dpo;
mod policy;
mod prime_rl;
mod soft_overlong;
mod tally;
mod trinity;
mod trl;
mod trl_advantages;
mod verl_advantages;
mod verl_kl;
mod verl_policy;
mod verl_value;

pub(crate) use case::Case;
pub(crate) use tally::{Outcome, Tally};

/// Runs the cases of one file.
pub(crate) fn run(family: &str, cases: &[Case]) -> Tally {
    let check: fn(&Case) -> Outcome = match family {
        "openrlhf_advantages" => openrlhf::advantages,
        "openrlhf_kl_dpo" => openrlhf::kl_dpo,
        "openrlhf_policy_loss" => openrlhf::policy_loss,
        "prime_rl_advantages" => prime_rl::advantages,
        "prime_rl_losses" => prime_rl::losses,
        "soft_overlong" => soft_overlong::check,
        "trinity_chord_rec_opmd_topr" => trinity::check,
        "trl_group_advantages" => trl_advantages::group,
        "trl_policy_losses" => trl::policy_loss,
        "trl_rloo" => trl_advantages::rloo_family,
        "trl_tis_mis" => correction::trl,
        "verl_agg_loss" => verl_value::aggregation,
        "verl_gae" => verl_value::gae,
        "verl_value_loss" => verl_value::value_loss,
        "verl_group_advantages" => verl_advantages::group,
        "verl_reinforcepp_remax_otb" => verl_advantages::per_token,
        "verl_kl" | "verl_kl_straight_through" => verl_kl::estimators,
        "verl_kl_controller" => verl_kl::controller,
        "verl_rollout_correction" => correction::verl,
        "verl_cispo" | "verl_clip_cov" | "verl_gmpo" | "verl_gpg" | "verl_gspo" | "verl_kl_cov"
        | "verl_ppo_clip" | "verl_reinforce" | "verl_sapo" => verl_policy::check,
        _ => return Tally::unknown(cases.len()),
    };
    let mut tally = Tally::default();
    for case in cases {
        let outcome = case.all_read(check(case));
        if let Outcome::Failed(why) = &outcome {
            println!("  failed: {family} / {}: {why}", case.name);
        }
        tally.count(&outcome);
    }
    tally
}
