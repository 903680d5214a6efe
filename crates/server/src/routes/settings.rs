//! `/v1/settings`: what is in force, and where it was set.

use axum::routing::get;
use axum::{Json as Answer, Router};

use crate::app::{App, House, SettingInfo};
use crate::wire::PageView;

pub(super) fn routes() -> Router<House> {
    Router::new().route("/v1/settings", get(list))
}

/// All of them: they come from the configuration, which is short.
async fn list(app: App) -> Answer<PageView<SettingInfo>> {
    Answer(PageView { items: app.settings(), next_cursor: None })
}
