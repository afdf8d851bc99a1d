//! What functions that speak HTTP have in common.

pub mod base_path;
pub mod body;
pub mod caller;
pub mod client_ip;
pub mod fields;
pub mod language;
pub mod problem;
pub mod range;
pub mod respond;
pub mod signed;
