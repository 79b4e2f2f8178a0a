"""Writes recordings/templates.json: what transformers makes of chat templates.

python tests/record-templates.py (transformers 5.24, Jinja2 3.1.6). The templates are in
recordings/templates.json already, each with its conversation; this renders them anew.
"""

import datetime
import json
import pathlib

from transformers.utils import chat_template_utils

FILE = pathlib.Path(__file__).parent / "recordings/templates.json"
SYSTEM = {"role": "system", "content": "Be brief."}
USER = {"role": "user", "content": "Hi"}
SPECIALS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "image_token": "<img>"}


class Fixed(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.datetime(2026, 11, 5, 18, 3, 9)


def rendered(source, system):
    """The text, or None where transformers refuses the template."""
    messages = [SYSTEM, USER] if system else [USER]
    try:
        texts, _ = chat_template_utils.render_jinja_template(
            [messages], chat_template=source, add_generation_prompt=True, **SPECIALS
        )
    except Exception:
        return None
    return texts[0]


chat_template_utils.datetime = Fixed
cases = json.loads(FILE.read_text())
for case in cases:
    case["rendered"] = rendered(case["source"], case["system"])
lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
FILE.write_text(f"[\n{lines}\n]\n")
