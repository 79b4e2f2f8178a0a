//! The families: what each reads from its `config.json` and how it differs from Llama.

use crate::models::error::{LoadError, short};

use super::json::Json;
use super::names::{self, Names};
use super::rope::Rope;
use super::{Activation, Arithmetic, Bias, DecoderConfig, LayerKind, NormKind, Order, QkNorm};
use super::{MAX_HEAD_DIM, MAX_LAYERS};

/// Reads the configuration of whichever family `model_type` names.
pub(crate) fn read(json: &Json<'_>) -> Result<DecoderConfig, LoadError> {
    let family = json.text(&["model_type"]).unwrap_or("");
    match family {
        "gpt2" => gpt2(json),
        "opt" => opt(json),
        "gpt_neox" => gpt_neox(json),
        "gemma" => gemma(json),
        "gemma2" => gemma2(json),
        "gemma3_text" => gemma3(json),
        "llama" => with_mlp_bias(json, llama_like(json, names::LLAMA, false)?),
        "mistral" => slid(json, llama_like(json, names::LLAMA, false)?, 4096),
        "qwen2" | "qwen3" => qwen(json, family == "qwen3"),
        "phi3" => phi3(json),
        "smollm3" => smollm3(json),
        "olmo2" => olmo2(json),
        "granite" => granite(json),
        "starcoder2" => starcoder2(json),
        "" => Err(LoadError::Config("model_type is missing".into())),
        other => Err(LoadError::Family(short(other))),
    }
}

/// What Llama and its many relatives share.
fn llama_like(json: &Json<'_>, names: Names, tied: bool) -> Result<DecoderConfig, LoadError> {
    let hidden = json.size(&["hidden_size"])?;
    let n_heads = json.size(&["num_attention_heads"])?;
    let n_layers = n_layers(json, &["num_hidden_layers"])?;
    let head_dim = json.size_or(&["head_dim"], Some(hidden / n_heads.max(1)))?;
    if head_dim > MAX_HEAD_DIM {
        return Err(LoadError::Config(format!("head_dim is {head_dim}")));
    }
    let rope = Rope::read(
        json,
        json.object("rope_parameters"),
        &["rope_theta"],
        head_dim,
    )?;
    let activation = activation(json, &["hidden_act"], "silu")?;
    Ok(DecoderConfig {
        family: json.text(&["model_type"]).unwrap_or_default().into(),
        vocab_size: json.size(&["vocab_size"])?,
        hidden,
        n_layers,
        n_heads,
        n_kv_heads: json.size_or(&["num_key_value_heads"], Some(n_heads))?,
        head_dim,
        ffn: json.size(&["intermediate_size"])?,
        context: json.size(&["max_position_embeddings"])?,
        bos: json.ids("bos_token_id")?.first().copied(),
        eos: json.ids("eos_token_id")?,
        tied: json.is("tie_word_embeddings", tied),
        n_labels: None,
        arithmetic: Arithmetic {
            ropes: vec![rope],
            layers: vec![WHOLE; n_layers],
            eps: json.number(&["rms_norm_eps"], 1e-6)?,
            ..arithmetic(head_dim, activation)
        },
        names,
    })
}

/// A layer that sees all positions.
const WHOLE: LayerKind = LayerKind {
    window: None,
    rope: Some(0),
};

/// The number of layers, before it sizes a list.
pub(super) fn n_layers(json: &Json<'_>, keys: &[&str]) -> Result<usize, LoadError> {
    let n = json.size(keys)?;
    match n <= MAX_LAYERS {
        true => Ok(n),
        false => Err(LoadError::Config(format!("{} is {n}", keys[0]))),
    }
}

/// Llama's arithmetic, without layers.
fn arithmetic(head_dim: usize, activation: Activation) -> Arithmetic {
    Arithmetic {
        norm: NormKind::Rms,
        eps: 1e-5,
        order: Order::Before,
        qk_norm: QkNorm::None,
        activation,
        gated: true,
        bias: Bias::default(),
        ropes: Vec::new(),
        layers: Vec::new(),
        learned: None,
        attention_scale: (head_dim as f64).powf(-0.5),
        attention_cap: None,
        logit_cap: None,
        logit_scale: 1.0,
        embedding_scale: 1.0,
        residual_scale: 1.0,
        final_norm: true,
    }
}

/// One kind per layer: from `layer_types` where it is given, else by `slides`. A window of 0 is
/// none.
fn layers(
    json: &Json<'_>,
    n: usize,
    window: usize,
    slides: impl Fn(usize) -> bool,
) -> Result<Vec<LayerKind>, LoadError> {
    let types = json.any(&["layer_types"]).and_then(|v| v.as_array());
    let kind = |i: usize| {
        let sliding = match types.and_then(|t| t.get(i)).and_then(|t| t.as_str()) {
            Some("sliding_attention") => true,
            Some("full_attention") => false,
            Some(other) => return Err(refused(json, &format!("attention of kind '{other}'"))),
            None => slides(i),
        };
        let window = Some(window).filter(|&w| sliding && w > 0);
        Ok(LayerKind {
            window,
            rope: Some(0),
        })
    };
    (0..n).map(kind).collect()
}

