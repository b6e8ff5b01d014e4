//! The gate: the only listener on the network. tiny_http 0.12, which stands behind it, must never meet a peer: one small
//! request can end the process, and it has no limits and no deadlines.
//!
//! A client's connection has a thread ([`Limits::connections`] of them at most). Each request is read whole, strictly and within
//! limits, and kept ([`Visits`]); a claim check for it goes over the lane, a Unix socket that only this process can reach, to
//! tiny_http's listener, which hands it to a worker; who has it gets the request ([`Arrival`]). No byte of a client's goes through
//! tiny_http. The answer goes from the worker straight to the client ([`Writer`], [`Stream`]), or, where that does not do, by a
//! detour over the gate's thread. While it is awaited, the gate notices that the client leaves, and says so to the call.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `entrance` | the listener; who is let in and who is turned away |
//! | `gatehouse` | what all connections share, and the list of who is in |
//! | `connection` | the loop of one client |
//! | `head`, `target`, `chunks` | RFC 9112, strictly |
//! | `arrival`, `claim_check`, `visits` | what the side behind the gate learns of a request and its client, and how |
//! | `lane`, `place` | the connection to tiny_http, and the socket it goes to |
//! | `way`, `stream` | an answer on its way to the client, whole or event by event |
//! | `exchange`, `relay`, `answer` | the detour, and the watch over the client |
//! | `limits`, `admission`, `allowance`, `refusal` | what may be taken, what is, and what is said when it is too much |
//!
//! Its tests with sockets are in `tests/integration/gate.rs`.

mod admission;
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
mod stream;
mod target;
mod visits;
mod way;

pub use arrival::{Arrival, Body, Peer};
pub use entrance::{Figures, Gate};
pub use limits::Limits;
pub use stream::Stream;
pub use visits::{Visits, Watch};
pub use way::Writer;
