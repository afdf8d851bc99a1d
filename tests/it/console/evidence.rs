//! Evidence: what was withdrawn before it was public is sealed, what a lead holds is not erased, and leads take away all there is.

use std::collections::BTreeMap;
use std::io::Read;

use greenlight::domain::ids::ModeratorName;
use greenlight::domain::moderator::Moderator;
use greenlight::domain::retention::Retention;
use greenlight::domain::sha256::Sha256;
use greenlight::moderation::hold::hold as hold_in;
use greenlight::table::Table;
use greenlight_local::stack::TABLE;
use greenlight_tests::awaits::request;
use greenlight_tests::console::{Visitor, page};
use greenlight_tests::pictures::{GREEN, RED, YELLOW, picture, sound_of};
use greenlight_tests::world::{Answer, World, app_id, server_key};
use http::Method;
use serde_json::{Value, json};

use crate::requests::problem;

const DAY: u64 = 24 * 3600;

/// A submission of alice's with a text and a picture, judged by now.
async fn with_picture(world: &World, text: &str, colour: [u8; 3], seed: u8) -> String {
    let alice = world.log_in("alice").await;
    let upload = world.uploaded(&alice, &picture(colour, seed)).await;
    let body = json!({"scene": "forum", "text": text, "media": [{"upload_id": upload}]});
    let id = world.submit(&alice, &body).await.expect(201).text("id");
    world.simulator.idle().await;
    id
}

async fn withdraw(world: &World, id: &str) {
    let alice = world.log_in("alice").await;
    world.delete(&format!("/v1/submissions/{id}"), &alice).await.expect(204);
}

async fn open(visitor: &Visitor<'_>, id: &str) -> Answer {
    visitor.post("/seals", &[("id", id)]).await
}

async fn hold(lead: &Visitor<'_>, id: &str, until: &str) -> Answer {
    lead.post("/holds", &[("id", id), ("document", "沪公网调〔2026〕1 号"), ("until", until)]).await
}

/// The files in a ZIP, by their names; the sums in it are those of the others.
fn unpacked(file: &Answer) -> BTreeMap<String, Vec<u8>> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(file.bytes.to_vec())).unwrap();
    let mut files = BTreeMap::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(entry.name().unwrap().into_owned(), bytes);
    }
    let sums = String::from_utf8(files.remove("SHA256SUMS").unwrap()).unwrap();
    assert_eq!(sums.lines().count(), files.len());
    for line in sums.lines() {
        let (sum, name) = line.split_once("  ").unwrap();
        assert_eq!(Sha256::of(&files[name]).to_string(), sum, "{name}");
    }
    files
}

