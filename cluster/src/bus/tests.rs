//! Stories of whole clusters of buses under virtual time, and single rules on one bus.

mod failover;
mod fixture;
mod formation;
mod lease;
mod manual;
mod partition;
mod rules;
mod shards;
mod solo;
