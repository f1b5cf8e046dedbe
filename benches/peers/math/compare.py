"""Math-Verify and refire-math on the same rows in the same run.

    python -m venv venv && venv/bin/pip install math-verify latex2sympy2_extended[antlr4_13_2]
    cargo build --release --example check_answers
    venv/bin/python benches/peers/math/compare.py --cases FILE.jsonl \
        --checker target/release/examples/check_answers [--rows 500]

Every n-th row is judged by both, one after the other on one core, and the ratio of their speeds
and their accuracies on the labelled rows are printed. Times are CPU times of the single pairs;
importing Python modules and starting processes is not counted.
"""

import argparse
import json
import logging
import subprocess
import tempfile
import time
from pathlib import Path

from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify


def judge(row):
    """The verdict of Math-Verify with a boxed gold, as its own evaluation does it."""
    targets = [LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig()]
    gold = parse(f"\\boxed{{{row['gold']}}}", targets)
    return verify(gold, parse(row["pred"], targets))


def figures(name, rows, verdicts, seconds):
    labelled = [(r, v) for r, v in zip(rows, verdicts) if r.get("expected") is not None and not r.get("policy")]
    right = sum(r["expected"] == v for r, v in labelled)
    accuracy = right / len(labelled) if labelled else float("nan")
    rate = len(rows) / seconds
    print(f"{name:<12} {rate:>12.0f} pairs/s   accuracy {accuracy:.4f} on {len(labelled)} rows")
    return rate


def main():
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--cases", type=Path, required=True)
    args.add_argument("--checker", type=Path, required=True, help="the example check_answers")
    args.add_argument("--rows", type=int, default=500)
    args = args.parse_args()
    logging.disable(logging.WARNING)

    rows = [json.loads(line) for line in args.cases.read_text().splitlines() if line.strip()]
    rows = rows[:: max(1, len(rows) // args.rows)]
    judge(rows[0])
    start = time.process_time()
    verdicts = []
    for row in rows:
        try:
            verdicts.append(bool(judge(row)))
        except Exception:
            verdicts.append(False)
    peer = figures("math-verify", rows, verdicts, time.process_time() - start)

    with tempfile.TemporaryDirectory() as folder:
        cases, out = Path(folder) / "cases.jsonl", Path(folder) / "out.jsonl"
        cases.write_text("".join(json.dumps(row) + "\n" for row in rows))
        subprocess.run(
            [args.checker, "--cases", cases, "--out", out], check=True, stdout=subprocess.DEVNULL
        )
        judged = [json.loads(line) for line in out.read_text().splitlines()]
    seconds = sum(row["micros"] for row in judged) / 1e6
    ours = figures("refire-math", rows, [row["verdict"] == "equal" for row in judged], seconds)
    print(f"refire-math is {ours / peer:.0f} times as fast")


if __name__ == "__main__":
    main()
