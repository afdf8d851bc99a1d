//! What must hold whatever happened: nothing public without a pass, nothing left behind, nothing lost.

use std::time::Duration;

use greenlight::domain::ids::{AuthorId, OpenId, SubmissionId};
use greenlight::table::{Consistency, DUE_SHARDS, DueEntry};
use sha2::{Digest, Sha256};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::world::{World, app_id};

/// Minutes, and twice as long as a push may take: enough for whatever waits to come to an end.
const STEPS: [u64; 12] = [60, 60, 60, 36 * 60, 60, 60, 5 * 60, 36 * 60, 60, 60, 60, 60];

impl World {
    /// The id that a user's idempotency key leads to.
    pub fn id_by_key(name: &str, key: &str) -> String {
        let openid = OpenId::parse(&Self::openid(0, name)).expect("an openid");
        SubmissionId::from_idempotency_key(&app_id(0), &AuthorId::of(&app_id(0), &openid), key).to_string()
    }

    /// Waits until nothing is under way: not at the table, not at WeChat, and not in a socket on the way there.
    ///
    /// What a handler sent before it died or stood still may lie in a socket yet, where neither the proxy nor the simulator
    /// know of it. On one thread what was sent later is read later: once that is answered, all before it has been read.
    pub async fn settled(&self) {
        let flavour = Handle::current().runtime_flavor();
        assert_eq!(
            flavour,
            RuntimeFlavor::CurrentThread,
            "on several threads nothing is known of what lies in a socket"
        );
        for url in [self.proxy.url(), format!("{}/simulator", self.simulator.url())] {
            self.send(self.http.get(url)).await;
        }
        self.proxy.quiet().await;
        self.simulator.idle().await;
        self.proxy.quiet().await;
    }

    /// Whether there is such a submission.
    pub async fn exists(&self, id: &str) -> bool {
        let id = SubmissionId::parse(id).expect("an id");
        self.table().submission(&id, Consistency::Strong).await.expect("the table").is_some()
    }

    /// Everything that is due, now or ever.
    pub async fn due_ever(&self) -> Vec<DueEntry> {
        let mut due = Vec::new();
        let seal_ends = self.now().plus(Duration::from_secs(30 * 24 * 3600));
        for shard in 0..DUE_SHARDS {
            due.append(&mut self.table().due(shard, seal_ends, 1_000).await.expect("the due queue"));
        }
        due
    }

    /// Lets time pass and the schedule run until nothing is due any more, every other time in new processes.
    pub async fn until_nothing_is_due(&self) {
        for (turn, seconds) in STEPS.into_iter().enumerate() {
            if self.due_ever().await.is_empty() {
                return;
            }
            self.pass(seconds);
            // The author stays in the app: who does not is another story.
            self.simulator.visit(&app_id(0), &Self::openid(0, "alice"));
            if turn % 2 == 0 {
                self.sweep().await;
            } else {
                self.restarted().await.sweep_overdue.run().await.expect("the due queue");
                self.simulator.idle().await;
            }
        }
        assert_eq!(self.due_ever().await, [], "after hours something is still due");
    }

    /// Lets the time pass for which what was withdrawn stays under seal, and what is due then be done.
    pub async fn until_the_seals_end(&self) {
        self.pass(200 * 24 * 3600 + 1);
        self.until_nothing_is_due().await;
    }

    /// Whoever sees the submission sees nothing that WeChat did not pass, byte for byte; or a moderator answers for it.
    pub async fn only_what_passed_is_public(&self, id: &str) {
        let passed: Vec<_> = self
            .simulator
            .checks()
            .into_iter()
            .filter(|check| check.errcode == 0)
            .filter(|check| check.verdict.as_ref().is_some_and(|verdict| verdict.suggest == "pass"))
            .collect();
        let public = self.get(&format!("/v1/submissions/{id}"), "").await;
        if public.status == 404 {
            for index in 0..2 {
                self.get(&format!("/media/{id}/{index}.png"), "").await.expect(404);
            }
            return;
        }
        let public = public.expect(200).json();
        assert_eq!(public["state"], "approved");
        if self.stored(id).await.moderated {
            return;
        }
        if let Some(text) = public["text"].as_str() {
            assert!(passed.iter().any(|check| check.content.as_deref() == Some(text)), "`{text}` never passed");
        }
        for medium in public["media"].as_array().expect("media") {
            let served = self.get(medium["url"].as_str().expect("a URL"), "").await.expect(200);
            let sha256 = data_encoding::HEXLOWER.encode(&Sha256::digest(&served.bytes));
            let judged = passed.iter().any(|check| check.media_sha256.as_ref() == Some(&sha256));
            assert!(judged, "what is served as {} never passed", medium["url"]);
        }
    }
}
