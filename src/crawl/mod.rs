//! From what is heard to the tree of a menu: understanding, navigating, remembering.

pub mod compare;
pub mod menu_text;
pub mod navigator;
pub mod render;
pub mod tree;
