//! Stories of whole clusters, in virtual time.

mod creating;
mod failing_over;
mod joining_by_hand;
mod losing_a_primary;
mod moving_slots;
mod without_replicas;
