//! Decoding of burn's operations, as on a GPU: on the CPU here, against the decoder of kernels and
//! against whole rows.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use burn::tensor::Device;
use common::families::{config, each};
use refire_model::{
    Decode, Decoder, DeviceDecoder, Family, HostDecoder, KvCache, KvPrefix, LoraConfig,
    TargetModules, TinyLlama, Work, load_weights_as, save_weights,
};
use refire_objective::Dtype;
use serde_json::json;

const TOKENS: [u32; 20] = [3, 14, 15, 9, 26, 5, 35, 8, 9, 7, 9, 32, 38, 46, 2, 6, 43, 38, 32, 7];

fn read(decoder: &dyn Decode, cache: &mut KvCache, tokens: &[u32]) -> Vec<f32> {
    let mut logits = vec![0.0; decoder.vocab()];
    decoder.forward(&mut [Work { tokens, cache, logits: &mut logits }]).unwrap();
    logits
}

fn prefix(decoder: &dyn Decode, tokens: &[u32]) -> KvPrefix {
    let mut cache = decoder.cache(None, tokens.len());
    read(decoder, &mut cache, tokens);
    cache.into_prefix().unwrap()
}

fn close(a: &[f32], b: &[f32], what: &str) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() < 1e-4 * (1.0 + b.abs()), "{what}: {a} instead of {b}");
    }
}

#[test]
fn every_family_token_by_token_with_and_without_a_shared_prefix() {
    each(|decoder| {
        let raw = serde_json::to_string(&decoder.config.raw).unwrap();
        let stretches = raw.contains("longrope");
        let device = match DeviceDecoder::new(decoder) {
            Err(error) if stretches => {
                assert!(error.to_string().contains("on the CPU only"), "{error}");
                return;
            }
            device => device.unwrap(),
        };
        assert!(!stretches);
        for shared in [0, 4, 15] {
            let prefix = (shared > 0).then(|| prefix(&device, &TOKENS[..shared]));
            let mut cache = device.cache(prefix, TOKENS.len());
            for end in shared + 1..=TOKENS.len() {
                let ours = read(&device, &mut cache, &TOKENS[end - 1..end]);
                let all = decoder.logits(&TOKENS[..end]).unwrap();
                let last = all.narrow(0, end - 1, 1).into_data();
                close(&ours, &last.iter::<f32>().collect::<Vec<_>>(), &format!("{end} tokens"));
            }
        }
    });
}

/// A sequence in both decoders.
struct Pair {
    host: KvCache,
    device: KvCache,
    /// Its tokens after the prefix.
    own: usize,
}

/// Sequences come, grow by ragged pieces, leave, and leave their memory to others, until the store
/// has moved its tokens several times.
#[test]
fn a_crowd_that_comes_and_goes() {
    let decoder = Decoder::init(&config(Family::Gemma2, json!({})), 1, &Device::flex());
    let (host, device) =
        (HostDecoder::new(&decoder).unwrap(), DeviceDecoder::new(&decoder).unwrap());
    let mut tokens = (0_usize..).map(|i| (i * i * 7 % 61) as u32);
    let first: Vec<u32> = tokens.by_ref().take(9).collect();
    let prefixes = (prefix(&host, &first), prefix(&device, &first));
    let mut crowd: Vec<Pair> = Vec::new();
    let mut read = 0;
    for round in 0..150 {
        if crowd.len() < 12 {
            let shares = round % 3 > 0;
            let of = |decoder: &dyn Decode, prefix: &KvPrefix| {
                decoder.cache(shares.then(|| prefix.clone()), 40)
            };
            let (host, device) = (of(&host, &prefixes.0), of(&device, &prefixes.1));
            crowd.push(Pair { host, device, own: 0 });
        }
        let pieces: Vec<Vec<u32>> = (0..crowd.len())
            .map(|i| tokens.by_ref().take(1 + (round * 5 + i) % 11 / 9 * 3).collect())
            .collect();
        let mut logits = [vec![0.0; 61 * crowd.len()], vec![0.0; 61 * crowd.len()]];
        let [of_host, of_device] = &mut logits;
        let rows = crowd.iter_mut().zip(&pieces);
        let rows = rows.zip(of_host.chunks_mut(61)).zip(of_device.chunks_mut(61));
        let (mut on_host, mut on_device) = (Vec::new(), Vec::new());
        for (((pair, tokens), a), b) in rows {
            pair.own += tokens.len();
            read += tokens.len();
            on_host.push(Work { tokens, cache: &mut pair.host, logits: a });
            on_device.push(Work { tokens, cache: &mut pair.device, logits: b });
        }
        host.forward(&mut on_host).unwrap();
        device.forward(&mut on_device).unwrap();
        close(&logits[1], &logits[0], &format!("round {round}"));
        assert!(crowd.iter().all(|pair| pair.host.len() == pair.device.len()));
        // Of those that are full, some leave and some begin again.
        for (index, pair) in crowd.iter_mut().enumerate().filter(|(_, pair)| pair.own > 30) {
            if index % 2 == 0 {
                pair.host.reset(None);
                pair.device.reset(None);
                pair.own = 0;
            }
        }
        crowd.retain(|pair| pair.own <= 30);
    }
    assert!(read > 2_000, "{read} tokens are too few to move any");
}

