use super::curve::{Curve, Line, SMOOTHED_PART, curves};
use super::read::{Completions, PhaseLog, Shown};
use super::{Report, Sample, plot};
use crate::TrainError;
use crate::display::number;

const STYLE: &str = include_str!("style.css");

/// Whatever is on the page, it loads nothing and runs nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The page.
pub(super) fn page(report: &Report) -> Result<String, TrainError> {
    let title = escape(&report.title);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <header>\n<h1>{title}</h1>\n"
    );
    for line in &report.summary {
        page += &format!("<p>{}</p>\n", escape(line));
    }
    page += &figures(&report.figures);
    page += "</header>\n";
    for phase in &report.phases {
        page += &section(phase)?;
    }
    if report.phases.is_empty() {
        page += "<p>No step was logged.</p>\n";
    }
    page += &samples(&report.samples);
    page += &completions(&report.completions);
    page += "</main>\n</body>\n</html>\n";
    Ok(page)
}

fn figures(figures: &[(String, String)]) -> String {
    let row = |(label, value): &(String, String)| {
        format!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", escape(label), escape(value))
    };
    if figures.is_empty() {
        return String::new();
    }
    let rows: String = figures.iter().map(row).collect();
    format!("<table class=\"figures\">\n{rows}</table>\n")
}

fn section(phase: &PhaseLog) -> Result<String, TrainError> {
    let name = match phase.name.as_str() {
        "sft" => "Supervised fine-tuning",
        "rl" => "Reinforcement learning",
        other => other,
    };
    let curves = curves(phase);
    let note = note(&curves);
    let figures = curves.iter().map(figure).collect::<Result<String, _>>()?;
    let (name, steps) = (escape(name), phase.last_step);
    Ok(format!(
        "<section>\n<h2>{name}</h2>\n<p class=\"note\">{steps} steps.{note}</p>\n\
         <div class=\"curves\">\n{figures}</div>\n</section>\n"
    ))
}

fn note(curves: &[Curve]) -> String {
    let lines = || curves.iter().filter_map(|curve| curve.training.as_ref());
    let mut note = String::new();
    if lines().any(|line| line.noisy.is_some()) {
        note += &format!(
            " Faint lines are single measurements, strong ones their moving mean over \
             1/{SMOOTHED_PART} of the run."
        );
    }
    let thinned = lines().map(|line| line.thinned).max().unwrap_or(1);
    if thinned > 1 {
        note += &format!(" Each point is the mean of {thinned} steps.");
    }
    note
}

fn figure(curve: &Curve) -> Result<String, TrainError> {
    let title = escape(&curve.title);
    let label = format!("<svg role=\"img\" aria-label=\"{title} by step\" ");
    let svg = plot::svg(curve)?.replacen("<svg ", &label, 1);
    let mut keys = String::new();
    for (name, line) in [("training", &curve.training), ("evaluation", &curve.evaluation)] {
        let Some(line) = line else { continue };
        keys += &format!(" <span class=\"key {name}\">{name} {}</span>", course(line));
    }
    Ok(format!("<figure>\n<figcaption><b>{title}</b>{keys}</figcaption>\n{svg}</figure>\n"))
}

/// First and last value of a line.
fn course(line: &Line) -> String {
    match line.points.as_slice() {
        [] => String::new(),
        [(_, only)] => number(*only, 3),
        [(_, first), .., (_, last)] => format!("{} → {}", number(*first, 3), number(*last, 3)),
    }
}

fn samples(samples: &[Sample]) -> String {
    if samples.is_empty() {
        return String::new();
    }
    let count = |right: fn(&Sample) -> bool| samples.iter().filter(|s| right(s)).count();
    let (before, after) = (count(|s| s.correct_before), count(|s| s.correct_after));
    let rows: String = samples.iter().map(sample).collect();
    format!(
        "<section>\n<h2>Samples before and after training</h2>\n\
         <p class=\"note\">Correct before: {before} of {all}. Correct after: {after} of {all}.</p>\n\
         <div class=\"wide\"><table class=\"texts pairs\">\n\
         <thead><tr><th>Problem</th><th>Before</th><th>After</th></tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table></div>\n</section>\n",
        all = samples.len()
    )
}

fn sample(sample: &Sample) -> String {
    let reply = |text: &str, correct: bool| {
        let (class, mark) = if correct { ("right", "✓ correct") } else { ("wrong", "✗ wrong") };
        format!("<td><span class=\"{class}\">{mark}</span>{}</td>", quoted(text))
    };
    format!(
        "<tr><td>{}</td>{}{}</tr>\n",
        quoted(&sample.problem),
        reply(&sample.before, sample.correct_before),
        reply(&sample.after, sample.correct_after)
    )
}

fn completions(last: &Completions) -> String {
    if last.shown.is_empty() {
        return String::new();
    }
    let (step, shown, total) = (last.step, last.shown.len(), last.total);
    let rows: String = last.shown.iter().map(completion).collect();
    format!(
        "<section>\n<h2>Last completions</h2>\n\
         <p class=\"note\">Step {step}, {shown} of {total} logged completions.</p>\n\
         <div class=\"wide\"><table class=\"texts last\">\n\
         <thead><tr><th>Prompt</th><th>Completion</th><th class=\"number\">Reward</th>\
         <th class=\"number\">Tokens</th><th>Ended by</th></tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table></div>\n</section>\n"
    )
}

fn completion(shown: &Shown) -> String {
    let reward = shown.reward.map_or_else(|| "none".to_owned(), |reward| number(reward, 4));
    let reason = shown
        .reason
        .as_ref()
        .map(|reason| format!("<span class=\"wrong\">not scored: {}</span>", escape(reason)));
    format!(
        "<tr><td>{}</td><td>{}{}</td><td class=\"number\">{reward}</td>\
         <td class=\"number\">{}</td><td>{}</td></tr>\n",
        quoted(&shown.prompt),
        reason.unwrap_or_default(),
        quoted(&shown.completion),
        shown.tokens,
        escape(&shown.finish.replace('_', " "))
    )
}

/// Text of people and models: line breaks stay, nothing is markup.
fn quoted(text: &str) -> String {
    format!("<div class=\"quoted\">{}</div>", escape(text))
}

/// Text for element content and attribute values.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            c => escaped.push(c),
        }
    }
    escaped
}
