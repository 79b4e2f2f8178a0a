//! The engine without models: laws as properties, and scenarios as data.

mod cases;
mod checks;
mod faults;
mod growth;
mod inputs;
mod laws;
mod methods;
mod names;
mod panel;
mod pending;
mod post;
mod scenarios;
mod scripts;
mod toy;
mod turns;
