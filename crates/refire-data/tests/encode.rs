//! Records as rows and pairs, through an encoder whose tokens can be counted on fingers.

#![allow(clippy::unwrap_used, clippy::panic)]

use refire_core::{BoxError, ChatTokens, Message, Role, TextEncoder};
use refire_data::{
    Content, DataError, EncodeConfig, Example, Learn, Record, TooLong, encode_preferences,
    encode_prompts, encode_rows,
};
use serde_json::Value;

/// A letter is a token, but `=5` is one of its own; texts begin with `^` and end with `$`. Messages
/// are `u..|` and `a..|`.
struct Letters;

impl Letters {
    fn tokens(text: &str) -> Vec<u32> {
        let mut left = text;
        let mut tokens = Vec::new();
        while let Some(first) = left.chars().next() {
            let merged = left.starts_with("=5");
            tokens.push(if merged { 5 } else { u32::from(first) });
            left = &left[if merged { 2 } else { first.len_utf8() }..];
        }
        tokens
    }
}

fn header(message: &Message) -> &'static str {
    if message.role == Role::Assistant { "a" } else { "u" }
}

impl TextEncoder for Letters {
    fn text(&self, text: &str) -> Result<Vec<u32>, BoxError> {
        Ok(Self::tokens(&format!("^{text}")))
    }

    fn end_text(&self) -> Option<&str> {
        Some("$")
    }

    fn chat(
        &self,
        messages: &[Message],
        tools: &[Value],
        open: bool,
    ) -> Result<Vec<u32>, BoxError> {
        let mut tokens = self.marked_chat(messages, tools)?.tokens;
        tokens.extend(open.then_some(u32::from('a')));
        Ok(tokens)
    }

    fn marked_chat(&self, messages: &[Message], tools: &[Value]) -> Result<ChatTokens, BoxError> {
        if messages.iter().any(|message| message.role == Role::Tool) {
            return Err("no tools here".into());
        }
        let mut all =
            ChatTokens { tokens: vec![0; tools.len()], assistant: vec![false; tools.len()] };
        for message in messages {
            all.tokens.extend(Self::tokens(header(message)));
            all.assistant.push(false);
            all.tokens.extend(Self::tokens(&format!("{}|", message.content)));
            all.assistant.resize(all.tokens.len(), message.role == Role::Assistant);
        }
        Ok(all)
    }
}

fn chat(text: &[(Role, &str)]) -> Content {
    let messages: Vec<_> = text.iter().map(|(role, t)| Message::new(role.clone(), *t)).collect();
    messages.into()
}

/// The row with what is learned in upper case.
fn row(example: Example, config: &EncodeConfig) -> Option<String> {
    row_of(&Record::new(example), config)
}

fn row_of(record: &Record, config: &EncodeConfig) -> Option<String> {
    let row = record.encode_row(&Letters, config).unwrap()?;
    assert_eq!(row.tokens.len(), row.loss_mask.len());
    let letter = |(token, learned): (&u32, &bool)| {
        let letter = char::from_u32(if *token == 5 { u32::from('é') } else { *token }).unwrap();
        if *learned { letter.to_uppercase().next().unwrap() } else { letter }
    };
    Some(row.tokens.iter().zip(&row.loss_mask).map(letter).collect())
}

fn learn(learn: Learn) -> EncodeConfig {
    EncodeConfig { learn, ..EncodeConfig::default() }
}

fn qa(prompt: &str, completion: &str) -> Example {
    Example::PromptCompletion { prompt: prompt.into(), completion: completion.into() }
}

fn dialogue() -> Example {
    let prompt = chat(&[(Role::User, "q"), (Role::Assistant, "r"), (Role::User, "s")]);
    Example::PromptCompletion { prompt, completion: chat(&[(Role::Assistant, "t")]) }
}

