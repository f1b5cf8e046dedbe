use crate::reference::{Model, close, floats, ids, values};
use refire::model::{Decode, HostDecoder, KvCache, Work};

/// How long a row has its whole length in this call, and the token after each position.
pub(crate) fn check(model: &Model) {
    let host = HostDecoder::new(&model.decoder).unwrap();
    for sequence in model.sequences() {
        let prompt = ids(&sequence["input_ids"]);
        let greedy = &sequence["greedy"];
        let expected = ids(&greedy["tokens"]);
        let margins = floats(&greedy["margin_top1_top2"]);
        // Ties aside, all tokens are theirs.
        let sure = margins.iter().position(|margin| *margin < 1e-3).unwrap_or(expected.len());
        let room = prompt.len() + expected.len();
        for shared in [0, 1, prompt.len() / 2, prompt.len() - 1] {
            let mut cache = host.cache(prefix(&host, &prompt[..shared]), room);
            let tokens =
                greedy_tokens(model, &host, &mut cache, &prompt[shared..], &expected[..sure]);
            assert_eq!(tokens, expected[..sure], "with {shared} tokens shared");
        }
    }
    same_bits(model, &host);
}

/// The cache of a prompt's beginning.
fn prefix(host: &HostDecoder, tokens: &[u32]) -> Option<refire::model::KvPrefix> {
    let mut cache = host.cache(None, tokens.len());
    let mut logits = vec![0.0; host.vocab()];
    if tokens.is_empty() {
        return None;
    }
    host.forward(&mut [Work { tokens, cache: &mut cache, logits: &mut logits }]).unwrap();
    Some(cache.into_prefix().unwrap())
}

/// Greedy tokens; after each, the logits are those of the whole row read at once.
fn greedy_tokens(
    model: &Model,
    host: &HostDecoder,
    cache: &mut KvCache,
    prompt: &[u32],
    expected: &[u32],
) -> Vec<u32> {
    let mut logits = vec![0.0; host.vocab()];
    let (mut next, mut tokens) = (prompt.to_vec(), Vec::new());
    let mut row: Vec<u32> = Vec::new();
    for token in expected {
        row.extend_from_slice(&next);
        host.forward(&mut [Work { tokens: &next, cache, logits: &mut logits }]).unwrap();
        if row.len() == cache.len() {
            let whole = values(model.decoder.logits(&row).unwrap());
            let ours: Vec<f64> = logits.iter().map(|v| f64::from(*v)).collect();
            close(&ours, &whole[whole.len() - ours.len()..], "decoded logits");
        }
        let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
        tokens.push(best as u32);
        next = vec![*token];
    }
    tokens
}

/// Logits don't depend on what else is in the call, nor on how a prompt is cut into calls.
fn same_bits(model: &Model, host: &HostDecoder) {
    let rows: Vec<Vec<u32>> = model.sequences().iter().map(|s| ids(&s["input_ids"])).collect();
    let alone: Vec<Vec<f32>> = rows.iter().map(|row| read(host, &[row], 1).remove(0)).collect();
    let all: Vec<&Vec<u32>> = rows.iter().collect();
    assert_eq!(read(host, &all, 1), alone, "together");
    assert_eq!(read(host, &all, 3), alone, "in pieces");
}

/// The logits after each row, read together in some pieces.
fn read(host: &HostDecoder, rows: &[&Vec<u32>], pieces: usize) -> Vec<Vec<f32>> {
    let mut caches: Vec<KvCache> = rows.iter().map(|row| host.cache(None, row.len())).collect();
    let mut logits = vec![vec![0.0; host.vocab()]; rows.len()];
    for piece in 0..pieces {
        let items = rows.iter().zip(&mut caches).zip(&mut logits);
        let mut work: Vec<Work<'_>> = items
            .filter_map(|((row, cache), logits)| {
                let cut = |piece: usize| piece * row.len() / pieces;
                let tokens = &row[cut(piece)..cut(piece + 1)];
                (!tokens.is_empty()).then_some(Work { tokens, cache, logits })
            })
            .collect();
        host.forward(&mut work).unwrap();
    }
    logits
}
