//! `blocks.json` is made by `benches/peers/gguf/blocks.py`.

use super::GgufType;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Blocks {
    bytes: String,
    bits: Vec<String>,
}

#[test]
fn blocks_have_the_values_of_the_package_gguf_bit_for_bit() {
    let blocks: BTreeMap<String, Blocks> =
        serde_json::from_str(include_str!("blocks.json")).expect("valid");
    let number = |text: &str| u32::from_str_radix(text, 16).expect("hexadecimal");
    for kind in GgufType::ALL {
        let Blocks { bytes, bits } = &blocks[kind.name()];
        let pairs = (0..bytes.len()).step_by(2).map(|at| number(&bytes[at..at + 2]) as u8);
        let values = kind.dequantize(&pairs.collect::<Vec<u8>>());
        let ours: Vec<u32> = values.iter().map(|value| value.to_bits()).collect();
        let theirs: Vec<u32> = bits.iter().map(|bits| number(bits)).collect();
        assert!(theirs.len() >= 2 * kind.block_len());
        assert_eq!(ours, theirs, "{}", kind.name());
    }
}
