//! The playground without models or a terminal: the app's transitions, and what is on screen.

mod answers;
mod app;
mod hands;
mod in_sight;
mod legible;
mod panel;
mod random;
mod runs;
mod screens;
mod support;
mod tour;
mod trainings;
mod ways;
mod words;