fn with_biases(json: &Json<'_>, mut c: DecoderConfig) -> DecoderConfig {
    let attention = json.is("attention_bias", false);
    c.arithmetic.bias = Bias {
        qkv: attention,
        out: attention,
        ffn: false,
    };
    c
}

fn with_mlp_bias(json: &Json<'_>, c: DecoderConfig) -> Result<DecoderConfig, LoadError> {
    let mut c = with_biases(json, c);
    c.arithmetic.bias.ffn = json.is("mlp_bias", false);
    Ok(c)
}

/// Every layer sees `sliding_window` positions: absent it is the family's, null or 0 is none.
fn slid(json: &Json<'_>, mut c: DecoderConfig, usual: usize) -> Result<DecoderConfig, LoadError> {
    let absent = if json.mentions("sliding_window") {
        0
    } else {
        usual
    };
    let window = json.size_or(&["sliding_window"], Some(absent))?;
    for layer in &mut c.arithmetic.layers {
        layer.window = Some(window).filter(|window| *window > 0);
    }
    Ok(c)
}

fn phi3(json: &Json<'_>) -> Result<DecoderConfig, LoadError> {
    let mut c = llama_like(json, names::PHI3, false)?;
    let rope = json.object("rope_parameters");
    c.arithmetic.ropes = vec![Rope::read_part(
        json,
        rope,
        &["rope_theta"],
        c.head_dim,
        1.0,
    )?];
    slid(json, c, 0)
}

fn qwen(json: &Json<'_>, third: bool) -> Result<DecoderConfig, LoadError> {
    let mut c = with_biases(json, llama_like(json, names::LLAMA, false)?);
    if third {
        c.arithmetic.qk_norm = QkNorm::Head;
    } else {
        c.arithmetic.bias = Bias {
            qkv: true,
            ..Bias::default()
        };
    }
    sliding_if_used(json, &mut c)?;
    Ok(c)
}

/// Windows only where `use_sliding_window` says so, from `max_window_layers` on.
fn sliding_if_used(json: &Json<'_>, c: &mut DecoderConfig) -> Result<(), LoadError> {
    let window = match json.is("use_sliding_window", false) {
        true => json.size_or(&["sliding_window"], Some(4096))?,
        false => 0,
    };
    let first = json.size_or(&["max_window_layers"], Some(28))?;
    c.arithmetic.layers = layers(json, c.n_layers, window, |i| i >= first)?;
    Ok(())
}

fn gemma(json: &Json<'_>) -> Result<DecoderConfig, LoadError> {
    if json.is("use_bidirectional_attention", false) {
        return Err(refused(json, "use_bidirectional_attention"));
    }
    let mut c = with_biases(json, llama_like(json, names::LLAMA, true)?);
    c.arithmetic.norm = NormKind::RmsPlusOne;
    c.arithmetic.embedding_scale = (c.hidden as f64).sqrt();
    // The first configs say "gelu", yet the models were trained with the tanh form.
    c.arithmetic.activation = activation(json, &["hidden_activation"], "gelu_pytorch_tanh")?;
    Ok(c)
}

fn gemma2(json: &Json<'_>) -> Result<DecoderConfig, LoadError> {
    let mut c = gemma(json)?;
    c.names = names::GEMMA2;
    let a = &mut c.arithmetic;
    a.order = Order::Around;
    let scalar = json.number(&["query_pre_attn_scalar"], 256.0)?;
    a.attention_scale = scalar.powf(-0.5);
    a.attention_cap = cap(json, "attn_logit_softcapping", Some(50.0))?;
    a.logit_cap = cap(json, "final_logit_softcapping", Some(30.0))?;
    let window = json.size_or(&["sliding_window"], Some(4096))?;
    a.layers = layers(json, c.n_layers, window, |i| i % 2 == 0)?;
    Ok(c)
}

fn gemma3(json: &Json<'_>) -> Result<DecoderConfig, LoadError> {
    let mut c = gemma2(json)?;
    let a = &mut c.arithmetic;
    a.qk_norm = QkNorm::Head;
    a.attention_cap = cap(json, "attn_logit_softcapping", None)?;
    a.logit_cap = cap(json, "final_logit_softcapping", None)?;
    let window = json.size_or(&["sliding_window"], Some(4096))?;
    let pattern = json.size_or(
        &["sliding_window_pattern", "_sliding_window_pattern"],
        Some(6),
    )?;
    a.layers = layers(json, c.n_layers, window, |i| (i + 1) % pattern.max(1) != 0)?;
    a.ropes = gemma3_ropes(json, c.head_dim)?;
    for layer in &mut a.layers {
        layer.rope = Some(usize::from(layer.window.is_some()));
    }
    Ok(c)
}

