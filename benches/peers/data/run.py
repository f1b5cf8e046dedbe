#!/usr/bin/env python3
"""Near-duplicates and decontamination, by refire-data and by its Python peers, on one corpus.

    cargo build --release -p refire-data --example ours
    pip install -r benches/peers/data/requirements.txt
    python benches/peers/data/run.py OURS CORPUS.jsonl BENCHMARK.jsonl

OURS is the built example. CORPUS has `text`, and optionally `kind`, `src` and `edit` that say what
was planted; BENCHMARK has `question`. Every run is of one thread; JSON is read beforehand. Word
5-grams and 14 bands of 8 minima for all. Times are CPU seconds of the best of three runs.
"""
import json
import re
import subprocess
import sys
import time

N, BANDS, ROWS = 5, 14, 8
WORD = re.compile(r"\w+")


def grams(text):
    words = WORD.findall(text.lower())
    if len(words) < N:
        return [" ".join(words)]
    return [" ".join(words[i : i + N]) for i in range(len(words) - N + 1)]


def best(work, runs=3):
    seconds, result = float("inf"), None
    for _ in range(runs):
        start = time.process_time()
        result = work()
        seconds = min(seconds, time.process_time() - start)
    return seconds, result


def rensa(texts):
    from rensa import RMinHash, RMinHashLSH

    lsh = RMinHashLSH(threshold=0.7, num_perm=BANDS * ROWS, num_bands=BANDS)
    found = []
    for at, text in enumerate(texts):
        sketch = RMinHash(num_perm=BANDS * ROWS, seed=1)
        sketch.update(grams(text))
        if lsh.query(sketch):
            found.append(at)
        else:
            lsh.insert(at, sketch)
    return found


def datasketch(texts):
    from datasketch import MinHash, MinHashLSH

    lsh = MinHashLSH(num_perm=BANDS * ROWS, params=(BANDS, ROWS))
    found = []
    for at, text in enumerate(texts):
        sketch = MinHash(num_perm=BANDS * ROWS, seed=1)
        sketch.update_batch([gram.encode() for gram in grams(text)])
        if lsh.query(sketch):
            found.append(at)
        else:
            lsh.insert(at, sketch)
    return found


def open_r1(texts, items, n):
    """The algorithm of open-r1's decontaminate.py."""
    index = set()
    for item in items:
        words = item.lower().split()
        index.update(" ".join(words[i : i + n]) for i in range(len(words) - n + 1))
    found = []
    for at, text in enumerate(texts):
        words = text.lower().split()
        if any(" ".join(words[i : i + n]) in index for i in range(len(words) - n + 1)):
            found.append(at)
    return found


def recall(rows, found):
    """Share of planted copies found, by the rate of their edits."""
    found, planted = set(found), {}
    for at, row in enumerate(rows):
        if row.get("kind") in ("exact", "near"):
            planted.setdefault(row["edit"], []).append(at in found)
    return " ".join(f"{rate:.0%} {sum(hit) / len(hit):.3f}" for rate, hit in sorted(planted.items()))


def line(name, n, seconds, ours, note):
    rate = n / seconds
    print(f"{name:<34}{rate:>10,.0f} texts/s {rate and ours / rate:>8.1f}x   {note}")


def main():
    program, corpus, benchmark = sys.argv[1:]
    rows = [json.loads(row) for row in open(corpus)]
    texts = [row["text"] for row in rows]
    items = [json.loads(row)["question"] for row in open(benchmark)]
    unique = {at for at, row in enumerate(rows) if row.get("kind") == "unique"}
    result = json.loads(subprocess.check_output([program, corpus, benchmark]))
    n = len(texts)

    print(f"near-duplicates of {n:,} texts (factor: how much faster refire-data is; then recall)")
    ours = n / result["near"]["seconds"]
    def show(name, seconds, found):
        lost = len(unique.intersection(found))
        line(name, n, seconds, ours, f"{recall(rows, found)}; unique lost: {lost}")

    show("refire-data", result["near"]["seconds"], result["near"]["found"])
    show("refire-data, verified", result["verified"]["seconds"], result["verified"]["found"])
    show("rensa RMinHash + LSH", *best(lambda: rensa(texts)))
    show("datasketch MinHash + LSH", *best(lambda: datasketch(texts), 1))

    print(f"\ndecontamination of {n:,} texts against {len(items):,} questions")
    for leak in result["leaks"]:
        size, ours = leak["ngram"], n / leak["seconds"]
        line(f"refire-data, {size}-grams", n, leak["seconds"], ours, f"{len(leak['found'])} found")
        seconds, found = best(lambda: open_r1(texts, items, size))
        same = "the same texts" if found == leak["found"] else f"differs in {len(set(found) ^ set(leak['found']))}"
        line(f"open-r1's algorithm, {size}-grams", n, seconds, ours, f"{len(found)} found, {same}")


if __name__ == "__main__":
    main()
