//! Tests of the proxy itself: a trick that does not work would make the tests that use it worthless.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, Delete, GlobalSecondaryIndex, KeySchemaElement, KeyType,
    Projection, ProjectionType, Put, ScalarAttributeType, TransactWriteItem,
};
use aws_sdk_dynamodb::{Client, error::ProvideErrorMetadata};
use greenlight::aws::AwsSettings;
use greenlight::outbound::Outbound;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// A proxy before a DynamoDB of its own, with a table as Greenlight's.
struct Table {
    proxy: TableProxy,
    http: reqwest::Client,
    _engine: Engine,
}

impl Table {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (engine, _) = dynamodb::start(listener, None).await.unwrap();
        let http = Outbound::new(None).and_then(|outbound| outbound.aws_client()).unwrap();
        let proxy = TableProxy::start(engine.url.clone(), http.clone()).await;
        let table = Self { proxy, http, _engine: engine };
        table.create().await;
        table
    }

    /// The SDK as a function has it; it tries thrice.
    fn client(&self, function: &str) -> Client {
        let url = self.proxy.url_for(function);
        let settings = AwsSettings::from_lookup(&|name| match name {
            "AWS_REGION" => Some("us-east-1".to_owned()),
            "AWS_ENDPOINT_URL_DYNAMODB" => Some(url.clone()),
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("local".to_owned()),
            _ => None,
        });
        settings.unwrap().dynamodb(&self.http)
    }

    /// The SDK, trying once.
    fn once(&self, function: &str) -> Client {
        let config = self.client(function).config().to_builder();
        let never = aws_sdk_dynamodb::config::retry::RetryConfig::disabled();
        Client::from_conf(config.retry_config(never).build())
    }

    async fn create(&self) {
        let keys = |hash: &str, range: &str| {
            [(hash, KeyType::Hash), (range, KeyType::Range)]
                .map(|(name, kind)| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap())
        };
        let string = |name: &str| {
            let text = ScalarAttributeType::S;
            AttributeDefinition::builder().attribute_name(name).attribute_type(text).build().unwrap()
        };
        let keys_only = Projection::builder().projection_type(ProjectionType::KeysOnly).build();
        let queue = GlobalSecondaryIndex::builder()
            .index_name("queue")
            .set_key_schema(Some(keys("queue_pk", "queue_sk").to_vec()))
            .projection(keys_only);
        let attributes = ["pk", "sk", "queue_pk", "queue_sk"].map(string).to_vec();
        let request = self.client("").create_table().table_name("table").billing_mode(BillingMode::PayPerRequest);
        let request = request.set_key_schema(Some(keys("pk", "sk").to_vec()));
        let request = request.set_attribute_definitions(Some(attributes));
        request.global_secondary_indexes(queue.build().unwrap()).send().await.unwrap();
        self.proxy.forget_calls();
    }

    async fn holds(&self, pk: &str) -> bool {
        let request = self.client("").get_item().table_name("table").key("pk", s(pk)).key("sk", s("S"));
        request.consistent_read(true).send().await.unwrap().item.is_some()
    }
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

type PutItem = aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;

fn put(client: &Client, pk: &str) -> PutItem {
    client.put_item().table_name("table").item("pk", s(pk)).item("sk", s("S"))
}

fn put_due(client: &Client, pk: &str, due: &str) -> PutItem {
    put(client, pk).item("queue_pk", s("due#0")).item("queue_sk", s(due))
}

async fn due(client: &Client, before: &str) -> Vec<String> {
    let request = client.query().table_name("table").index_name("queue");
    let request = request.key_condition_expression("#pk = :pk AND #sk <= :now");
    let request = request.expression_attribute_names("#pk", "queue_pk");
    let request = request.expression_attribute_names("#sk", "queue_sk");
    let request = request.expression_attribute_values(":pk", s("due#0"));
    let answer = request.expression_attribute_values(":now", s(before)).send().await.unwrap();
    answer.items().iter().map(|item| item["pk"].as_s().unwrap().clone()).collect()
}

