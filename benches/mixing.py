#!/usr/bin/env python3
"""Two opposed values in every mixture: what the judge says of each.

    python3 benches/mixing.py [--w2s BINARY] [--pairs positive critical] [--first 60] [--steps 10]

Searches the sample prompts with a panel of two pairs, the first one's weight from 1 to 0 and the
other's from 0 to 1, and prints the judge's mean with its interval of 95 %, and a bar for it.
"""

import argparse
import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
WIDTH = 40


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--w2s", default=str(ROOT / "target/release/w2s"))
    parser.add_argument("--pairs", nargs=2, default=["positive", "critical"])
    parser.add_argument("--first", type=int, default=60)
    parser.add_argument("--steps", type=int, default=10)
    args = parser.parse_args()
    rows = [(n / args.steps, measured(args, n / args.steps)) for n in range(args.steps + 1)]
    most = max(abs(mean) for _, (mean, _) in rows)
    print(f"{args.pairs[0]} : {args.pairs[1]}   judge, mean of {args.first} prompts")
    for share, (mean, (low, high)) in rows:
        cells = round(WIDTH / 2 * mean / most)
        bar = " " * (WIDTH // 2 + min(cells, 0)) + "█" * abs(cells)
        print(f"{1 - share:.1f} : {share:.1f}  {mean:+6.2f} [{low:+.2f}, {high:+.2f}]  {bar}")


def measured(args, share):
    first, second = args.pairs
    command = [args.w2s, "eval", "--pair", first, "--pair", second, "--weights", f"{1 - share:g},{share:g}",
               "--prompts", ROOT / "assets/prompts.json", "--first", args.first, "--method", "cbs",
               "--device", "cpu", "--format", "json"]
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    return told(json.loads(done.stdout))


def told(evaluation):
    value = evaluation["summary"]["rows"][0]["values"][0]
    mean, half = value["mean"], value["half_width"]
    return mean, (mean - half, mean + half)


main()
