//! The clients against scripted servers on loopback: what is asked, what is told, and how work ends.

mod connecting;
mod encryption;
mod exports;
mod ingestion;
mod loopback;
mod management;
mod operations;
mod outcomes;
mod retries;
mod stopping;
