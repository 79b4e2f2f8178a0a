//! Panics, on whatever thread: the terminal first, then one sentence, then the end. A thread that
//! is gone while the others go on would leave a program that nobody can trust.

use std::any::Any;
use std::backtrace::Backtrace;
use std::panic::{self, PanicHookInfo};
use std::sync::{Mutex, PoisonError};

use crate::{caught, log};

/// As the standard library has it.
const CODE: i32 = 101;

/// From here on a panic that is not [caught](caught::caught) ends the program: `restore` gives the terminal
/// back, stderr gets one sentence that names the log, the exit code is 101.
pub fn end_in_order(restore: fn()) {
    panic::set_hook(Box::new(move |info| {
        if !caught::is_caught() {
            end(info, restore);
        }
    }));
}

fn end(info: &PanicHookInfo<'_>, restore: fn()) {
    // Of several threads that panic one tells. It is never let go.
    static ENDING: Mutex<()> = Mutex::new(());
    let _ending = ENDING.lock().unwrap_or_else(PoisonError::into_inner);
    restore();
    let trace = Backtrace::force_capture();
    let told = match log::report(&format!("{info}\n{trace}")) {
        Some(log) => format!("{} says more", log.display()),
        None => "no log could be written".to_owned(),
    };
    let what = message(info.payload());
    let place = info.location().map(|at| format!(" at {at}"));
    let place = place.unwrap_or_default();
    crate::line::say(&format!(
        "w2s has failed unexpectedly ({what}{place}): {told}"
    ));
    std::process::exit(CODE);
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}
