//! A proxy in front of the embedded DynamoDB, which is kinder than the real one.
//!
//! On order it cuts connections before or after a write is applied, throttles, and answers index queries from the past.
//! It keeps account of every call: which function made it, what of the table it touched, what it would have cost.
#![expect(clippy::unwrap_used, reason = "test support: a panic is the failure report")]

mod calls;

use std::sync::{Arc, Mutex, MutexGuard};

use self::calls::{account, calls_of, reports_capacity};
use crate::grants::allows;
use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use greenlight_local::cuttable_listener::{self, Connection};
use greenlight_local::engines::{Engine, dynamodb};
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Barrier, RwLock, watch};

/// The table's partition key.
const PARTITION_KEY: &str = "pk";
/// DynamoDB's own limit on a request.
const MOST_BYTES: usize = 16 * 1024 * 1024;
const AWS_JSON: &str = "application/x-amz-json-1.0";

/// The proxy; it serves until it is dropped.
pub struct TableProxy {
    url: String,
    exchange: Arc<Exchange>,
    stop: watch::Sender<bool>,
}

/// One thing that a function did to the table, as the table's bill and a policy see it.
///
/// A transaction or a batch is as many calls as it has items; its whole cost stands with the first.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Who called: the path of its [`TableProxy::url_for`]; empty for whoever used [`TableProxy::url`].
    pub function: String,
    /// What went over the wire: `PutItem`, `TransactWriteItems` …
    pub operation: String,
    /// What a policy has to allow: `PutItem`, `ConditionCheckItem` … A transaction needs the actions of its items.
    pub action: String,
    /// The table.
    pub table: String,
    /// The index, where one was queried.
    pub index: Option<String>,
    /// The partition key, of the index where one was queried; empty where a call has none.
    pub key: String,
    /// Read units, as reported.
    pub consumed_read: f64,
    /// Write units with those of the indexes, as reported. What was refused by its own condition is billed but not
    /// reported: here it is 1 for a write and 2 for each item of a transaction, as for items up to 1 KB.
    pub consumed_write: f64,
    /// How much of this was on indexes.
    pub on_indexes: f64,
    /// Whether it was refused by its own condition.
    pub conditional_failure: bool,
}

impl Call {
    /// What kind of key it is: everything up to the first `#`, that included.
    pub fn key_prefix(&self) -> &str {
        self.key.split_inclusive('#').next().unwrap_or_default()
    }
}

/// Which calls are meant: all, or those with everything that is named. A transaction is meant if one of its items is.
#[derive(Clone, Debug, Default)]
pub struct CallMatch {
    function: Option<String>,
    action: Option<String>,
    index: Option<String>,
    key: Option<String>,
    passing: usize,
}

impl CallMatch {
    /// Every call.
    pub fn any() -> Self {
        Self::default()
    }

    /// Those of one function.
    #[must_use]
    pub fn function(mut self, function: &str) -> Self {
        self.function = Some(function.to_owned());
        self
    }

    /// Those of one action (`PutItem`), be it alone or in a transaction; or of one operation (`TransactWriteItems`).
    #[must_use]
    pub fn action(mut self, action: &str) -> Self {
        self.action = Some(action.to_owned());
        self
    }

    /// Queries on one index.
    #[must_use]
    pub fn index(mut self, index: &str) -> Self {
        self.index = Some(index.to_owned());
        self
    }

    /// Those whose partition key begins so: `S#`, `K#` …
    #[must_use]
    pub fn key(mut self, prefix: &str) -> Self {
        self.key = Some(prefix.to_owned());
        self
    }

    /// Lets the first `passing` of them pass.
    #[must_use]
    pub fn after(mut self, passing: usize) -> Self {
        self.passing = passing;
        self
    }

    fn means(&self, call: &Call) -> bool {
        let named = |wanted: &Option<String>, is: &dyn Fn(&str) -> bool| wanted.as_deref().is_none_or(is);
        named(&self.function, &|function| function == call.function)
            && named(&self.action, &|action| action == call.action || action == call.operation)
            && named(&self.index, &|index| Some(index) == call.index.as_deref())
            && named(&self.key, &|key| call.key.starts_with(key))
    }
}

/// How the table refuses a call that it does not apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `ProvisionedThroughputExceededException`: a partition has had too much; on-demand tables say it too.
    ThroughputExceeded,
    /// `ThrottlingException`: the account has had too much.
    Throttling,
    /// `InternalServerError`, 500.
    ServerError,
    /// Another transaction holds an item. The embedded DynamoDB never says it, for it does one thing at a time.
    TransactionConflict,
}

