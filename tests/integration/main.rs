//! Drives the server from outside. One file per behaviour; all in one binary, so they link once.

#![allow(clippy::unwrap_used, missing_docs)]
