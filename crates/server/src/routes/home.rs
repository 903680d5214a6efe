//! `/`: where a browser ends up. The dashboard will be here; for now it says where the API is.

use axum::Router;
use axum::response::Html;
use axum::routing::get;

use crate::app::App;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/", get(home))
}

async fn home() -> Html<&'static str> {
    Html(include_str!("home.html"))
}
