//! The gate from outside: what it lets through, what it refuses, and what it lives through.

mod framing;
mod generated;
mod limits;
mod short_way;
mod stand;
mod streams;
