//! The options with a grammar of their own, one file each.

pub mod bind;
pub mod buffer_limits;
pub mod keyspace_events;
pub mod oom_scores;
pub mod percentiles;
pub mod primary;
pub mod save_points;
pub mod shutdown_on;
