//! What commands of your own are made of: a row, and a function.
//!
//! The built-in commands are made of the same. [`ServerBuilder::commands`](crate::ServerBuilder::commands) and
//! [`ClusterBuilder::commands`](crate::ClusterBuilder::commands) add them; `examples/custom_server.rs` is a whole
//! server. Start at [`data`](fn@data), then [`Ctx`].
//!
//! ```
//! use slotmesh::Server;
//! use slotmesh::command::{Args, Ctx, DataFn, FAST, READ, READ_ONE, ReplyError, Spec, data};
//!
//! const ROWS: &[Spec<DataFn>] = &[data("KEY.KNOWN", 2, READ.and(FAST), READ_ONE, known as DataFn)];
//!
//! fn known(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), ReplyError> {
//!     ctx.inspect(args.at(1), |entry, reply| reply.bool(entry.is_some()));
//!     Ok(())
//! }
//!
//! let server = Server::builder().commands(ROWS).start()?;
//! assert!(!server.client().call::<bool>(("KEY.KNOWN", "k"))?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use slotmesh_engine::command::keys::{
    Access, INSERT_ONE, INSPECT_ONE, KeySpec, NO_KEYS, OVERWRITE_ONE, READ_ONE, UPDATE_ONE,
};
pub use slotmesh_engine::command::spec::{
    ADMIN, Categories, DENY_OOM, FAST, Flags, Group, LOADING, READ, STALE, Spec, WRITE, container, data,
};
pub use slotmesh_engine::command::typed::{Edited, typed};
pub use slotmesh_engine::command::{Ctx, DataFn};
pub use slotmesh_engine::error::ReplyError;
pub use slotmesh_engine::keyspace::{Entry, Expiry, NewValue, Packed, ValueRef};
pub use slotmesh_engine::resp::args::Args;
pub use slotmesh_engine::value::set::{Set, SetView};
pub use slotmesh_engine::value::{AnyView, Collection, Kind, Rules, Typed};