fn cost(calls: &[Call]) -> (f64, f64) {
    (calls.iter().map(|call| call.consumed_read).sum(), calls.iter().map(|call| call.consumed_write).sum())
}

#[tokio::test]
async fn a_call_is_recorded_under_its_functions_name() {
    let table = Table::new().await;
    let client = table.client("sweep-overdue");
    put_due(&client, "S#1", "1").send().await.unwrap();
    due(&client, "5").await;
    let calls = table.proxy.calls();
    let seen = |call: &Call| (call.function.clone(), call.action.clone(), call.key_prefix().to_owned());
    let expected = |action: &str, key: &str| ("sweep-overdue".to_owned(), action.to_owned(), key.to_owned());
    assert_eq!(calls.iter().map(seen).collect::<Vec<_>>(), [expected("PutItem", "S#"), expected("Query", "due#")]);
    assert_eq!((calls[0].table.as_str(), calls[1].index.as_deref()), ("table", Some("queue")));
    assert_eq!(cost(&calls), (0.5, 2.0));
    assert_eq!(calls[0].on_indexes, 1.0);
}

#[tokio::test]
async fn an_update_costs_what_it_changes_in_the_index() {
    let table = Table::new().await;
    let client = table.client("");
    put_due(&client, "S#1", "1").send().await.unwrap();
    let update = |expression: &str, value: &str| {
        let request = client.update_item().table_name("table").key("pk", s("S#1")).key("sk", s("S"));
        request.update_expression(expression).expression_attribute_values(":v", s(value)).send()
    };
    for (expression, value, units) in [
        ("SET note = :v", "x", 1.0),
        ("SET queue_sk = :v", "1", 1.0),
        ("SET queue_sk = :v", "2", 3.0),
        ("SET note = :v REMOVE queue_pk, queue_sk", "y", 2.0),
    ] {
        table.proxy.forget_calls();
        update(expression, value).await.unwrap();
        assert_eq!(cost(&table.proxy.calls()), (0.0, units), "{expression}");
    }
}

#[tokio::test]
async fn a_transaction_is_a_call_for_each_item_and_costs_double_but_on_the_index() {
    let table = Table::new().await;
    let client = table.client("f");
    let item = Put::builder().table_name("table").item("pk", s("S#1")).item("sk", s("S"));
    let item = item.item("queue_pk", s("due#0")).item("queue_sk", s("1")).build().unwrap();
    let other = Delete::builder().table_name("table").key("pk", s("A#1")).key("sk", s("A")).build().unwrap();
    let request = client.transact_write_items().transact_items(TransactWriteItem::builder().put(item).build());
    let request = request.transact_items(TransactWriteItem::builder().delete(other).build());
    request.clone().send().await.unwrap();
    let calls = table.proxy.calls();
    let seen: Vec<_> = calls.iter().map(|call| (call.action.as_str(), call.key.as_str())).collect();
    assert_eq!(seen, [("PutItem", "S#1"), ("DeleteItem", "A#1")]);
    assert_eq!(cost(&calls), (0.0, 5.0), "{calls:?}");

    table.proxy.refuse_next(CallMatch::any().action("DeleteItem").key("A#"), Refusal::TransactionConflict, 1);
    let error = request.send().await.unwrap_err().into_service_error();
    let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(error) =
        error
    else {
        panic!("{error:?}")
    };
    assert_eq!(error.cancellation_reasons()[0].code(), Some("TransactionConflict"));
}

#[tokio::test]
async fn a_refused_condition_is_billed() {
    let table = Table::new().await;
    let client = table.client("f");
    let request = put(&client, "S#1").condition_expression("attribute_not_exists(pk)");
    request.clone().send().await.unwrap();
    table.proxy.forget_calls();
    let error = request.send().await.unwrap_err();
    assert_eq!(error.code(), Some("ConditionalCheckFailedException"));
    let calls = table.proxy.calls();
    assert!(calls[0].conditional_failure);
    assert_eq!(cost(&calls), (0.0, 1.0));
}

