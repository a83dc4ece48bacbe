//! Pages that show runs: one run with its plots, or several side by side. Self-contained HTML with SVG.

mod bars;
mod compare;
mod lines;
mod number;
mod page;
mod run;
mod scale;

pub use compare::compare;
pub use run::run;
