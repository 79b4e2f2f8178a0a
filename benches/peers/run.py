#!/usr/bin/env python3
"""What a user would pick instead of w2s, on the same machine, in turns with it.

    python3 benches/peers/run.py [--repeat 7] [--models DIR] [--w2s BINARY] [--only WORD]...

Makes a virtual environment with llama.cpp (xllamacpp) and torch in it, turns a GGUF file into the
types that are compared, and prints one table of ratios: above 1.00 w2s is faster. Each repetition
runs both programs, one after the other, and whoever was second is first in the next; the table has
medians, and the lowest and highest ratio of a repetition.

    guided search   W, K, L = 4, 4, 5 and 50 tokens on the bundled models, against the paper's rules
                    in torch: eager attention, a KV cache for the strong model alone, all responses
                    read as a whole by both halves of the pair each round; none ends before its
                    50 tokens
    tokens/s        plain sampling of 1 row and of 16 from one prompt, against llama.cpp's server

The real models are those of tests/fetch-models.sh, or any other .gguf files in --models. Nothing
else may run meanwhile: the load before and after is printed.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PACKAGES = {
    "llama": ["xllamacpp==2026.10.11549", "gguf==0.19.0", "numpy==2.4.6"],
    "torch": ["torch==2.15.0", "transformers==5.24.0", "safetensors==0.8.0", "tokenizers==0.23.3"],
}
PROMPT = "The history of the lighthouse began"
SEARCHED = "This story has held"
TOKENS = 60
FLOATS = ["F32", "F16", "Q8_0"]


def main():
    args = arguments()
    binary = args.w2s or build()
    folder = pathlib.Path(args.models or os.environ.get("W2S_TEST_MODELS") or ROOT / "target/test-models")
    print(machine(), flush=True)
    print(f"{'':44}{'w2s':>10}{'other':>10}{'ratio':>8}   lowest to highest")
    for name, pair in comparisons(args, binary, folder):
        if all(word in name for word in args.only):
            tell(name, pair, args.repeat)
    print(f"load afterwards: {os.getloadavg()[0]:.2f}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--models", help="a folder of .gguf files")
    parser.add_argument("--w2s", help="a release binary; one is built where none is named")
    parser.add_argument("--only", nargs="*", default=[], help="comparisons whose names have all these words")
    return parser.parse_args()


def build():
    subprocess.run(["cargo", "build", "--release"], cwd=ROOT, check=True)
    return str(ROOT / "target/release/w2s")


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    wide = "AVX-512" if "avx512f" in open("/proc/cpuinfo").read() else "no AVX-512"
    return f"{model}, {wide}, {os.cpu_count()} cores; load before: {os.getloadavg()[0]:.2f}"


def comparisons(args, binary, folder):
    """Names, and what runs each program once: seconds or tokens a second, higher is better."""
    if all(word in "guided search, bundled models" for word in args.only):
        torch = Peer("torch", ROOT / "assets/models")
        yield "guided search, bundled models, searches/s", (lambda: search(binary), lambda: torch.ask({}))
        torch.end()
    for path in sorted(folder.glob("*.gguf")):
        for file in [path, *(other_type(path, kind) for kind in FLOATS)]:
            for rows in (1, 16):
                name = f"{file.stem}, {rows} row{'s' if rows > 1 else ''}, tokens/s"
                if all(word in name for word in args.only):
                    make(path, file)
                    llama = Peer("llama", file, rows)
                    yield name, (lambda: sample(binary, file, rows), lambda: llama.ask({}))
                    llama.end()


def tell(name, pair, repeat):
    for run in pair:
        run()  # what is read from the disk or set up at first is not measured
    found = []
    for n in range(repeat):
        order = pair if n % 2 == 0 else pair[::-1]
        rates = {run: run() for run in order}
        found.append([rates[run] for run in pair])
    ratios = sorted(own / other for own, other in found)
    own, other = (statistics.median(column) for column in zip(*found))
    print(f"{name:44}{own:10.1f}{other:10.1f}{statistics.median(ratios):8.2f}   {ratios[0]:.2f} to {ratios[-1]:.2f}", flush=True)


def w2s(binary, *args):
    command = [binary, "run", "--format", "json", "--device", "cpu", *map(str, args)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    searches = json.loads(done.stdout)
    return [search["timing"] for search in (searches if isinstance(searches, list) else [searches])]


def search(binary):
    """The other program stays loaded: so does this one, whose first search is not counted."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as prompts:
        json.dump([SEARCHED] * 5, prompts)
        prompts.flush()
        timings = w2s(binary, "--prompts", prompts.name, "--in-flight", 1)
    return 1 / statistics.median(timing["seconds"] for timing in timings[1:])


def sample(binary, file, rows):
    [timing] = w2s(binary, "--strong", file, "--pair", "positive", "--prompt", PROMPT, "-W", 1, "-K", rows, "-L", 0, "-n", TOKENS)
    return timing["strong_tokens"] / timing["seconds"]


def other_type(path, kind):
    """Where the same weights lie in another type."""
    return path.parent / "made" / f"{path.stem.rsplit('.', 1)[0]}.{kind}.gguf"


def make(source, file):
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        kind = file.suffixes[-2][1:]
        subprocess.run([python("llama"), HERE / "convert.py", source, file, kind], check=True)


class Peer:
    """Another program, which stays loaded and is asked line by line."""

    def __init__(self, kind, *args):
        self.process = subprocess.Popen(
            [python(kind), HERE / f"{kind}_peer.py", *map(str, args)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def ask(self, what):
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("RATE "):
                return float(line.split()[1])
        raise SystemExit("the other program has ended: run it by hand to see why: "
                         + " ".join(map(str, self.process.args)))

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def python(kind):
    """Of an environment with the packages of a kind in it; made at the first call."""
    folder = pathlib.Path(tempfile.gettempdir()) / f"w2s-peers-{kind}"
    found = folder / "bin/python"
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([found, "-m", "pip", "install", "--quiet", *PACKAGES[kind]], check=True)
        (folder / "complete").touch()
    return found


if __name__ == "__main__":
    main()
