//! Text as tokens come, however the text was cut into tokens.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use refire_core::BoxError;
use refire_sample::{Detokenize, TextStream};

/// Token `t` is the bytes of piece `t`.
struct Pieces(Vec<Vec<u8>>);

impl Detokenize for Pieces {
    fn text(&self, tokens: &[u32]) -> Result<String, BoxError> {
        let bytes: Vec<u8> = tokens.iter().flat_map(|t| self.0[*t as usize].clone()).collect();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
    fn end_tokens(&self) -> &[u32] {
        &[]
    }
}

/// Cuts a text into tokens, within characters too.
fn cut(text: &str, sizes: &[usize]) -> Pieces {
    let (mut bytes, mut pieces) = (text.as_bytes(), Vec::new());
    for size in sizes.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        let (piece, rest) = bytes.split_at((*size).min(bytes.len()));
        pieces.push(piece.to_vec());
        bytes = rest;
    }
    Pieces(pieces)
}

/// What was shown, and the stop text that ended it.
fn shown(codec: &Pieces, stops: &[String]) -> (String, Option<String>) {
    let (mut stream, mut text) = (TextStream::new(stops), String::new());
    for token in 0..codec.0.len() as u32 {
        let piece = stream.push(token, codec).unwrap();
        text += &piece.text;
        if piece.stop.is_some() {
            return (text, piece.stop);
        }
    }
    (text + &stream.finish(codec).unwrap(), None)
}

proptest! {
    #[test]
    fn pieces_make_the_text(text in "[ab€日😀\n]{0,40}", sizes in prop::collection::vec(1_usize..6, 1..8)) {
        prop_assert_eq!(shown(&cut(&text, &sizes), &[]), (text, None));
    }

    #[test]
    fn stops_are_found_wherever_they_were_cut(
        text in "[ab€]{0,40}",
        stops in prop::collection::vec("[ab€]{1,4}", 1..4),
        sizes in prop::collection::vec(1_usize..6, 1..8),
    ) {
        let (found, stop) = shown(&cut(&text, &sizes), &stops);
        prop_assert!(text.starts_with(&found));
        match stop {
            Some(stop) => {
                prop_assert!(stops.contains(&stop));
                prop_assert!(text[found.len()..].starts_with(&stop));
            }
            None => prop_assert_eq!(&found, &text),
        }
        // Nothing that was shown belongs to a stop text.
        prop_assert!(stops.iter().all(|stop| !found.contains(stop.as_str())));
        // A stop text that ends before any other is never missed.
        let ends = |stop: &String| text.find(stop.as_str()).map(|at| at + stop.len());
        let first = stops.iter().filter_map(ends).min();
        prop_assert!(first.is_none_or(|end| found.len() < end));
    }
}

#[test]
fn an_unfinished_character_is_shown_at_the_end() {
    let codec = Pieces(vec![b"a".to_vec(), vec![0xe2, 0x82]]);
    assert_eq!(shown(&codec, &[]), ("a\u{FFFD}".to_owned(), None));
}
