"""llama_peer.py FILE ROWS: tokens a second of llama.cpp's server, plain sampling, once a line."""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import xllamacpp

PROMPT, TOKENS = "The history of the lighthouse began", 60


def main(file, rows):
    params = xllamacpp.CommonParams()
    params.model.path = file
    params.n_parallel = rows
    params.n_ctx = 256 * rows
    params.n_gpu_layers = 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = os.cpu_count()
    params.warmup = True
    server = xllamacpp.Server(params)
    wish = {"prompt": PROMPT, "n_predict": TOKENS, "ignore_eos": True, "cache_prompt": False,
            "temperature": 0.7, "top_k": 50, "top_p": 1.0, "min_p": 0.0}
    with ThreadPoolExecutor(rows) as pool:
        for _ in sys.stdin:
            began = time.perf_counter()
            said = list(pool.map(lambda seed: server.handle_completions(dict(wish, seed=seed)), range(rows)))
            seconds = time.perf_counter() - began
            tokens = sum(one["timings"]["predicted_n"] for one in said)
            print(f"RATE {tokens / seconds}", flush=True)


main(sys.argv[1], int(sys.argv[2]))
