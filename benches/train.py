#!/usr/bin/env python3
"""A step of training, torch (eager, f32, as many threads as cores) against w2s, in turns.

    python3 benches/train.py [ROUNDS]

Makes a virtual environment with torch, numpy and safetensors from PyPI in target/venv-train (or
uses $VENV), builds `cargo bench --bench train`, and prints medians of ROUNDS (7) alternating runs
of ten steps each: the untuned model, all weights, 32 texts of 64 tokens, AdamW, clipping. Losses of
both are compared first.
"""
import json, os, statistics, subprocess, sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "assets/models/untuned"
BATCH, LENGTH, STEPS = 32, 64, 10


def torch_steps():
    import time, torch
    import torch.nn.functional as F
    from safetensors.torch import load_file

    torch.manual_seed(0)
    c = json.loads((MODEL / "config.json").read_text())
    d, heads, kv = c["hidden_size"], c["num_attention_heads"], c["num_key_value_heads"]
    hd, eps = d // heads, c["rms_norm_eps"]
    theta = c.get("rope_theta") or c["rope_parameters"]["rope_theta"]
    w = {k: torch.nn.Parameter(v.float()) for k, v in load_file(MODEL / "model.safetensors").items()}
    inv = theta ** -(torch.arange(0, hd, 2).float() / hd)
    angles = torch.outer(torch.arange(LENGTH).float(), inv)
    cos, sin = torch.cat([angles, angles], -1).cos(), torch.cat([angles, angles], -1).sin()
    mask = torch.full((LENGTH, LENGTH), float("-inf")).triu(1)

    def norm(x, g):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * g

    def turn(x):
        a, b = x.chunk(2, -1)
        n = x.shape[-2]
        return x * cos[:n] + torch.cat([-b, a], -1) * sin[:n]

    def forward(ids):
        b, n = ids.shape
        x = F.embedding(ids, w["model.embed_tokens.weight"])
        for i in range(c["num_hidden_layers"]):
            p = f"model.layers.{i}."
            lin = lambda x, name: F.linear(x, w[p + name + ".weight"])
            h = norm(x, w[p + "input_layernorm.weight"])
            split = lambda y, k: y.view(b, n, k, hd).transpose(1, 2)
            q = turn(split(lin(h, "self_attn.q_proj"), heads))
            k = turn(split(lin(h, "self_attn.k_proj"), kv)).repeat_interleave(heads // kv, 1)
            v = split(lin(h, "self_attn.v_proj"), kv).repeat_interleave(heads // kv, 1)
            s = q @ k.transpose(2, 3) * hd**-0.5 + mask[:n, :n]
            a = (s.softmax(-1) @ v).transpose(1, 2).reshape(b, n, heads * hd)
            x = x + lin(a, "self_attn.o_proj")
            h = norm(x, w[p + "post_attention_layernorm.weight"])
            x = x + lin(F.silu(lin(h, "mlp.gate_proj")) * lin(h, "mlp.up_proj"), "mlp.down_proj")
        x = norm(x, w["model.norm.weight"])
        return F.linear(x, w.get("lm_head.weight", w["model.embed_tokens.weight"]))

    optimiser = torch.optim.AdamW(w.values(), lr=1e-4, betas=(0.9, 0.95), eps=1e-8, weight_decay=0)
    times, losses = [], []
    for step in range(STEPS):
        rows = range(step * BATCH, (step + 1) * BATCH)
        ids = [[((r * LENGTH + i) * 7919 % 4093) + 1 for i in range(LENGTH)] for r in rows]
        ids = torch.tensor(ids)
        began = time.perf_counter()
        logits = forward(ids[:, :-1])
        loss = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), ids[:, 1:].reshape(-1))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(w.values(), 1.0)
        optimiser.step()
        times.append((time.perf_counter() - began) * 1e3)
        losses.append(loss.item())
    peak = next(l for l in open("/proc/self/status") if l.startswith("VmHWM:")).split()[1]
    print(json.dumps({"ms": times, "peak_mib": int(peak) / 1024, "losses": losses}))


def run(command, **env):
    out = subprocess.run(command, cwd=ROOT, env={**os.environ, **env}, check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    return json.loads(out.strip().splitlines()[-1])


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    venv = Path(os.environ.get("VENV", ROOT / "target/venv-train"))
    python = venv / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "numpy", "torch", "safetensors"], check=True)
    bench = ["cargo", "bench", "-q", "--bench", "train"]
    run(bench, STEPS="1")
    ours, theirs = [], []
    for _ in range(rounds):
        theirs.append(run([python, __file__, "--torch"]))
        ours.append(run(bench, STEPS=str(STEPS)))
    # The first step of a process pays for what the others find warm.
    step = lambda runs: [statistics.median(r["ms"][1:]) for r in runs]
    for name, runs in ("torch", theirs), ("w2s", ours):
        memory = statistics.median(r["peak_mib"] for r in runs)
        print(f"{name:6} {statistics.median(step(runs)):7.1f} ms a step  {memory:6.0f} MiB at most")
    pairs = [b / a for a, b in zip(step(ours), step(theirs))]
    print(f"w2s is {statistics.median(pairs):.2f} times as fast ({min(pairs):.2f} to {max(pairs):.2f})")
    print(f"loss of torch's first step {theirs[0]['losses'][0]:.4f}")


if __name__ == "__main__":
    torch_steps() if "--torch" in sys.argv else main()
