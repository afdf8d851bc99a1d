//! AWS: how its SDK is configured, from the environment alone and without `aws-config`.
//!
//! `aws-config` looks for credentials and a region in profiles, in metadata services and over the network, which costs
//! a cold start ten milliseconds. On Lambda all of it stands in the environment, and stays the same for the life of the
//! environment. (AWS Lambda developer guide, "Defined runtime environment variables".)

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, IdentityCache, Region, StalledStreamProtectionConfig};
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::SystemTimeSource;
use secrecy::{ExposeSecret, SecretString};

use crate::outbound::CONNECT_TIMEOUT;
use crate::settings::{Lookup, SettingError, optional, optional_url, required};

pub mod http_client;

/// How often a request is sent at most, the first time included.
const ATTEMPTS: u32 = 3;
/// About how long is waited before the second attempt; twice as long before the third. (The SDK takes a random part of
/// it.) Its default is a second, for which the author would wait and the owner pay; DynamoDB answers within milliseconds.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);

/// How long one attempt at a small request may take, answer included. DynamoDB and Secrets Manager answer within
/// milliseconds; what takes seconds is lost.
const SMALL_ATTEMPT: Duration = Duration::from_secs(3);
/// How long one attempt at an S3 request may take until its answer begins: 10 MB at under 3 Mbit/s.
const S3_ATTEMPT: Duration = Duration::from_secs(30);
/// How long an S3 download may stand still before it is given up.
const S3_STALL: Duration = Duration::from_secs(10);

/// The keys with which requests to AWS are signed. Neither secret is shown in debug output.
#[derive(Clone, Debug)]
pub struct AwsCredentials {
    /// `AWS_ACCESS_KEY_ID`. It names the keys and is no secret: it stands in every presigned form.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: SecretString,
    /// `AWS_SESSION_TOKEN`: belongs to the temporary keys of a role, as Lambda hands them out; absent with a user's.
    pub session_token: Option<SecretString>,
}

/// Where AWS is, and as whom we call it.
#[derive(Clone, Debug)]
pub struct AwsSettings {
    /// `AWS_REGION`, or `AWS_DEFAULT_REGION`; such as `ap-southeast-1`. It also chooses the partition: `cn-…` is China's.
    pub region: String,
    /// The keys.
    pub credentials: AwsCredentials,
    /// Where DynamoDB is, if not at AWS: `AWS_ENDPOINT_URL_DYNAMODB`, or `AWS_ENDPOINT_URL`.
    pub endpoint_dynamodb: Option<String>,
    /// Where S3 is, if not at AWS: `AWS_ENDPOINT_URL_S3`, or `AWS_ENDPOINT_URL`.
    pub endpoint_s3: Option<String>,
    /// Where Secrets Manager is, if not at AWS: `AWS_ENDPOINT_URL_SECRETS_MANAGER`, or `AWS_ENDPOINT_URL`.
    pub endpoint_secrets_manager: Option<String>,
}

impl AwsSettings {
    /// Reads the `AWS_…` variables that the AWS SDKs have in common; what stands for one service goes before
    /// `AWS_ENDPOINT_URL`. (AWS SDKs and Tools reference guide, "Service-specific endpoints".)
    pub fn from_lookup(lookup: &Lookup<'_>) -> Result<Self, SettingError> {
        let region = match optional(lookup, "AWS_REGION") {
            Some(region) => named_region("AWS_REGION", region)?,
            None => match optional(lookup, "AWS_DEFAULT_REGION") {
                Some(region) => named_region("AWS_DEFAULT_REGION", region)?,
                None => return Err(SettingError::Missing { name: "AWS_REGION" }),
            },
        };
        let everywhere = optional_url(lookup, "AWS_ENDPOINT_URL")?;
        let endpoint = |name| -> Result<Option<String>, SettingError> {
            let here = optional_url(lookup, name)?;
            Ok(here.as_ref().or(everywhere.as_ref()).map(ToString::to_string))
        };
        Ok(Self {
            region,
            credentials: AwsCredentials {
                access_key_id: required(lookup, "AWS_ACCESS_KEY_ID")?,
                secret_access_key: required(lookup, "AWS_SECRET_ACCESS_KEY")?.into(),
                session_token: optional(lookup, "AWS_SESSION_TOKEN").map(Into::into),
            },
            endpoint_dynamodb: endpoint("AWS_ENDPOINT_URL_DYNAMODB")?,
            endpoint_s3: endpoint("AWS_ENDPOINT_URL_S3")?,
            endpoint_secrets_manager: endpoint("AWS_ENDPOINT_URL_SECRETS_MANAGER")?,
        })
    }

    /// A client for DynamoDB that sends through `http`.
    pub fn dynamodb(&self, http: &reqwest::Client) -> aws_sdk_dynamodb::Client {
        let config = common!(aws_sdk_dynamodb::Config::builder(), self, http, self.endpoint_dynamodb)
            .timeout_config(timeouts(SMALL_ATTEMPT))
            // The limit on an attempt holds until its answer is read whole, so a stalled one needs no second watch.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        aws_sdk_dynamodb::Client::from_conf(config.build())
    }

