//! The engine without models: laws as properties, and scenarios as data.

mod laws;
mod toy;
