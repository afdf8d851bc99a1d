//! How the simulator is told to behave towards one app: pushes, outages, verdicts, quotas, tokens.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::api::Api;
use super::verdict::ForcedVerdict;

/// How WeChat behaves towards one app. Every field has a default; an unknown field is refused by name.
///
/// What is counted down (`fail`, `drop_pushes`, the forced verdicts) is counted down in here, so that the
/// state the control API shows is what is still to come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// JSON or XML: the owner chooses it in WeChat's admin console (消息推送).
    pub push_format: PushFormat,
    /// v2, or the frozen v1 shape that was still seen in 2025 (WxJava issue #2705 and community reports).
    /// A check that names no `version` is answered in v1 shape whatever stands here.
    pub push_shape: PushShape,
    /// Safe, compatible or plaintext mode: the owner chooses it in WeChat's admin console (消息推送).
    pub push_mode: PushMode,
    /// Real milliseconds between the verdict and its push.
    pub push_delay_ms: u64,
    /// How often each verdict is pushed, although the first push was accepted. 0 is the same as dropping it.
    pub push_copies: u32,
    /// Keeps verdicts until they are released. Turning it off releases nothing.
    pub hold_pushes: bool,
    /// Which of the next verdicts are never pushed.
    pub drop_pushes: Dropping,
    /// `media_check_async` is answered only after its push was answered: the push overtakes the trace id.
    pub push_before_answer: bool,
    /// Writes numbers in pushes as strings, as WxJava issue #2705 reports.
    pub numbers_as_strings: bool,
    /// How often a push that was not accepted is sent again. WeChat: 3 times.
    pub push_retries: u32,
    /// Real milliseconds between two sendings of a push. WeChat's spacing is not documented.
    pub push_retry_delay_ms: u64,
    /// Real milliseconds that a push waits for its answer. WeChat: 5 s.
    pub push_timeout_ms: u64,
    /// Whether media are really downloaded, and what becomes of those that cannot be read.
    pub media_reading: MediaReading,
    /// Asks for media in ranges of so many bytes; 0 asks for the whole.
    pub download_range_bytes: u64,
    /// Reads only so many bytes of each medium, breaks off, and says `pass`: 0 reads to the end.
    pub download_stops_after_bytes: u64,
    /// Real milliseconds that one download may take.
    pub download_timeout_ms: u64,
    /// Calls that go wrong, in the order in which they stand here.
    pub fail: Vec<Failure>,
    /// Verdicts for the next text checks, before the words are looked at again.
    pub text_verdicts: VecDeque<ForcedVerdict>,
    /// Verdicts for the next media checks. The medium is downloaded all the same.
    pub media_verdicts: VecDeque<ForcedVerdict>,
    /// Text that arrives with `\u` escapes passes unread: reported from the field in the days of v1.
    pub escaped_text_passes: bool,
    /// How long a new token lives. WeChat: 7,200 s.
    pub token_lifetime_s: u64,
    /// How long an old token lives on beside its successor. WeChat: 300 s; never more than half the lifetime.
    pub token_overlap_s: u64,
    /// How long after a login or visit the user counts as active. WeChat: 7,200 s, then 61010.
    pub visit_window_s: u64,
    /// Limits that differ from WeChat's own, by API.
    pub quotas: BTreeMap<Api, Quota>,
    /// Answers 87020 to media that are submitted too often. WeChat's threshold is not documented: off.
    pub repeat_limit: Option<RepeatLimit>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            push_format: PushFormat::Json,
            push_shape: PushShape::V2,
            push_mode: PushMode::Safe,
            push_delay_ms: 0,
            push_copies: 1,
            hold_pushes: false,
            drop_pushes: Dropping::default(),
            push_before_answer: false,
            numbers_as_strings: false,
            push_retries: 3,
            push_retry_delay_ms: 100,
            push_timeout_ms: 5_000,
            media_reading: MediaReading::Download,
            download_range_bytes: 0,
            download_stops_after_bytes: 0,
            download_timeout_ms: 10_000,
            fail: Vec::new(),
            text_verdicts: VecDeque::new(),
            media_verdicts: VecDeque::new(),
            escaped_text_passes: false,
            token_lifetime_s: 7_200,
            token_overlap_s: 300,
            visit_window_s: 7_200,
            quotas: BTreeMap::new(),
            repeat_limit: None,
        }
    }
}

impl Behaviour {
    /// The limits of `api`: those that were set, else WeChat's own.
    pub(crate) fn quota(&self, api: Api) -> Quota {
        self.quotas.get(&api).copied().unwrap_or_else(|| Quota::of_wechat(api))
    }

    /// How long an old token lives on beside its successor.
    pub(crate) fn token_overlap(&self) -> Duration {
        Duration::from_secs(self.token_overlap_s.min(self.token_lifetime_s / 2))
    }