#[derive(Clone, Debug)]
enum Fault {
    CutBefore,
    LoseAnswer,
    Refuse(Refusal),
    Meet(Arc<Barrier>),
}

struct Order {
    matching: CallMatch,
    fault: Fault,
    times: usize,
}

/// What passes through: shared by the connections.
struct Exchange {
    upstream: String,
    client: reqwest::Client,
    orders: Mutex<Vec<Order>>,
    calls: Mutex<Vec<Call>>,
    /// A copy of the table as it was; index queries go there while it stands.
    past: Mutex<Option<Engine>>,
    /// Held for reading by every call under way.
    under_way: RwLock<()>,
}

impl TableProxy {
    /// Starts in front of `upstream_url`, on a port of its own, sending through `client`.
    pub async fn start(upstream_url: String, client: reqwest::Client) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let exchange = Arc::new(Exchange {
            upstream: upstream_url,
            client,
            orders: Mutex::default(),
            calls: Mutex::default(),
            past: Mutex::default(),
            under_way: RwLock::default(),
        });
        let router = router(&exchange);
        // Nothing is ever sent: the proxy going away is the signal.
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(cuttable_listener::serve(listener, router, stopped));
        Self { url, exchange, stop }
    }

    /// One more way in, for a caller that is to die: when it is stopped, only what [`TableProxy::quiet`] waits for is
    /// still under way.
    pub async fn way_in(&self) -> Engine {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        cuttable_listener::way_in(listener, router(&self.exchange), self.stop.subscribe()).unwrap()
    }

    /// The endpoint for whoever need not be told apart.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The endpoint for one function: its calls are recorded under its name.
    pub fn url_for(&self, function: &str) -> String {
        format!("{}/{function}", self.url)
    }

    /// Applies the next call that is meant, then cuts the connection: the caller cannot know.
    pub fn lose_answer_of_next(&self, matching: CallMatch) {
        self.order(matching, Fault::LoseAnswer, 1);
    }

    /// Cuts the connection of the next call that is meant, which is not applied.
    pub fn cut_before_next(&self, matching: CallMatch) {
        self.order(matching, Fault::CutBefore, 1);
    }

    /// Refuses the next `times` calls that are meant with `ProvisionedThroughputExceededException`.
    pub fn throttle_next(&self, matching: CallMatch, times: usize) {
        self.refuse_next(matching, Refusal::ThroughputExceeded, times);
    }

    /// Refuses the next `times` calls that are meant.
    pub fn refuse_next(&self, matching: CallMatch, refusal: Refusal, times: usize) {
        self.order(matching, Fault::Refuse(refusal), times);
    }

    /// Holds the next call that is meant until all who wait at `barrier` have come: calls that are made one after another
    /// never meet.
    pub fn meet_at(&self, barrier: &Arc<Barrier>, matching: CallMatch) {
        self.order(matching, Fault::Meet(Arc::clone(barrier)), 1);
    }

    fn order(&self, matching: CallMatch, fault: Fault, times: usize) {
        locked(&self.exchange.orders).push(Order { matching, fault, times });
    }

    /// How many orders have not been carried out in full: a test in which one has not has tested nothing.
    pub fn orders_left(&self) -> usize {
        locked(&self.exchange.orders).len()
    }

    /// Answers index queries as of now from now on, or as they are again.
    pub async fn answer_index_queries_from_the_past(&self, on: bool) {
        let past = if on { Some(self.exchange.copy_of_the_table().await) } else { None };
        *locked(&self.exchange.past) = past;
    }

    /// Lets the past of the index queries be now, if they are answered from it.
    pub async fn catch_up(&self) {
        let on = locked(&self.exchange.past).is_some();
        self.answer_index_queries_from_the_past(on).await;
    }

    /// Every call since the start, or since they were forgotten, in the order in which they were answered.
    pub fn calls(&self) -> Vec<Call> {
        locked(&self.exchange.calls).clone()
    }

    /// Forgets the calls.
    pub fn forget_calls(&self) {
        locked(&self.exchange.calls).clear();
    }

    /// Returns when no call is under way: one that has reached the proxy is applied, though its caller be gone.
    pub async fn quiet(&self) {
        drop(self.exchange.under_way.write().await);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

fn router(exchange: &Arc<Exchange>) -> Router {
    Router::new().fallback(pass).with_state(Arc::clone(exchange))
}

/// Passes one call on. What has been read is carried out to the end in a task of its own, as the real DynamoDB does:
/// a caller that goes away changes nothing.
async fn pass(
    State(exchange): State<Arc<Exchange>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let carried_out = async {
        let body = axum::body::to_bytes(body, MOST_BYTES).await.ok()?;
        let function = parts.uri.path().trim_matches('/').to_owned();
        tokio::spawn(async move { exchange.carry_out(function, parts.headers, &body).await }).await.ok()?
    };
    carried_out.await.unwrap_or_else(|| {
        connection.cut();
        // It is never seen, for nothing more can be written.
        StatusCode::BAD_GATEWAY.into_response()
    })
}

/// The first of these calls that the function's role in the deployment template does not allow.
fn denied<'a>(operation: &str, calls: &'a [Call]) -> Option<&'a Call> {
    let all: Vec<&str> = calls.iter().map(|call| call.key.as_str()).collect();
    calls.iter().find(|call| {
        let resource = call.index.as_ref().map_or_else(|| "table".to_owned(), |index| format!("index/{index}"));
        let own = [call.key.as_str()];
        let keys = if operation == "BatchGetItem" { all.as_slice() } else { own.as_slice() };
        !allows(&call.function, &format!("dynamodb:{}", call.action), &resource, keys)
    })
}

