//! Time and memory of a training step on one row of 64 to 4,096 tokens, with SmolLM2-135M's shape,
//! beside what the arithmetic predicts: `cargo run --release --example lengths -- docs/src/lengths.svg`.

#[path = "common/memory.rs"]
mod memory;
#[path = "common/shape.rs"]
mod shape;

use plotters::coord::Shift;
use plotters::prelude::*;
use refire::core::{BoxError, Needs};
use refire::model::{Decoder, Learner, LearnerConfig};
use refire::objective::{HeadQuery, Loss, Policy, TokenBatch};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

const LENGTHS: [usize; 7] = [64, 128, 256, 512, 1024, 2048, 4096];
const GIB: f64 = (1_u64 << 30) as f64;

/// One length's step.
#[derive(Clone, Copy)]
struct Measured {
    tokens: f64,
    seconds: f64,
    gib: f64,
    /// Multiply-adds of forward and backward.
    work: f64,
}

fn main() -> Result<(), BoxError> {
    let argument = std::env::args().nth(1).ok_or("where is the plot to go? lengths FILE.svg")?;
    if let Ok(tokens) = argument.parse() {
        // One length in a process of its own, for its peak of memory.
        let (seconds, bytes) = step(tokens)?;
        println!("{seconds} {bytes}");
        return Ok(());
    }
    println!("{:>6} {:>9} {:>7} {:>12}", "tokens", "seconds", "GiB", "GMAC per s");
    let mut all = Vec::new();
    for tokens in LENGTHS {
        let measured = child(tokens)?;
        let Measured { seconds, gib, work, .. } = measured;
        println!("{tokens:>6} {seconds:>9.3} {gib:>7.2} {:>12.1}", work / seconds / 1e9);
        all.push(measured);
    }
    draw(&all, &PathBuf::from(argument))
}

fn child(tokens: usize) -> Result<Measured, BoxError> {
    let output = Command::new(std::env::current_exe()?).arg(tokens.to_string()).output()?;
    let printed = String::from_utf8(output.stdout)?;
    let numbers: Vec<f64> = printed.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [seconds, bytes] = numbers[..] else {
        return Err(format!("{tokens} tokens: {}", String::from_utf8_lossy(&output.stderr)).into());
    };
    let tokens = tokens as f64;
    let attention = 30.0 * 9.0 * 64.0 * tokens * tokens;
    // Attention's backward pass makes the weights again.
    let work = 3.0 * 134.5e6 * tokens + 3.5 * attention;
    Ok(Measured { tokens, seconds, gib: bytes / GIB, work })
}

/// Seconds of the second step, and the most memory ever held.
fn step(tokens: usize) -> Result<(f64, u64), BoxError> {
    let mut config = shape::smollm2()?;
    config.max_position_embeddings = config.max_position_embeddings.max(tokens);
    let decoder = Decoder::init(&config, 0, &refire::burn::tensor::Device::flex());
    let mut learner = Learner::new(decoder, LearnerConfig::default());
    let row: Vec<u32> = (0..tokens as u32).map(|i| (i * 7919) % 49_000).collect();
    let batch = TokenBatch::continuations([row.split_at(1)]);
    let targets = batch.targets.len() as f64;
    let mut seconds = 0.0;
    for _ in 0..2 {
        let start = Instant::now();
        let query = HeadQuery::new(Needs::NONE, &[1.0]);
        learner.accumulate(&batch, &query, &mut |stats| {
            Ok(Loss { total: stats.logprobs.sum() / -targets, metrics: Vec::new() })
        })?;
        learner.step(1e-5)?;
        seconds = start.elapsed().as_secs_f64();
    }
    Ok((seconds, memory::peak()?))
}

fn draw(all: &[Measured], path: &PathBuf) -> Result<(), BoxError> {
    let area = SVGBackend::new(path, (900, 360)).into_drawing_area();
    area.fill(&WHITE)?;
    let (left, right) = area.split_horizontally(450);
    // The arithmetic's prediction goes through the step of 512 tokens.
    let middle = all[3];
    let predicted = |m: &Measured| (m.tokens, middle.seconds * m.work / middle.work);
    panel(
        &left,
        "seconds of a step",
        [
            ("measured", all.iter().map(|m| (m.tokens, m.seconds)).collect()),
            ("by the arithmetic, from 512 tokens on", all.iter().map(predicted).collect()),
        ],
    )?;
    let (first, last) = (all[0], all[all.len() - 1]);
    let slope = (last.gib - first.gib) / (last.tokens - first.tokens);
    let straight = |m: &Measured| (m.tokens, first.gib + slope * (m.tokens - first.tokens));
    panel(
        &right,
        "GiB at most, weights and optimiser included",
        [
            ("measured", all.iter().map(|m| (m.tokens, m.gib)).collect()),
            ("a straight line", all.iter().map(straight).collect()),
        ],
    )?;
    area.present()?;
    Ok(())
}

type Line = (&'static str, Vec<(f64, f64)>);

fn panel(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    title: &str,
    lines: [Line; 2],
) -> Result<(), BoxError> {
    let points = || lines.iter().flat_map(|(_, points)| points);
    let x = points().map(|p| p.0).fold(0.0, f64::max);
    let y = points().map(|p| p.1).fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .caption(title, ("sans-serif", 15))
        .x_label_area_size(36)
        .y_label_area_size(40)
        .build_cartesian_2d(0.0..x * 1.03, 0.0..y * 1.08)?;
    let mesh = |x: &f64| format!("{x:.0}");
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("tokens")
        .x_label_formatter(&mesh)
        .draw()?;
    for ((name, points), color) in lines.into_iter().zip([RGBColor(0x2B, 0x6C, 0xB0), RED]) {
        let measured = name == "measured";
        if measured {
            chart.draw_series(points.iter().map(|p| Circle::new(*p, 3, color.filled())))?;
        }
        let style = if measured { color.stroke_width(2) } else { color.mix(0.5).stroke_width(1) };
        chart
            .draw_series(LineSeries::new(points, style))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .draw()?;
    Ok(())
}
