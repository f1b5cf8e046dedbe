//! Broken rows of every kind, and what is said of each.

/// A good row.
pub(crate) const GOOD: &str = r#"{"id":"ID","prompt":"2 + 3?","completion":"5"}"#;

pub(crate) fn good(id: &str) -> Vec<u8> {
    GOOD.replace("ID", id).into_bytes()
}

/// A broken row.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) bad: Vec<u8>,
    /// Where, and a word of the reason.
    pub(crate) field: &'static str,
    pub(crate) reason: &'static str,
}

fn case(
    name: &'static str,
    bad: impl Into<Vec<u8>>,
    field: &'static str,
    reason: &'static str,
) -> Case {
    Case { name, bad: bad.into(), field, reason }
}

pub(crate) fn broken_rows() -> Vec<Case> {
    let row = |prompt: &str| format!(r#"{{"id":"x","prompt":{prompt},"completion":"5"}}"#);
    let deep = row(&("[".repeat(200) + &"]".repeat(200)));
    let chat = |message: &str| {
        format!(
            r#"{{"id":"x","prompt":[{message}],"completion":[{{"role":"assistant","content":"5"}}]}}"#
        )
    };
    vec![
        case(
            "bad UTF-8",
            b"{\"id\":\"x\",\"prompt\":\"\xff\xfe\",\"completion\":\"5\"}",
            "row",
            "invalid UTF-8 at byte 20",
        ),
        case("huge line", row(&format!("\"{}\"", "a".repeat(5000))), "row", "more than the limit"),
        case("wrong type", row("5"), "prompt", "found a number"),
        case("missing column", r#"{"id":"x","prompt":"2 + 3?"}"#, "completion", "missing"),
        case("duplicate id", good("first"), "id", "earlier row"),
        case("missing id", r#"{"prompt":"2 + 3?","completion":"5"}"#, "id", "missing"),
        case(
            "NUL byte",
            b"{\"id\":\"x\",\"prompt\":\"a\0b\",\"completion\":\"5\"}",
            "row",
            "NUL byte at byte 21",
        ),
        case("a line of NUL bytes", vec![0_u8; 64], "row", "NUL byte at byte 0"),
        case("null", row("null"), "prompt", "is null"),
        case("nested null message", chat("null"), "prompt[0]", "found null"),
        case(
            "nested null content",
            chat(r#"{"role":"user","content":null}"#),
            "prompt[0].content",
            "found null",
        ),
        case(
            "nested null role",
            chat(r#"{"role":null,"content":"a"}"#),
            "prompt[0].role",
            "missing",
        ),
        case("message without content", chat(r#"{"role":"user"}"#), "prompt[0].content", "missing"),
        case("no message", r#"{"id":"x","prompt":[],"completion":[]}"#, "prompt", "no message"),
        case("list instead of object", "[1, 2]", "row", "expected an object"),
        case("text instead of object", "\"prompt\"", "row", "expected an object"),
        case("cut off", &GOOD.as_bytes()[..20], "row", "EOF"),
        case("trailing text", format!("{GOOD} and more"), "row", "trailing characters"),
        case("two objects on a line", format!("{GOOD}{GOOD}"), "row", "trailing characters"),
        case("not a number", row("NaN"), "row", "expected value"),
        case("single quotes", "{'prompt': 'a', 'completion': 'b'}", "row", "key must be a string"),
        case("half a surrogate", row(r#""\ud800""#), "row", "hex escape"),
        case(
            "control character",
            b"{\"id\":\"x\",\"prompt\":\"a\tb\",\"completion\":\"5\"}",
            "row",
            "control character",
        ),
        case(
            "key twice",
            r#"{"id":"x","prompt":"a","prompt":"b","completion":"5"}"#,
            "row",
            "stands twice",
        ),
        case("too deep", deep, "row", "recursion limit"),
        case(
            "formats mixed",
            chat(r#"{"role":"user","content":"a"}"#)
                .replace(r#"[{"role":"assistant","content":"5"}]"#, r#""5""#),
            "completion",
            "is text, while `prompt` is messages",
        ),
        case(
            "unknown message field",
            chat(r#"{"role":"user","content":"a","weight":0}"#),
            "prompt[0].weight",
            "no known field",
        ),
        case("a list of numbers", row("[1, 2]"), "prompt[0]", "expected a message"),
        case("an empty object", "{}", "id", "missing"),
        case("a byte-order mark within", format!("\u{feff}{GOOD}"), "row", "expected value"),
        case("two colons", r#"{"id"::"x"}"#, "row", "expected value"),
        case(
            "a trailing comma",
            r#"{"id":"x","prompt":"a","completion":"b",}"#,
            "row",
            "trailing comma",
        ),
        case("a comment", "// a comment", "row", "expected value"),
        case("an unclosed text", r#"{"id":"x","prompt":"a"#, "row", "EOF"),
        case("a bad escape", r#"{"id":"x","prompt":"\x41","completion":"b"}"#, "row", "escape"),
        case("a number too large", row("1e999"), "row", "out of range"),
        case("true for text", row("true"), "prompt", "found true or false"),
        case(
            "overlong UTF-8",
            b"{\"id\":\"x\",\"prompt\":\"\xc0\x80\",\"completion\":\"5\"}",
            "row",
            "invalid UTF-8",
        ),
        case(
            "a surrogate in UTF-8",
            b"{\"id\":\"x\",\"prompt\":\"\xed\xa0\x80\",\"completion\":\"5\"}",
            "row",
            "invalid UTF-8",
        ),
        case(
            "a deeply nested extra column",
            format!(
                r#"{{"id":"x","prompt":"a","completion":"b","extra":{}1{}}}"#,
                r#"{"a":"#.repeat(300),
                "}".repeat(300)
            ),
            "row",
            "recursion limit",
        ),
        case("CSV", "id,prompt,completion", "row", "expected value"),
        case(
            "a role that is a number",
            chat(r#"{"role":7,"content":"a"}"#),
            "prompt[0].role",
            "found a number",
        ),
        case(
            "a tool call without a name",
            chat(r#"{"role":"assistant","tool_calls":[{"arguments":{}}]}"#),
            "prompt[0].tool_calls[0].name",
            "missing",
        ),
        case(
            "tools that are no JSON",
            r#"{"id":"x","prompt":"a","completion":"b","tools":"[1,"}"#,
            "tools",
            "not a JSON list",
        ),
        case(
            "tools of the wrong type",
            r#"{"id":"x","prompt":"a","completion":"b","tools":3}"#,
            "tools",
            "found a number",
        ),
    ]
}
