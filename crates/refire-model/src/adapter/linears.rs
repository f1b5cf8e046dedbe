//! A decoder's linear maps by name.

use crate::{Decoder, Linear};

/// What a linear map is for, as far as adapters care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A projection in a layer.
    Projection,
    /// A router, or a projection of an expert.
    Mixture,
    /// The head, or the embedding.
    Head,
}

/// A linear map, its name without `.weight`, and what it is for.
pub(crate) struct Named<'a> {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) linear: &'a mut Linear,
}

/// All linear maps, in the order of the network.
pub(crate) fn linears(decoder: &mut Decoder) -> Vec<Named<'_>> {
    let mut found = Vec::new();
    let mut add = |name: String, role, linear| found.push(Named { name, role, linear });
    for (index, layer) in decoder.model.layers.iter_mut().enumerate() {
        let at = format!("model.layers.{index}");
        let (attention, mlp) = (&mut layer.self_attn, &mut layer.mlp);
        let of_attention = [
            ("q_proj", attention.q_proj.as_mut()),
            ("k_proj", attention.k_proj.as_mut()),
            ("v_proj", attention.v_proj.as_mut()),
            ("qkv_proj", attention.qkv_proj.as_mut()),
            ("o_proj", Some(&mut attention.o_proj)),
        ];
        for (name, linear) in of_attention {
            if let Some(linear) = linear {
                add(format!("{at}.self_attn.{name}"), Role::Projection, linear);
            }
        }
        let of_mlp = [
            ("gate_proj", Role::Projection, mlp.gate_proj.as_mut()),
            ("up_proj", Role::Projection, mlp.up_proj.as_mut()),
            ("gate_up_proj", Role::Projection, mlp.gate_up_proj.as_mut()),
            ("down_proj", Role::Projection, mlp.down_proj.as_mut()),
            ("gate", Role::Mixture, mlp.gate.as_mut()),
        ];
        for (name, role, linear) in of_mlp {
            if let Some(linear) = linear {
                add(format!("{at}.mlp.{name}"), role, linear);
            }
        }
        for (expert, maps) in mlp.experts.iter_mut().enumerate() {
            let maps = [
                ("gate_proj", &mut maps.gate_proj),
                ("up_proj", &mut maps.up_proj),
                ("down_proj", &mut maps.down_proj),
            ];
            for (name, linear) in maps {
                add(format!("{at}.mlp.experts.{expert}.{name}"), Role::Mixture, linear);
            }
        }
    }
    let heads = [("lm_head", decoder.lm_head.as_mut()), ("score", decoder.score.as_mut())];
    for (name, linear) in heads {
        if let Some(linear) = linear {
            add(name.to_owned(), Role::Head, linear);
        }
    }
    found
}
