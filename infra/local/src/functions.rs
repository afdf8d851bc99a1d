//! The functions as one: each started as on Lambda, their routers behind one address.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use accept_upload::AcceptUpload;
use axum::Router;
use axum::extract::{ConnectInfo, Request};
use greenlight::api::base_path::first_of;
use greenlight::api::client_ip::ClientIp;
use greenlight::domain::clock::Clock;
use greenlight::start::StartError;
use publish_decisions::PublishDecisions;
use receive_push::ReceivePush;
use refresh_token::RefreshToken;
use serve_console::ServeConsole;
use serve_media::ServeMedia;
use submit_content::SubmitContent;
use sweep_overdue::SweepOverdue;
use tokio::sync::Semaphore;
use tower::ServiceExt;

use crate::read_to_end::Rest;

/// How many requests to the API and how many uploads are worked on at once; the others wait in line. Lambda has an execution
/// environment for each, and here they share one machine with WeChat's pushes and downloads, which WeChat gives up after seconds:
/// those never wait behind them. WeChat takes 67 texts a second of an app and is waited for 3 seconds at most, so that it is no limit.
const AT_ONCE: usize = 256;
/// How long one of them keeps its place; then the next may begin beside it. Whoever sends slowly holds up nobody for longer.
const PLACE_KEPT: Duration = Duration::from_secs(5);

/// From which address a request comes: of one that comes from this machine itself, what the proxy says that stands before us
/// (the last address of `X-Forwarded-For`, which is the proxy's own word).
fn sender(head: &http::request::Parts) -> Option<IpAddr> {
    let ConnectInfo(peer) = head.extensions.get::<ConnectInfo<SocketAddr>>()?;
    let forwarded = head.headers.get_all("x-forwarded-for").iter().next_back().and_then(|value| value.to_str().ok());
    let forwarded = forwarded.and_then(|value| value.rsplit(',').next()?.trim().parse().ok());
    Some(forwarded.filter(|_| peer.ip().is_loopback()).unwrap_or(peer.ip()))
}

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
    /// The console.
    pub serve_console: ServeConsole,
    /// Decisions told.
    pub publish_decisions: PublishDecisions,
}

impl Functions {
    /// Starts them, each with the settings that `setting` gives for its name.
    pub async fn start(
        setting: &dyn Fn(&'static str, &str) -> Option<String>,
        clock: &Clock,
    ) -> Result<Self, StartError> {
        let lookup = |function: &'static str| move |name: &str| setting(function, name);
        let [api, uploads, pushes, refresh, sweep, media, console, publish] = [
            "submit-content",
            "accept-upload",
            "receive-push",
            "refresh-token",
            "sweep-overdue",
            "serve-media",
            "serve-console",
            "publish-decisions",
        ]
        .map(lookup);
        let started = tokio::try_join!(
            SubmitContent::start(&api, clock.clone()),
            AcceptUpload::start(&uploads, clock.clone()),
            ReceivePush::start(&pushes, clock.clone()),
            RefreshToken::start(&refresh, clock.clone()),
            SweepOverdue::start(&sweep, clock.clone()),
            ServeMedia::start(&media, clock.clone()),
            ServeConsole::start(&console, clock.clone()),
            PublishDecisions::start(&publish, clock.clone()),
        );
        let (
            submit_content,
            accept_upload,
            receive_push,
            refresh_token,
            sweep_overdue,
            serve_media,
            serve_console,
            publish_decisions,
        ) = started?;
        Ok(Self {
            submit_content,
            accept_upload,
            receive_push,
            refresh_token,
            sweep_overdue,
            serve_media,
            serve_console,
            publish_decisions,
        })
    }

    /// All routes behind one address, as one domain would have them, whatever prefix stands before them.
    pub fn router(&self) -> Router {
        let api = self.submit_content.clone().router();
        let uploads = self.accept_upload.clone().router();
        let pushes = self.receive_push.clone().router();
        let media = self.serve_media.clone().router();
        let console = self.serve_console.clone().router();
        let line = Arc::new(Semaphore::new(AT_ONCE));
        Router::new().fallback_service(tower::service_fn(move |request: Request| {
            let path = request.uri().path();
            let is_first = |at: usize, heads: &[&str]| first_of(path, heads).is_none_or(|other| at < other);
            let of_console = first_of(path, &serve_console::HEADS)
                .filter(|at| is_first(*at, &accept_upload::HEADS) && is_first(*at, &submit_content::HEADS));
            let (router, waits) = match (first_of(path, &accept_upload::HEADS), first_of(path, &submit_content::HEADS))
            {
                _ if of_console.is_some() => (&console, false),
                (Some(upload), other) if other.is_none_or(|other| upload < other) => (&uploads, true),
                (_, Some(_)) => (&api, true),
                (_, None) => match (path.rfind(receive_push::HEAD), path.rfind(serve_media::HEAD)) {
                    (push, media) if push > media => (&pushes, false),
                    (_, Some(_)) => (&media, false),
                    // Nobody's: it answers that.
                    _ => (&api, true),
                },
            };
            let (router, line) = (router.clone(), waits.then(|| Arc::clone(&line)));
            let (mut head, body) = request.into_parts();
            if let Some(sender) = sender(&head) {
                head.extensions.insert(ClientIp(sender));
            }
            let (body, rest) = Rest::of(body);
            async move {
                // It is never closed.
                let place = match &line {
                    Some(line) => line.acquire().await.ok(),
                    None => None,
                };
                let mut answering = pin!(router.oneshot(Request::from_parts(head, body)));
                let answer = match tokio::time::timeout(PLACE_KEPT, &mut answering).await {
                    Ok(answer) => answer,
                    Err(_) => {
                        drop(place);
                        answering.await
                    }
                };
                // Whoever waits for an answer before sending gets it at once.
                tokio::spawn(rest.read());
                answer
            }
        }))
    }
}
