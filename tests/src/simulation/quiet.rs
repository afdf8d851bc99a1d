//! Quiet: everybody is kind again, and time passes until nothing is due.

use std::time::Duration;

use greenlight::domain::clock::Timestamp;
use greenlight::domain::ids::SubmissionId;
use greenlight::domain::submission::Queue;
use greenlight::table::Consistency;
use greenlight_local::simulator::{Behaviour, ReleaseOrder};
use http::Method;
use serde_json::json;

use super::history::APPS;
use super::note;
use super::stage::Stage;
use crate::world::{app_id, server_key};

/// How many steps quiet may take: a day of patience, and an hour each for whatever makes the clock stand.
const STEPS: usize = 90;
/// How much time passes in one step at most.
const LONGEST: Duration = Duration::from_secs(3600);

impl Stage {
    /// Lets everything come to its end.
    pub(super) async fn quieten(&self) -> Result<(), String> {
        let (simulator, started) = (&self.world.simulator, self.world.now());
        // Sessions from before do not count as visits.
        self.world.pass(1);
        let started = started.plus(Duration::from_secs(1));
        self.push_gate.be_kind();
        self.clear_the_table_s_orders().await;
        self.world.proxy.answer_index_queries_from_the_past(false).await;
        self.restart().await;
        for app in 0..APPS {
            simulator.behave(&app_id(app), Behaviour::default());
        }
        self.lift_bans().await?;
        // A client that heard nothing asks again, with its key.
        for (number, plan) in self.script.plans.iter().enumerate() {
            let open = {
                let book = self.book();
                let told = &book.told[number];
                // What it replaces may be withdrawn by now; then it is refused.
                let is_no_edit = plan.edits.is_none() || told.replaces == Some(None);
                plan.keyed && told.sent && !told.accepted && is_no_edit
            };
            if open {
                let outcome = self.submit(number, None).await;
                note(&self.log, format!("quiet: plan {number} again -> {outcome}"));
                if !self.book().told[number].accepted {
                    return Err(format!("plan {number} is not accepted though everything is quiet: {outcome}"));
                }
            }
        }
        let mut step = self.script.steps.len();
        self.settle(step).await;
        self.find_what_is_stored().await?;
        for _ in 0..STEPS {
            self.everyone_visits(started).await?;
            for app in 0..APPS {
                simulator.release_pushes(&app_id(app), ReleaseOrder::OldestFirst).await;
            }
            let swept = self.sweep(&[None]).await;
            step += 1;
            self.settle(step).await;
            let due = self.next_due().await?;
            note(&self.log, format!("quiet: {} swept {swept}, next due in {due:?}", self.world.now()));
            let held = (0..APPS).any(|app| simulator.held_pushes(&app_id(app)) > 0);
            match due {
                // Once more, for nothing must have come since.
                None if !held => return self.find_what_is_stored().await,
                // A little later than it is due, as a schedule is.
                due => self.world.clock.advance(due.unwrap_or_default().0.min(LONGEST) + Duration::from_secs(1)),
            }
        }
        Err(format!("something is still due after {STEPS} steps of quiet"))
    }

    async fn lift_bans(&self) -> Result<(), String> {
        for (author, person) in self.script.people.iter().enumerate() {
            let body = json!({"openid": self.openid(author), "until": null, "reason": "over", "moderator": "li"});
            let answer = self.post(None, "/v1/bans", &server_key(person.app), &body).await;
            let answer = answer.ok_or("a ban could not be lifted")?;
            if answer.status != 200 {
                return Err(format!("a ban could not be lifted: {answer}"));
            }
        }
        Ok(())
    }

    async fn everyone_visits(&self, started: Timestamp) -> Result<(), String> {
        for author in 0..self.script.people.len() {
            // Who was here within the hour is still known to WeChat.
            let recent = |since: &Timestamp| *since >= started && self.world.now().since(*since) < LONGEST;
            if self.book().sessions[author].as_ref().is_some_and(|(_, since)| recent(since)) {
                continue;
            }
            let outcome = self.log_in(author, None).await;
            if !outcome.starts_with("201") {
                return Err(format!("author {author} cannot log in though everything is quiet: {outcome}"));
            }
        }
        Ok(())
    }

    /// How long until something is due.
    async fn next_due(&self) -> Result<Option<(Duration, String)>, String> {
        let ids: Vec<String> = self.book().told.iter().flat_map(|told| told.ids.clone()).collect();
        let ids: Vec<SubmissionId> = ids.iter().map(|id| SubmissionId::parse(id).expect("an id")).collect();
        let table = &self.world.functions.submit_content.checker.table;
        let stored = table.submissions(&ids).await.map_err(|error| error.to_string())?;
        let due = stored.iter().filter_map(|submission| match submission.queue() {
            // What is under seal waits for nothing but the end of a long time.
            Some(Queue::Due { at }) if submission.sealed.is_none() || at <= self.world.now() => {
                Some((at.since(self.world.now()), format!("{} {:?}", submission.id, submission.parts)))
            }
            _ => None,
        });
        Ok(due.min())
    }

    /// Finds submissions whose authors were never told of them, what died half-way included, in the authors' own lists.
    async fn find_what_is_stored(&self) -> Result<(), String> {
        for (author, person) in self.script.people.iter().enumerate() {
            let path = format!("/v1/submissions?limit=100&openid={}", self.openid(author));
            let key = server_key(person.app);
            let list = self.call(None, Method::GET, &path, &key, ("application/json", Vec::new())).await;
            let list = list.filter(|list| list.status == 200).ok_or("an author's list is not shown")?.json();
            for submission in list["submissions"].as_array().ok_or("no list")? {
                let name = submission["external_id"].as_str().unwrap_or_default();
                let plan: Option<usize> = name.strip_prefix("plan-").and_then(|number| number.parse().ok());
                let id = submission["id"].as_str().unwrap_or_default().to_owned();
                let mut book = self.book();
                let told = plan.and_then(|plan| book.told.get_mut(plan));
                told.ok_or_else(|| format!("{id} was never submitted"))?.ids.insert(id);
            }
        }
        Ok(())
    }

    /// What stands in the table.
    pub(super) async fn stored(&self, id: &str) -> Result<Option<greenlight::domain::submission::Submission>, String> {
        let id = SubmissionId::parse(id).map_err(|_| format!("`{id}` is no id"))?;
        let table = &self.world.functions.submit_content.checker.table;
        table.submission(&id, Consistency::Strong).await.map_err(|error| error.to_string())
    }
}