fn access_denied(call: &Call) -> Response {
    let message = format!("{} may not {} {:?} {}", call.function, call.action, call.index, call.key);
    let body = json!({"__type": "com.amazon.coral.service#AccessDeniedException", "Message": message});
    (StatusCode::BAD_REQUEST, [(CONTENT_TYPE, AWS_JSON)], body.to_string()).into_response()
}

impl Exchange {
    /// The answer to one call, or nothing where the connection is to be cut.
    async fn carry_out(&self, function: String, mut headers: HeaderMap, body: &Bytes) -> Option<Response> {
        let _under_way = self.under_way.read().await;
        let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let mut asked: Value = serde_json::from_slice(body).unwrap_or_default();
        let mut calls = calls_of(&function, &operation, &asked);

        if let Some(denied) = denied(&operation, &calls) {
            let answer = access_denied(denied);
            locked(&self.calls).append(&mut calls);
            return Some(answer);
        }
        let fault = self.fault_for(&calls);
        match fault {
            Some(Fault::CutBefore) => {
                locked(&self.calls).append(&mut calls);
                return None;
            }
            Some(Fault::Refuse(refusal)) => {
                let answer = refused(refusal, &operation, calls.len());
                locked(&self.calls).append(&mut calls);
                return Some(answer);
            }
            Some(Fault::Meet(ref barrier)) => {
                barrier.wait().await;
            }
            Some(Fault::LoseAnswer) | None => {}
        }

        if reports_capacity(&operation)
            && let Some(asked) = asked.as_object_mut()
        {
            asked.entry("ReturnConsumedCapacity").or_insert_with(|| json!("INDEXES"));
        }
        for name in [HOST, CONTENT_LENGTH, CONNECTION, TRANSFER_ENCODING] {
            headers.remove(name);
        }
        let request = self.client.post(self.engine_for(&calls)).headers(headers).body(asked.to_string());
        let answer = request.send().await.ok()?;
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        let body = answer.bytes().await.ok()?;
        account(&mut calls, &serde_json::from_slice(&body).unwrap_or_default());
        locked(&self.calls).append(&mut calls);

        if matches!(fault, Some(Fault::LoseAnswer)) {
            return None;
        }
        for name in [CONTENT_LENGTH, CONNECTION, TRANSFER_ENCODING] {
            headers.remove(name);
        }
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Some(response)
    }

    /// The first order that is due for these calls, of which it is then one less.
    fn fault_for(&self, calls: &[Call]) -> Option<Fault> {
        let mut orders = locked(&self.orders);
        let due = orders.iter_mut().position(|order| {
            let meant = calls.iter().any(|call| order.matching.means(call));
            if meant && order.matching.passing > 0 {
                order.matching.passing -= 1;
                return false;
            }
            meant
        })?;
        let order = orders.get_mut(due)?;
        let fault = order.fault.clone();
        order.times = order.times.saturating_sub(1);
        if order.times == 0 {
            orders.remove(due);
        }
        Some(fault)
    }

