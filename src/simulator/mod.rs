//! A carrier on loopback: a SIP trunk whose numbers are answered by sample phone menus.

mod description;
pub mod line;
mod load;
pub mod menu;
pub mod sound;
pub mod truth;
pub mod visit;

pub use load::{Mistake, Mistakes};
