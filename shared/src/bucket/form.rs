//! A presigned POST: the form fields with which a phone uploads straight to the bucket.
//!
//! The SDK does not make these. (AWS: S3 API reference, "Authenticating requests: browser-based uploads using POST
//! (AWS signature version 4)".)

use std::collections::BTreeMap;
use std::time::Duration;

use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::ExposeSecret;
use serde::Serialize;
use sha2::Sha256;
use time::OffsetDateTime;
use time::macros::format_description;

use crate::aws::AwsSettings;
use crate::domain::clock::Timestamp;

/// Where and with which fields to upload. The file itself goes into the field `file`, which must be the last.
#[derive(Clone, Debug, Serialize)]
pub struct UploadForm {
    /// The URL to post to.
    pub url: String,
    /// The other fields.
    pub fields: BTreeMap<&'static str, String>,
}

fn hmac(key: &[u8], message: &str) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Signature version 4 of `text`, in hex.
fn signature(secret: &str, date: &str, region: &str, text: &str) -> String {
    let key = hmac(format!("AWS4{secret}").as_bytes(), date);
    let key = ["s3", "aws4_request"].iter().fold(hmac(&key, region), |key, step| hmac(&key, step));
    HEXLOWER.encode(&hmac(&key, text))
}

/// Where S3 takes the forms of `bucket`.
pub(super) fn url(aws: &AwsSettings, bucket: &str) -> String {
    match &aws.endpoint_s3 {
        Some(endpoint) => format!("{endpoint}/{bucket}"),
        None => {
            let suffix = if aws.region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
            format!("https://{bucket}.s3.{}.{suffix}", aws.region)
        }
    }
}

pub(super) fn sign(
    aws: &AwsSettings,
    bucket: &str,
    url: String,
    key: &str,
    limit: u64,
    now: Timestamp,
    good_for: Duration,
) -> Result<UploadForm, time::error::Format> {
    let moment = OffsetDateTime::from_unix_timestamp(now.unix_seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let date = moment.format(format_description!("[year][month][day]"))?;
    let time = moment.format(format_description!("[year][month][day]T[hour][minute][second]Z"))?;
    let credential = format!("{}/{date}/{}/s3/aws4_request", aws.credentials.access_key_id, aws.region);
    let token = aws.credentials.session_token.as_ref().map(|token| token.expose_secret().to_owned());
    let mut fields = BTreeMap::from([
        ("key", key.to_owned()),
        ("x-amz-algorithm", "AWS4-HMAC-SHA256".to_owned()),
        ("x-amz-credential", credential),
        ("x-amz-date", time),
    ]);
    if let Some(token) = token {
        fields.insert("x-amz-security-token", token);
    }
    let mut conditions =
        vec![serde_json::json!({"bucket": bucket}), serde_json::json!(["content-length-range", 1, limit])];
    conditions.extend(fields.iter().map(|(name, value)| {
        let mut exactly = serde_json::Map::new();
        exactly.insert((*name).to_owned(), value.clone().into());
        exactly.into()
    }));
    // A whole number of seconds: S3 reads ISO 8601 with milliseconds or without, other engines only one of them.
    let expires = Timestamp(now.plus(good_for).unix_seconds().saturating_mul(1000));
    let policy = serde_json::json!({"expiration": expires.to_string(), "conditions": conditions});
    let policy = BASE64.encode(policy.to_string().as_bytes());
    let secret = aws.credentials.secret_access_key.expose_secret();
    fields.insert("x-amz-signature", signature(secret, &date, &aws.region, &policy));
    fields.insert("policy", policy);
    Ok(UploadForm { url, fields })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_of_awss_example() {
        // The example of "POST object: calculating a signature" in the S3 API reference, and its published result.
        let policy = concat!(
            "eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI6",
            "ICJzaWd2NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7ImFj",
            "bCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tl",
            "dC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5",
            "cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZl",
            "ci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoN",
            "CiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3czRfcmVx",
            "dWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUiOiAiMjAx",
            "NTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9",
        );
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        assert_eq!(
            signature(secret, "20151229", "us-east-1", policy),
            "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e",
        );
    }
}
