//! The engine without models: laws as properties, and scenarios as data.

mod inputs;
mod laws;
mod names;
mod scenarios;
mod scripts;
mod toy;
