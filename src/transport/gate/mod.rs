//! The gate: the only listener on the network. tiny_http 0.12, which stands behind it, must never meet a peer: one small
//! request can end the process, and it has no limits and no deadlines.
//!
//! A client's connection has a thread ([`Limits::connections`] of them at most). Each request is read whole, strictly and within
//! limits, and kept ([`Visits`]); a claim check for it goes over a lane, a Unix socket that only this process can reach, to
//! tiny_http's listener, which hands it to a worker; who has it gets the request ([`Arrival`]). No byte of a client's goes through
//! tiny_http. The answer comes back over the lane, or goes straight to the client ([`Writer`], [`Stream`]). While
//! it is awaited, the gate notices that the client leaves, cuts the lane, and says so to the call.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `entrance` | the listener; who is let in and who is turned away |
//! | `gatehouse` | what all connections share, and the list of who is in |
//! | `connection` | the loop of one client |
//! | `head`, `target`, `chunks` | RFC 9112, strictly |
//! | `arrival`, `claim_check`, `visits` | what the side behind the gate learns of a request and its client, and how |
//! | `exchange`, `relay`, `answer` | an answer on its way out, and the watch over its client |
//! | `short_way`, `stream` | an answer on its way past the lane, whole or event by event |
//! | `lane`, `place`, `reserve` | the connections to tiny_http, the socket they go to, and what is kept back for them |
//! | `limits`, `allowance`, `refusal` | what may be taken, what is, and what is said when it is too much |
//!
//! Its tests with sockets are in `tests/integration/gate.rs`.

mod allowance;
mod answer;
mod arrival;
mod chunks;
mod claim_check;
mod connection;
mod entrance;
mod exchange;
mod gatehouse;
mod head;
mod lane;
mod limits;
mod place;
mod refusal;
mod relay;
mod reserve;
mod short_way;
mod stream;
mod target;
mod visits;

pub use arrival::{Arrival, Body, Peer};
pub use entrance::{Figures, Gate};
pub use limits::Limits;
pub use short_way::Writer;
pub use stream::Stream;
pub use visits::{Visits, Watch};
