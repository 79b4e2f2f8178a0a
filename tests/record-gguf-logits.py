#!/usr/bin/env python3
"""Records the logits of the models of tests/fetch-models.sh for tests/gguf.rs: the weights
dequantised by the `gguf` package, the forward pass written out in numpy.

    pip install gguf==0.19.0 numpy
    tests/record-gguf-logits.py FOLDER_OF_MODELS
"""

import json
import pathlib
import sys

import numpy as np
from gguf import GGUFReader, dequantize

TEXTS = {
    "SmolLM2-135M-Instruct.Q4_1.gguf": [504, 3575, 282, 4649, 314, 7042, 30, 198, 198, 504],
    "gemma-3-270m-q4_k_m.gguf": [2, 818, 5279, 529, 7001, 563, 506, 5279, 529],
}
N_LOGITS = 32


def heads(x, n):
    return x.reshape(len(x), n, -1)


def softmax(x):
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def silu(x):
    return x / (1 + np.exp(-x))


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


class Model:
    def __init__(self, path):
        self.file = GGUFReader(path)
        self.tensors = {t.name: t for t in self.file.tensors}
        self.arch = self.field("general.architecture")
        self.is_gemma = self.arch.startswith("gemma")
        self.eps = self.own("attention.layer_norm_rms_epsilon")
        self.n_heads = self.own("attention.head_count")
        self.n_kv_heads = self.own("attention.head_count_kv", self.n_heads)

    def field(self, name, default=None):
        found = self.file.fields.get(name)
        return default if found is None else found.contents()

    def own(self, name, default=None):
        return self.field(f"{self.arch}.{name}", default)

    def weight(self, name):
        t = self.tensors[name + ".weight"]
        shape = [int(n) for n in reversed(t.shape)]
        return dequantize(t.data, t.tensor_type).reshape(shape).astype(np.float64)

    def norm(self, x, name):
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + self.eps) * self.weight(name)

    def rotate(self, x, layer):
        """GGUF keeps llama's pairs side by side, gemma's half a head apart."""
        is_local = self.is_gemma and (layer + 1) % 6 != 0
        base = 10000.0 if is_local else self.own("rope.freq_base", 10000.0)
        dim = x.shape[-1]
        angles = np.arange(len(x))[:, None] * base ** (-np.arange(0, dim, 2) / dim)
        turn = np.exp(1j * angles)[:, None]
        if self.is_gemma:
            pairs = (x[..., : dim // 2] + 1j * x[..., dim // 2 :]) * turn
            return np.concatenate([pairs.real, pairs.imag], -1)
        pairs = (x[..., 0::2] + 1j * x[..., 1::2]) * turn
        return np.stack([pairs.real, pairs.imag], -1).reshape(x.shape)

    def attention(self, x, layer):
        block = f"blk.{layer}."
        q = heads(x @ self.weight(block + "attn_q").T, self.n_heads)
        k, v = (heads(x @ self.weight(block + f"attn_{n}").T, self.n_kv_heads) for n in "kv")
        if self.is_gemma:
            q, k = self.norm(q, block + "attn_q_norm"), self.norm(k, block + "attn_k_norm")
        q, k = self.rotate(q, layer), self.rotate(k, layer)
        k, v = (np.repeat(y, self.n_heads // self.n_kv_heads, 1) for y in (k, v))
        scores = np.einsum("ihd,jhd->hij", q, k) / np.sqrt(q.shape[-1])
        scores[:, ~np.tri(len(x), dtype=bool)] = -np.inf
        mixed = np.einsum("hij,jhd->ihd", softmax(scores), v).reshape(len(x), -1)
        return mixed @ self.weight(block + "attn_output").T

    def feed_forward(self, x, layer):
        block = f"blk.{layer}."
        gate = (gelu if self.is_gemma else silu)(x @ self.weight(block + "ffn_gate").T)
        return (gate * (x @ self.weight(block + "ffn_up").T)) @ self.weight(block + "ffn_down").T

    def after(self, x, name):
        return self.norm(x, name) if self.is_gemma else x

    def logits(self, ids):
        embedding = self.weight("token_embd")
        x = embedding[ids] * (np.sqrt(embedding.shape[1]) if self.is_gemma else 1)
        for layer in range(self.own("block_count")):
            block = f"blk.{layer}."
            mixed = self.attention(self.norm(x, block + "attn_norm"), layer)
            x = x + self.after(mixed, block + "post_attention_norm")
            fed = self.feed_forward(self.norm(x, block + "ffn_norm"), layer)
            x = x + self.after(fed, block + "post_ffw_norm")
        return self.norm(x, "output_norm") @ embedding.T


def record(folder, file, ids):
    logits = Model(folder / file).logits(ids)
    most = logits.max(-1, keepdims=True)
    total = np.log(np.exp(logits - most).sum(-1)) + most[:, 0]
    return {
        "file": file,
        "ids": ids,
        "logits": logits[:, :N_LOGITS].round(5).tolist(),
        "logsumexp": total.round(5).tolist(),
    }


def main():
    folder = pathlib.Path(sys.argv[1])
    lines = [json.dumps(record(folder, file, ids)) for file, ids in TEXTS.items()]
    out = pathlib.Path(__file__).parent / "recordings" / "gguf-logits.json"
    out.write_text("[\n" + ",\n".join(lines) + "\n]\n")


main()
