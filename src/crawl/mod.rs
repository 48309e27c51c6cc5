//! From what is heard to the tree of a menu: understanding, navigating, remembering.

pub mod menu_text;
pub mod tree;
