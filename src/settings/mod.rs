//! Every flag and variable, read once. After this nothing looks at the environment.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `table` | every setting, once, with its default and its bounds; `--help` and the README's table |
//! | `given` | what was given, and where |
//! | `command` | what that means |

mod command;
mod given;
mod table;

pub use command::{Command, Settings};
pub use table::{Default, SETTINGS, Setting, markdown_table};
