//! The functions as one: each started as on Lambda, their routers behind one address.

use accept_upload::AcceptUpload;
use axum::Router;
use axum::extract::Request;
use greenlight::clock::Clock;
use greenlight::start::StartError;
use receive_push::ReceivePush;
use refresh_token::RefreshToken;
use serve_media::ServeMedia;
use submit_content::SubmitContent;
use sweep_overdue::SweepOverdue;
use tower::ServiceExt;

/// All functions of the bundle.
#[derive(Clone, Debug)]
pub struct Functions {
    /// The API.
    pub submit_content: SubmitContent,
    /// Uploads.
    pub accept_upload: AcceptUpload,
    /// WeChat's callback URL.
    pub receive_push: ReceivePush,
    /// The token schedule.
    pub refresh_token: RefreshToken,
    /// The due queue.
    pub sweep_overdue: SweepOverdue,
    /// Media out.
    pub serve_media: ServeMedia,
}

impl Functions {
    /// Starts them, each with the settings that `setting` gives for its name.
    ///
    /// # Errors
    /// When a setting, the secret or the table cannot be used.
    pub async fn start(
        setting: &dyn Fn(&'static str, &str) -> Option<String>,
        clock: &Clock,
    ) -> Result<Self, StartError> {
        Ok(Self {
            submit_content: SubmitContent::start(&|name| setting("submit-content", name), clock.clone()).await?,
            accept_upload: AcceptUpload::start(&|name| setting("accept-upload", name), clock.clone()).await?,
            receive_push: ReceivePush::start(&|name| setting("receive-push", name), clock.clone()).await?,
            refresh_token: RefreshToken::start(&|name| setting("refresh-token", name), clock.clone()).await?,
            sweep_overdue: SweepOverdue::start(&|name| setting("sweep-overdue", name), clock.clone()).await?,
            serve_media: ServeMedia::start(&|name| setting("serve-media", name), clock.clone()).await?,
        })
    }

    /// All routes behind one address, as one domain would have them.
    pub fn router(&self) -> Router {
        let submit_content = self.submit_content.clone().router();
        let accept_upload = self.accept_upload.clone().router();
        let receive_push = self.receive_push.clone().router();
        let serve_media = self.serve_media.clone().router();
        Router::new().fallback_service(tower::service_fn(move |request: Request| {
            let segments: Vec<&str> = request.uri().path().split('/').skip(1).take(2).collect();
            let router = match segments.as_slice() {
                ["v1", "uploads"] => &accept_upload,
                ["push", ..] => &receive_push,
                ["media", ..] => &serve_media,
                _ => &submit_content,
            };
            router.clone().oneshot(request)
        }))
    }
}