    /// What goes wrong with this call of `api`, counted down.
    pub(crate) fn take_failure(&mut self, api: Api) -> Option<Failure> {
        let index = self.fail.iter().position(|failure| failure.api == api && failure.calls != Some(0))?;
        let failure = self.fail.get_mut(index)?;
        if let Some(calls) = &mut failure.calls {
            *calls -= 1;
        }
        let taken = failure.clone();
        if taken.calls == Some(0) {
            self.fail.remove(index);
        }
        Some(taken)
    }

    /// Whether this verdict's push is lost, counted down.
    pub(crate) fn take_drop(&mut self) -> bool {
        match &mut self.drop_pushes {
            Dropping::All => true,
            Dropping::Next(0) => false,
            Dropping::Next(left) => {
                *left -= 1;
                true
            }
        }
    }
}

/// In which notation pushes are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushFormat {
    /// `{"Encrypt": …}`
    #[default]
    Json,
    /// `<xml><Encrypt>…`
    Xml,
}

/// Which fields a pushed verdict has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushShape {
    /// `isrisky`, `status_code`, a trace id of 32 hexadecimal digits.
    V1,
    /// `result`, `detail`, `errcode`.
    #[default]
    V2,
}

/// How pushes are secured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushMode {
    /// 安全模式: encrypted only.
    #[default]
    Safe,
    /// 兼容模式: the plain fields and the encrypted ones together.
    Compatible,
    /// 明文模式: plain, and the signature does not cover the body.
    Plaintext,
}

/// Which verdicts are never pushed: `"all"`, or `{"next": 3}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dropping {
    /// All of them.
    All,
    /// The next so many.
    Next(u32),
}

impl Default for Dropping {
    fn default() -> Self {
        Self::Next(0)
    }
}

/// Whether media are downloaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaReading {
    /// They are; one that cannot be read is pushed as errcode -1008.
    #[default]
    Download,
    /// They are not, and everything passes.
    Skip,
    /// They are, and what cannot be read passes: reported from the field for URLs that WeChat cannot open.
    PassUnreadable,
}

/// One entry of [`Behaviour::fail`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// Which API fails.
    pub api: Api,
    /// How many calls of it; `null` for all of them, until the behaviour is replaced.
    #[serde(default = "one_call")]
    pub calls: Option<u32>,
    /// What happens instead of an answer.
    pub how: Fault,
    /// The call is carried out first, with all that follows from it, and only its answer goes wrong.
    #[serde(default)]
    pub after_work: bool,
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the field's own type")]
fn one_call() -> Option<u32> {
    Some(1)
}

/// What happens instead of an answer: `{"errcode": -1}`, `{"http_status": 502}`, `"hang"`, `"close"`,
/// `{"slow_ms": 300}`, `"not_json"`, `"empty"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// HTTP 200 with this errcode.
    Errcode(i64),
    /// This status, with a body that is no JSON.
    HttpStatus(u16),
    /// No answer until the hanging calls are released; then the usual one.
    Hang,
    /// The connection is closed without a byte.
    Close,
    /// The usual answer, so many real milliseconds late.
    SlowMs(u64),
    /// HTTP 200 with a body that is no JSON.
    NotJson,
    /// HTTP 200 with an empty body.
    Empty,
}

/// How often an API may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Calls in one minute of the clock; `null` for no limit.
    #[serde(default)]
    pub per_minute: Option<u64>,
    /// Calls in one day in Beijing; `null` for no limit.
    #[serde(default)]
    pub per_day: Option<u64>,
    /// What is answered beyond `per_minute`: 44991 in the documentation, 45009 in the field too.
    #[serde(default = "minute_errcode")]
    pub minute_errcode: i64,
}

fn minute_errcode() -> i64 {
    44991
}

impl Quota {
    /// WeChat's own limits (开发/服务端/openApi管理).
    fn of_wechat(api: Api) -> Self {
        let (per_minute, per_day, minute_errcode) = match api {
            Api::MsgSecCheck => (Some(4_000), Some(2_000_000), 44991),
            Api::MediaCheckAsync | Api::ImgSecCheck => (Some(2_000), Some(200_000), 44991),
            Api::StableToken => (Some(10_000), Some(500_000), 45011),
            Api::Token | Api::Jscode2session | Api::ClearQuota | Api::ClearQuotaV2 => (None, None, 45011),
        };
        Self { per_minute, per_day, minute_errcode }
    }
}

/// When media are refused with 87020 (重复请求超出接口调用限制; WeChat's own threshold is not documented).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepeatLimit {
    /// So many submissions of the same medium are taken …
    pub submissions: u32,
    /// … within so many seconds of the clock.
    pub window_s: u64,
    /// What makes two media the same.
    #[serde(default)]
    pub by: RepeatBy,
}

/// What makes two media the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RepeatBy {
    /// The same `media_url`.
    #[default]
    Url,
    /// The same bytes. They are downloaded before the check is answered.
    Bytes,
}
