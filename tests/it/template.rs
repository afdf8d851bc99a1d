//! The deployment template: every function and setting is there, the roles fit, and the alarms watch what is measured.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use greenlight::metrics::{DIMENSION, Metric, NAMESPACE};
use greenlight::table::TURNED;
use greenlight_local::simulator::ReleaseOrder;
use greenlight_local::stack::TABLE;
use greenlight_tests::console::Visitor;
use greenlight_tests::grants::{Grant, grants, used};
use greenlight_tests::pictures::{GREEN, RED, YELLOW, picture};
use greenlight_tests::simulation;
use greenlight_tests::table_proxy::{CallMatch, Refusal};
use greenlight_tests::template::{functions, resources, template};
use greenlight_tests::world::{World, form, server_key};
use http::StatusCode;
use serde_json::{Value, json};

use crate::settings::start;
use crate::tellings::{submit, telling_world};
use crate::trouble::{minutes, wx};

/// What `main` and the log read, in every function; serve-media's `main` reads the invoke mode besides.
const READ_BY_MAIN: [&str; 2] = ["GREENLIGHT_LOG", "GREENLIGHT_STACK"];
/// For machines of one's own, and tests.
const NOT_ON_AWS: [&str; 2] = ["GREENLIGHT_ALLOW_PRIVATE", "GREENLIGHT_CA_FILE"];