#[test]
fn replies_are_learned_and_texts_end() {
    let config = EncodeConfig::default();
    let whole = |text: &str| Example::LanguageModelling { content: text.into() };
    assert_eq!(row(whole("abc"), &config).unwrap(), "^ABC$");
    assert_eq!(row(whole("abc$"), &config).unwrap(), "^ABC$", "no second end");
    assert_eq!(row(qa("ab", "cd"), &config).unwrap(), "^abCD$");
    assert_eq!(row(qa("ab", "cd"), &learn(Learn::Everything)).unwrap(), "^ABCD$");
    let judged = |label| Example::Unpaired { prompt: "a".into(), completion: "b".into(), label };
    assert_eq!(row(judged(true), &config).unwrap(), "^aB$");
    assert_eq!(row(judged(false), &config), None, "nobody learns a bad answer");
}

#[test]
fn of_chats_the_assistants_words_are_learned() {
    assert_eq!(row(dialogue(), &learn(Learn::Reply)).unwrap(), "uq|ar|us|aT|");
    assert_eq!(row(dialogue(), &learn(Learn::Assistant)).unwrap(), "uq|aR|us|aT|");
    let content = chat(&[(Role::User, "q"), (Role::Assistant, "r")]);
    let whole = Example::LanguageModelling { content };
    assert_eq!(row(whole.clone(), &learn(Learn::Reply)).unwrap(), "uq|aR|");
    assert_eq!(row(whole.clone(), &learn(Learn::Everything)).unwrap(), "uQ|AR|");
    let with_tools = Record { tools: vec![Value::Null], ..Record::new(whole) };
    assert_eq!(row_of(&with_tools, &EncodeConfig::default()).unwrap(), "\0uq|aR|");
}

#[test]
fn an_answer_begins_where_the_tokens_differ_and_the_report_says_so() {
    let merged = Record::new(qa("2+3=", "5"));
    assert_eq!(row_of(&merged, &EncodeConfig::default()).unwrap(), "^2+3É$");
    let records = [merged, Record::new(qa("a", "b"))];
    let encoded = encode_rows(&records, &Letters, &EncodeConfig::default()).unwrap();
    assert_eq!((encoded.items.len(), encoded.report.merged), (2, 1));
    let pair =
        Example::Preference { prompt: "x=".into(), chosen: "5".into(), rejected: "6".into() };
    let pair =
        Record::new(pair).encode_preference(&Letters, &EncodeConfig::default()).unwrap().unwrap();
    // Both answers begin where the first of them differs.
    assert_eq!(pair.prompt, "^x".chars().map(u32::from).collect::<Vec<_>>());
    assert_eq!(pair.completions, [vec![5, u32::from('$')], Letters::tokens("=6$")]);
}

#[test]
fn long_rows_are_left_out_or_cut_and_counted() {
    let records =
        [Record::new(qa("a", "b")), Record::new(qa("a", "bcd")), Record::new(qa("abcd", "e"))];
    let config = EncodeConfig { max_tokens: Some(4), ..EncodeConfig::default() };
    let encoded = encode_rows(&records, &Letters, &config).unwrap();
    assert_eq!(encoded.items.len(), 1);
    let left: Vec<_> = encoded.report.left_out.iter().map(|l| l.index).collect();
    assert_eq!(left, [1, 2]);
    assert_eq!(
        encoded.report.to_string(),
        "1 of 3 records; 2 left out: it is longer than `max_tokens`"
    );
    let cutting = EncodeConfig { too_long: TooLong::Cut, ..config };
    assert_eq!(row_of(&records[1], &cutting).unwrap(), "^aBC");
    assert_eq!(row_of(&records[2], &cutting), None, "nothing of the answer is left");
    let encoded = encode_rows(&records, &Letters, &cutting).unwrap();
    assert_eq!((encoded.report.cut, encoded.report.left_out.len()), (1, 1));
    let none = EncodeConfig { max_tokens: Some(1), ..EncodeConfig::default() };
    assert!(encode_rows(&records, &Letters, &none).is_err());
}

