//! What was given on the command line and in the environment, not yet understood.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::table::{Default, SETTINGS, Setting};

/// What was given, and where, by the setting's name.
pub(super) struct Given(BTreeMap<&'static str, (String, String)>);

impl Given {
    pub(super) fn from_environment(
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Given, String> {
        let mut given = Given(BTreeMap::new());
        for setting in SETTINGS {
            let Some(name) = setting.variable else {
                continue;
            };
            // Compose files and CI systems pass unset variables on as empty ones.
            if let Some(value) = variable(name).filter(|value| !value.is_empty()) {
                given.insert(setting, name.to_owned(), text(name, value)?);
            }
        }
        Ok(given)
    }

    pub(super) fn insert(&mut self, setting: &'static Setting, place: String, value: String) {
        self.0.insert(setting.key(), (place, value));
    }

    /// The value, and the flag or variable that brought it.
    fn get(&self, key: &str) -> Option<(&str, &str)> {
        self.0
            .get(key)
            .map(|(place, value)| (place.as_str(), value.as_str()))
    }

    pub(super) fn value(&self, key: &str) -> Option<String> {
        self.get(key).map(|(_, value)| value.to_owned())
    }

    pub(super) fn is_on(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// A switch that a variable may set too, by a word.
    pub(super) fn switched(&self, key: &str) -> Result<bool, String> {
        self.parsed(key, false, "true or false", |text| match text {
            "on" | "true" | "1" => Some(true),
            "off" | "false" | "0" => Some(false),
            _ => None,
        })
    }

    /// A value that `read` takes, or the default. The error names the setting and what it takes.
    pub(super) fn parsed<T>(
        &self,
        key: &str,
        default: T,
        takes: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<T, String> {
        match self.get(key) {
            None => Ok(default),
            Some((place, value)) => {
                read(value).ok_or_else(|| format!("{place}: {value:?} is not {takes}"))
            }
        }
    }

    /// The number of a row that has bounds. `None`: it is not given, and its default is no number.
    pub(super) fn number(&self, key: &str) -> Result<Option<usize>, String> {
        let Some(setting) = SETTINGS.iter().find(|setting| setting.key() == key) else {
            return Err(format!("there is no setting {key}"));
        };
        let default = match setting.default {
            Default::Number(number) => Some(number),
            Default::Words(_) => None,
        };
        let takes = format!("a number from {}", setting.bounds().unwrap_or_default());
        self.parsed(key, default, &takes, |text| {
            let number = text.parse().ok()?;
            let bounds = setting.bounds.as_ref()?;
            bounds.contains(&number).then_some(Some(number))
        })
    }

    pub(super) fn list(&self, key: &str) -> Vec<String> {
        let value = self.value(key).unwrap_or_default();
        value
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect()
    }
}

pub(super) fn text(place: &str, value: OsString) -> Result<String, String> {
    value
        .into_string()
        .map_err(|_| format!("{place}: the value is not UTF-8"))
}
