//! The threads that arithmetic runs on.

use std::sync::OnceLock;

/// Starts the threads for arithmetic, so that a system without threads is told in words.
///
/// # Errors
/// The system refuses to start them.
pub fn start() -> Result<(), String> {
    use rayon::ThreadPoolBuilder;
    // Libraries take theirs from the global pool, and panic where there is none.
    match ThreadPoolBuilder::new()
        .num_threads(n_threads())
        .build_global()
    {
        Err(error) if !error.to_string().contains("already") => return Err(error.to_string()),
        _ => {}
    }
    let pool = threads().map_err(|error| error.to_string())?;
    // Where they were started before, these end.
    let _ = POOL.set(pool);
    Ok(())
}

fn n_threads() -> usize {
    candle_core::utils::get_num_threads()
}

/// Has freed memory stay at hand: a step of training, or the logits of a pass, give back what the
/// next ones ask for, and fresh pages cost a tenth of the time. glibc keeps twice the size of the
/// largest block that was ever mapped and freed, 32 MiB at most; such a block is asked for, not
/// written to, and freed. Other systems' libraries have ways of their own.
fn keep_freed_memory() {
    let mut block = Vec::<u8>::new();
    // Where there is no room for it, nothing is kept.
    let _ = block.try_reserve_exact(31 << 20);
    drop(std::hint::black_box(block));
}

fn threads() -> Result<rayon::ThreadPool, rayon::ThreadPoolBuildError> {
    keep_freed_memory();
    rayon::ThreadPoolBuilder::new()
        .num_threads(n_threads())
        .thread_name(|i| format!("lm-{i}"))
        .build()
}

static POOL: OnceLock<rayon::ThreadPool> = OnceLock::new();

/// The threads for arithmetic, one per physical core (or `RAYON_NUM_THREADS`). Work that is
/// installed here runs its forward passes without changing threads.
///
/// # Panics
/// When the system refuses to start threads.
pub fn pool() -> &'static rayon::ThreadPool {
    POOL.get_or_init(|| {
        threads()
            // Without a thread nothing can be computed: there is no state to save, nor a way on.
            .expect("the system starts a few threads")
    })
}
