//! Step 1 of the method: small models that each stand for a value.
//!
//! Data is read ([`data`]) or made ([`prefer`]: a model's own samples, compared by a judge), turned
//! into tokens ([`encode`]) and learnt ([`run`]) by a third pass of the decoder
//! ([`train`](crate::decoder::train)). What comes out is a folder ([`folder`]) that is a weak pair
//! with its base.

mod base;
mod data;
mod encode;
mod error;
mod folder;
mod prefer;
mod run;
mod sample;
mod settings;

pub use base::Base;
pub use data::{Beginning, Data, Datum, Wanted};
pub use encode::{Encoded, Encoding};
pub use error::TuneError;
pub use folder::{check_place, write_lines};
pub use prefer::{Compared, Preferring, examples, made};
pub use run::{Plan, Tuning};
pub use sample::{Draws, Sample};
pub use settings::{Schedule, Settings};
