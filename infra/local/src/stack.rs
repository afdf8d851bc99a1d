//! What AWS is on this machine: the table, the bucket and the secret, in embedded engines.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType, StreamSpecification, StreamViewType, TimeToLiveSpecification,
};
use axum::Router;
use axum::extract::Request;
use greenlight::aws::AwsSettings;
use greenlight::error::Cause;
use greenlight::outbound::Outbound;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::durable::Durability;
use crate::engines::dynamodb::Upkeep;

use crate::engines::secrets_manager::SharedSecrets;
use crate::engines::{Engine, EngineError, dynamodb, s3, secrets_manager};

/// The table's name here.
pub const TABLE: &str = "greenlight";
/// The bucket's name here.
pub const BUCKET: &str = "greenlight";
/// The secret's name here.
pub const SECRET: &str = "greenlight";
/// Where upload forms are posted to, below the address of everything else.
pub const FORMS: &str = "/forms";
/// The folder of the objects in the data folder.
pub const OBJECTS: &str = "objects";
const ACCESS_KEY: &str = "local-access-key";
const SECRET_KEY: &str = "local-secret-key";
const REGION: &str = "us-east-1";
/// Where Linux has a file system in memory.
const MEMORY: &str = "/dev/shm";

/// Why there is no stack.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// An engine did not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A folder or a port could not be had.
    #[error("{what}")]
    Io {
        /// What could not be had.
        what: String,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// The table could not be made.
    #[error("the table could not be made")]
    Table(#[source] Cause),
}

/// The engines, each on a port of its own on the loopback address.
#[derive(Debug)]
pub struct Stack {
    /// DynamoDB.
    pub dynamodb: Engine,
    /// What DynamoDB does by itself on AWS.
    pub upkeep: Upkeep,
    /// S3.
    pub s3: Engine,
    forms: Router,
    /// Secrets Manager.
    pub secrets_manager: Engine,
    /// What Secrets Manager holds.
    pub secrets: SharedSecrets,
    /// The folder that S3 keeps its objects in.
    pub objects: PathBuf,
    _temporary: Option<TempDir>,
}

fn failed(error: impl Into<Cause>) -> StackError {
    StackError::Table(error.into())
}

async fn any_port() -> Result<TcpListener, StackError> {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    listener.map_err(|error| StackError::Io { what: "no port on the loopback address".to_owned(), error })
}

impl Stack {
    /// Starts the engines and makes table and bucket. With a folder everything stays in it; without, nothing stays.
    pub async fn start(data: Option<&Path>) -> Result<Self, StackError> {
        match data {
            Some(folder) => Self::start_with(Some(folder), &folder.join(OBJECTS), None).await,
            None => Self::start_in(TempDir::new()).await,
        }
    }

    /// Starts them with nothing on a disk, if the machine can: faster where there are many small objects.
    ///
    /// # Errors
    /// When an engine does not start, or the table cannot be made.
    pub async fn start_in_memory() -> Result<Self, StackError> {
        Self::start_in(if Path::new(MEMORY).is_dir() { TempDir::new_in(MEMORY) } else { TempDir::new() }).await
    }

    async fn start_in(folder: io::Result<TempDir>) -> Result<Self, StackError> {
        let folder = folder.map_err(|error| StackError::Io { what: "no temporary folder".to_owned(), error })?;
        let objects = folder.path().join(OBJECTS);
        Self::start_with(None, &objects, Some(folder)).await
    }

    async fn start_with(data: Option<&Path>, objects: &Path, temporary: Option<TempDir>) -> Result<Self, StackError> {
        let durability = if data.is_some() { Durability::Synced } else { Durability::Fleeting };
        let secrets = SharedSecrets::default();
        let (dynamodb, upkeep) = dynamodb::start(any_port().await?, data).await?;
        let (s3, s3_router) =
            s3::start(any_port().await?, objects, ACCESS_KEY, SECRET_KEY, &[BUCKET], durability).await?;
        let stack = Self {
            dynamodb,
            upkeep,
            s3,
            forms: s3::forms(s3_router, BUCKET),
            secrets_manager: secrets_manager::start(any_port().await?, secrets.clone()).await?,
            secrets,
            objects: objects.to_owned(),
            _temporary: temporary,
        };
        stack.make_table().await?;
        Ok(stack)
    }

    /// The settings by which functions reach these engines; the others are the caller's.
    pub fn settings(&self) -> HashMap<&'static str, String> {
        HashMap::from([
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.dynamodb.url.clone()),
            ("AWS_ENDPOINT_URL_S3", self.s3.url.clone()),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", self.secrets_manager.url.clone()),
            ("GREENLIGHT_TABLE", TABLE.to_owned()),
            ("GREENLIGHT_BUCKET", BUCKET.to_owned()),
            ("GREENLIGHT_SECRET", SECRET.to_owned()),
            ("GREENLIGHT_INVOKE_MODE", "response_stream".to_owned()),
        ])
    }

    /// What `functions` answer, and upload forms at the path [`FORMS`], whatever prefix stands before it: phones reach one
    /// address, and not the engines' own.
    pub fn with_forms(&self, functions: Router) -> Router {
        let forms = self.forms.clone();
        Router::new().fallback_service(tower::service_fn(move |request: Request| {
            let router = if request.uri().path().ends_with(FORMS) { &forms } else { &functions };
            router.clone().oneshot(request)
        }))
    }

    /// Stops the engines, once what they were asked is answered.
    pub async fn stop(self) {
        self.dynamodb.stop().await;
        self.s3.stop().await;
        self.secrets_manager.stop().await;
    }

    async fn make_table(&self) -> Result<(), StackError> {
        let settings = self.settings();
        let lookup = |name: &str| settings.get(name).cloned();
        let http = Outbound::new(None).and_then(|outbound| outbound.aws_client()).map_err(failed)?;
        let client = AwsSettings::from_lookup(&lookup).map_err(failed)?.dynamodb(&http);
        let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
        let text = |name: &str| {
            AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build()
        };
        let index = |name: &str, partition: &str, sort: &str| {
            let projection = Projection::builder().projection_type(ProjectionType::KeysOnly).build();
            GlobalSecondaryIndex::builder()
                .index_name(name)
                .key_schema(key(partition, KeyType::Hash)?)
                .key_schema(key(sort, KeyType::Range)?)
                .projection(projection)
                .build()
        };
        let build = || -> Result<_, aws_sdk_dynamodb::error::BuildError> {
            let stream = StreamSpecification::builder()
                .stream_enabled(true)
                .stream_view_type(StreamViewType::NewAndOldImages)
                .build()?;
            let mut call = client
                .create_table()
                .table_name(TABLE)
                .billing_mode(BillingMode::PayPerRequest)
                .key_schema(key("pk", KeyType::Hash)?)
                .key_schema(key("sk", KeyType::Range)?)
                .global_secondary_indexes(index("queue", "queue_pk", "queue_sk")?)
                .global_secondary_indexes(index("by_author", "author_pk", "created_at")?)
                .stream_specification(stream);
            for name in ["pk", "sk", "queue_pk", "queue_sk", "author_pk", "created_at"] {
                call = call.attribute_definitions(text(name)?);
            }
            let expiry = TimeToLiveSpecification::builder().enabled(true).attribute_name("expires_at").build()?;
            Ok((call, client.update_time_to_live().table_name(TABLE).time_to_live_specification(expiry)))
        };
        let (create, expire) = build().map_err(failed)?;
        match create.send().await {
            Ok(_) => expire.send().await.map(drop).map_err(failed),
            // It is there from an earlier run.
            Err(error) if error.code() == Some("ResourceInUseException") => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }
}
