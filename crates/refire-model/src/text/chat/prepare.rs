//! What Jinja and transformers do to a template's source that minijinja doesn't.

/// What begins a generation block calls this.
pub(super) const BEGIN: &str = "_begin_generation";
/// What ends one calls this.
pub(super) const END: &str = "_end_generation";

/// Whether a prepared template marks what the assistant wrote.
pub(super) fn marks_generation(prepared: &str) -> bool {
    prepared.contains(BEGIN)
}

/// A template's source for minijinja: line ends become `\n`, and generation tags ordinary ones.
pub(super) fn prepare(source: &str) -> String {
    replace_generation(&source.replace("\r\n", "\n").replace('\r', "\n"))
}

/// Rewrites `{% generation %}`, transformers' mark around what the assistant wrote.
///
/// The tag isn't part of Jinja. Its block becomes a `{% with %}` block, which renders its content
/// in place with the same scope and white space, and tells the tracker where it begins and ends.
fn replace_generation(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find('{') {
        let (before, tag) = rest.split_at(start);
        out.push_str(before);
        let end = match tag.as_bytes().get(1) {
            Some(b'#') => comment_end(tag),
            Some(b'{') => expression_end(tag, "}}"),
            Some(b'%') => expression_end(tag, "%}"),
            _ => 1,
        };
        let (tag, after) = tag.split_at(end);
        rest = after;
        match word(tag) {
            Some(word @ "generation") => {
                out.push_str(&tag.replacen(word, &format!("with _generation = {BEGIN}()"), 1));
            }
            Some(word @ "endgeneration") => {
                // The first tag keeps the white-space control on the left, the second on the right.
                let (left, right) = tag.split_once(word).unwrap_or((tag, ""));
                out.push_str(&format!("{left}set _generation = {END}() %}}{{% endwith{right}"));
            }
            Some("raw") => {
                let (raw, after) = rest.split_at(raw_end(rest));
                out.push_str(tag);
                out.push_str(raw);
                rest = after;
            }
            _ => out.push_str(tag),
        }
    }
    out.push_str(rest);
    out
}

/// The only word of a block tag, if it has no more than one.
fn word(tag: &str) -> Option<&str> {
    let inner = tag.strip_prefix("{%")?.strip_suffix("%}")?;
    Some(inner.strip_prefix(['-', '+']).unwrap_or(inner).trim_end_matches(['-', '+']).trim())
}

fn comment_end(tag: &str) -> usize {
    tag.find("#}").map_or(tag.len(), |end| end + 2)
}

/// Length of a tag up to and with `close`, which doesn't count inside quotes.
fn expression_end(tag: &str, close: &str) -> usize {
    let bytes = tag.as_bytes();
    let mut quote = None;
    let mut at = 2;
    while at < bytes.len() {
        match (quote, bytes[at]) {
            (Some(_), b'\\') => at += 1,
            (Some(open), byte) if byte == open => quote = None,
            (None, byte @ (b'"' | b'\'')) => quote = Some(byte),
            (None, _) if bytes[at..].starts_with(close.as_bytes()) => return at + close.len(),
            _ => {}
        }
        at += 1;
    }
    tag.len()
}

/// Where the block tag that ends a raw block begins.
fn raw_end(text: &str) -> usize {
    let ends = |(at, tag): &(usize, &str)| {
        let inner = text[*at + tag.len()..].trim_start_matches(['-', '+']).trim_start();
        inner.starts_with("endraw")
    };
    text.match_indices("{%").find(ends).map_or(text.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::prepare;

    #[test]
    fn tags_keep_their_white_space_control() {
        let source = "a{%- generation -%}b{%+endgeneration%}c{% generation %}{% endgeneration -%}";
        let begin = "with _generation = _begin_generation()";
        let end = "set _generation = _end_generation() %}{% endwith";
        let expected = format!("a{{%- {begin} -%}}b{{%+{end}%}}c{{% {begin} %}}{{% {end} -%}}");
        assert_eq!(prepare(source), expected);
    }

    #[test]
    fn line_ends_are_those_of_unix() {
        assert_eq!(prepare("a\r\nb\rc\n\r\n"), "a\nb\nc\n\n");
    }

    #[test]
    fn nothing_else_changes() {
        let source = "{# {% generation %} #}{{ '{% generation %}' }}{% raw %}{% generation %}{%- endraw %}\
                      {% if generation %}{ {% set generation = '%}' %}{{ x }}{% endif %}generation";
        assert_eq!(prepare(source), source);
        for broken in ["{", "{{", "{%", "{#", "{% raw %}", "{% raw", "{{ 'é", "{% '\\"] {
            assert_eq!(prepare(broken), broken);
        }
    }
}
