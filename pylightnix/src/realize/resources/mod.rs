//! The resources that stages share: threads, memory, and resources that users name. Begin to read at [`needs`].

pub(super) mod needs;
pub(super) mod pool;
pub(super) mod units;
