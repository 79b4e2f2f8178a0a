//! The models as an executor: what searches share, and what each of them must get all the same.

mod eft;
mod far;
mod folder;
mod panel;
mod sharing;
mod words;
