//! The models inside the binary, so that w2s works offline and from any folder.

/// A model's files in HF layout, embedded.
#[derive(Debug, Clone, Copy)]
pub struct BundledModel {
    pub name: &'static str,
    /// One line for people: what it is for.
    pub about: &'static str,
    pub config: &'static [u8],
    pub weights: &'static [u8],
    pub tokenizer: &'static [u8],
    pub tokenizer_config: &'static [u8],
}

macro_rules! bundled {
    ($name:literal, $about:literal) => {
        BundledModel {
            name: $name,
            about: $about,
            config: include_bytes!(concat!("../../assets/models/", $name, "/config.json")),
            weights: include_bytes!(concat!("../../assets/models/", $name, "/model.safetensors")),
            // The folders hold one tokenizer five times; the binary holds it once.
            tokenizer: include_bytes!("../../assets/models/strong/tokenizer.json"),
            tokenizer_config: include_bytes!("../../assets/models/strong/tokenizer_config.json"),
        }
    };
}

/// An adapter's files in PEFT layout, embedded: what was trained on the untuned half.
#[derive(Debug, Clone, Copy)]
pub struct BundledAdapter {
    pub name: &'static str,
    /// One line for people: what it stands for.
    pub about: &'static str,
    pub config: &'static str,
    pub weights: &'static [u8],
}

macro_rules! adapter {
    ($name:literal, $about:literal) => {
        BundledAdapter {
            name: $name,
            about: $about,
            config: include_str!(concat!(
                "../../assets/models/",
                $name,
                "/adapter_config.json"
            )),
            weights: include_bytes!(concat!(
                "../../assets/models/",
                $name,
                "/adapter_model.safetensors"
            )),
        }
    };
}

/// The untuned half of every bundled pair.
pub const UNTUNED: &str = "untuned";
/// The bundled weak pairs, by the names of their tuned halves; the first is the default.
pub const PAIRS: [&str; 8] = [
    "positive", "critical", "craft", "short", "personal", "funny", "gentle", "people",
];

static MODELS: [BundledModel; 5] = [
    bundled!("strong", "writes movie reviews (5.8 M parameters)"),
    bundled!(
        "untuned",
        "the untuned half of every bundled pair (1.3 M parameters)"
    ),
    bundled!("positive", "praises the movie"),
    bundled!("critical", "finds fault with the movie"),
    bundled!("craft", "talks about acting, direction, script and music"),
];

static ADAPTERS: [BundledAdapter; 5] = [
    adapter!("short", "comes to an end soon"),
    adapter!("personal", "is told in the first person"),
    adapter!("funny", "is about comedy and fun"),
    adapter!("gentle", "has no harsh words"),
    adapter!("people", "talks about people rather than film-making"),
];

/// The bundled adapter called `name`, which changes the untuned half.
#[must_use]
pub fn adapter(name: &str) -> Option<&'static BundledAdapter> {
    ADAPTERS.iter().find(|a| a.name == name)
}

/// Whether a model or an adapter is called `name`.
#[must_use]
pub fn is_there(name: &str) -> bool {
    find(name).is_some() || adapter(name).is_some()
}

/// The bundled model called `name`.
#[must_use]
pub fn find(name: &str) -> Option<&'static BundledModel> {
    MODELS.iter().find(|m| m.name == name)
}

/// One line about the bundled model called `name`; empty for others.
#[must_use]
pub fn about(name: &str) -> &'static str {
    let adapter = || adapter(name).map_or("", |a| a.about);
    find(name).map_or_else(adapter, |m| m.about)
}

/// The bundled models, the strong one first.
pub fn bundled_names() -> impl Iterator<Item = &'static str> {
    let adapters = ADAPTERS.iter().map(|a| a.name);
    MODELS.iter().map(|m| m.name).chain(adapters)
}

/// Their names, for messages.
#[must_use]
pub fn names() -> String {
    bundled_names().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_folders_hold_one_tokenizer() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/models/");
        let read = |name: &str| std::fs::read(format!("{root}{name}")).unwrap();
        for model in &super::MODELS {
            assert_eq!(
                read(&format!("{}/tokenizer.json", model.name)),
                model.tokenizer
            );
        }
    }
}
