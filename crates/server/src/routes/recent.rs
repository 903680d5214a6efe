//! `/v1/system/recent`: the last quarter of an hour of this node in numbers, for charts.

use axum::routing::get;
use axum::{Json as Answer, Router};

use crate::app::{App, House};
use crate::problem::Result;
use crate::wire::{RecentView, moment};

pub(super) fn routes() -> Router<House> {
    Router::new().route("/v1/system/recent", get(recent))
}

async fn recent(app: App) -> Result<Answer<RecentView>> {
    let postroom = app.postroom();
    let at = moment(postroom.store().now().await?);
    Ok(Answer(RecentView::new(postroom.node().clone(), at, &postroom.observer().recent())))
}