/// The embedding of full layers, then that of sliding ones.
fn gemma3_ropes(json: &Json<'_>, head_dim: usize) -> Result<Vec<Rope>, LoadError> {
    let tables = json.object("rope_parameters");
    let table = |kind| tables.and_then(|t| t.object(kind));
    let full = match table("full_attention") {
        Some(table) => Rope::read(json, Some(table), &["rope_theta"], head_dim)?,
        None => {
            let theta = json.number(&["rope_theta"], 1e6)?;
            Rope::read_scaled(json, Rope::plain(theta, head_dim))?
        }
    };
    let sliding = match table("sliding_attention") {
        Some(table) => Rope::read(json, Some(table), &["rope_theta"], head_dim)?,
        None => Rope::plain(json.number(&["rope_local_base_freq"], 1e4)?, head_dim),
    };
    Ok(vec![full, sliding])
}

fn smollm3(json: &Json<'_>) -> Result<DecoderConfig, LoadError> {
    let mut c = with_mlp_bias(json, llama_like(json, names::LLAMA, true)?)?;
    let flags = json.numbers("no_rope_layers")?;
    let every = json.size_or(&["no_rope_layer_interval"], Some(4))?.max(1);
    for (i, layer) in c.arithmetic.layers.iter_mut().enumerate() {
        // Despite its name a flag of 1 means that the layer has one.
        let rotary = flags
            .get(i)
            .map_or((i + 1) % every != 0, |&flag| flag != 0.0);
        layer.rope = rotary.then_some(0);
    }
    let window = match json.is("use_sliding_window", false) {
        true => json.size_or(&["sliding_window"], Some(0))?,
        false => 0,
    };
    // Layers without one slide.
    let ropes: Vec<bool> = c
        .arithmetic
        .layers
        .iter()
        .map(|l| l.rope.is_some())
        .collect();
    let windows = layers(json, c.n_layers, window, |i| !ropes[i])?;
    for (layer, slides) in c.arithmetic.layers.iter_mut().zip(windows) {
        layer.window = slides.window;
    }
    Ok(c)
}

fn olmo2(json: &Json<'_>) -> Result<DecoderConfig, LoadError> {
    let mut c = with_biases(json, llama_like(json, names::OLMO2, false)?);
    c.arithmetic.order = Order::After;
    c.arithmetic.qk_norm = QkNorm::All;
    Ok(c)
}

fn granite(json: &Json<'_>) -> Result<DecoderConfig, LoadError> {
    let mut c = with_mlp_bias(json, llama_like(json, names::LLAMA, false)?)?;
    let a = &mut c.arithmetic;
    a.attention_scale = json.number(&["attention_multiplier"], 1.0)?;
    a.embedding_scale = json.number(&["embedding_multiplier"], 1.0)?;
    a.residual_scale = json.number(&["residual_multiplier"], 1.0)?;
    a.logit_scale = json.number(&["logits_scaling"], 1.0)?.recip();
    Ok(c)
}

fn starcoder2(json: &Json<'_>) -> Result<DecoderConfig, LoadError> {
    let mut c = slid(json, llama_like(json, names::STARCODER2, true)?, 0)?;
    let a = &mut c.arithmetic;
    a.norm = NormKind::Layer;
    a.eps = json.number(&["norm_epsilon"], 1e-5)?;
    a.gated = false;
    a.activation = activation(json, &["hidden_act"], "gelu_pytorch_tanh")?;
    a.bias = all_biases(json.is("use_bias", true));
    Ok(c)
}

fn gpt_neox(json: &Json<'_>) -> Result<DecoderConfig, LoadError> {
    let mut c = llama_like(json, names::GPT_NEOX, false)?;
    let rope = json.object("rope_parameters");
    let keys = ["rope_theta", "rotary_emb_base"];
    let a = &mut c.arithmetic;
    a.ropes = vec![Rope::read_part(json, rope, &keys, c.head_dim, 0.25)?];
    a.norm = NormKind::Layer;
    a.eps = json.number(&["layer_norm_eps"], 1e-5)?;
    a.gated = false;
    a.activation = activation(json, &["hidden_act"], "gelu")?;
    let attention = json.is("attention_bias", true);
    a.bias = Bias {
        qkv: attention,
        out: attention,
        ffn: true,
    };
    if json.is("use_parallel_residual", true) {
        a.order = Order::Parallel;
    }
    Ok(c)
}

