//! `/v1/settings`: what is in force, and where it was set.

use axum::Json as Answer;

use crate::api::{Routes, about};
use crate::app::{App, SettingInfo};
use crate::wire::PageView;

pub(super) fn routes() -> Routes {
    Routes::new().get(
        "/v1/settings",
        list,
        about("list_settings", "The settings in force, and where each was set."),
    )
}

/// All of them: they come from the configuration, which is short.
async fn list(app: App) -> Answer<PageView<SettingInfo>> {
    Answer(PageView { items: app.settings(), next_cursor: None })
}