    /// Where a call goes: index queries to the past, if there is one.
    fn engine_for(&self, calls: &[Call]) -> String {
        let from_index = calls.iter().any(|call| call.index.is_some());
        match &*locked(&self.past) {
            Some(past) if from_index => past.url.clone(),
            _ => self.upstream.clone(),
        }
    }

    /// Another DynamoDB, in memory, with the same tables and items.
    async fn copy_of_the_table(&self) -> Engine {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (copy, _) = dynamodb::start(listener, None).await.unwrap();
        let tables = self.ask(&self.upstream, "ListTables", &json!({})).await;
        for table in list(&tables, "TableNames") {
            let described = self.ask(&self.upstream, "DescribeTable", &json!({"TableName": table})).await;
            let described = described.get("Table").cloned().unwrap_or_default();
            let indexes: Vec<Value> = list(&described, "GlobalSecondaryIndexes")
                .iter()
                .map(|index| picked(index, &["IndexName", "KeySchema", "Projection"]))
                .collect();
            let mut definition = picked(&described, &["TableName", "KeySchema", "AttributeDefinitions"]);
            if let Some(definition) = definition.as_object_mut() {
                definition.insert("BillingMode".to_owned(), json!("PAY_PER_REQUEST"));
                if !indexes.is_empty() {
                    definition.insert("GlobalSecondaryIndexes".to_owned(), json!(indexes));
                }
            }
            self.ask(&copy.url, "CreateTable", &definition).await;
            let mut scan = json!({"TableName": table, "ConsistentRead": true});
            loop {
                let mut page = self.ask(&self.upstream, "Scan", &scan).await;
                for item in list(&page, "Items") {
                    self.ask(&copy.url, "PutItem", &json!({"TableName": table, "Item": item})).await;
                }
                match (page.get_mut("LastEvaluatedKey").map(Value::take), scan.as_object_mut()) {
                    (Some(last), Some(scan)) => scan.insert("ExclusiveStartKey".to_owned(), last),
                    _ => break,
                };
            }
        }
        copy
    }

    /// One call of the proxy's own.
    async fn ask(&self, engine: &str, operation: &str, request: &Value) -> Value {
        let answer = self
            .client
            .post(engine)
            .header(CONTENT_TYPE, AWS_JSON)
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
            .header("x-amz-date", "20260101T000000Z")
            // The embedded DynamoDB wants a signature and does not look at it.
            .header("authorization", "AWS4-HMAC-SHA256 Credential=proxy, SignedHeaders=host, Signature=none")
            .body(request.to_string())
            .send()
            .await
            .unwrap();
        let (status, body) = (answer.status(), answer.bytes().await.unwrap());
        assert!(status.is_success(), "{operation}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }
}

fn picked(from: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), from.get(name).cloned().unwrap_or_default())).collect()
}

fn list<'v>(from: &'v Value, name: &str) -> &'v [Value] {
    from.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text(from: &Value, name: &str) -> String {
    from.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn refused(refusal: Refusal, operation: &str, items: usize) -> Response {
    let (status, kind) = match refusal {
        Refusal::ThroughputExceeded => {
            (StatusCode::BAD_REQUEST, "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException")
        }
        Refusal::Throttling => (StatusCode::BAD_REQUEST, "com.amazon.coral.availability#ThrottlingException"),
        Refusal::ServerError => {
            (StatusCode::INTERNAL_SERVER_ERROR, "com.amazonaws.dynamodb.v20120810#InternalServerError")
        }
        Refusal::TransactionConflict if operation.starts_with("Transact") => {
            (StatusCode::BAD_REQUEST, "com.amazonaws.dynamodb.v20120810#TransactionCanceledException")
        }
        Refusal::TransactionConflict => {
            (StatusCode::BAD_REQUEST, "com.amazonaws.dynamodb.v20120810#TransactionConflictException")
        }
    };
    let body = if kind.ends_with("TransactionCanceledException") {
        let code = |item| if item == 0 { "TransactionConflict" } else { "None" };
        let reasons: Vec<Value> = (0..items).map(|item| json!({"Code": code(item)})).collect();
        // The members of this one error are written in capitals.
        json!({"__type": kind, "Message": "The proxy was told to cancel this.", "CancellationReasons": reasons})
    } else {
        json!({"__type": kind, "message": "The proxy was told to refuse this."})
    };
    (status, [(CONTENT_TYPE, AWS_JSON)], body.to_string()).into_response()
}

#[cfg(test)]
mod tests;
