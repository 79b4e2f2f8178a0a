//! A judge that fails marks its place and loses nothing else.

use std::fs;
use std::path::Path;

use super::support::{cases, changed, edit, file, folder, lines, outcome};

/// Fails, one sentence on stderr, nothing on stdout.
fn refused(args: &[&str]) -> String {
    let (code, out, err) = outcome(args);
    assert_eq!((code, out.as_str()), (2, ""), "{args:?}: {err}");
    assert_eq!(err.lines().count(), 1, "{err}");
    err
}

fn is_refused(spec: &str, words: &str) {
    let told = refused(&["--judge", spec, "--text", "a"]);
    assert!(told.contains(words), "{spec}: {told}");
}

#[test]
fn what_is_no_judge_is_refused() {
    is_refused("bundle", "there is no judge 'bundle'");
    is_refused("hf:o/n", "HF_HUB_OFFLINE");
    is_refused("lexicon:no/such/file", "cannot read no/such/file");
    let bert = folder("bert").display().to_string();
    is_refused(&bert, "choose one of LABEL_0, LABEL_1, LABEL_2");
    is_refused(&format!("{bert}:GOOD"), "no label 'GOOD'");
    let lm = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/untuned");
    is_refused(&lm.display().to_string(), "it is no sequence classifier");
}

#[test]
fn damaged_classifiers_are_refused() {
    let damage = |name: &str, words: &str, change: &dyn Fn(&Path)| {
        let root = tempfile::tempdir().unwrap();
        let folder = changed(root.path(), name, change);
        let label = if name.ends_with("bert") {
            ":LABEL_0"
        } else {
            ""
        };
        is_refused(&format!("{folder}{label}"), words);
    };
    let set = |key: &'static str, value: serde_json::Value| {
        move |folder: &Path| edit(folder, "config.json", |c| c[key] = value.clone())
    };
    damage("bert", "cannot read", &|f| {
        fs::remove_file(f.join("model.safetensors")).unwrap()
    });
    damage("bert", "config.json", &|f| {
        fs::write(f.join("config.json"), "{").unwrap()
    });
    damage("bert", "no usable tokenizer", &|f| {
        fs::write(f.join("tokenizer.json"), "{}").unwrap()
    });
    damage(
        "bert",
        "intermediate_size is 1152921504606846976",
        &set("intermediate_size", (1_u64 << 60).into()),
    );
    damage(
        "bert",
        "'bert.encoder.layer.3",
        &set("num_hidden_layers", 4.into()),
    );
    damage(
        "bert",
        "has shape",
        &set("max_position_embeddings", 81.into()),
    );
    damage(
        "bert",
        "heads cannot share",
        &set("num_attention_heads", 5.into()),
    );
    damage(
        "bert",
        "activation 'swish1'",
        &set("hidden_act", "swish1".into()),
    );
    damage("distilbert", "'pre_classifier", &set("dim", 64.into()));
    damage(
        "modernbert",
        "attn_norm",
        &set("num_hidden_layers", 4.into()),
    );
    damage(
        "deberta-v2",
        "conv_kernel_size",
        &set("conv_kernel_size", 3.into()),
    );
    damage("qwen3-reward", "score.weight", &|f| {
        edit(f, "config.json", |c| {
            c["id2label"] = serde_json::json!({"0": "a", "1": "b"})
        });
    });
}
