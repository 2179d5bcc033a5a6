//! Stories of whole clusters, in virtual time.

mod losing_a_primary;
