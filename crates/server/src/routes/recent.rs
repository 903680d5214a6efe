//! `/v1/system/recent`: the last quarter of an hour of this node in numbers, for charts.

use axum::Json as Answer;

use crate::api::{Routes, about};
use crate::app::App;
use crate::problem::Result;
use crate::wire::{RecentView, moment};

pub(super) fn routes() -> Routes {
    Routes::new().get(
        "/v1/system/recent",
        recent,
        about("get_recent", "The last quarter of an hour of this node in numbers."),
    )
}

async fn recent(app: App) -> Result<Answer<RecentView>> {
    let postroom = app.postroom();
    let at = moment(postroom.store().now().await?);
    Ok(Answer(RecentView::new(postroom.node().clone(), at, &postroom.observer().recent())))
}