    /// A client for Secrets Manager that sends through `http`.
    pub fn secrets_manager(&self, http: &reqwest::Client) -> aws_sdk_secretsmanager::Client {
        let config = common!(aws_sdk_secretsmanager::Config::builder(), self, http, self.endpoint_secrets_manager)
            .timeout_config(timeouts(SMALL_ATTEMPT))
            // As with DynamoDB.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        aws_sdk_secretsmanager::Client::from_conf(config.build())
    }

    /// A client for S3 that sends through `http`.
    ///
    /// It adds no checksums of its own: who puts an object names the SHA-256 that was judged, which S3 verifies and
    /// keeps. (The SDK's default would add a CRC-32 for whoever names none, and for a stream that means
    /// `aws-chunked` framing with a trailer; and it would hash again all that is read.)
    pub fn s3(&self, http: &reqwest::Client) -> aws_sdk_s3::Client {
        let config = common!(aws_sdk_s3::Config::builder(), self, http, self.endpoint_s3)
            .timeout_config(timeouts(S3_ATTEMPT))
            // An object is streamed after its attempt has ended, when no other limit holds. Only the far side's stalls
            // count: while nobody asks for more, the time is ours. An upload ends within its attempt.
            .stalled_stream_protection(
                StalledStreamProtectionConfig::enabled().upload_enabled(false).grace_period(S3_STALL).build(),
            )
            // Elsewhere than at AWS there is no name for each bucket.
            .force_path_style(self.endpoint_s3.is_some())
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        aws_sdk_s3::Client::from_conf(config.build())
    }

    fn sdk_credentials(&self) -> Credentials {
        let AwsCredentials { access_key_id, secret_access_key, session_token } = &self.credentials;
        Credentials::new(
            access_key_id,
            secret_access_key.expose_secret(),
            session_token.as_ref().map(|token| token.expose_secret().to_owned()),
            None,
            "Environment",
        )
    }
}

/// What every client's configuration has in common; each crate has its own builder type with the same methods.
macro_rules! common {
    ($builder:expr, $settings:expr, $http:expr, $endpoint:expr) => {{
        let mut builder = $builder
            // Dated, not the latest: an update of the SDK must not change timeouts or retries behind our back.
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new($settings.region.clone()))
            .credentials_provider($settings.sdk_credentials())
            // The keys are at hand and never change; a cache would only lock and expire.
            .identity_cache(IdentityCache::no_cache())
            .http_client(http_client::ReqwestClient::new($http.clone()))
            .sleep_impl(TokioSleep::new())
            .time_source(SystemTimeSource::new())
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(ATTEMPTS)
                    .with_initial_backoff(FIRST_BACKOFF)
                    .with_max_backoff(LONGEST_BACKOFF),
            );
        builder.set_endpoint_url($endpoint.clone());
        builder
    }};
}
use common;

/// Limits for a client whose attempts may take `attempt` each. The whole operation has none: who has to answer by a
/// certain time knows it better.
fn timeouts(attempt: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        // What the HTTP client keeps to; see `http_client`.
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(attempt)
        .operation_attempt_timeout(attempt)
        .build()
}

