use super::{FormatFault, Layout, TagGrammar, TagRule};
use refire_core::{Purpose, Stream};

fn think_answer(text: &str) -> bool {
    TagGrammar::think_answer().parse(text).is_ok()
}

#[test]
fn the_strict_form_is_accepted() {
    for text in [
        "<think>a</think><answer>b</answer>",
        "<think>\na\n</think>\n<answer>\nb\n</answer>",
        "  <think>a < b</think>\t\n <answer>b</answer>\n",
        "<think></think><answer></answer>",
        "<think><b>bold</b> </thinker> <Think></think><answer>日本</answer>",
    ] {
        assert!(think_answer(text), "{text}");
    }
}

#[test]
fn everything_else_is_refused() {
    for text in [
        "",
        "a",
        "<think>a</think>",
        "<answer>b</answer>",
        "<answer>b</answer><think>a</think>",
        "<think>a</think><answer>b</answer>!",
        "x<think>a</think><answer>b</answer>",
        "<think>a</think>x<answer>b</answer>",
        "<think>a</think><answer>b</answer><answer>c</answer>",
        "<think>a</think><think>a</think><answer>b</answer>",
        "<think>a<think>a</think></think><answer>b</answer>",
        "<think>a<answer>x</answer></think><answer>b</answer>",
        "<think>a</think><answer>b",
        "<think>a</think><answer>b</answer></answer>",
        "<think>a<answer>b</answer>",
        "<think>a</answer><answer>b</think>",
        "</think><answer>b</answer>",
        "<think >a</think><answer>b</answer>",
        "<THINK>a</THINK><answer>b</answer>",
        "<think>a</think><answer>b</answer",
    ] {
        assert!(!think_answer(text), "{text}");
    }
}

#[test]
fn faults_say_what_is_wrong() {
    let fault = |text: &str| TagGrammar::think_answer().parse(text).unwrap_err();
    let answer = || "answer".to_owned();
    assert_eq!(fault("<think>a</think><answer>"), FormatFault::Unclosed { tag: answer() });
    assert_eq!(
        fault("<think></think>"),
        FormatFault::Count { tag: answer(), found: 0, min: 1, max: 1 }
    );
    assert_eq!(
        fault("<answer></answer><think></think>"),
        FormatFault::Order { tag: "think".to_owned(), at: 17 }
    );
    assert_eq!(fault("<think></think><answer></answer> ."), FormatFault::Outside { at: 32 });
    let found = "</think>".to_owned();
    assert_eq!(fault("a</think>"), FormatFault::Misplaced { found, at: 1 });
}

#[test]
fn open_r1_wants_each_tag_on_its_own_line() {
    let grammar = TagGrammar::open_r1();
    let fits = |text: &str| grammar.parse(text).is_ok();
    assert!(fits("<think>\na\n\nb\n</think>\n<answer>\n7\n</answer>"));
    assert!(fits("<think>\n\n</think>\n<answer>\n\n</answer>"));
    for text in [
        "<think>\n</think>\n<answer>\n7\n</answer>",
        "<think>a\n</think>\n<answer>\n7\n</answer>",
        "<think>\na\n</think><answer>\n7\n</answer>",
        "<think>\na\n</think>\n\n<answer>\n7\n</answer>",
        "<think>\na\n</think>\n<answer>\n7\n</answer>\n",
        "<think>\na\n</think>\n<answer>\n7\n</answer>\nso 8",
        "\n<think>\na\n</think>\n<answer>\n7\n</answer>",
    ] {
        assert!(!fits(text), "{text:?}");
    }
}

#[test]
fn grammars_of_other_shapes() {
    let step = TagRule { tag: "step".to_owned(), min: 0, max: 2 };
    let tags = vec![step, TagRule::once("answer")];
    let grammar = TagGrammar { tags, layout: Layout::Text, allow_blank: false };
    assert!(grammar.validate().is_empty());
    let fits = |text: &str| grammar.parse(text).is_ok();
    assert!(fits("so <answer>1</answer> it is"));
    assert!(fits("<step>a</step>, <step>b</step>: <answer>1</answer>"));
    assert!(!fits("<step>a</step><step>b</step><step>c</step><answer>1</answer>"));
    assert!(!fits("<step>a</step><answer> </answer>"));
}

#[test]
fn a_name_that_begins_another_is_kept_apart() {
    let tags = vec![TagRule::once("plan"), TagRule::once("plan-b")];
    let grammar = TagGrammar { tags, ..TagGrammar::default() };
    let blocks = grammar.parse("<plan>x</plan><plan-b>y</plan-b>").unwrap();
    assert_eq!(blocks.iter().map(|block| block.tag).collect::<Vec<_>>(), ["plan", "plan-b"]);
}

#[test]
fn validate_lists_every_problem() {
    let twice = vec![
        TagRule { tag: "a b".to_owned(), min: 2, max: 1 },
        TagRule::once("x"),
        TagRule::once("x"),
    ];
    assert_eq!(TagGrammar { tags: twice, ..TagGrammar::default() }.validate().len(), 3);
    assert_eq!(TagGrammar { tags: vec![], ..TagGrammar::default() }.validate().len(), 1);
}

/// Texts of random pieces against the definition: the pieces themselves, read one by one.
#[test]
fn random_texts_agree_with_the_definition() {
    let pieces = ["<think>", "</think>", "<answer>", "</answer>", " ", "x", "<", "<t", "é"];
    let blank = |piece: &usize| *piece == 4;
    let mut accepted = 0;
    for sample in 0..200_000 {
        let mut stream = Stream::new(3, Purpose::named("format"), 0, 0, sample);
        let count = 4 + stream.below(5);
        let chosen: Vec<usize> = (0..count)
            .map(|i| if stream.below(3) > 0 { i % 4 } else { stream.below(pieces.len()) })
            .collect();
        let text: String = chosen.iter().map(|piece| pieces[*piece]).collect();
        let order: Vec<usize> = chosen.iter().copied().filter(|piece| *piece < 4).collect();
        let mut inside = false;
        let mut outside_blank = true;
        for piece in &chosen {
            match piece {
                0 | 2 => inside = true,
                1 | 3 => inside = false,
                other => outside_blank &= inside || blank(other),
            }
        }
        let expected = order == [0, 1, 2, 3] && outside_blank;
        assert_eq!(think_answer(&text), expected, "{text}");
        accepted += usize::from(expected);
    }
    assert!(accepted > 100, "{accepted} texts were right, too few to show anything");
}

#[test]
fn long_hostile_texts_take_linear_steps() {
    let text = "<think>".repeat(200_000);
    assert!(!think_answer(&text));
    let text = format!(
        "<think>{}</think><answer>{}</answer>",
        "<".repeat(1_000_000),
        "</".repeat(500_000)
    );
    assert!(think_answer(&text));
}