#[test]
fn what_fails_leaves_no_trace() {
    let decoder = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
    let device = DeviceDecoder::new(&decoder).unwrap();
    let (host, other) =
        (HostDecoder::new(&decoder).unwrap(), DeviceDecoder::new(&decoder).unwrap());
    let mut cache = device.cache(None, 4);
    let expected = read(&device, &mut device.cache(None, 4), &[1, 2]);
    read(&device, &mut cache, &[1]);
    let mut logits = vec![0.0; device.vocab()];
    let mut fails = |decoder: &dyn Decode, tokens: &[u32], cache: &mut KvCache| {
        let work = &mut [Work { tokens, cache, logits: &mut logits }];
        decoder.forward(work).unwrap_err().to_string()
    };
    assert!(fails(&device, &[1, 2, 3, 4], &mut cache).contains('4'));
    assert!(fails(&device, &[999], &mut cache).contains("999"));
    for (decoder, mut foreign) in [
        (&device as &dyn Decode, host.cache(None, 4)),
        (&device, other.cache(None, 4)),
        (&device, device.cache(Some(prefix(&host, &[1])), 4)),
        (&device, device.cache(Some(prefix(&other, &[1])), 4)),
        (&host, device.cache(None, 4)),
        (&host, host.cache(Some(prefix(&device, &[1])), 4)),
    ] {
        let error = fails(decoder, &[2], &mut foreign);
        assert!(error.contains("belongs to the decoder that made it"), "{error}");
    }
    assert_eq!(cache.len(), 1);
    close(&read(&device, &mut cache, &[2]), &expected, "after errors");
}

/// Weights, keys and values in half precision: what is decoded is what is read at once.
#[test]
fn half_precision() {
    let config = config(Family::Llama, json!({}));
    let dir = tempfile::tempdir().unwrap();
    let exact = Decoder::init(&config, 4, &Device::flex());
    save_weights(&exact, dir.path(), Dtype::Bf16).unwrap();
    for dtype in [Dtype::Bf16, Dtype::F16] {
        let half = load_weights_as(dir.path(), &config, &Device::flex(), dtype).unwrap();
        let device = DeviceDecoder::new(&half).unwrap();
        let mut cache = device.cache(None, TOKENS.len());
        for end in 1..=TOKENS.len() {
            let found = read(&device, &mut cache, &TOKENS[end - 1..end]);
            let all = half.logits(&TOKENS[..end]).unwrap().narrow(0, end - 1, 1);
            let all: Vec<f32> = all.into_data().iter::<f32>().collect();
            let scale = all.iter().fold(1.0_f32, |a, b| a.max(b.abs()));
            let gap = found.iter().zip(&all).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(gap < 0.03 * scale, "{dtype:?}, {end} tokens: {gap} of {scale}");
        }
    }
}

/// Weights in 4 bits beside an adapter, token by token against whole rows.
#[test]
fn four_bits() {
    each(|decoder| {
        let packed = decoder.clone().quantized().unwrap();
        let target_modules = TargetModules::Pattern(r".*_proj".to_owned());
        let lora = LoraConfig { r: 3, target_modules, ..LoraConfig::default() };
        let adapted = packed.with_lora(&lora, 1).unwrap();
        // Frequencies that change with a row's length are the other test's.
        let Ok(device) = DeviceDecoder::new(&adapted) else { return };
        let mut cache = device.cache(None, TOKENS.len());
        let all = adapted.logits(&TOKENS).unwrap();
        for end in 1..=TOKENS.len() {
            let ours = read(&device, &mut cache, &TOKENS[end - 1..end]);
            let last = all.clone().narrow(0, end - 1, 1).into_data();
            close(&ours, &last.iter::<f32>().collect::<Vec<_>>(), &format!("{end} tokens"));
        }
    });
}
