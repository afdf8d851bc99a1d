//! What everything else in the simulator speaks of: plain types, which know nothing of its state.

pub(super) mod api;
pub(super) mod behaviour;
pub(super) mod call;
pub(super) mod ids;
pub(super) mod media_check;
pub(super) mod records;
pub(super) mod simulated_app;
pub(super) mod verdict;
