//! Every flag and variable, read once.
