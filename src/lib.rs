//! `phoneai` calls a phone number, listens to its menu, presses the keys, and keeps the menu as a
//! tree.

pub mod analyse;
pub mod api;
pub mod calls;
pub mod carrier;
pub mod cli;
pub mod config;
pub mod crawl;
pub mod extensions;
pub mod http;
pub mod log;
pub mod policy;
pub mod service;
pub mod simulator;
pub mod speech;
pub mod store;
pub mod takeover;