#[test]
fn pairs_keep_their_labels_and_margins() {
    let config = EncodeConfig::default();
    let implicit =
        Example::ImplicitPreference { chosen: "a: yes".into(), rejected: "a: no".into() };
    let mut record = Record::new(implicit);
    record.extra.insert("margin".to_owned(), 0.5.into());
    let pair = record.encode_preference(&Letters, &config).unwrap().unwrap();
    assert_eq!((pair.labels.clone(), pair.margin), (vec![1.0, 0.0], 0.5));
    assert_eq!(pair.prompt, Letters::tokens("^a:"));
    assert_eq!(pair.completions[1], Letters::tokens(" no$"));
    let judged = Example::Unpaired { prompt: "a".into(), completion: "b".into(), label: false };
    let one = Record::new(judged).encode_preference(&Letters, &config).unwrap().unwrap();
    assert_eq!(one.labels, [0.0]);
    let short = EncodeConfig { max_tokens: Some(3), ..config.clone() };
    assert_eq!(record.encode_preference(&Letters, &short).unwrap(), None);
    record.extra.insert("margin".to_owned(), "much".into());
    let error = record.encode_preference(&Letters, &config).unwrap_err();
    assert!(error.to_string().contains("margin"), "{error}");
}

#[test]
fn questions_are_asked_as_training_has_them() {
    let config = EncodeConfig { max_tokens: Some(10), ..EncodeConfig::default() };
    let long = Example::PromptOnly { prompt: "a long question".into() };
    let verifiable =
        Example::Verifiable { prompt: "2+3=".into(), answer: "5".into(), verifier: String::new() };
    let records = [Record::new(dialogue()), Record::new(long), Record::new(verifiable)];
    let encoded = encode_prompts(&records, &Letters, &config).unwrap();
    assert_eq!(encoded.report.left_out.len(), 1);
    let tokens: Vec<_> = encoded.items.iter().map(|prompt| prompt.tokens.clone()).collect();
    // As the rows of `replies_are_learned` and `of_chats` begin.
    assert_eq!(tokens, [Letters::tokens("uq|ar|us|a"), Letters::tokens("^2+3=")]);
    assert_eq!((encoded.items[0].messages.len(), encoded.items[0].answer.clone()), (3, None));
    assert_eq!(encoded.items[1].answer.as_deref(), Some("5"));
    let whole = Record::new(Example::LanguageModelling { content: "ab".into() });
    assert!(encode_prompts(&[whole], &Letters, &config).is_err());
}

#[test]
fn weights_of_rows_are_taken_over() {
    let mut record = Record::new(qa("a", "b"));
    record.extra.insert("loss_weight".to_owned(), 0.25.into());
    let row = record.encode_row(&Letters, &EncodeConfig::default()).unwrap().unwrap();
    assert_eq!(row.weights, Some(vec![0.25; 4]));
    assert_eq!(row.id, record.id().short());
    record.extra.insert("loss_weight".to_owned(), (-1).into());
    assert!(record.encode_row(&Letters, &EncodeConfig::default()).is_err());
}

#[test]
fn what_cannot_be_a_row_is_named_with_its_place() {
    let question = Record::new(Example::PromptOnly { prompt: "a".into() });
    let tool = Example::LanguageModelling { content: chat(&[(Role::Tool, "x")]) };
    for record in [question, Record::new(tool)] {
        let records = [Record::new(qa("a", "b")), record];
        let error = encode_rows(&records, &Letters, &EncodeConfig::default()).unwrap_err();
        assert!(matches!(error, DataError::Row { line: 2, .. }), "{error}");
    }
    let records = [Record::new(qa("a", "b"))];
    assert!(encode_preferences(&records, &Letters, &EncodeConfig::default()).is_err());
}

#[test]
fn threads_change_nothing() {
    let records: Vec<_> = (0..300).map(|i| Record::new(qa(&format!("q{i}="), "5"))).collect();
    let config = EncodeConfig { max_tokens: Some(6), ..EncodeConfig::default() };
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| encode_rows(&records, &Letters, &config).unwrap())
    };
    assert_eq!(run(1), run(3));
}
