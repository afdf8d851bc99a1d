//! What WeChat's error codes mean for the caller.

use std::fmt;

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The access token is not taken: get a new one and try once more.
    Token,
    /// Try again later: WeChat is busy, slow, or not understood.
    Busy,
    /// No connection came about, so WeChat was not asked.
    Unreached,
    /// This minute's quota is used up.
    MinuteQuota,
    /// The day's quota is used up (or, as the field reports, the minute's).
    DayQuota,
    /// The user was not active in the last two hours.
    AuthorAway,
    /// The same medium was submitted too often.
    TooOften,
    /// WeChat will never take this: the content, the user or the request is wrong.
    Permanent,
    /// The app's configuration is wrong: somebody has to act.
    Configuration,
    /// The code from wx.login is wrong or used.
    LoginRefused,
    /// WeChat blocks this user.
    LoginBlocked,
    /// Not an error: the v1 way of saying `risky`.
    Risky,
}

impl Class {
    /// The class of one of WeChat's `errcode`s; those that are not listed are worth another try.
    ///
    /// (WeChat: the error tables of msg_sec_check, media_check_async, stable_token and jscode2session, and the
    /// general table, <https://developers.weixin.qq.com/miniprogram/dev/framework/>.)
    pub fn of(errcode: i64) -> Self {
        match errcode {
            40001 | 40014 | 42001 => Self::Token,
            44991 | 45011 => Self::MinuteQuota,
            45009 => Self::DayQuota,
            61010 => Self::AuthorAway,
            87020 => Self::TooOften,
            87014 => Self::Risky,
            40029 | 40163 => Self::LoginRefused,
            40226 => Self::LoginBlocked,
            // 40048 "invalid url domain": the field reports it when the push URL is not set.
            40002 | 40013 | 40048 | 40125 | 40164 | 40243 | 41001 | 41002 | 41004 | 48001 | 50004 | 50007 | 61007
            | 89503 | 89506 | 89507 => Self::Configuration,
            40003 | 40004 | 40006 | 40129 | 41005 | 43002 | 43104 | 44002 | 45002 | 47001 => Self::Permanent,
            _ => Self::Busy,
        }
    }
}

/// A call to WeChat that did not give what was asked for.
///
/// Shows the API, the class, WeChat's code and its request id; never a URL, a token or a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct WeChatError {
    /// Which API.
    pub api: &'static str,
    /// What to do about it.
    pub class: Class,
    /// WeChat's `errcode`, if there was an answer with one.
    pub errcode: Option<i64>,
    /// WeChat's `rid`, by which the call can be looked up for seven days, or what went wrong with the connection.
    pub detail: String,
}

impl fmt::Display for WeChatError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} failed ({:?}", self.api, self.class)?;
        if let Some(errcode) = self.errcode {
            write!(formatter, ", errcode {errcode}")?;
        }
        write!(formatter, ", {})", self.detail)
    }
}

impl WeChatError {
    /// An answer with an `errcode`; of WeChat's message only the `rid` is kept, for the rest may repeat what was sent.
    pub fn answered(api: &'static str, errcode: i64, errmsg: &str) -> Self {
        let rid = errmsg.rsplit_once("rid:").map(|(_, rid)| rid.trim()).unwrap_or_default();
        let rid: String = rid.chars().take(40).filter(|letter| letter.is_ascii_hexdigit() || *letter == '-').collect();
        let detail = match refused_address(errcode, errmsg) {
            Some(address) => {
                format!("add {address} to the IP allow-list in WeChat's console, or switch it off; rid {rid}")
            }
            None => format!("rid {rid}"),
        };
        Self { api, class: Class::of(errcode), errcode: Some(errcode), detail }
    }

    /// No connection came about, however often it was tried.
    pub fn unreached(api: &'static str) -> Self {
        Self { api, class: Class::Unreached, errcode: None, detail: "no connection".to_owned() }
    }

    /// No answer, or none that can be understood.
    pub fn unanswered(api: &'static str, detail: impl Into<String>) -> Self {
        Self { api, class: Class::Busy, errcode: None, detail: detail.into() }
    }
}

/// The address that WeChat says is not on the app's allow-list (40164): our own, which only WeChat sees.
fn refused_address(errcode: i64, errmsg: &str) -> Option<std::net::IpAddr> {
    let words = errmsg.split(|letter: char| !(letter.is_ascii_hexdigit() || matches!(letter, '.' | ':')));
    words.filter(|_| errcode == 40164).find_map(|word| word.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_is_told_apart_by_what_the_caller_does_next() {
        let table: [(Class, &[i64]); 10] = [
            (Class::Token, &[40001, 40014, 42001]),
            (Class::Busy, &[-1, 12345]),
            (Class::MinuteQuota, &[44991, 45011]),
            (Class::DayQuota, &[45009]),
            (Class::AuthorAway, &[61010]),
            (Class::TooOften, &[87020]),
            (Class::Risky, &[87014]),
            (Class::LoginRefused, &[40029, 40163]),
            (Class::LoginBlocked, &[40226]),
            (
                Class::Configuration,
                &[
                    40125, 40013, 40164, 40243, 48001, 50004, 50007, 61007, 89503, 89506, 89507, 40002, 41001, 41002,
                    41004,
                ],
            ),
        ];
        for (class, codes) in table {
            for code in codes {
                assert_eq!(Class::of(*code), class, "{code}");
            }
        }
        for code in [40003, 40004, 40129, 43104, 47001, 44002, 40006, 41005] {
            assert_eq!(Class::of(code), Class::Permanent, "{code}");
        }
    }

    #[test]
    fn of_wechats_message_only_the_request_id_is_kept() {
        let error = WeChatError::answered("x", 40125, "invalid appsecret hunter2 rid: 6108e8a7-41e1a4cd-6f9a32a8");
        assert_eq!(error.to_string(), "x failed (Configuration, errcode 40125, rid 6108e8a7-41e1a4cd-6f9a32a8)");
    }
    #[test]
    fn the_address_that_is_not_on_the_allow_list_is_told() {
        let message = "invalid ip 203.0.113.9 ipv6 ::ffff:203.0.113.9, not in whitelist rid: 6108e8a7-41e1a4cd";
        assert!(
            WeChatError::answered("x", 40164, message).to_string().contains("add 203.0.113.9 to the IP allow-list")
        );
        assert!(!WeChatError::answered("x", 40001, message).to_string().contains("203.0.113.9"));
    }
}
