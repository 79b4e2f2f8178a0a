//! The threads that arithmetic runs on.

use std::sync::OnceLock;

/// Who else of this program wants the processor while arithmetic goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    Nobody,
    /// A screen that is to answer at once, and the terminal that shows it.
    Screen,
}

/// So much nicer to others are threads beside a screen: it has the processor as soon as it wants
/// it, and arithmetic has all that is left, which is nearly all.
#[cfg(target_os = "linux")]
const NICER: i32 = 10;

/// Starts the threads for arithmetic, so that a system without threads is told in words.
///
/// # Errors
/// The system refuses to start them.
pub fn start(beside: Beside) -> Result<(), String> {
    use rayon::ThreadPoolBuilder;
    // Libraries take theirs from the global pool, and panic where there is none.
    match ThreadPoolBuilder::new()
        .num_threads(n_threads())
        .build_global()
    {
        Err(error) if !error.to_string().contains("already") => return Err(error.to_string()),
        _ => {}
    }
    let pool = threads(beside).map_err(|error| error.to_string())?;
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

/// A thread gives way to others from here on, where threads have priorities of their own.
fn give_way() {
    // One that may not goes on as it is.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, NICER);
}

fn threads(beside: Beside) -> Result<rayon::ThreadPool, rayon::ThreadPoolBuildError> {
    keep_freed_memory();
    rayon::ThreadPoolBuilder::new()
        .num_threads(n_threads())
        .thread_name(|i| format!("lm-{i}"))
        .start_handler(move |_| {
            if beside == Beside::Screen {
                give_way();
            }
        })
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
        threads(Beside::Nobody)
            // Without a thread nothing can be computed: there is no state to save, nor a way on.
            .expect("the system starts a few threads")
    })
}
