//! Chat templates of folders, each as transformers renders it: `tests/recordings/templates.json`
//! has many more, without a folder around them.

use std::fs;
use std::path::Path;

use serde_json::json;
use w2s::models::Prompt;
use w2s::template::{Date, Template};

use super::{copy, edit, load};

const MODEL: &str = "assets/models/untuned";

/// What the model in `folder` is shown of "Hi" at half past six in the evening.
fn shown(folder: &Path) -> String {
    let model = load(folder).unwrap();
    let date: Date = "2026-11-25T18:30:00".parse().unwrap();
    let shown = Template::Chat.apply(&model, "Hi", None, Some(date));
    let Prompt { text, .. } = shown.unwrap();
    text
}

/// A template, and what transformers makes of it.
const CASES: [(&str, &str); 11] = [
    (
        "{% for m in messages %}{% if m.role == \"assistant\" %}{% generation %}{{ m.content }}{% endgeneration %}{% else %}[{{ m.content }}]{% endif %}{% endfor %}",
        "[Hi]",
    ),
    (
        "<a>{{ messages[0].content }}</a>\r\n{% if add_generation_prompt %}\r\n<b>\r\n{% endif %}\r\nend\r\n",
        "<a>Hi</a>\n<b>\nend",
    ),
    (
        "{% set c = {'S1': 'x', 'S2': 'y', 'S10': 'z'} %}{% for k, v in c.items() %}{{ k }} {% endfor %}{{ c | tojson }}",
        "S1 S2 S10 {\"S1\": \"x\", \"S2\": \"y\", \"S10\": \"z\"}",
    ),
    (
        "{% if tools is not none %}You may call tools. {% endif %}{% if documents is defined %}d{% endif %}{{ messages[0].content }}",
        "dHi",
    ),
    (
        "{{ strftime_now('%-d %B %I:%M %p %F') }}",
        "25 November 06:30 PM 2026-11-25",
    ),
    (
        "{{ {'b': 1, 'a': 2} | tojson(sort_keys=true, separators=(',', ':')) }}",
        "{\"a\":2,\"b\":1}",
    ),
    (
        "{{ {'a': 'é'} | tojson(ensure_ascii=true) }}",
        "{\"a\": \"\\u00e9\"}",
    ),
    (
        "{{ pad_token }}{{ unk_token }}{{ messages[0].content }}",
        "<|endoftext|><|endoftext|>Hi",
    ),
    ("{{ 'a,b,c'.rsplit(',', 1)[0] }}", "a,b"),
    ("{{ 'a b c'.split(maxsplit=1)[1] }}", "b c"),
    ("{{ '%s-%d' % ('a', 2) }}", "a-2"),
];

#[test]
fn templates_of_folders() {
    let folder = copy(MODEL);
    for (source, wanted) in CASES {
        fs::write(folder.path().join("chat_template.jinja"), source).unwrap();
        assert_eq!(shown(folder.path()), wanted, "{source}");
    }
}

/// `tokenizer_config.json` names none of them.
#[test]
fn special_tokens_of_a_file_of_their_own() {
    let folder = copy(MODEL);
    edit(&folder, "tokenizer_config.json", |j| {
        *j = json!({"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512});
    });
    edit(&folder, "special_tokens_map.json", |j| {
        let end = json!({"content": "<|endoftext|>", "lstrip": false, "normalized": false, "rstrip": false, "single_word": false});
        *j = json!({"bos_token": "<|endoftext|>", "eos_token": end});
    });
    let source = "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}";
    fs::write(folder.path().join("chat_template.jinja"), source).unwrap();
    assert_eq!(shown(folder.path()), "<|endoftext|>Hi<|endoftext|>");
}