fn document(files: &BTreeMap<String, Vec<u8>>, name: &str) -> Value {
    serde_json::from_slice(&files[name]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_withdrawn_before_it_is_public_is_sealed_for_200_days_and_what_was_public_is_erased() {
    let world = World::start().await;
    let (lead, zhao) =
        (Visitor::enter(&world, 0, "li", "lead").await, Visitor::enter(&world, 0, "zhao", "moderator").await);
    world.behave(json!({"hold_pushes": true}));
    let pending = with_picture(&world, "还没有结果的话", GREEN, 1).await;
    world.behave(json!({}));
    let doubtful = with_picture(&world, "存疑的话", YELLOW, 2).await;
    let rejected = with_picture(&world, "被拒绝的话", RED, 3).await;
    let approved = with_picture(&world, "公开过的话", GREEN, 4).await;
    for (id, state, words) in [
        (&pending, "pending", "还没有结果的话"),
        (&doubtful, "in_review", "存疑的话"),
        (&rejected, "rejected", "被拒绝的话"),
    ] {
        assert_eq!(world.state(id).await, state);
        let bytes = world.objects_of(id).len();
        withdraw(&world, id).await;
        // Nobody sees it, and nothing of it stands in the submission.
        let told = world.get(&format!("/v1/submissions/{id}"), &server_key(0)).await.expect(200).json();
        assert_eq!((&told["media"], &told["text"], &told["openid"]), (&json!([]), &Value::Null, &Value::Null));
        assert!(!serde_json::to_string(&world.stored(id).await).unwrap().contains(words));
        let shown = page(&lead.get(&format!("/submissions/{id}")).await.expect(200));
        assert!(!shown.contains(words) && shown.contains("under seal until"), "{shown}");
        lead.get(&format!("/media/{id}/0")).await.expect(404);
        assert_eq!(world.objects_of(id).len(), bytes, "{state}");
        world.sweep().await;
        assert_eq!(world.objects_of(id).len(), bytes, "{state}");
        // Only a lead opens the seal.
        problem_page(&open(&zhao, id).await, 403);
        problem_page(&zhao.post("/seals/media", &[("id", id), ("index", "0")]).await, 403);
        let opened = page(&open(&lead, id).await.expect(200));
        assert!(opened.contains(words) && opened.contains(&World::openid(0, "alice")), "{opened}");
        let looked = lead.post("/seals/media", &[("id", id), ("index", "0")]).await.expect(200);
        let stored = world.stored(id).await;
        assert_eq!(Sha256::of(&looked.bytes), stored.media[0].sha256);
        assert_eq!(looked.headers["cache-control"], "private, no-store");
        lead.post("/seals/media", &[("id", id), ("index", "1")]).await.expect(404);
    }
    withdraw(&world, &approved).await;
    assert!(world.objects_of(&approved).is_empty());
    open(&lead, &approved).await.expect(404);
    // Each look stands in the record, and nothing of what was seen.
    let day = world.now().beijing_day();
    let record = lead.post("/record/exports", &[("day", &day), ("file", "1"), ("format", "jsonl")]).await.expect(200);
    let record = page(&record);
    assert_eq!(record.matches("\"act\":\"opened_seal\"").count(), 6, "{record}");
    assert!(record.contains("\"about\":\"media/0\"") && !record.contains("的话"));
    // It ends by itself.
    world.pass(199 * DAY);
    world.sweep().await;
    let lead = Visitor::enter(&world, 0, "li", "lead").await;
    open(&lead, &pending).await.expect(200);
    world.pass(DAY + 60);
    world.sweep().await;
    world.pass(660);
    world.sweep().await;
    let lead = Visitor::enter(&world, 0, "li", "lead").await;
    for id in [&pending, &doubtful, &rejected] {
        assert!(world.objects_of(id).is_empty());
        open(&lead, id).await.expect(404);
        assert!(world.stored(id).await.media.is_empty());
    }
    world.until_nothing_is_due().await;
}

fn problem_page(answer: &Answer, status: u16) {
    assert_eq!(answer.status.as_u16(), status, "{}", page(answer));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_passes_seals_what_it_replaces_while_that_waits() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let waits = world.submit(&alice, &json!({"scene": "forum", "text": "很可疑的第一版"})).await.expect(201).text("id");
    let edit = json!({"scene": "forum", "text": "第二版", "replaces": waits});
    assert_eq!(world.submit(&alice, &edit).await.expect(201).text("state"), "approved");
    assert_eq!(world.state(&waits).await, "withdrawn");
    let lead = Visitor::enter(&world, 0, "li", "lead").await;
    assert!(page(&open(&lead, &waits).await.expect(200)).contains("很可疑的第一版"));
    // What was public is not kept.
    let public = world.submit(&alice, &json!({"scene": "forum", "text": "第三版"})).await.expect(201).text("id");
    let edit = json!({"scene": "forum", "text": "第四版", "replaces": public});
    assert_eq!(world.submit(&alice, &edit).await.expect(201).text("state"), "approved");
    assert_eq!(world.state(&public).await, "withdrawn");
    open(&lead, &public).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_stops_erasure_until_it_ends_or_is_taken_away() {
    let world = World::start().await;
    let (lead, zhao) =
        (Visitor::enter(&world, 0, "li", "lead").await, Visitor::enter(&world, 0, "zhao", "moderator").await);
    let public = with_picture(&world, "公开过的话", GREEN, 1).await;
    let doubtful = with_picture(&world, "存疑的话", YELLOW, 2).await;
    let in_days = |days: u64| world.now().plus(std::time::Duration::from_secs(days * DAY)).beijing_day();
    problem_page(&hold(&zhao, &public, &in_days(30)).await, 403);
    for wrong in ["", "2026-02-30", "x", &in_days(4000), "2020-01-01"] {
        problem_page(&hold(&lead, &public, wrong).await, 400);
    }
    problem_page(&lead.post("/holds", &[("id", &public), ("document", ""), ("until", &in_days(3))]).await, 400);
    assert!(world.stored(&public).await.hold.is_none());
    // Held before it is withdrawn, though it was public; and after, for longer than the seal.
    hold(&lead, &public, &in_days(30)).await.expect(303);
    let shown = page(&lead.get(&format!("/submissions/{public}")).await.expect(200));
    assert!(shown.contains("沪公网调〔2026〕1 号") && shown.contains("On hold until"), "{shown}");
    withdraw(&world, &public).await;
    withdraw(&world, &doubtful).await;
    hold(&lead, &doubtful, &in_days(300)).await.expect(303);
    world.sweep().await;
    assert!(!world.objects_of(&public).is_empty());
    assert!(page(&open(&lead, &public).await.expect(200)).contains("公开过的话"));
    world.pass(31 * DAY);
    world.sweep().await;
    let lead = Visitor::enter(&world, 0, "li", "lead").await;
    assert!(world.objects_of(&public).is_empty());
    open(&lead, &public).await.expect(404);
    world.pass(200 * DAY);
    world.sweep().await;
    let lead = Visitor::enter(&world, 0, "li", "lead").await;
    assert!(page(&open(&lead, &doubtful).await.expect(200)).contains("存疑的话"), "the hold is longer than the seal");
    assert!(!world.objects_of(&doubtful).is_empty());
    // Taken away: what should have been erased by then is.
    lead.post("/holds", &[("id", &doubtful), ("deed", "release")]).await.expect(303);
    world.pass(1);
    world.sweep().await;
    assert!(world.objects_of(&doubtful).is_empty());
    open(&lead, &doubtful).await.expect(404);
    let day = world.now().beijing_day();
    let record = lead.post("/record/exports", &[("day", &day), ("file", "1"), ("format", "jsonl")]).await.expect(200);
    assert!(page(&record).contains("\"act\":\"released\"") && !page(&record).contains("沪公网调"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_brings_nothing_back_whose_time_was_over() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let body =
        json!({"scene": "forum", "text": "很可疑的话", "openid": World::openid(0, "alice"), "client_ip": "192.0.2.1"});
    let id = world.submit(&server_key(0), &body).await.expect(201).text("id");
    world.delete(&format!("/v1/submissions/{id}"), &alice).await.expect(204);
    // DynamoDB takes some days to delete what has expired.
    world.pass(200 * DAY + 1);
    let lead = Visitor::enter(&world, 0, "li", "lead").await;
    let until = world.now().plus(std::time::Duration::from_secs(30 * DAY)).beijing_day();
    hold(&lead, &id, &until).await.expect(303);
    open(&lead, &id).await.expect(404);
    let id = greenlight::domain::ids::SubmissionId::parse(&id).unwrap();
    assert_eq!(world.table().evidence(&id, world.now()).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_ends_nothing_sooner_than_it_was_to_end() {
    let world = World::start().await;
    world.log_in("alice").await;
    let body = json!({"scene": "forum", "text": "今天天气真好", "openid": World::openid(0, "alice"), "client_ip": "192.0.2.1"});
    let id = world.submit(&server_key(0), &body).await.expect(201).text("id");
    let parsed = greenlight::domain::ids::SubmissionId::parse(&id).unwrap();
    let submission = world.stored(&id).await;
    // The owner has chosen a shorter period since: what was written before keeps its own.
    let table = Table::new(world.dynamodb(), TABLE);
    let table = table.keeping(Retention { evidence: std::time::Duration::ZERO, ..Retention::default() });
    let li = Moderator {
        app: app_id(0),
        name: ModeratorName::parse("li").unwrap(),
        role: greenlight::domain::moderator::Role::Lead,
    };
    let until = world.now().plus(std::time::Duration::from_secs(DAY));
    let clock = &world.functions.serve_console.clock;
    let held = hold_in(&table, clock, &li, submission, Some(("1".to_owned(), until))).await.unwrap();
    world.pass(2 * DAY);
    assert!(table.evidence(&parsed, world.now()).await.unwrap().is_some());
    hold_in(&table, clock, &li, held, None).await.unwrap();
    world.pass(190 * DAY);
    assert!(table.evidence(&parsed, world.now()).await.unwrap().is_some());
    world.pass(9 * DAY);
    assert_eq!(table.evidence(&parsed, world.now()).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_owner_keeps_is_erased_with_the_decision_unless_a_lead_holds_it() {
    let world = World::start().await;
    let lead = Visitor::enter(&world, 0, "li", "lead").await;
    let mut ids = Vec::new();
    for text in ["可疑一", "可疑二"] {
        let body =
            json!({"scene": "forum", "text": text, "retain": "until_decided", "openid": World::openid(0, "alice")});
        world.log_in("alice").await;
        ids.push(world.submit(&server_key(0), &body).await.expect(201).text("id"));
    }
    let until = world.now().plus(std::time::Duration::from_secs(9 * DAY)).beijing_day();
    hold(&lead, &ids[1], &until).await.expect(303);
    for id in &ids {
        world.decide(id, "approve").await.expect(200);
        assert!(world.stored(id).await.content.is_empty());
    }
    open(&lead, &ids[0]).await.expect(404);
    assert!(page(&open(&lead, &ids[1]).await.expect(200)).contains("可疑二"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_ip_is_kept_for_200_days_and_told_to_nobody_but_leads_who_take_evidence_away() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let openid = World::openid(0, "alice");
    let body = json!({"scene": "forum", "text": "今天天气真好", "openid": openid, "client_ip": "2001:db8::7"});
    let made = world.submit(&server_key(0), &body).await.expect(201);
    let id = made.text("id");
    assert!(!made.json().to_string().contains("2001:db8"));
    let mut theirs = body.clone();
    theirs.as_object_mut().unwrap().remove("openid");
    assert_eq!(problem(world.submit(&alice, &theirs).await, 400, "invalid_submission").faults(), ["client_ip"]);
    for wrong in [json!("1.2.3"), json!("localhost"), json!("1.2.3.4:80"), json!(7)] {
        let mut body = body.clone();
        body["client_ip"] = wrong;
        assert_eq!(
            problem(world.submit(&server_key(0), &body).await, 400, "invalid_submission").faults(),
            ["client_ip"]
        );
    }
    let lead = Visitor::enter(&world, 0, "li", "lead").await;
    for path in ["", &format!("/submissions/{id}"), "/record"] {
        assert!(!page(&lead.get(path).await.expect(200)).contains("2001:db8"));
    }
    let taken = async |lead: &Visitor<'_>| {
        let file = lead.post("/exports", &[("id", &id), ("file", "1")]).await.expect(200);
        document(&unpacked(&file), &format!("{id}/submission.json"))
    };
    assert_eq!(taken(&lead).await["client_ip"], "2001:db8::7");
    // An author's own request tells by itself, whatever its headers say.
    let sender = greenlight::api::client_ip::ClientIp("203.0.113.7".parse().unwrap());
    let functions = world.restarted().await;
    let mut submit = request(Method::POST, "/v1/submissions", &alice, Some(&json!({"scene": "forum", "text": "你好"})));
    submit.extensions_mut().insert(sender);
    submit.headers_mut().insert("x-forwarded-for", "198.51.100.1".parse().unwrap());
    let own = World::ask(&functions, submit).await.expect(201).text("id");
    let own = greenlight::domain::ids::SubmissionId::parse(&own).unwrap();
    let kept = world.table().evidence(&own, world.now()).await.unwrap().unwrap();
    assert_eq!(kept.client_ip, sender.0);
    // A hold keeps it as well.
    let until = world.now().plus(std::time::Duration::from_secs(300 * DAY)).beijing_day();
    hold(&lead, own.as_str(), &until).await.expect(303);
    world.pass(200 * DAY + 1);
    let lead = Visitor::enter(&world, 0, "li", "lead").await;
    assert_eq!(taken(&lead).await["client_ip"], Value::Null);
    assert_eq!(world.table().evidence(&own, world.now()).await.unwrap(), Some(kept));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_period_of_zero_keeps_neither_address_nor_seal() {
    let world = World::start().await;
    let none = [("GREENLIGHT_KEEP_EVIDENCE_DAYS", "0"), ("GREENLIGHT_KEEP_SEALED_DAYS", "0")];
    let functions = world.restarted_with(&none).await;
    world.log_in("alice").await;
    let body =
        json!({"scene": "forum", "text": "很可疑", "openid": World::openid(0, "alice"), "client_ip": "192.0.2.1"});
    let submit = request(Method::POST, "/v1/submissions", &server_key(0), Some(&body));
    let id = World::ask(&functions, submit).await.expect(201).text("id");
    let delete = request(Method::DELETE, &format!("/v1/submissions/{id}"), &server_key(0), None);
    World::ask(&functions, delete).await.expect(204);
    let lead = Visitor::enter(&world, 0, "li", "lead").await;
    open(&lead, &id).await.expect(404);
    let parsed = greenlight::domain::ids::SubmissionId::parse(&id).unwrap();
    assert_eq!(world.table().evidence(&parsed, world.now()).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_sound_comes_in_pieces_and_in_as_many_files_as_it_takes() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let sound = sound_of("", 3_600_000);
    let id = world.submit_media(&alice, std::slice::from_ref(&sound)).await;
    world.simulator.idle().await;
    let lead = Visitor::enter(&world, 0, "li", "lead").await;
    let mut pieces = BTreeMap::new();
    for number in ["1", "2"] {
        let file = lead.post("/exports", &[("id", &id), ("file", number)]).await.expect(200);
        let named = file.headers["content-disposition"].to_str().unwrap();
        assert!(named.contains(&format!("-file-{number}-of-2.zip")), "{named}");
        // Lambda's answer holds 6 MB of base64.
        assert!(file.bytes.len() < 4_400_000);
        pieces.extend(unpacked(&file).into_iter().filter(|(name, _)| name.contains("/media/")));
    }
    let names: Vec<&str> = pieces.keys().map(|name| name.rsplit_once(".wav.").unwrap().1).collect();
    assert_eq!(names, ["part-1-of-2", "part-2-of-2"]);
    let whole: Vec<u8> = pieces.into_values().flatten().collect();
    assert_eq!(Sha256::of(&whole), world.stored(&id).await.media[0].sha256);
    problem_page(&lead.post("/exports", &[("id", &id), ("file", "3")]).await, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn leads_take_all_about_a_submission_and_an_author_away_with_its_sums() {
    let world = World::start_with(greenlight_tests::world::Plan { apps: 2, ..Default::default() }).await;
    let (lead, zhao) =
        (Visitor::enter(&world, 0, "li", "lead").await, Visitor::enter(&world, 0, "zhao", "moderator").await);
    let public = with_picture(&world, "公开的话", GREEN, 1).await;
    let doubtful = with_picture(&world, "存疑的话", YELLOW, 2).await;
    let sealed = with_picture(&world, "撤回的话", YELLOW, 3).await;
    let case = format!("{doubtful}:{}", world.stored(&doubtful).await.version);
    zhao.decide(&case, "reject").await.expect(303);
    withdraw(&world, &sealed).await;
    problem_page(&zhao.post("/exports", &[("id", &public), ("file", "1")]).await, 403);
    let file = lead.post("/exports", &[("id", &doubtful), ("file", "1")]).await.expect(200);
    let named = file.headers["content-disposition"].to_str().unwrap();
    assert_eq!(named, format!("attachment; filename=\"evidence-{doubtful}-file-1-of-1.zip\""));
    let files = unpacked(&file);
    let stored = world.stored(&doubtful).await;
    let told = document(&files, &format!("{doubtful}/submission.json"));
    assert_eq!(told["content"]["text"], "存疑的话");
    assert_eq!(told["openid"], World::openid(0, "alice"));
    assert_eq!((&told["state"], &told["app_id"]), (&json!("rejected"), &json!(app_id(0).as_str())));
    assert_eq!(told["decisions"][0]["by"], json!({"moderator": "zhao"}));
    let media = told["parts"].as_array().unwrap().iter().find(|part| part["part"] == "media/0").unwrap();
    assert_eq!(media["suggest"], "review");
    assert!(media["attempts"][0]["trace_id"].is_string());
    let name = told["media"][0]["files"][0].as_str().unwrap();
    assert_eq!(Sha256::of(&files[&format!("{doubtful}/{name}")]), stored.media[0].sha256);
    // All of an author's, what is under seal among it.
    let author = stored.author.to_string();
    let file = lead.post("/exports", &[("author", &author), ("file", "1")]).await.expect(200);
    let files = unpacked(&file);
    for (id, words) in [(&public, "公开的话"), (&doubtful, "存疑的话"), (&sealed, "撤回的话")] {
        let told = document(&files, &format!("{id}/submission.json"));
        assert_eq!(
            (told["content"]["text"].as_str(), told["openid"].as_str()),
            (Some(words), Some(&*World::openid(0, "alice")))
        );
        assert_eq!(files.keys().filter(|name| name.starts_with(&format!("{id}/media/0-"))).count(), 1);
    }
    let about = document(&files, "about-this-file.json");
    assert_eq!((&about["files"], &about["submissions"], &about["made_by"]), (&json!(1), &json!(3), &json!("li")));
    // There is no more than there is, and nothing of another app's.
    for (field, value, number) in
        [("author", author.as_str(), "2"), ("id", "x", "1"), ("author", "x", "1"), ("id", &public, "0")]
    {
        problem_page(&lead.post("/exports", &[(field, value), ("file", number)]).await, 404);
    }
    let other = Visitor::enter(&world, 1, "qian", "lead").await;
    for (path, fields) in [
        ("/exports", vec![("id", public.as_str()), ("file", "1")]),
        ("/exports", vec![("author", author.as_str()), ("file", "1")]),
        ("/seals", vec![("id", sealed.as_str())]),
        ("/seals/media", vec![("id", sealed.as_str()), ("index", "0")]),
        ("/holds", vec![("id", public.as_str()), ("document", "1"), ("until", "2099-01-01")]),
    ] {
        problem_page(&other.post(path, &fields).await, 404);
        problem_page(&Visitor::stranger(&world).post(path, &fields).await, 401);
        problem_page(&lead.post_from(path, &fields, Some("https://evil.example.com"), &lead.form_secret).await, 403);
        problem_page(&lead.post_from(path, &fields, Some(&world.url), "x").await, 403);
    }
    let day = world.now().beijing_day();
    let record =
        page(&lead.post("/record/exports", &[("day", &day), ("file", "1"), ("format", "jsonl")]).await.expect(200));
    assert_eq!(record.matches("\"about\":\"file 1\"").count(), 2, "{record}");
}
