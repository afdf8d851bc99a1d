//! The stage on which a script is played, and the book of what came of each step.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, join_all};
use greenlight::domain::clock::Timestamp;
use greenlight::domain::ids::SubmissionId;
use greenlight::table::Consistency;
use greenlight_local::functions::Functions;
use greenlight_local::simulator::{Api, CheckRecord, ForcedVerdict, ReleaseOrder, Verdict};
use http::Method;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::history::{APPS, Dies, Script, Step, TableFault};
use super::process::Process;
use super::wechat::Meaning;
use super::{Log, note};
use crate::awaits::mortal;
use crate::push_gate::PushGate;
use crate::table_proxy::CallMatch;
use crate::world::{Answer, Plan as WorldPlan, World, app_id, form, server_key};

/// A session is opened anew before it ends after 110 minutes.
const SESSION: Duration = Duration::from_secs(100 * 60);

/// What is known of a plan.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// It was sent at least once.
    pub(super) sent: bool,
    /// Somebody was told that it is accepted.
    pub(super) accepted: bool,
    /// Its uploads, with the SHA-256 of what was stored; the same for each sending.
    pub(super) uploads: Option<Vec<(String, String)>>,
    /// Every id that anybody was told for it.
    pub(super) ids: BTreeSet<String>,
    /// Which submission it was sent as an edit of; the same for each sending.
    pub(super) replaces: Option<Option<String>>,
    /// It may be withdrawn.
    pub(super) maybe_withdrawn: bool,
    /// It is withdrawn.
    pub(super) withdrawn: bool,
    /// What a moderator said and was told to be taken; the last decision holds.
    pub(super) decision: Option<bool>,
    /// What a moderator said since, and may have been taken.
    pub(super) perhaps: BTreeSet<bool>,
}

/// What is known of everything.
#[derive(Default)]
pub(super) struct Book {
    pub(super) told: Vec<Told>,
    /// Each author's session, and since when.
    pub(super) sessions: Vec<Option<(String, Timestamp)>>,
    /// For each check that WeChat remembers: in which step it was asked, and whether its answer may have been lost on
    /// the way into the table, as the answer of a function that died is.
    pub(super) asked: Vec<(usize, bool)>,
    /// Which of the pushes that WeChat remembers said what a step told it to say.
    pub(super) by_hand: HashSet<usize>,
    /// What those said about which trace, and whether they were taken.
    pub(super) second_thoughts: Vec<(String, Meaning, bool)>,
    /// Something in this step went wrong in a way that loses an answer.
    pub(super) troubled: bool,
    /// Something in this step died, and its process with it.
    pub(super) died: bool,
    pub(super) kills: usize,
}

