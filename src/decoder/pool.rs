//! The threads that arithmetic runs on.

use std::sync::OnceLock;

/// The threads for arithmetic, one per physical core (or `RAYON_NUM_THREADS`). Work that is
/// installed here runs its forward passes without changing threads.
///
/// # Panics
/// When the system refuses to start threads.
pub fn pool() -> &'static rayon::ThreadPool {
    static POOL: OnceLock<rayon::ThreadPool> = OnceLock::new();
    POOL.get_or_init(|| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(candle_core::utils::get_num_threads())
            .thread_name(|i| format!("lm-{i}"))
            .build()
            // Without a thread nothing can be computed: there is no state to save, nor a way on.
            .expect("the system starts a few threads")
    })
}