#[test]
fn every_function_has_its_binary_role_and_log_and_every_binary_its_function() {
    let folders = std::fs::read_dir("../functions").unwrap().map(|folder| folder.unwrap().file_name());
    let folders: BTreeSet<String> = folders.map(|name| name.into_string().unwrap()).collect();
    let deployed: BTreeSet<String> = functions().map(|(_, folder, _)| folder.to_owned()).collect();
    assert_eq!(deployed, folders);
    let mut roles = BTreeSet::new();
    for (id, folder, properties) in functions() {
        let name: String = id.char_indices().fold(String::new(), |name, (at, letter)| match letter {
            letter if letter.is_uppercase() && at > 0 => format!("{name}-{}", letter.to_ascii_lowercase()),
            letter => format!("{name}{}", letter.to_ascii_lowercase()),
        });
        assert_eq!(name, folder, "folder and resource bear one name");
        assert!(roles.insert(properties["Role"].to_string()), "{id} shares a role");
        assert!(properties["MemorySize"].is_number() && !properties["Timeout"].is_null(), "{id}");
        let logging = &properties["LoggingConfig"];
        assert_eq!(logging["LogGroup"], json!({"Ref": format!("{id}Logs")}));
        // Metrics carry no level, and count as INFO: at any other they would be dropped.
        assert_eq!((&logging["LogFormat"], &logging["ApplicationLogLevel"]), (&json!("JSON"), &json!("INFO")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_setting_that_a_function_reads_is_set_and_no_other() {
    let world = World::start().await;
    let mut all: BTreeMap<&str, String> = world.stack.settings().into_iter().collect();
    all.insert("GREENLIGHT_PUBLIC_URL", world.url.clone());
    for (_, folder, properties) in functions() {
        let read = RefCell::new(BTreeSet::from(READ_BY_MAIN.map(str::to_owned)));
        if folder == "serve-media" {
            read.borrow_mut().insert("GREENLIGHT_INVOKE_MODE".to_owned());
        }
        let lookup = |name: &str| {
            read.borrow_mut().insert(name.to_owned());
            all.get(name).cloned()
        };
        start(folder, &lookup).await.unwrap();
        let read = read.into_inner();
        let read = read.iter().map(String::as_str);
        let read: BTreeSet<&str> =
            read.filter(|name| name.starts_with("GREENLIGHT_") && !NOT_ON_AWS.contains(name)).collect();
        let set = properties["Environment"]["Variables"].as_object().unwrap();
        let set: BTreeSet<&str> = set.keys().map(String::as_str).collect();
        assert_eq!(set, read, "{folder}");
    }
}

#[test]
fn nothing_is_allowed_on_everything_and_no_log_group_can_be_made() {
    for Grant { function, action, resource, .. } in grants() {
        let known = ["table", "index/queue", "index/by_author", "bucket", "secret", "stream", "undelivered", "logs"];
        assert!(known.contains(&resource.as_str()) || resource.starts_with("bucket/"), "{function} {resource}");
        assert!(!action.contains('*') && action != "logs:CreateLogGroup" && action != "dynamodb:Scan", "{function}");
    }
    // The one role that is no function's.
    let functions = functions().count();
    assert_eq!(resources("AWS::IAM::Role").count(), functions + 1);
    assert!(resources("AWS::IAM::Role").any(|(id, _)| id == "ScheduleRole"));
    assert!(!template()["Resources"].to_string().contains("arn:aws:"), "a partition is named");
}

/// Allowed though no test asks for it, and why.
const ALLOWED_UNSEEN: [(&str, &str, &str); 8] = [
    ("dynamodb:DescribeStream", "stream", "Lambda reads the stream, in the function's name"),
    ("dynamodb:GetRecords", "stream", "Lambda reads the stream, in the function's name"),
    ("dynamodb:GetShardIterator", "stream", "Lambda reads the stream, in the function's name"),
    ("dynamodb:ListStreams", "stream", "Lambda looks for the stream, in the function's name"),
    ("sqs:SendMessage", "undelivered", "Lambda puts aside what it cannot deliver, in the function's name"),
    ("logs:CreateLogStream", "logs", "Lambda writes the log itself, in the function's name"),
    ("logs:PutLogEvents", "logs", "Lambda writes the log itself, in the function's name"),
    ("s3:ListBucket", "bucket", "without it S3 says 403 of a missing object and not 404; nobody lists"),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_the_roles_allow_is_used_or_stands_in_the_list_with_its_reason() {
    // All that can happen to submissions, at random: what the roles refuse breaks these histories.
    simulation::run(0, 12, 2).unwrap_or_else(|report| panic!("{report}"));
    // And what is not in them.
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    // The first who needs a token fetches it.
    world.submit_text(&alice, "hello").await.expect(201);
    let asked = world.post("/v1/uploads", &alice, &json!({"kind": "image"})).await.expect(201).json();
    let fields: Vec<(String, String)> = asked["fields"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect();
    let file = picture(GREEN, 3);
    let mut parts: Vec<(&str, Option<&str>, &[u8])> =
        fields.iter().map(|(name, value)| (name.as_str(), None, value.as_bytes())).collect();
    parts.push(("file", Some("light.png"), &file));
    let (content_type, body) = form(&parts);
    let url = asked["url"].as_str().unwrap();
    let posted = world.http.post(url).header("content-type", content_type).body(body).send().await.unwrap();
    assert!(posted.status().is_success(), "{}", posted.status());
    let upload = asked["upload_id"].as_str().unwrap();
    world.post(&format!("/v1/uploads/{upload}"), &alice, &json!({})).await.expect(200);
    // Each schedule, the API and the image check renew a token that has ended.
    world.simulator.expire_token(&wx());
    world
        .post("/v1/checks/image", &alice, &json!({"upload_id": world.uploaded(&alice, &file).await}))
        .await
        .expect(200);
    world.get("/v1/reviews", &server_key(0)).await.expect(200);
    world.feed("").await;
    world.listed("/v1/submissions", &alice).await;
    what_the_console_does().await;
    what_the_schedules_do().await;
    what_is_told_and_given_up().await;

    let used = used();
    let is_listed = |grant: &&Grant| {
        ALLOWED_UNSEEN.iter().any(|(action, resource, _)| *action == grant.action && *resource == grant.resource)
    };
    let (listed, others): (Vec<&Grant>, Vec<&Grant>) = grants().iter().partition(is_listed);
    let unused: Vec<String> = others.into_iter().flat_map(Grant::uses).filter(|line| !used.contains(line)).collect();
    assert!(unused.is_empty(), "allowed, and neither used nor in the list:\n{}", unused.join("\n"));
    assert!(!listed.into_iter().flat_map(Grant::uses).any(|line| used.contains(&line)), "what is used needs no reason");
}

/// A moderator who is let in, works, and is locked out again.
async fn what_the_console_does() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let id = world.submit_media(&alice, &[picture(YELLOW, 3)]).await;
    world.simulator.idle().await;
    let lead = Visitor::enter(&world, 0, "li", "lead").await;
    let [case] = lead.queue().await.try_into().unwrap();
    lead.get(&format!("/media/{id}/0")).await.expect(200);
    lead.post("/notes", &[("case", &case), ("note", "a lamp")]).await.expect(303);
    lead.post("/decisions", &[("case", &case), ("deed", "approve")]).await.expect(303);
    lead.get(&format!("/submissions/{id}")).await.expect(200);
    lead.get("/find?id=theirs").await.expect(404);
    let author = world.stored(&id).await.author.to_string();
    lead.get(&format!("/authors/{author}")).await.expect(200);
    lead.post("/bans", &[("author", &author), ("days", "9"), ("reason", "spam")]).await.expect(303);
    lead.post("/handover", &[("text", "all is well")]).await.expect(303);
    lead.post("/people/revocations", &[("moderator", "wang")]).await.expect(200);
    lead.post("/leave", &[]).await.expect(200);
    Visitor::enter(&world, 0, "li", "lead").await;
    world.post("/v1/moderators/revocations", &server_key(0), &json!({"moderator": "li"})).await.expect(200);
}

/// A token that is renewed by each schedule, an author who is away, and a verdict that only the sweep can apply.
async fn what_the_schedules_do() {
    let world = World::start().await;
    assert_eq!(world.functions.refresh_token.run().await.renewed, 1);
    let alice = world.log_in("alice").await;
    world.behave(json!({"fail": [{"api": "msg_sec_check", "calls": null, "how": {"errcode": -1}}]}));
    world.submit_text(&alice, "hello").await.expect(201);
    world.behave(json!({}));
    world.simulator.expire_token(&wx());
    world.simulator.leave(&wx(), &World::openid(0, "alice"));
    minutes(&world, 3).await;

    let bob = world.log_in("bob").await;
    world.behave(json!({"hold_pushes": true, "push_retries": 0}));
    world.submit_media(&bob, &[picture(RED, 4)]).await;
    world.simulator.idle().await;
    let applying = CallMatch::any().function("receive-push").action("TransactWriteItems");
    world.proxy.refuse_next(applying, Refusal::ServerError, 5);
    world.simulator.release_pushes(&wx(), ReleaseOrder::default()).await;
    minutes(&world, 2).await;
}

/// A decision that nobody is told of for a day, and that is told when somebody asks for it.
async fn what_is_told_and_given_up() {
    let (world, functions, backend) = telling_world(1).await;
    let mut stream = world.table_stream();
    let alice = world.log_in("alice").await;
    submit(&functions, &alice, json!({"scene": "forum", "text": "and told at once"})).await;
    stream.turn(&functions.publish_decisions).await;
    backend.answers(StatusCode::SERVICE_UNAVAILABLE);
    submit(&functions, &alice, json!({"scene": "forum", "text": "hello"})).await;
    stream.turn(&functions.publish_decisions).await;
    world.pass(25 * 3600);
    functions.sweep_overdue.run().await.unwrap();
    backend.answers(StatusCode::OK);
    world.post("/v1/tellings/retries", &server_key(0), &json!({})).await.expect(200);
    functions.sweep_overdue.run().await.unwrap();
    assert_eq!(backend.heard().len(), 4);
    // The sweep puts off as well.
    let alice = world.log_in("alice").await;
    backend.answers(StatusCode::SERVICE_UNAVAILABLE);
    submit(&functions, &alice, json!({"scene": "forum", "text": "hello again"})).await;
    world.pass(61);
    functions.sweep_overdue.run().await.unwrap();
}

#[test]
fn the_secrets_first_content_never_changes() {
    let secrets: Vec<_> = resources("AWS::SecretsManager::Secret").collect();
    let [(_, secret)] = secrets.as_slice() else { panic!("one secret") };
    // Whatever differs here puts a new value in place of the owner's, in every stack that is updated.
    let first = json!({
        "SecretStringTemplate": "{\"apps\": {}}", "GenerateStringKey": "session_key", "PasswordLength": 64,
        "ExcludePunctuation": true,
    });
    assert_eq!(secret["GenerateSecretString"], first);
    assert!(!secret.to_string().contains("Ref") && !secret.to_string().contains("Fn::"), "{secret}");
}

#[test]
fn what_is_kept_outlives_the_stack_and_bears_no_name() {
    for (id, name) in [("Table", "TableName"), ("Bucket", "BucketName"), ("Secret", "Name")] {
        let resource = &template()["Resources"][id];
        assert_eq!(resource["DeletionPolicy"], "RetainExceptOnCreate", "{id}");
        assert_eq!(resource["UpdateReplacePolicy"], "Retain", "{id}");
        assert!(resource["Properties"].get(name).is_none(), "{id}");
    }
}

#[test]
fn the_bucket_is_private_takes_tls_alone_and_keeps_nothing_that_should_be_gone() {
    let (_, bucket) = resources("AWS::S3::Bucket").next().unwrap();
    let closed = bucket["PublicAccessBlockConfiguration"].as_object().unwrap();
    assert!(closed.len() == 4 && closed.values().all(|value| *value == true));
    assert!(bucket.get("VersioningConfiguration").is_none(), "what is erased must be gone");
    let rules = bucket["LifecycleConfiguration"]["Rules"].as_array().unwrap();
    let expires = |prefix: &str| {
        let rule = rules.iter().find(|rule| rule["Prefix"] == prefix).unwrap();
        assert_eq!(rule["Status"], "Enabled");
        rule["ExpirationInDays"].as_i64()
    };
    assert_eq!((expires("incoming/"), expires("unclaimed/"), expires("")), (Some(1), Some(2), None));
    assert!(!rules.iter().any(|rule| rule["Prefix"] == "media/"), "those are there until they are erased");
    let (_, policy) = resources("AWS::S3::BucketPolicy").next().unwrap();
    let [statement] = policy["PolicyDocument"]["Statement"].as_array().unwrap().as_slice() else { panic!("one") };
    assert_eq!((&statement["Effect"], &statement["Action"]), (&json!("Deny"), &json!("s3:*")));
    assert_eq!(statement["Condition"], json!({"Bool": {"aws:SecureTransport": "false"}}));
}

#[test]
fn each_url_has_both_permissions_and_each_route_leads_to_its_function() {
    let permissions: Vec<&Value> = resources("AWS::Lambda::Permission").map(|(_, one)| one).collect();
    let allowed = |function: &str, action: &str| {
        permissions.iter().filter(|one| one["FunctionName"]["Ref"] == function && one["Action"] == action).count()
    };
    let mut urls = 0;
    for (id, url) in resources("AWS::Lambda::Url") {
        urls += 1;
        let function = id.strip_suffix("Url").unwrap();
        assert_eq!(url["TargetFunctionArn"]["Fn::GetAtt"], format!("{function}.Arn"));
        assert_eq!(allowed(function, "lambda:InvokeFunctionUrl"), 1, "{id}");
        // One for the URL, which names it, and one for the HTTP API.
        assert_eq!(allowed(function, "lambda:InvokeFunction"), 2, "{id}");
    }
    assert_eq!(urls, 5);
    let routes: BTreeMap<&str, String> = resources("AWS::ApiGatewayV2::Route")
        .map(|(_, route)| {
            (route["RouteKey"].as_str().unwrap(), route["Target"]["Fn::Sub"].as_str().unwrap().to_owned())
        })
        .collect();
    for (path, function) in [
        ("$default", "SubmitContent"),
        ("ANY /v1/checks/image", "AcceptUpload"),
        ("ANY /v1/uploads", "AcceptUpload"),
        ("ANY /v1/uploads/{upload_id}", "AcceptUpload"),
        ("ANY /push/{app_id}", "ReceivePush"),
        ("ANY /media/{path+}", "ServeMedia"),
        ("ANY /console", "ServeConsole"),
        ("ANY /console/{path+}", "ServeConsole"),
    ] {
        assert_eq!(routes[path], format!("integrations/${{{function}Integration}}"));
    }
    assert_eq!(routes.len(), 8);
    // A throttle of its own for what WeChat pushes, by the route's own name.
    let (_, stage) = resources("AWS::ApiGatewayV2::Stage").next().unwrap();
    assert!(stage["RouteSettings"].as_object().unwrap().keys().eq(["ANY /push/{app_id}"]));
}

#[test]
fn schedules_run_each_minute_and_try_nothing_again() {
    for (_, schedule) in resources("AWS::Scheduler::Schedule") {
        assert_eq!(schedule["ScheduleExpression"], "rate(1 minute)");
        let retries = json!({"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60});
        assert_eq!(schedule["Target"]["RetryPolicy"], retries);
    }
    for (id, _, properties) in functions().filter(|(_, folder, _)| ["sweep-overdue", "refresh-token"].contains(folder))
    {
        assert_eq!(properties["EventInvokeConfig"]["MaximumRetryAttempts"], 0, "{id}");
        assert_eq!(properties["EventInvokeConfig"]["MaximumEventAgeInSeconds"], 60, "{id}");
    }
    assert_eq!(resources("AWS::Scheduler::Schedule").count(), 2);
}

#[test]
fn the_stream_gives_tellings_and_changes_of_state_alone_and_nothing_blocks_it_for_long() {
    let mappings: Vec<_> = resources("AWS::Lambda::EventSourceMapping").collect();
    let [(_, mapping)] = mappings.as_slice() else { panic!("one mapping") };
    assert_eq!(mapping["FunctionName"], json!({"Ref": "PublishDecisions"}));
    let stream =
        json!({"Fn::If": ["OwnTable", {"Fn::GetAtt": "Table.StreamArn"}, {"Fn::Sub": "${ExistingTableStream}"}]});
    assert_eq!((&mapping["EventSourceArn"], &mapping["StartingPosition"]), (&stream, &json!("TRIM_HORIZON")));
    assert_eq!(mapping["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
    assert_eq!(
        (&mapping["BisectBatchOnFunctionError"], &mapping["MaximumBatchingWindowInSeconds"]),
        (&json!(true), &json!(0))
    );
    let bounded = |name: &str, most: u64| mapping[name].as_u64().is_some_and(|value| (1..=most).contains(&value));
    assert!(bounded("MaximumRetryAttempts", 10) && bounded("MaximumRecordAgeInSeconds", 3600), "{mapping}");
    let aside = json!({"OnFailure": {"Destination": {"Fn::GetAtt": "UndeliveredChanges.Arn"}}});
    assert_eq!(mapping["DestinationConfig"], aside);
    let filters = mapping["FilterCriteria"]["Filters"].as_array().unwrap();
    let pattern = |filter: &Value| serde_json::from_str(filter["Pattern"].as_str().unwrap()).unwrap();
    let patterns: Vec<Value> = filters.iter().map(pattern).collect();
    let tellings = json!({"eventName": ["INSERT"], "dynamodb": {"Keys": {"sk": {"S": [{"prefix": "O#"}]}}}});
    let turned = json!({"S": [{"exists": true}]});
    let image = json!({TURNED: turned});
    let turns = json!({"dynamodb": {"Keys": {"sk": {"S": ["S"]}}, "NewImage": image}});
    assert_eq!(patterns, [tellings, turns]);
    let (_, late) = resources("AWS::CloudWatch::Alarm").find(|(id, _)| *id == "PublishDecisionsLateAlarm").unwrap();
    assert_eq!((&late["MetricName"], &late["Threshold"]), (&json!("IteratorAge"), &json!(3_600_000)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_is_the_one_that_all_tests_use() {
    let world = World::start().await;
    let local = world.dynamodb().describe_table().table_name(TABLE).send().await.unwrap().table.unwrap();
    let (_, table) = resources("AWS::DynamoDB::Table").next().unwrap();
    let keys = |keys: &[aws_sdk_dynamodb::types::KeySchemaElement]| -> Value {
        keys.iter().map(|key| json!({"AttributeName": key.attribute_name, "KeyType": key.key_type.as_str()})).collect()
    };
    assert_eq!(keys(local.key_schema()), table["KeySchema"]);
    let indexes: BTreeMap<String, Value> = local
        .global_secondary_indexes()
        .iter()
        .map(|index| (index.index_name.clone().unwrap(), keys(index.key_schema())))
        .collect();
    let deployed: BTreeMap<String, Value> = table["GlobalSecondaryIndexes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|index| {
            assert_eq!(index["Projection"]["ProjectionType"], "KEYS_ONLY");
            (index["IndexName"].as_str().unwrap().to_owned(), index["KeySchema"].clone())
        })
        .collect();
    assert_eq!(indexes, deployed);
    assert_eq!(table["StreamSpecification"]["StreamViewType"], "NEW_AND_OLD_IMAGES");
    assert_eq!(table["TimeToLiveSpecification"], json!({"AttributeName": "expires_at", "Enabled": true}));
    assert_eq!(table["PointInTimeRecoverySpecification"], json!({"PointInTimeRecoveryEnabled": true}));
}

#[test]
fn the_pages_name_every_parameter_output_and_metric() {
    for page in ["README.md", "README.zh-CN.md"] {
        let text = std::fs::read_to_string(format!("../infra/{page}")).unwrap();
        let parameters = template()["Parameters"].as_object().unwrap();
        for (name, parameter) in parameters {
            assert!(text.contains(name.as_str()), "{page} does not name the parameter {name}");
            let default = parameter["Default"].as_str().map_or_else(|| parameter["Default"].to_string(), str::to_owned);
            assert!(
                default.is_empty() || text.contains(&format!("`{default}`")),
                "{page}: {name} is {default} without"
            );
        }
        for metric in Metric::ALL {
            assert!(text.contains(metric.name()), "{page} does not name the metric {}", metric.name());
        }
        for output in [
            "SubmitContentUrl",
            "AcceptUploadUrl",
            "ReceivePushUrl",
            "ServeMediaUrl",
            "ServeConsoleUrl",
            "UploadFormsUrl",
        ] {
            assert!(text.contains(output), "{page} does not name the output {output}");
        }
    }
}

#[test]
fn every_alarm_and_picture_shows_a_metric_that_there_is() {
    let names: BTreeSet<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
    assert_eq!(names.len(), Metric::ALL.len());
    assert!(names.len() <= 26, "each is billed");
    let mut watched = 0;
    for (id, alarm) in resources("AWS::CloudWatch::Alarm") {
        assert!(alarm["TreatMissingData"].is_string() && alarm["AlarmDescription"].is_string(), "{id}");
        if alarm["Namespace"] == NAMESPACE {
            watched += 1;
            assert!(names.contains(alarm["MetricName"].as_str().unwrap()), "{id}");
            assert_eq!(alarm["Dimensions"], json!([{"Name": DIMENSION, "Value": {"Ref": "AWS::StackName"}}]), "{id}");
        }
    }
    assert!(watched >= 8, "{watched}");
    let (_, dashboard) = resources("AWS::CloudWatch::Dashboard").next().unwrap();
    let body: Value = serde_json::from_str(dashboard["DashboardBody"]["Fn::Sub"].as_str().unwrap()).unwrap();
    let mut shown = BTreeSet::new();
    for widget in body["widgets"].as_array().unwrap() {
        for metric in widget["properties"]["metrics"].as_array().unwrap() {
            if metric[0] == NAMESPACE {
                assert_eq!((metric[2].as_str(), metric[3].as_str()), (Some(DIMENSION), Some("${AWS::StackName}")));
                shown.insert(metric[1].as_str().unwrap().to_owned());
            }
        }
    }
    assert_eq!(shown.iter().map(String::as_str).collect::<BTreeSet<_>>(), names, "what is paid for is shown");
}