fn gpt2(json: &Json<'_>) -> Result<DecoderConfig, LoadError> {
    if json.is("scale_attn_by_inverse_layer_idx", false) {
        return Err(refused(json, "scale_attn_by_inverse_layer_idx"));
    }
    let hidden = json.size(&["n_embd"])?;
    let shape = Shape {
        hidden,
        n_layers: n_layers(json, &["n_layer"])?,
        n_heads: json.size(&["n_head"])?,
        ffn: json.size_or(&["n_inner"], Some(4 * hidden))?,
        context: json.size(&["n_positions", "n_ctx"])?,
    };
    let activation = activation(json, &["activation_function"], "gelu_new")?;
    let mut c = learned(json, names::GPT2, shape, activation)?;
    c.arithmetic.learned = Some(0);
    c.arithmetic.eps = json.number(&["layer_norm_epsilon"], 1e-5)?;
    if !json.is("scale_attn_weights", true) {
        c.arithmetic.attention_scale = 1.0;
    }
    Ok(c)
}

fn opt(json: &Json<'_>) -> Result<DecoderConfig, LoadError> {
    for (key, needed) in [
        ("do_layer_norm_before", true),
        ("layer_norm_elementwise_affine", true),
    ] {
        if json.is(key, needed) != needed {
            return Err(refused(json, &format!("{key} = {}", !needed)));
        }
    }
    let hidden = json.size(&["hidden_size"])?;
    if json.size_or(&["word_embed_proj_dim"], Some(hidden))? != hidden {
        return Err(refused(json, "word_embed_proj_dim other than hidden_size"));
    }
    let shape = Shape {
        hidden,
        n_layers: n_layers(json, &["num_hidden_layers"])?,
        n_heads: json.size(&["num_attention_heads"])?,
        ffn: json.size(&["ffn_dim"])?,
        context: json.size(&["max_position_embeddings"])?,
    };
    let mut c = learned(
        json,
        names::OPT,
        shape,
        activation(json, &["activation_function"], "relu")?,
    )?;
    // OPT's table begins with two rows for padding.
    c.arithmetic.learned = Some(2);
    c.arithmetic.bias = all_biases(json.is("enable_bias", true));
    c.arithmetic.final_norm = !json.is("_remove_final_layer_norm", false);
    Ok(c)
}

struct Shape {
    hidden: usize,
    n_layers: usize,
    n_heads: usize,
    ffn: usize,
    context: usize,
}

/// The older families: learned positions, layer norms, biases, no gate.
fn learned(
    json: &Json<'_>,
    names: Names,
    shape: Shape,
    activation: Activation,
) -> Result<DecoderConfig, LoadError> {
    let head_dim = shape.hidden / shape.n_heads.max(1);
    Ok(DecoderConfig {
        family: json.text(&["model_type"]).unwrap_or_default().into(),
        vocab_size: json.size(&["vocab_size"])?,
        hidden: shape.hidden,
        n_layers: shape.n_layers,
        n_heads: shape.n_heads,
        n_kv_heads: shape.n_heads,
        head_dim,
        ffn: shape.ffn,
        context: shape.context,
        bos: json.ids("bos_token_id")?.first().copied(),
        eos: json.ids("eos_token_id")?,
        tied: json.is("tie_word_embeddings", true),
        n_labels: None,
        arithmetic: Arithmetic {
            norm: NormKind::Layer,
            gated: false,
            bias: all_biases(true),
            layers: vec![
                LayerKind {
                    window: None,
                    rope: None
                };
                shape.n_layers
            ],
            ..arithmetic(head_dim, activation)
        },
        names,
    })
}

fn all_biases(on: bool) -> Bias {
    Bias {
        qkv: on,
        out: on,
        ffn: on,
    }
}

pub(super) fn activation(
    json: &Json<'_>,
    keys: &[&str],
    default: &str,
) -> Result<Activation, LoadError> {
    match json.text(keys).unwrap_or(default) {
        "silu" | "swish" => Ok(Activation::Silu),
        "gelu" => Ok(Activation::Gelu),
        "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Ok(Activation::GeluTanh),
        "relu" => Ok(Activation::Relu),
        other => Err(refused(json, &format!("activation '{other}'"))),
    }
}

/// A soft cap: absent is the family's default, null is none.
fn cap(json: &Json<'_>, key: &str, default: Option<f64>) -> Result<Option<f64>, LoadError> {
    match json.mentions(key) {
        true => json.number_if(key),
        false => Ok(default),
    }
}

pub(super) fn refused(json: &Json<'_>, setting: &str) -> LoadError {
    LoadError::Setting {
        family: json.text(&["model_type"]).unwrap_or("this model").into(),
        setting: short(setting),
    }
}
