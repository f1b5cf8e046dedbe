use super::*;

/// One token per byte, strict about its range; begins texts without their first space, as
/// sentencepiece tokenizers do.
struct Bytes {
    /// A run of bytes that isn't UTF-8 as a whole becomes one U+FFFD per byte.
    whole_runs: bool,
}

impl TextCodec for Bytes {
    fn decode(&self, tokens: &[u32]) -> Result<String, BoxError> {
        let bytes = tokens.iter().map(|&t| u8::try_from(t)).collect::<Result<Vec<_>, _>>()?;
        let text = if self.whole_runs { by_runs(&bytes) } else { lossy(&bytes) };
        Ok(text.strip_prefix(' ').map(str::to_owned).unwrap_or(text))
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>, BoxError> {
        Ok(text.bytes().map(u32::from).collect())
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn by_runs(bytes: &[u8]) -> String {
    let runs = bytes.chunk_by(|a, b| a.is_ascii() == b.is_ascii());
    runs.map(|run| match std::str::from_utf8(run) {
        Ok(text) => text.to_owned(),
        Err(_) => "\u{FFFD}".repeat(run.len()),
    })
    .collect()
}

fn pieces(codec: &Bytes, tokens: &[u32]) -> Vec<String> {
    let mut stream = DecodeStream::new(codec);
    let mut pieces = Vec::new();
    for &token in tokens {
        pieces.extend(stream.push(token).unwrap());
        assert!(stream.window.len() <= FORCE);
    }
    pieces.extend(stream.finish().unwrap());
    pieces
}

#[test]
fn pieces_are_whole_characters_and_add_up() {
    let text = "x é 世界 🙂🙂 — ".repeat(40);
    for whole_runs in [false, true] {
        let codec = Bytes { whole_runs };
        let pieces = pieces(&codec, &codec.encode(&text).unwrap());
        assert_eq!(pieces.len(), text.chars().count());
        assert_eq!(pieces.concat(), text);
    }
}

#[test]
fn a_stripped_first_space_is_the_only_one() {
    let codec = Bytes { whole_runs: false };
    let text = " a b".repeat(30);
    assert_eq!(pieces(&codec, &codec.encode(&text).unwrap()).concat(), text[1..]);
}

#[test]
fn any_bytes_add_up_to_what_decoding_at_once_gives() {
    let codec = Bytes { whole_runs: false };
    let mut state = 1u64;
    for length in 0..400 {
        let tokens: Vec<u32> = (0..length)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u32
            })
            .collect();
        assert_eq!(pieces(&codec, &tokens).concat(), codec.decode(&tokens).unwrap());
    }
}

#[test]
fn bytes_that_never_become_text_are_given_out() {
    for whole_runs in [false, true] {
        let codec = Bytes { whole_runs };
        let mut stream = DecodeStream::new(&codec);
        let first = (0..FORCE).find_map(|_| stream.push(0x80).unwrap());
        assert!(first.is_some_and(|text| text.chars().all(|c| c == REPLACEMENT)));
    }
}

#[test]
fn the_end_gives_out_half_a_character_and_starts_over() {
    let codec = Bytes { whole_runs: false };
    let mut stream = DecodeStream::new(&codec);
    assert_eq!(stream.push(0xE4).unwrap(), None);
    assert_eq!(stream.finish().unwrap().as_deref(), Some("\u{FFFD}"));
    assert_eq!(stream.finish().unwrap(), None);
    assert_eq!(stream.push(0x41).unwrap().as_deref(), Some("A"));
}

#[test]
fn an_error_of_the_codec_is_passed_on() {
    let codec = Bytes { whole_runs: false };
    assert!(DecodeStream::new(&codec).push(256).is_err());
}