pub(super) struct Stage {
    pub(super) world: World,
    pub(super) script: Script,
    pub(super) push_gate: PushGate,
    /// The process that answers, sweeps and refreshes tokens. (Media are served by another, which does not die.)
    pub(super) process: Mutex<Process>,
    pub(super) book: Mutex<Book>,
    pub(super) log: Log,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stage {
    pub(super) async fn set(script: Script, log: Log) -> Self {
        // Real time is not simulated: nobody gives up waiting because the machine is busy.
        let plan = WorldPlan { apps: APPS, author_waits: Duration::from_secs(60), small: true, ..WorldPlan::default() };
        let world = World::start_with(plan).await;
        let process = Process::start(&world).await;
        let push_gate = PushGate::open(process.router.clone()).await;
        for app in 0..APPS {
            world.simulator.set_push_url(&app_id(app), &format!("{}/push/{}", push_gate.url, app_id(app)));
        }
        let book = Book {
            told: vec![Told::default(); script.plans.len()],
            sessions: vec![None; script.people.len()],
            ..Book::default()
        };
        Self { world, script, push_gate, process: Mutex::new(process), book: Mutex::new(book), log }
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        locked(&self.book)
    }

    pub(super) fn functions(&self) -> Functions {
        locked(&self.process).functions.clone()
    }

    pub(super) fn app_of(&self, plan: usize) -> usize {
        self.script.people[self.script.plans[plan].author].app
    }

    pub(super) fn openid(&self, author: usize) -> String {
        let person = &self.script.people[author];
        World::openid(person.app, &person.name)
    }

    /// A call to the functions as they are now, in this process; nothing if the handler died.
    pub(super) async fn call(
        &self,
        dies: Dies,
        method: Method,
        path: &str,
        key: &str,
        (content_type, body): (&str, Vec<u8>),
    ) -> Option<Answer> {
        let mut request = http::Request::builder().method(method).uri(path).header("content-type", content_type);
        if !key.is_empty() {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let request = request.body(Body::from(body)).expect("a request");
        let router = locked(&self.process).router.clone();
        let answer = mortal(dies, async move {
            let (head, body) = router.oneshot(request).await.unwrap_or_else(|never| match never {}).into_parts();
            let bytes = body.collect().await.expect("a body").to_bytes();
            Answer { status: head.status, headers: head.headers, bytes }
        });
        let answer = answer.await;
        self.count_death(answer.is_none());
        answer
    }

    fn count_death(&self, dead: bool) {
        let mut book = self.book();
        book.kills += usize::from(dead);
        book.troubled |= dead;
        book.died |= dead;
    }

    pub(super) async fn post(&self, dies: Dies, path: &str, key: &str, body: &Value) -> Option<Answer> {
        self.call(dies, Method::POST, path, key, ("application/json", body.to_string().into_bytes())).await
    }

    pub(super) async fn get(&self, path: &str, key: &str) -> Answer {
        let path = path.strip_prefix(self.world.url.as_str()).unwrap_or(path);
        self.call(None, Method::GET, path, key, ("application/json", Vec::new())).await.expect("nobody died")
    }

    pub(super) async fn log_in(&self, author: usize, dies: Dies) -> String {
        let person = &self.script.people[author];
        // A code is good once, so each login has its own.
        let body = json!({"code": format!("{}-{}", person.name, SubmissionId::random()), "app_id": app_id(person.app)});
        let Some(answer) = self.post(dies, "/v1/sessions", "", &body).await else { return "died".to_owned() };
        if answer.status == 201 {
            self.book().sessions[author] = Some((answer.text("token"), self.world.now()));
        }
        answer.status.to_string()
    }

    /// The author's session, opened anew where it is time; nothing if that fails.
    pub(super) async fn session(&self, author: usize) -> Option<String> {
        let now = self.world.now();
        let living = |session: &Option<(String, Timestamp)>| {
            session.as_ref().filter(|(_, since)| now.since(*since) < SESSION).map(|(token, _)| token.clone())
        };
        let kept = living(&self.book().sessions[author]);
        if kept.is_some() {
            return kept;
        }
        self.log_in(author, None).await;
        living(&self.book().sessions[author])
    }

    /// Uploads what a plan needs, once.
    async fn uploads(&self, plan: usize, session: &str) -> Option<Vec<(String, String)>> {
        let kept = self.book().told[plan].uploads.clone();
        if kept.is_some() {
            return kept;
        }
        let mut uploads = Vec::new();
        for file in &self.script.plans[plan].files {
            let (content_type, body) = form(&[("file", Some("file"), &file.bytes())]);
            let answer = self.call(None, Method::POST, "/v1/uploads", session, (&content_type, body)).await?;
            if answer.status != 201 {
                return None;
            }
            uploads.push((answer.text("upload_id"), answer.text("sha256")));
        }
        self.book().told[plan].uploads.get_or_insert(uploads.clone());
        Some(uploads)
    }

    /// Sends a plan. Without a key a client sends nothing twice.
    pub(super) async fn submit(&self, number: usize, dies: Dies) -> String {
        let plan = &self.script.plans[number];
        let sent_before = std::mem::replace(&mut self.book().told[number].sent, true);
        if sent_before && !plan.keyed {
            return "sent before".to_owned();
        }
        let Some(session) = self.session(plan.author).await else { return "no session".to_owned() };
        let Some(uploads) = self.uploads(number, &session).await else { return "no uploads".to_owned() };
        let media: Vec<Value> = uploads.iter().map(|(id, _)| json!({"upload_id": id})).collect();
        let mut body = json!({"scene": plan.scene, "external_id": format!("plan-{number}"), "media": media});
        for (field, value) in [("title", &plan.title), ("text", &plan.text), ("nickname", &plan.nickname)] {
            if let Some(value) = value {
                body[field] = json!(value);
            }
        }
        if plan.keyed {
            body["idempotency_key"] = json!(format!("the key of plan {number}"));
        }
        if plan.in_channel {
            body["channel"] = json!("square");
        }
        let replaced = plan.edits.and_then(|earlier| self.id_of(earlier));
        if let Some(replaced) = self.book().told[number].replaces.get_or_insert(replaced) {
            body["replaces"] = json!(replaced);
        }
        let Some(answer) = self.post(dies, "/v1/submissions", &session, &body).await else { return "died".to_owned() };
        let mut book = self.book();
        if answer.status.is_success() {
            book.told[number].accepted = true;
            book.told[number].ids.insert(answer.text("id"));
            format!("{} {} {}", answer.status, answer.text("id"), answer.text("state"))
        } else {
            // What was judged is not stored, so what WeChat said of it is nobody's.
            book.troubled = true;
            answer.to_string()
        }
    }

    /// The id that an author or a moderator knows a plan by.
    pub(super) fn id_of(&self, plan: usize) -> Option<String> {
        self.book().told[plan].ids.first().cloned()
    }

    async fn withdraw(&self, plan: usize, dies: Dies) -> String {
        let Some(id) = self.id_of(plan) else { return "unknown".to_owned() };
        let Some(session) = self.session(self.script.plans[plan].author).await else { return "no session".to_owned() };
        let path = format!("/v1/submissions/{id}");
        self.book().told[plan].maybe_withdrawn = true;
        let answer = self.call(dies, Method::DELETE, &path, &session, ("application/json", Vec::new())).await;
        let Some(answer) = answer else { return "died".to_owned() };
        self.book().told[plan].withdrawn |= answer.status == 204;
        answer.status.to_string()
    }

    async fn decide(&self, plan: usize, approve: bool, dies: Dies) -> String {
        let Some(id) = self.id_of(plan) else { return "unknown".to_owned() };
        let (path, key) = (format!("/v1/submissions/{id}"), server_key(self.app_of(plan)));
        let seen = self.get(&path, &key).await;
        let Some(version) = seen.json()["version"].as_u64() else { return seen.status.to_string() };
        let decision = if approve { "approve" } else { "reject" };
        let body = json!({"decision": decision, "reason": "looked", "moderator": "li", "version": version});
        let answer = self.post(dies, &format!("{path}/decisions"), &key, &body).await;
        let mut book = self.book();
        let told = &mut book.told[plan];
        match answer.as_ref().map(|answer| answer.status.as_u16()) {
            Some(200) => {
                told.decision = Some(approve);
                told.perhaps.clear();
            }
            Some(409 | 404) => {}
            // Nobody knows whether it was taken.
            _ => {
                told.perhaps.insert(approve);
            }
        }
        answer.map_or_else(|| "died".to_owned(), |answer| answer.status.to_string())
    }

    /// The checks of a plan that WeChat took, in the order in which they were asked.
    fn taken(&self, plan: usize) -> Vec<CheckRecord> {
        let Some(id) = self.id_of(plan) else { return Vec::new() };
        let about = |check: &CheckRecord| {
            check.api == Api::MediaCheckAsync
                && check.trace_id.is_some()
                && check.media_url.as_ref().is_some_and(|url| url.contains(&format!("/media/{id}/")))
        };
        self.world.simulator.checks().into_iter().filter(about).collect()
    }

    /// WeChat says a thing again, or another thing about the same check.
    async fn push(&self, plan: usize, which: u64, said: Option<Meaning>) -> String {
        let checks = self.taken(plan);
        let chosen = usize::try_from(which % checks.len().max(1) as u64).expect("an index");
        let Some(check) = checks.get(chosen) else { return "no check".to_owned() };
        let trace_id = check.trace_id.clone().unwrap_or_default();
        let app = app_id(self.app_of(plan));
        // WeChat does not come to like what it could not read.
        if said == Some(Meaning::Pass) && check.media_sha256.is_none() {
            return "never read".to_owned();
        }
        let Some(meaning) = said else {
            return format!("{trace_id}: {:?}", self.world.simulator.push_again(&app, &trace_id).await);
        };
        let verdict = if meaning == Meaning::Risky { Verdict::new("risky", 20001) } else { Verdict::pass() };
        let before = self.world.simulator.pushes().len();
        let pushed = self.world.simulator.push_verdict(&app, &trace_id, &ForcedVerdict::Verdict(verdict)).await;
        let mut book = self.book();
        book.by_hand.extend(before..self.world.simulator.pushes().len());
        book.second_thoughts.push((trace_id.clone(), meaning, pushed == Some(true)));
        format!("{trace_id}: {pushed:?}")
    }

    async fn ban(&self, author: usize, minutes: Option<u64>) -> String {
        let until = minutes.map(|minutes| self.world.now().plus(Duration::from_secs(60 * minutes)).to_string());
        let body = json!({"openid": self.openid(author), "until": until, "reason": "spam", "moderator": "li"});
        let key = server_key(self.script.people[author].app);
        self.post(None, "/v1/bans", &key, &body).await.expect("nobody died").status.to_string()
    }

    pub(super) async fn sweep(&self, dies: &[Dies]) -> String {
        let functions = self.functions();
        let swept = join_all(dies.iter().map(|dies| mortal(*dies, functions.sweep_overdue.run()))).await;
        swept.iter().for_each(|sweep| self.count_death(sweep.is_none()));
        format!("{swept:?}")
    }

    async fn refresh(&self, dies: &[Dies]) -> String {
        let functions = self.functions();
        let refreshed = join_all(dies.iter().map(|dies| mortal(*dies, functions.refresh_token.run()))).await;
        refreshed.iter().for_each(|refresh| self.count_death(refresh.is_none()));
        format!("{refreshed:?}")
    }

    /// Puts a new process in the place of the one that there is, of which then nothing is under way.
    pub(super) async fn restart(&self) {
        let new = Process::start(&self.world).await;
        self.push_gate.lead_to(new.router.clone());
        let old = std::mem::replace(&mut *locked(&self.process), new);
        // A push that it is still answering is answered.
        self.world.simulator.idle().await;
        old.end().await;
    }

    /// Lets whatever the table is still told to do wrong go wrong for nobody.
    pub(super) async fn clear_the_table_s_orders(&self) {
        let table = &self.world.functions.submit_content.checker.table;
        while self.world.proxy.orders_left() > 0 {
            // One call about each kind of key; most of them fail, as they are to.
            let (id, app) = (SubmissionId::random(), app_id(0));
            let _ = table.submission(&id, Consistency::Strong).await;
            let _ = table.access_state(&app, Consistency::Strong).await;
            let author = greenlight::domain::ids::AuthorId::of(
                &app,
                &greenlight::domain::ids::OpenId::parse("nobody").expect("an openid"),
            );
            let _ = table.author(&app, &author, Consistency::Strong).await;
            let link = greenlight::table::TraceLink {
                submission: id,
                part: greenlight::domain::submission::PartName::Text,
                attempt: 0,
                bytes: None,
            };
            let trace_id = greenlight::domain::ids::TraceId::parse("nothing").expect("a trace id");
            let _ = table.link_trace(&app, &trace_id, &link, self.world.now()).await;
        }
    }

    fn order(&self, fault: TableFault, key: &str, after: usize) {
        let matching = if key.is_empty() { CallMatch::any() } else { CallMatch::any().key(key) }.after(after);
        match fault {
            TableFault::LoseAnswer => self.world.proxy.lose_answer_of_next(matching),
            TableFault::CutBefore => self.world.proxy.cut_before_next(matching),
            TableFault::Throttle(times) => self.world.proxy.throttle_next(matching, times),
        }
    }

    fn take<'a>(&'a self, step: &'a Step) -> LocalBoxFuture<'a, Result<String, String>> {
        let simulator = &self.world.simulator;
        async move {
            Ok(match step {
                Step::Submit { plan, dies } => self.submit(*plan, *dies).await,
                Step::Withdraw { plan, dies } => self.withdraw(*plan, *dies).await,
                Step::Decide { plan, approve, dies } => self.decide(*plan, *approve, *dies).await,
                Step::Ban { author, minutes } => self.ban(*author, *minutes).await,
                Step::LogIn { author, dies } => self.log_in(*author, *dies).await,
                Step::Leave { author } => {
                    let app = app_id(self.script.people[*author].app);
                    simulator.leave(&app, &self.openid(*author)).to_string()
                }
                Step::Mood { app, mood } => {
                    simulator.behave(&app_id(*app), mood.as_ref().clone());
                    String::new()
                }
                Step::EndTokens { app, overwritten: true } => simulator.overwrite_token(&app_id(*app)).to_string(),
                Step::EndTokens { app, overwritten: false } => simulator.expire_token(&app_id(*app)).to_string(),
                Step::Release { app, shuffled } => {
                    format!("{:?}", simulator.release_pushes(&app_id(*app), ReleaseOrder::Shuffled(*shuffled)).await)
                }
                Step::PushAgain { plan, which } => self.push(*plan, *which, None).await,
                Step::PushVerdict { plan, which, risky } => {
                    let meaning = if *risky { Meaning::Risky } else { Meaning::Pass };
                    self.push(*plan, *which, Some(meaning)).await
                }
                Step::KillPush { polls } => {
                    self.push_gate.kill_next(*polls);
                    String::new()
                }
                Step::Table { fault, key, after } => {
                    self.order(*fault, key, *after);
                    String::new()
                }
                Step::Past(on) => {
                    self.world.proxy.answer_index_queries_from_the_past(*on).await;
                    String::new()
                }
                Step::Sweep { dies } => self.sweep(dies).await,
                Step::Refresh { dies } => self.refresh(dies).await,
                Step::Restart => {
                    self.restart().await;
                    String::new()
                }
                Step::Pass { seconds } => {
                    self.world.pass(*seconds);
                    String::new()
                }
                Step::Look { plan } => self.look(*plan).await?,
                Step::Together(steps) => {
                    let outcomes = join_all(steps.iter().map(|step| self.take(step))).await;
                    outcomes.into_iter().collect::<Result<Vec<_>, _>>()?.join(" & ")
                }
            })
        }
        .boxed_local()
    }

    /// Waits until nothing of the last step is under way, and notes which checks it asked.
    pub(super) async fn settle(&self, step: usize) {
        loop {
            self.world.proxy.quiet().await;
            self.world.simulator.idle().await;
            self.world.proxy.quiet().await;
            let pushes_died = self.push_gate.take_deaths();
            self.book().kills += pushes_died;
            if !std::mem::take(&mut self.book().died) && pushes_died == 0 {
                break;
            }
            // What the dead had sent may still lie in a socket, where neither proxy nor simulator know of it, and may
            // lead to a push whose handler dies, too.
            self.restart().await;
        }
        let mut book = self.book();
        let troubled = std::mem::take(&mut book.troubled);
        book.asked.resize(self.world.simulator.checks_remembered(), (step, troubled));
    }

    /// Whether an answer may get lost in what comes now, whatever dies in it.
    fn is_troubled(&self) -> bool {
        self.world.proxy.orders_left() > 0
            || (0..APPS).any(|app| {
                let behaviour = self.world.simulator.behaviour(&app_id(app));
                behaviour.fail.iter().any(|failure| failure.after_work)
            })
    }

    /// Plays the script.
    pub(super) async fn play(&self) -> Result<(), String> {
        for author in 0..self.script.people.len() {
            self.log_in(author, None).await;
        }
        let script = self.script.clone();
        for (number, step) in script.steps.iter().enumerate() {
            let troubled = self.is_troubled();
            self.book().troubled |= troubled;
            let outcome = self.take(step).await;
            self.settle(number).await;
            note(&self.log, format!("{number:>3} {} {step:?} -> {outcome:?}", self.world.now()));
            outcome?;
        }
        Ok(())
    }
}
