//! From what is heard to the tree of a menu: understanding, navigating, remembering.

pub mod compare;
pub mod diff;
pub mod driver;
pub mod menu_text;
pub mod navigator;
mod parallel;
pub mod plan;
pub mod render;
pub mod retry;
pub mod schedule;
pub mod scheduler;
pub mod tree;