#[tokio::test]
async fn a_lost_answer_is_an_applied_write() {
    let table = Table::new().await;
    table.proxy.lose_answer_of_next(CallMatch::any().function("f").action("PutItem").key("S#"));
    put(&table.once("f"), "A#1").send().await.unwrap();
    put(&table.once("g"), "S#0").send().await.unwrap();
    let error = put(&table.once("f"), "S#1").send().await.unwrap_err();
    assert!(error.as_service_error().is_none(), "{error:?}");
    assert!(table.holds("S#1").await);
    assert_eq!(table.proxy.orders_left(), 0);
}

#[tokio::test]
async fn a_lost_answer_makes_the_sdk_write_twice() {
    let table = Table::new().await;
    table.proxy.lose_answer_of_next(CallMatch::any());
    let request = put(&table.client("f"), "S#1").condition_expression("attribute_not_exists(pk)");
    assert_eq!(request.send().await.unwrap_err().code(), Some("ConditionalCheckFailedException"));
}

#[tokio::test]
async fn a_cut_call_is_not_applied() {
    let table = Table::new().await;
    table.proxy.cut_before_next(CallMatch::any().after(1));
    put(&table.once("f"), "S#1").send().await.unwrap();
    assert!(put(&table.once("f"), "S#2").send().await.unwrap_err().as_service_error().is_none());
    assert!(table.holds("S#1").await && !table.holds("S#2").await);
}

#[tokio::test]
async fn a_throttled_call_is_not_applied_and_its_repeat_is() {
    let table = Table::new().await;
    for (refusal, code) in [
        (Refusal::ThroughputExceeded, "ProvisionedThroughputExceededException"),
        (Refusal::Throttling, "ThrottlingException"),
        (Refusal::ServerError, "InternalServerError"),
        (Refusal::TransactionConflict, "TransactionConflictException"),
    ] {
        table.proxy.refuse_next(CallMatch::any(), refusal, 1);
        let error = put(&table.once("f"), "S#1").send().await.unwrap_err();
        assert_eq!(error.code(), Some(code), "{error:?}");
    }
    assert!(!table.holds("S#1").await);
    table.proxy.throttle_next(CallMatch::any(), 2);
    put(&table.client("f"), "S#1").send().await.unwrap();
    assert!(table.holds("S#1").await);
    assert_eq!(table.proxy.orders_left(), 0);
}

#[tokio::test]
async fn index_queries_answer_from_the_past_until_it_catches_up() {
    let table = Table::new().await;
    let client = table.client("f");
    put_due(&client, "S#1", "1").send().await.unwrap();
    table.proxy.answer_index_queries_from_the_past(true).await;
    put(&client, "S#1").send().await.unwrap();
    put_due(&client, "S#2", "2").send().await.unwrap();
    assert_eq!(due(&client, "5").await, ["S#1"]);
    assert!(table.holds("S#2").await);

    table.proxy.catch_up().await;
    assert_eq!(due(&client, "5").await, ["S#2"]);
    put_due(&client, "S#3", "3").send().await.unwrap();
    assert_eq!(due(&client, "5").await, ["S#2"]);
    table.proxy.answer_index_queries_from_the_past(false).await;
    assert_eq!(due(&client, "5").await, ["S#2", "S#3"]);
}

#[tokio::test]
async fn a_call_that_has_arrived_is_applied_though_its_caller_is_gone() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut table = Table::new().await;
    let url = format!("http://{}", upstream.local_addr().unwrap());
    table.proxy = TableProxy::start(url, table.http.clone()).await;
    let client = table.once("f");
    let mut call = Box::pin(put(&client, "S#1").send());
    let (mut arrived, _) = tokio::select! {
        arrived = upstream.accept() => arrived.unwrap(),
        answer = &mut call => panic!("nobody answered {answer:?}"),
    };
    drop(call);
    let mut request = [0; 4096];
    assert!(arrived.read(&mut request).await.unwrap() > 0);
    arrived.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
    table.proxy.quiet().await;
    assert_eq!(table.proxy.calls().len(), 1);
}
