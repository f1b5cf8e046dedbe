use super::*;
use crate::TrainError;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

const METRICS: &str = r#"{"phase":"sft","step":0,"eval_accuracy":0.1}
{"phase":"sft","step":1,"loss":2.5,"mean_token_accuracy":0.4,"step_seconds":0.5}
{"phase":"sft","step":2,"loss":2.25,"mean_token_accuracy":null,"step_seconds":0.5}
{"phase":"rl","step":1,"completions/mean_length":12.0,"reward":0.25}
{"phase":"rl","step":2,"completions/mean_length":14.0,"reward":0.75}
{"phase":"rl","step":2,"eval_accuracy":0.5}
"#;

const EVIL: &str = "<script>alert('x')</script> & \"q\"";

fn completion(step: u64, sample: u64, text: &str, reward: &str) -> String {
    let text = serde_json::to_string(text).unwrap();
    format!(
        "{{\"phase\":\"rl\",\"step\":{step},\"prompt_id\":3,\"sample\":{sample},\"prompt\":{text},\
         \"completion\":{text},\"tokens\":7,\"finish\":\"end_token\",{reward},\"parts\":{{}}}}\n"
    )
}

#[test]
fn each_phase_has_its_curves_in_order() {
    let folder = folder(&[("metrics.jsonl", METRICS)]);
    let page = Report::from_dir(folder.path()).unwrap().title("A run").to_html().unwrap();
    let expected = [
        "<h1>A run</h1>",
        "Supervised fine-tuning",
        "2 steps.",
        "<b>Accuracy</b>",
        "<b>Token accuracy</b>",
        "training 0.4<",
        "<b>Loss</b>",
        "training 2.5 → 2.25<",
        "Reinforcement learning",
        "<b>Reward</b>",
        "training 0.25 → 0.75<",
        "<b>Accuracy</b>",
        "evaluation 0.5<",
        "<b>Completion length, in tokens</b>",
        "</html>",
    ];
    let mut rest = page.as_str();
    for text in expected {
        let at = rest.find(text).unwrap_or_else(|| panic!("`{text}` is missing or misplaced"));
        rest = &rest[at + text.len()..];
    }
    assert_eq!(page.matches("<svg").count(), 6);
    assert_eq!(page.matches("aria-label").count(), 6);
}

#[test]
fn nothing_is_loaded_from_elsewhere_and_no_text_is_markup() {
    let lines = completion(1, 0, EVIL, "\"reward\":null,\"reason\":\"<b>broken</b>\"");
    let metrics = "{\"phase\":\"<i>p</i>\",\"step\":1,\"eval_<u>x\":1.0}\n";
    let folder = folder(&[("metrics.jsonl", metrics), ("completions.jsonl", &lines)]);
    let sample = Sample {
        problem: EVIL.into(),
        before: EVIL.into(),
        after: EVIL.into(),
        ..Sample::default()
    };
    let page = Report::from_dir(folder.path())
        .unwrap()
        .title(EVIL)
        .summary([EVIL])
        .figures([(EVIL, EVIL)])
        .samples([sample])
        .to_html()
        .unwrap();
    for tag in ["<script", "<b>broken", "<i>", "<u>", "src=", "href=", "@import", "url("] {
        assert!(!page.contains(tag), "{tag}");
    }
    // Title, headline, paragraph, label, value, three cells, prompt, completion.
    let escaped = "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;q&quot;";
    assert_eq!(page.matches(escaped).count(), 10);
    assert!(page.contains("not scored: &lt;b&gt;broken&lt;/b&gt;"));
    assert!(page.contains("aria-label=\"eval_&lt;u&gt;x by step\""));
    let addresses = page.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "");
    assert!(!addresses.contains("http"), "only the name of the SVG dialect is an address");
}

#[test]
fn samples_are_counted_and_marked() {
    let folder = folder(&[("metrics.jsonl", METRICS)]);
    let sample = |correct_before, correct_after| Sample {
        problem: "1+1".into(),
        before: "3".into(),
        after: "2".into(),
        correct_before,
        correct_after,
    };
    let samples = [sample(false, true), sample(true, true), sample(false, false)];
    let page = Report::from_dir(folder.path()).unwrap().samples(samples).to_html().unwrap();
    assert!(page.contains("Correct before: 1 of 3. Correct after: 2 of 3."));
    assert_eq!(page.matches("✓ correct").count(), 3);
    assert_eq!(page.matches("✗ wrong").count(), 3);
}

#[test]
fn the_last_step_is_shown_with_two_samples_of_a_prompt() {
    let mut lines = completion(1, 0, "old", "\"reward\":0.0");
    for sample in 0..4 {
        lines += &completion(2, sample, &format!("new {sample}"), "\"reward\":0.125");
    }
    lines += "{\"phase\":\"rl\",\"step\":3,\"pro";
    let folder = folder(&[("metrics.jsonl", METRICS), ("completions.jsonl", &lines)]);
    let page = Report::from_dir(folder.path()).unwrap().to_html().unwrap();
    assert!(page.contains("Step 2, 2 of 4 logged completions."), "{page}");
    assert!(page.contains("new 0") && page.contains("new 1"));
    assert!(!page.contains("new 2") && !page.contains("old"));
    assert!(page.contains("0.125") && page.contains("end token"));
}

#[test]
fn logs_that_are_missing_or_broken_are_named() {
    let empty = tempfile::tempdir().unwrap();
    let error = Report::from_dir(empty.path()).unwrap_err();
    assert!(matches!(&error, TrainError::Io { path, .. } if path.ends_with("metrics.jsonl")));
    let broken = folder(&[("metrics.jsonl", "{\"phase\":\"rl\",\"step\":1}\n{\n{}\n")]);
    let error = Report::from_dir(broken.path()).unwrap_err();
    assert!(matches!(error, TrainError::Json { line: 2, .. }), "{error}");
    let nothing = folder(&[("metrics.jsonl", "")]);
    let page = Report::from_dir(nothing.path()).unwrap().to_html().unwrap();
    assert!(page.contains("No step was logged."));
}
