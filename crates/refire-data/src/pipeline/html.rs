//! The report as a page.

use super::{PipelineReport, StageReport};
use std::fmt::Write;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;\
padding:0 1rem;color:#222}h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}\
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.2rem .8rem .2rem 0;\
vertical-align:top}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}\
.bar{background:#4a7ebb;height:1.3rem;border-radius:2px}.lost{background:#d98c4a}\
.row{display:grid;grid-template-columns:14rem 1fr 11rem;gap:.8rem;align-items:center;margin:.25rem 0}\
.track{display:flex}pre{white-space:pre-wrap;background:#f5f5f3;padding:.5rem;margin:.2rem 0;\
font-size:.85em}summary{cursor:pointer}.dim{color:#777}";

pub(super) fn page(report: &PipelineReport) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Curation</title>\
         <style>{STYLE}</style></head><body>\n<h1>{} of {} records kept</h1>\n",
        number(report.given),
        number(report.taken),
    );
    read(&mut page, report);
    funnel(&mut page, report);
    for stage in &report.stages {
        details(&mut page, stage);
    }
    page.push_str("</body></html>\n");
    page
}

fn read(page: &mut String, report: &PipelineReport) {
    let read = &report.read;
    if read.files == 0 {
        return;
    }
    let bad = read.bad_rows();
    let _ = writeln!(
        page,
        "<p>{} records from {} files; {} bad rows.</p>",
        number(read.records),
        number(read.files),
        number(bad)
    );
    if bad > 0 {
        reasons(page, read.bad.iter(), bad);
    }
}

/// One bar a stage: what it gave, and what it removed, as shares of all that was read.
fn funnel(page: &mut String, report: &PipelineReport) {
    let widest = report.stages.iter().map(|stage| stage.taken.max(stage.given)).max();
    let all = widest.unwrap_or(0).max(report.taken).max(1) as f64;
    let mut bar = |name: &str, given: u64, lost: u64| {
        let share = |n: u64| 100.0 * n as f64 / all;
        let lost_text = if lost > 0 {
            format!(" <span class=dim>−{}</span>", number(lost))
        } else {
            String::new()
        };
        let _ = writeln!(
            page,
            "<div class=row><div>{}</div><div class=track><div class=bar style=\"width:{:.2}%\">\
             </div><div class=\"bar lost\" style=\"width:{:.2}%\"></div></div><div>{}{lost_text}\
             </div></div>",
            escape(name),
            share(given),
            share(lost),
            number(given)
        );
    };
    bar("read", report.taken, 0);
    for stage in &report.stages {
        bar(&stage.name, stage.given, stage.removed_total());
    }
}

fn details(page: &mut String, stage: &StageReport) {
    let _ = writeln!(
        page,
        "<h2>{}</h2><p>{} in, {} out, {} changed, {:.2} s.</p>",
        escape(&stage.name),
        number(stage.taken),
        number(stage.given),
        number(stage.changed),
        stage.seconds
    );
    for (reason, count) in &stage.not_applied {
        let _ = writeln!(
            page,
            "<p class=dim>{} passed by unjudged: {}.</p>",
            number(*count),
            escape(reason)
        );
    }
    if stage.removed.is_empty() {
        return;
    }
    reasons(page, stage.removed.iter(), stage.taken);
    for (reason, shown) in stage.examples.iter().filter(|(_, shown)| !shown.is_empty()) {
        let _ = writeln!(page, "<details><summary>{}, for example</summary>", escape(reason));
        for one in shown {
            let _ = writeln!(
                page,
                "<p><span class=dim>{}</span> {}</p><pre>{}</pre>",
                escape(&one.source),
                escape(&one.detail),
                escape(&one.text)
            );
        }
        page.push_str("</details>\n");
    }
}

fn reasons<'a>(page: &mut String, reasons: impl Iterator<Item = (&'a String, &'a u64)>, of: u64) {
    page.push_str(
        "<table><tr><th>reason</th><th class=n>records</th><th class=n>share</th></tr>\n",
    );
    let mut sorted: Vec<_> = reasons.collect();
    sorted.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    for (reason, count) in sorted {
        let share = 100.0 * *count as f64 / of.max(1) as f64;
        let (reason, count) = (escape(reason), number(*count));
        let _ = writeln!(
            page,
            "<tr><td>{reason}</td><td class=n>{count}</td><td class=n>{share:.2} %</td></tr>"
        );
    }
    page.push_str("</table>\n");
}

/// Digits in groups of three.
fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}
