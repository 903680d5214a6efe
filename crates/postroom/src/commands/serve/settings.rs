//! The settings in force, as the API shows them.

use std::sync::{Mutex, PoisonError};

use postroom_server::SettingInfo;

use crate::config::Loaded;

/// The sections that are taken up while the server runs; the others are as they were at its start.
const TAKEN_UP: [&str; 4] = ["agents.", "models.", "tools.", "mcp."];

/// Those in force now.
pub(super) struct Settings(Mutex<Vec<SettingInfo>>);

impl Settings {
    /// Those that the server starts with.
    pub(super) fn of(loaded: &Loaded) -> Self {
        Self(Mutex::new(shown(loaded)))
    }

    /// Those that a changed configuration puts in force.
    pub(super) fn take_up(&self, changed: &Loaded) {
        let is_taken_up =
            |setting: &SettingInfo| TAKEN_UP.iter().any(|section| setting.key.starts_with(section));
        let mut settings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        settings.retain(|setting| !is_taken_up(setting));
        settings.extend(shown(changed).into_iter().filter(is_taken_up));
    }

    pub(super) fn list(&self) -> Vec<SettingInfo> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn shown(loaded: &Loaded) -> Vec<SettingInfo> {
    let shown = |(key, value, origin)| SettingInfo { key, value, origin };
    loaded.settings().into_iter().map(shown).collect()
}
