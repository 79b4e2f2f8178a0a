#!/usr/bin/env python3
"""Records what llama.cpp writes greedily on the models of tests/fetch-models.sh, with the
log-probability of every token, for tests/gguf.rs.

    pip install xllamacpp==2026.10.11549     # llama.cpp, built
    tests/record-llama-cpp.py FOLDER_OF_MODELS
"""

import json
import pathlib
import sys

import xllamacpp

MODELS = {
    "smollm2": "SmolLM2-135M-Instruct.Q4_1.gguf",
    "gemma3": "gemma-3-270m-q4_k_m.gguf",
}
PROMPTS = [
    "The capital of France is",
    "Once upon a time, there was a",
    "This film is",
    "Water boils at",
    "def fibonacci(n):",
    "The three primary colours are",
    "In 1969, humans first",
    "Dear Sir or Madam,",
    "To bake bread you need",
    "Die Hauptstadt von Deutschland ist",
]
N_TOKENS = 40


def server(path):
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = 256
    params.n_parallel = 1
    params.warmup = False
    return xllamacpp.Server(params)


def greedy(llama, prompt):
    answer = llama.handle_completions(
        {
            "prompt": prompt,
            "n_predict": N_TOKENS,
            "temperature": 0,
            "n_probs": 1,
            "cache_prompt": False,
        }
    )
    steps = answer["choices"][0]["logprobs"]["content"]
    tokens = [[step["id"], round(step["logprob"], 4)] for step in steps]
    return {"prompt": prompt, "n_prompt": answer["usage"]["prompt_tokens"], "tokens": tokens}


def main():
    models = pathlib.Path(sys.argv[1])
    out = pathlib.Path(__file__).parent / "recordings" / "llama.cpp"
    for name, file in MODELS.items():
        llama = server(models / file)
        lines = ",\n".join(json.dumps(greedy(llama, prompt)) for prompt in PROMPTS)
        (out / f"{name}.json").write_text(f"[\n{lines}\n]\n")


main()
