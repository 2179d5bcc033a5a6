//! The machine, fed by hand.

mod electing;
mod failing_over;
mod fixture;
mod hostile;
mod watching;
