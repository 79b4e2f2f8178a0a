"""torch_peer.py MODELS: searches a second by the paper's rules in torch, once a line.

Written after arXiv 2405.19262 and what its code does: W·K rows from the start, a KV cache for the
strong model alone, responses tokenised anew and read as a whole by both halves of the pair.
"""

import os
import pathlib
import sys
import time

import torch
from transformers import AutoModelForCausalLM, DynamicCache, PreTrainedTokenizerFast

W, K, L, MOST, PROMPT = 4, 4, 5, 50, "This story has held"
TEMPERATURE, TOP_K = 0.7, 50


class Search:
    def __init__(self, models):
        self.strong, self.tuned, self.untuned = (self.load(models / name) for name in ("strong", "positive", "untuned"))
        self.words = PreTrainedTokenizerFast(tokenizer_file=str(models / "strong/tokenizer.json"))
        self.eos = self.strong.config.eos_token_id

    @staticmethod
    def load(folder):
        return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()

    @torch.inference_mode()
    def run(self):
        prompt = self.words(PROMPT, return_tensors="pt")["input_ids"]
        ids = prompt.repeat(W * K, 1)
        cache, fed = DynamicCache(), 0
        finished = torch.zeros(W * K, dtype=torch.bool)
        for n in range(1, MOST + 1):
            out = self.strong(input_ids=ids[:, fed:], past_key_values=cache, use_cache=True)
            fed = ids.shape[1]
            # No response ends early: every search is of the same length.
            out.logits[:, -1, self.eos] = float("-inf")
            drawn = self.draw(out.logits[:, -1])
            ids = torch.cat([ids, drawn[:, None]], 1)
            finished |= (drawn == self.eos) | (n == MOST)
            if n % L == 0 or finished.all():
                kept = self.cut(prompt, ids, finished)
                ids, finished = ids[kept], finished[kept]
                cache.reorder_cache(kept)
            if finished.all():
                return ids[0]

    @staticmethod
    def draw(logits):
        logits = logits / TEMPERATURE
        least = torch.topk(logits, TOP_K).values[:, -1:]
        logits = logits.masked_fill(logits < least, float("-inf"))
        return torch.multinomial(torch.softmax(logits, -1), 1)[:, 0]

    def cut(self, prompt, ids, finished):
        responses = [self.words.decode(row[prompt.shape[1]:], skip_special_tokens=True) for row in ids]
        joined = [self.words(PROMPT + text)["input_ids"] for text in responses]
        joined = [row + [self.eos] if done else row for row, done in zip(joined, finished)]
        longest = max(map(len, joined))
        rows = torch.tensor([row + [self.eos] * (longest - len(row)) for row in joined])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in joined])
        start = prompt.shape[1]
        scores = self.sums(self.tuned, rows, mask, start) - self.sums(self.untuned, rows, mask, start)
        best = torch.topk(scores, W).indices
        return best.repeat(K)

    @staticmethod
    def sums(model, rows, mask, start):
        logits = model(input_ids=rows, attention_mask=mask).logits[:, :-1].float()
        said = torch.log_softmax(logits, -1).gather(2, rows[:, 1:, None])[:, :, 0]
        return (said * mask[:, 1:])[:, start - 1:].sum(1)


def main(models):
    torch.set_num_threads(os.cpu_count())
    search = Search(pathlib.Path(models))
    for seed, _ in enumerate(sys.stdin):
        torch.manual_seed(seed)
        began = time.perf_counter()
        search.run()
        print(f"RATE {1 / (time.perf_counter() - began)}", flush=True)


main(sys.argv[1])
