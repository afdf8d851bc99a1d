//! Media by URL: what an owner's backend names is fetched by us, and is then an upload like any other.

use bytes::Bytes;
use greenlight::api::caller::Caller;
use greenlight::api::problem::Problem;
use greenlight::outbound::{NotAllowed, ReachError};
use http::StatusCode;

use crate::AcceptUpload;

impl AcceptUpload {
    /// Fetches what a URL names, for whoever holds a server key. What it is, its bytes say.
    pub(crate) async fn fetch(&self, caller: &Caller, url: &str) -> Result<Bytes, Problem> {
        caller.must_be_owner()?;
        self.fetcher.fetch(url, self.largest).await.map_err(|error| {
            // Not the URL: it may hold a token of the owner's.
            tracing::info!(event = "url_not_fetched", app = %caller.app.id, error = %error, "what a URL names was not fetched");
            self.not_fetched(&error)
        })
    }

    fn not_fetched(&self, error: &ReachError) -> Problem {
        let (zh, en) = match error {
            ReachError::TooLarge => return Problem::too_large(self.largest),
            ReachError::NotAllowed(why) => return not_allowed(*why),
            ReachError::Status(status) => (
                format!("下载失败：对方服务器返回 {status}，需要 200。"),
                format!("It was not fetched: its server answers {status} instead of 200."),
            ),
            ReachError::Redirects => ("下载失败：跳转次数太多。".to_owned(), "It redirects too often.".to_owned()),
            ReachError::Slow => {
                let seconds = self.fetcher.within.as_secs();
                (
                    format!("下载失败：{seconds} 秒内没有下完。"),
                    format!("It could not be fetched within {seconds} seconds."),
                )
            }
            ReachError::Unreached(_) => (
                "下载失败：连接不上，证书无效，或中途断开。".to_owned(),
                "It was not fetched: no connection, no valid certificate, or it broke off.".to_owned(),
            ),
        };
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "url_not_fetched", zh, en)
    }
}

/// Nobody is told which address a name leads to: that would show what stands within.
fn not_allowed(why: NotAllowed) -> Problem {
    let (zh, en) = match why {
        NotAllowed::Malformed => ("url 不是有效的网址。", "The url is not a valid URL."),
        NotAllowed::Scheme => {
            ("只下载 https:// 的网址，跳转后也一样。", "Only https:// is fetched, after redirects too.")
        }
        NotAllowed::Credentials => ("网址里不能带用户名和密码。", "The URL must not carry a user name or password."),
        NotAllowed::Port => ("只能用 443 端口，跳转后也一样。", "Only port 443 is used, after redirects too."),
        NotAllowed::Address => (
            "网址没有指向公网地址，跳转后也要指向公网。",
            "The URL must lead to a public address, after redirects too.",
        ),
    };
    Problem::new(StatusCode::BAD_REQUEST, "url_not_allowed", zh, en)
}
