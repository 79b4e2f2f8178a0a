//! Training against what torch has recorded, and its laws.

mod families;
mod recorded;
mod support;