/// `region`, if it can be one: it becomes part of a host name.
fn named_region(name: &'static str, region: String) -> Result<String, SettingError> {
    let valid = region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if valid {
        Ok(region)
    } else {
        Err(SettingError::Invalid { name, reason: "it must be a region such as ap-southeast-1" })
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::error::SdkError;
    use aws_sdk_s3::primitives::ByteStream;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpSocket, TcpStream};

    use super::*;
    use crate::outbound::Outbound;

    fn settings(extra: &[(&str, &str)]) -> Result<AwsSettings, SettingError> {
        let base = [
            ("AWS_REGION", "ap-southeast-1"),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "hunter2"),
            ("AWS_SESSION_TOKEN", "hunter3"),
        ];
        AwsSettings::from_lookup(&|name| {
            extra.iter().chain(&base).find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn http() -> reqwest::Client {
        Outbound::new(None).unwrap().aws_client().unwrap()
    }

    /// One HTTP/1.1 request whose length is named: its head, and its body.
    async fn request(socket: &mut TcpStream) -> (String, Vec<u8>) {
        let mut read = Vec::new();
        let head_end = loop {
            if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            assert_ne!(socket.read_buf(&mut read).await.unwrap(), 0, "the client hung up");
        };
        let body = read.split_off(head_end);
        let head = String::from_utf8(read).unwrap().to_ascii_lowercase();
        let length = head
            .split("content-length: ")
            .nth(1)
            .map_or(0, |rest| rest.split("\r\n").next().unwrap().parse::<usize>().unwrap());
        let mut body = body;
        while body.len() < length {
            assert_ne!(socket.read_buf(&mut body).await.unwrap(), 0, "the client hung up");
        }
        (head, body)
    }

    #[test]
    fn the_service_goes_before_everything_and_the_region_has_two_names() {
        let read = settings(&[
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:1/"),
            ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:2"),
            ("AWS_REGION", ""),
            ("AWS_DEFAULT_REGION", "cn-north-1"),
        ])
        .unwrap();
        assert_eq!(read.endpoint_dynamodb.as_deref(), Some("http://127.0.0.1:1"));
        assert_eq!(read.endpoint_secrets_manager.as_deref(), Some("http://127.0.0.1:1"));
        assert_eq!(read.endpoint_s3.as_deref(), Some("http://127.0.0.1:2"));
        assert_eq!(read.region, "cn-north-1");
        assert_eq!(settings(&[]).unwrap().endpoint_dynamodb, None);
    }

    #[test]
    fn what_is_missing_is_named() {
        for name in ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            assert_eq!(settings(&[(name, "")]).unwrap_err(), SettingError::Missing { name });
        }
        assert!(settings(&[("AWS_SESSION_TOKEN", "")]).unwrap().credentials.session_token.is_none());
        let error = settings(&[("AWS_REGION", "evil.example/")]).unwrap_err();
        assert_eq!(error.to_string(), "AWS_REGION is invalid: it must be a region such as ap-southeast-1");
    }

    #[test]
    fn keys_are_not_shown() {
        let settings = settings(&[]).unwrap();
        let shown = format!("{settings:?} {:?}", settings.dynamodb(&http()));
        assert!(shown.contains("ap-southeast-1") && !shown.contains("hunter"), "{shown}");
    }

    #[tokio::test]
    async fn a_connection_that_breaks_is_tried_again_and_a_refusal_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut first, _) = listener.accept().await.unwrap();
            request(&mut first).await;
            drop(first);
            let (mut second, _) = listener.accept().await.unwrap();
            let (head, body) = request(&mut second).await;
            assert!(head.contains("x-amz-target: dynamodb_20120810.describetable"), "{head}");
            assert!(head.contains("x-amz-security-token: hunter3"), "{head}");
            assert_eq!(body, br#"{"TableName":"table"}"#);
            let error = br#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"no"}"#;
            let head = format!("HTTP/1.1 400 Bad Request\r\ncontent-length: {}\r\n\r\n", error.len());
            second.write_all(head.as_bytes()).await.unwrap();
            second.write_all(error).await.unwrap();
        });
        let table = settings(&[("AWS_ENDPOINT_URL_DYNAMODB", &endpoint)]).unwrap().dynamodb(&http());
        let error = table.describe_table().table_name("table").send().await.unwrap_err();
        assert!(error.into_service_error().is_resource_not_found_exception());
        server.await.unwrap();
    }

    /// A sandbox is frozen between two requests, and finds its kept connections closed, or dead on the first write.
    #[tokio::test]
    async fn a_kept_connection_that_was_closed_meanwhile_costs_no_request() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        const REQUESTS: usize = 6;
        let server = tokio::spawn(async move {
            for answered in 0..REQUESTS {
                let (mut socket, _) = listener.accept().await.unwrap();
                request(&mut socket).await;
                socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
                // Each second one is dead only once it is written to.
                if answered % 2 == 1 && answered + 1 < REQUESTS {
                    request(&mut socket).await;
                }
            }
        });
        let table = settings(&[("AWS_ENDPOINT_URL_DYNAMODB", &endpoint)]).unwrap().dynamodb(&http());
        for _ in 0..REQUESTS {
            table.describe_table().table_name("table").send().await.unwrap();
        }
        server.await.unwrap();
    }

    #[tokio::test]
    async fn a_refused_connection_is_told_apart_in_the_sdks_error() {
        // Bound but not listening: nobody else gets the port, and every connection is refused.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let endpoint = format!("http://{}", socket.local_addr().unwrap());
        let secrets = settings(&[("AWS_ENDPOINT_URL", &endpoint)]).unwrap().secrets_manager(&http());
        let error = secrets.get_secret_value().secret_id("id").send().await.unwrap_err();
        assert!(matches!(&error, SdkError::DispatchFailure(failure) if failure.is_io()), "{error:?}");
    }

    #[tokio::test]
    async fn s3_has_paths_for_buckets_and_only_our_checksum() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let (head, body) = request(&mut socket).await;
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            let (get, _) = request(&mut socket).await;
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nbytes").await.unwrap();
            (head, body, get)
        });
        let bucket = settings(&[("AWS_ENDPOINT_URL", &endpoint)]).unwrap().s3(&http());
        let sha256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        let put = bucket.put_object().bucket("bucket").key("media/a.jpg").checksum_sha256(sha256);
        put.body(ByteStream::from_static(b"picture")).send().await.unwrap();
        let got = bucket.get_object().bucket("bucket").key("media/a.jpg").send().await.unwrap();
        assert_eq!(got.body.collect().await.unwrap().to_vec(), b"bytes");

        let (put, body, get) = server.await.unwrap();
        assert!(put.starts_with("put /bucket/media/a.jpg"), "{put}");
        assert!(put.contains(&format!("x-amz-checksum-sha256: {}", sha256.to_ascii_lowercase())), "{put}");
        assert!(!put.contains("crc") && !put.contains("aws-chunked") && !put.contains("trailer"), "{put}");
        assert!(!get.contains("x-amz-checksum-mode"), "{get}");
        assert_eq!(body, b"picture");
    }
}
