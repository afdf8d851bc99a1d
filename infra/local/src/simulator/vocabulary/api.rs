//! WeChat's APIs by name and path, and how WeChat refuses a call.

use serde::{Deserialize, Serialize};

/// The APIs that the simulator answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    /// `POST /cgi-bin/stable_token` (获取稳定版接口调用凭据).
    StableToken,
    /// `GET /cgi-bin/token` (获取接口调用凭据).
    Token,
    /// `GET /sns/jscode2session` (小程序登录凭证校验).
    Jscode2session,
    /// `POST /wxa/msg_sec_check` (文本内容安全识别).
    MsgSecCheck,
    /// `POST /wxa/media_check_async` (多媒体内容安全识别).
    MediaCheckAsync,
    /// `POST /wxa/img_sec_check`, version 1 only (framework/security.imgSecCheck).
    ImgSecCheck,
    /// `POST /cgi-bin/clear_quota` (openApi管理).
    ClearQuota,
    /// `POST /cgi-bin/clear_quota/v2`, with the secret instead of a token (openApi管理).
    ClearQuotaV2,
}

impl Api {
    const ALL: [Self; 8] = [
        Self::StableToken,
        Self::Token,
        Self::Jscode2session,
        Self::MsgSecCheck,
        Self::MediaCheckAsync,
        Self::ImgSecCheck,
        Self::ClearQuota,
        Self::ClearQuotaV2,
    ];

    /// Where WeChat serves it.
    pub fn path(self) -> &'static str {
        match self {
            Self::StableToken => "/cgi-bin/stable_token",
            Self::Token => "/cgi-bin/token",
            Self::Jscode2session => "/sns/jscode2session",
            Self::MsgSecCheck => "/wxa/msg_sec_check",
            Self::MediaCheckAsync => "/wxa/media_check_async",
            Self::ImgSecCheck => "/wxa/img_sec_check",
            Self::ClearQuota => "/cgi-bin/clear_quota",
            Self::ClearQuotaV2 => "/cgi-bin/clear_quota/v2",
        }
    }

    pub(crate) fn at(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|api| api.path() == path)
    }

    /// Whether it is asked with GET; all others are asked with POST.
    pub(crate) fn is_read(self) -> bool {
        matches!(self, Self::Token | Self::Jscode2session)
    }
}

/// WeChat's refusal: an errcode that is not 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) errcode: i64,
}

impl Refusal {
    pub(crate) const fn of(errcode: i64) -> Self {
        Self { errcode }
    }

    /// WeChat's own words where its pages or reports from the field have them.
    pub(crate) fn message(self) -> &'static str {
        match self.errcode {
            -1 => "system error",
            40001 => "invalid credential, access_token is invalid or not latest",
            40002 => "invalid grant_type",
            40003 => "invalid openid",
            40004 => "invalid media type",
            40006 => "invalid meida size",
            40013 => "invalid appid",
            40014 => "invalid access_token",
            40029 => "invalid code",
            40048 => "invalid url domain",
            40066 => "invalid url",
            40125 => "invalid appsecret",
            40129 => "invalid scene",
            40137 => "invalid image format",
            40163 => "code been used",
            40226 => "code blocked",
            41001 => "access_token missing",
            41002 => "appid missing",
            41004 => "appsecret missing",
            41005 => "media data missing",
            41008 => "missing code",
            42001 => "access_token expired",
            43001 => "require GET method",
            43002 => "require POST method",
            43104 => "this appid does not have permission",
            44002 => "empty post data",
            44991 => "reach max api minute frequence quota limit",
            45001 => "media size out of limit",
            45002 => "content size out of limit",
            45009 => "reach max api daily quota limit",
            45011 => "api minute-quota reach limit, must slower retry next minute",
            47001 => "data format error",
            48006 => "forbid to clear quota because of reaching the limit",
            61010 => "code is expired",
            87014 => "risky content",
            87020 => "repeat request limit exceeded",
            _ => "refused as told",
        }
    }
}
