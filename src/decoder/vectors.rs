//! Which of the machine's vectors arithmetic uses: the widest, or those of another machine whose
//! speed and sums are asked for.

use std::sync::OnceLock;

use pulp::Arch;

static CHOSEN: OnceLock<Arch> = OnceLock::new();

/// Has this process compute as a machine with narrower vectors would: `avx2`.
///
/// # Errors
/// There are no vectors of that name, this machine lacks them, or something was computed before.
pub fn use_vectors(name: &str) -> Result<(), String> {
    let arch = match name {
        "avx2" => avx2().ok_or("this machine has no AVX2")?,
        _ => return Err(format!("there are no vectors called {name:?}, only avx2")),
    };
    CHOSEN
        .set(arch)
        .map_err(|_| "arithmetic has begun with other vectors".into())
}

/// What kernels are dispatched to.
pub(super) fn arch() -> Arch {
    *CHOSEN.get_or_init(Arch::new)
}

#[cfg(target_arch = "x86_64")]
fn avx2() -> Option<Arch> {
    pulp::x86::V3::try_new().map(Arch::V3)
}

#[cfg(not(target_arch = "x86_64"))]
fn avx2() -> Option<Arch> {
    None
}

/// What the kernels for whole numbers and 16 bits are chosen by.
#[cfg(target_arch = "x86_64")]
pub(super) fn level() -> fearless_simd::Level {
    use fearless_simd::Level;
    let level = Level::new();
    match arch() {
        Arch::V3(_) => level.as_avx2().map_or(level, Level::Avx2),
        _ => level,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_that_are_none_are_told() {
        let error = use_vectors("avx1024").unwrap_err();
        assert_eq!(error, r#"there are no vectors called "avx1024", only avx2"#);
    }
}
