//! What must hold, told from what WeChat was asked and said and from what people were told: not from the rules that
//! production follows.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::HEXLOWER;
use greenlight::domain::submission::{State, Submission};
use greenlight_local::simulator::{Api, CheckRecord, PushRecord};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Tally;
use super::history::{APPS, Plan};
use super::stage::{Book, Stage, Told};
use super::wechat::{Meaning, answered, pushed};
use crate::world::{Answer, app_id, server_key};

/// By how many characters two windows of a text overlap, so that no phrase is cut out of sight.
const OVERLAP: usize = 100;

/// All that WeChat was asked and said.
struct Heard {
    checks: Vec<CheckRecord>,
    pushes: Vec<PushRecord>,
    /// For each check: in which step it was asked, and whether its answer may have been lost.
    asked: Vec<(usize, bool)>,
    by_hand: std::collections::HashSet<usize>,
    second_thoughts: Vec<(String, Meaning, bool)>,
}

/// One thing that WeChat said about a medium.
struct Said<'a> {
    check: &'a CheckRecord,
    meaning: Meaning,
    /// `success` was answered.
    accepted: bool,
}

impl Heard {
    fn trace(check: &CheckRecord) -> &str {
        check.trace_id.as_deref().unwrap_or_default()
    }

    /// The checks of a medium that WeChat took, and where in the list they stand.
    fn taken<'a>(&'a self, id: &str, index: usize) -> impl Iterator<Item = (usize, &'a CheckRecord)> {
        let path = format!("/media/{id}/{index}/");
        self.checks.iter().enumerate().filter(move |(_, check)| {
            check.api == Api::MediaCheckAsync
                && check.trace_id.is_some()
                && check.media_url.as_ref().is_some_and(|url| url.contains(&path))
        })
    }

    /// What was pushed about a medium, if only once and though nobody took it.
    fn about_medium(&self, id: &str, index: usize) -> Vec<Said<'_>> {
        let mut said = Vec::new();
        for (_, check) in self.taken(id, index) {
            let trace = Self::trace(check);
            let own = self.pushes.iter().enumerate().filter(|(number, push)| {
                push.trace_id.as_deref() == Some(trace) && !push.dropped && !self.by_hand.contains(number)
            });
            said.extend(own.map(|(_, push)| Said { check, meaning: pushed(check), accepted: push.accepted }));
            let other = self.second_thoughts.iter().filter(|(about, _, _)| about == trace);
            said.extend(other.map(|(_, meaning, accepted)| Said { check, meaning: *meaning, accepted: *accepted }));
        }
        said
    }

    /// The checks of a plan's text, with the step in which each was asked and whether its answer may have been lost.
    fn about_text(&self, number: usize) -> impl Iterator<Item = (&CheckRecord, usize, bool)> {
        let name = format!("第{number}篇");
        self.checks.iter().zip(&self.asked).filter_map(move |(check, (step, troubled))| {
            let about = check.api == Api::MsgSecCheck && check.content.as_ref()?.contains(&name);
            about.then_some((check, *step, *troubled))
        })
    }
}

/// Whether these windows are all of the text, with nothing of it out of sight.
fn cover<'a>(text: &str, windows: impl Iterator<Item = &'a str>) -> bool {
    let place = |window: &str| {
        let from = text.get(..text.find(window)?)?.chars().count();
        Some((from, from + window.chars().count()))
    };
    let places: BTreeSet<(usize, usize)> = windows.filter_map(place).collect();
    let mut seen = 0;
    for (from, to) in places {
        if from != 0 && from + OVERLAP > seen {
            return false;
        }
        seen = seen.max(to);
    }
    seen == text.chars().count()
}

fn hash(answer: &Answer) -> String {
    HEXLOWER.encode(&Sha256::digest(&answer.bytes))
}

impl Stage {
    fn heard(&self) -> Heard {
        let (checks, pushes) = (self.world.simulator.checks(), self.world.simulator.pushes());
        let book = self.book();
        let Book { asked, by_hand, second_thoughts, .. } = &*book;
        let mut asked = asked.clone();
        // What was asked in the step that is under way.
        asked.resize(checks.len(), (usize::MAX, true));
        Heard { checks, pushes, asked, by_hand: by_hand.clone(), second_thoughts: second_thoughts.clone() }
    }

    /// All plans that are edits of one another, this one with them.
    fn chain_of(&self, number: usize) -> BTreeSet<usize> {
        let book = self.book();
        let known = |id: &String| book.told.iter().position(|told| told.ids.contains(id));
        let earlier = |number: usize| book.told[number].replaces.as_ref()?.as_ref().and_then(known);
        let root = |number: usize| {
            let mut root = number;
            while let Some(before) = earlier(root) {
                root = before;
            }
            root
        };
        let own = root(number);
        (0..book.told.len()).filter(|other| root(*other) == own).collect()
    }

    /// Whether an edit that had passed took its place, or somebody may have withdrawn all that it stands with.
    fn was_replaced(&self, heard: &Heard, number: usize, stored: &Submission) -> bool {
        let others: Vec<usize> = self.chain_of(number).into_iter().filter(|other| *other != number).collect();
        let told = self.book().told.clone();
        let passed = |other: &usize, id: &str| {
            told[*other].ids.contains(id)
                && (Self::may_be_a_moderators(&told[*other]) || self.justified(heard, *other, id).is_ok())
        };
        let by = stored.replaced_by.as_ref().map(|by| by.as_str());
        by.is_some_and(|by| others.iter().any(|other| passed(other, by)))
            || by.is_none() && others.iter().any(|other| told[*other].maybe_withdrawn)
    }

    fn is_about_this_author(&self, number: usize, check: &CheckRecord) -> bool {
        let plan = &self.script.plans[number];
        check.app_id == app_id(self.app_of(number))
            && check.openid.as_ref() == Some(&self.openid(plan.author))
            && check.scene == Some(plan.scene)
    }

    /// Whether WeChat said `pass` about every part of exactly this; what is missing if not.
    fn justified(&self, heard: &Heard, number: usize, id: &str) -> Result<(), String> {
        if let Some(text) = self.script.plans[number].judged() {
            let passes = heard
                .about_text(number)
                .filter(|(check, _, _)| answered(check) == Meaning::Pass && self.is_about_this_author(number, check));
            if !cover(&text, passes.filter_map(|(check, _, _)| check.content.as_deref())) {
                return Err(format!("plan {number} ({id}) is public, and WeChat did not pass all of its text"));
            }
        }
        let uploads = self.book().told[number].uploads.clone().unwrap_or_default();
        for (index, (_, sha256)) in uploads.iter().enumerate() {
            let passed = heard.about_medium(id, index).into_iter().any(|said| {
                said.meaning == Meaning::Pass
                    && said.check.media_sha256.as_ref() == Some(sha256)
                    && self.is_about_this_author(number, said.check)
            });
            if !passed {
                return Err(format!("plan {number} ({id}) is public, and WeChat did not pass medium {index} {sha256}"));
            }
        }
        Ok(())
    }

    /// A moderator said, or may have said, that it is to be public.
    fn may_be_a_moderators(told: &Told) -> bool {
        told.decision == Some(true) || told.perhaps.contains(&true)
    }

    /// What a stranger is shown of a plan must be what has passed, at any time.
    pub(super) async fn look(&self, number: usize) -> Result<String, String> {
        let Some(id) = self.id_of(number) else { return Ok("unknown".to_owned()) };
        let shown = self.get(&format!("/v1/submissions/{id}"), "").await;
        let mut public = 0;
        for member in self.chain_of(number) {
            let Some(id) = self.id_of(member) else { continue };
            public += usize::from(self.get(&format!("/v1/submissions/{id}"), "").await.status == 200);
        }
        if public > 1 {
            return Err(format!("{public} of the chain of plan {number} are public at one time"));
        }
        if shown.status == 200 {
            self.is_what_was_submitted(number, &shown)?;
            if !Self::may_be_a_moderators(&self.book().told[number]) {
                self.justified(&self.heard(), number, &id)?;
            }
        }
        Ok(shown.status.to_string())
    }

    /// The text that is shown is the text that was submitted, and so that was judged.
    fn is_what_was_submitted(&self, number: usize, shown: &Answer) -> Result<(), String> {
        let (plan, shown) = (&self.script.plans[number], shown.json());
        let Plan { title, text, nickname, .. } = plan;
        for (field, value) in [("title", title), ("text", text), ("nickname", nickname)] {
            if shown[field].as_str() != value.as_deref() {
                return Err(format!("plan {number} shows another {field}"));
            }
        }
        Ok(())
    }

    /// Judges the end of the history.
    pub(super) async fn judge(&self) -> Result<Tally, String> {
        let heard = self.heard();
        let told: Vec<Told> = self.book().told.clone();
        let mut tally = Tally { histories: 1, killed: self.book().kills, ..Tally::default() };
        let mut standing: BTreeMap<String, (usize, State)> = BTreeMap::new();
        let mut states: BTreeMap<usize, State> = BTreeMap::new();
        for (number, told) in told.iter().enumerate() {
            if let Some(id) = told.ids.first() {
                states.extend(self.stored(id).await?.map(|stored| (number, stored.state)));
            }
        }
        for number in 0..told.len() {
            let chain = self.chain_of(number);
            let public = chain.iter().filter(|member| states.get(member) == Some(&State::Approved)).count();
            if public > 1 {
                return Err(format!("{public} of the chain {chain:?} are public"));
            }
        }
        for (number, told) in told.iter().enumerate() {
            // One key, or one sending without a key, is one submission.
            if told.ids.len() > 1 {
                return Err(format!("plan {number} was sent once and stands {} times: {:?}", told.ids.len(), told.ids));
            }
            let Some(id) = told.ids.first() else {
                if told.accepted {
                    return Err(format!("plan {number} was accepted and has no id"));
                }
                continue;
            };
            let stored = self.stored(id).await?;
            let stored = stored.ok_or_else(|| format!("plan {number} ({id}) was accepted and is not there"))?;
            self.holds(&heard, number, told, &stored)?;
            self.is_seen_by_whom_it_is_for(number, &stored).await?;
            tally.submissions += 1;
            match stored.state {
                State::Approved => tally.approved += 1,
                State::Rejected => tally.rejected += 1,
                State::InReview => tally.in_review += 1,
                State::Withdrawn => tally.withdrawn += 1,
                State::Pending => {}
            }
            standing.insert(id.clone(), (number, stored.state));
        }
        self.lists_show(&standing).await?;
        Ok(tally)
    }

    /// What was promised about one submission.
    fn holds(&self, heard: &Heard, number: usize, told: &Told, stored: &Submission) -> Result<(), String> {
        let id = stored.id.as_str();
        let broken = |what: &str| Err(format!("plan {number} ({id}) is {}: {what}", stored.state.as_str()));
        match stored.state {
            State::Pending => return broken("everything is quiet, and nothing is decided"),
            State::Withdrawn if told.maybe_withdrawn || self.was_replaced(heard, number, stored) => return Ok(()),
            State::Withdrawn => return broken("nobody took it back"),
            _ if told.withdrawn => return broken("its author was told that it is withdrawn"),
            _ => {}
        }
        let as_a_moderator_said =
            |approve: &bool| stored.state == if *approve { State::Approved } else { State::Rejected };
        if let Some(decision) = told.decision {
            return if told.perhaps.iter().chain([&decision]).any(as_a_moderator_said) {
                Ok(())
            } else {
                broken("a moderator said otherwise")
            };
        }
        if told.perhaps.iter().any(as_a_moderator_said) {
            return Ok(());
        }
        let (risky, passed) = self.arrived(heard, number, stored)?;
        match stored.state {
            _ if risky && stored.state != State::Rejected => {
                broken("WeChat said risky, and was told that it was heard")
            }
            State::Approved => self.justified(heard, number, id),
            State::Rejected if !self.was_ever_risky(heard, number, stored) => broken("WeChat never said risky"),
            State::InReview if passed => broken("WeChat passed all of it, and was told that it was heard"),
            _ => Ok(()),
        }
    }

    /// What of WeChat's verdicts has certainly arrived: a risky one; a pass for every part, and nothing else.
    fn arrived(&self, heard: &Heard, number: usize, stored: &Submission) -> Result<(bool, bool), String> {
        let (mut risky, mut passed) = (false, true);
        if let Some(text) = self.script.plans[number].judged() {
            let answers: Vec<_> = heard.about_text(number).filter(|(_, step, _)| *step != usize::MAX).collect();
            risky |= answers.iter().any(|(check, _, troubled)| !troubled && answered(check) == Meaning::Risky);
            let doubted =
                answers.iter().any(|(check, _, _)| matches!(answered(check), Meaning::Review | Meaning::Risky));
            // A text counts as a whole: all of its windows at one time.
            let steps: BTreeSet<usize> =
                answers.iter().filter(|(_, _, troubled)| !troubled).map(|(_, step, _)| *step).collect();
            passed &= !doubted
                && steps.iter().any(|step| {
                    let then = answers.iter().filter(|(check, at, _)| at == step && answered(check) == Meaning::Pass);
                    cover(&text, then.filter_map(|(check, _, _)| check.content.as_deref()))
                });
        }
        for index in 0..self.script.plans[number].files.len() {
            let known = |check: &CheckRecord| {
                let mut attempts = stored.parts.iter().flat_map(|part| &part.attempts);
                attempts.any(|attempt| attempt.trace_id.as_ref().is_some_and(|own| own.as_str() == Heard::trace(check)))
            };
            for (place, check) in heard.taken(stored.id.as_str(), index) {
                if !known(check) && !heard.asked[place].1 {
                    let trace = Heard::trace(check);
                    return Err(format!("plan {number} ({}) does not know its check {trace}", stored.id));
                }
            }
            let said = heard.about_medium(stored.id.as_str(), index);
            let arrived = || said.iter().filter(|said| said.accepted && known(said.check));
            risky |= arrived().any(|said| said.meaning == Meaning::Risky);
            let doubted = said.iter().any(|said| matches!(said.meaning, Meaning::Review | Meaning::Risky));
            passed &= !doubted && arrived().any(|said| said.meaning == Meaning::Pass);
        }
        Ok((risky, passed && !risky))
    }

    fn was_ever_risky(&self, heard: &Heard, number: usize, stored: &Submission) -> bool {
        heard.about_text(number).any(|(check, _, _)| answered(check) == Meaning::Risky)
            || (0..self.script.plans[number].files.len()).any(|index| {
                heard.about_medium(stored.id.as_str(), index).iter().any(|said| said.meaning == Meaning::Risky)
            })
    }

    /// Strangers see what is public and nothing else, authors see their own, and every medium is what was uploaded.
    async fn is_seen_by_whom_it_is_for(&self, number: usize, stored: &Submission) -> Result<(), String> {
        let (id, plan) = (stored.id.as_str(), &self.script.plans[number]);
        let path = format!("/v1/submissions/{id}");
        let approved = stored.state == State::Approved;
        let withdrawn = stored.state == State::Withdrawn;
        let other = (plan.author + 1) % self.script.people.len();
        let (own, other) = (self.session(plan.author).await, self.session(other).await);
        let (Some(own), Some(other)) = (own, other) else { return Err("nobody can log in".to_owned()) };
        let app = self.app_of(number);
        let lookers = [
            ("a stranger", String::new(), approved),
            ("another author", other, approved),
            ("another owner", server_key((app + 1) % APPS), approved),
            ("its owner", server_key(app), true),
            ("its author", own, !withdrawn),
        ];
        let mut view = Value::Null;
        for (who, key, sees) in lookers {
            let shown = self.get(&path, &key).await;
            if shown.status.as_u16() != if sees { 200 } else { 404 } {
                let state = stored.state.as_str();
                return Err(format!("plan {number} ({id}) is {state}, and {who} is answered {shown}"));
            }
            if sees && !withdrawn {
                self.is_what_was_submitted(number, &shown)?;
            }
            // The last is its author's.
            view = shown.json();
        }
        let uploads = self.book().told[number].uploads.clone().unwrap_or_default();
        for (index, (_, sha256)) in uploads.iter().enumerate() {
            for extension in ["png", "wav"] {
                let shown = self.get(&format!("/media/{id}/{index}.{extension}"), "").await;
                let is_public = shown.status == 200;
                if is_public != (approved && hash(&shown) == *sha256) && (is_public || shown.status != 404) {
                    return Err(format!("plan {number} ({id}): medium {index} is answered {}", shown.status));
                }
            }
            // What a person has to look at can be looked at, and what is public can be seen.
            if matches!(stored.state, State::Approved | State::InReview) {
                let url = view["media"][index]["url"].as_str().unwrap_or_default();
                let shown = self.get(url, "").await;
                if shown.status != 200 || hash(&shown) != *sha256 {
                    let (state, status) = (stored.state.as_str(), shown.status);
                    return Err(format!("plan {number} ({id}) is {state}, and {url} is answered {status}"));
                }
            }
        }
        Ok(())
    }

    /// The feed is what is public in it, and the review queue is what a person has to look at.
    async fn lists_show(&self, standing: &BTreeMap<String, (usize, State)>) -> Result<(), String> {
        for app in 0..APPS {
            for (path, state) in [
                ("/v1/channels/square/submissions?limit=100", State::Approved),
                ("/v1/reviews?limit=100", State::InReview),
            ] {
                let list = self.get(path, &server_key(app)).await;
                let list = list.json()["submissions"].as_array().cloned().ok_or_else(|| format!("{path}: {list}"))?;
                let shown: BTreeSet<String> =
                    list.iter().filter_map(|one| one["id"].as_str()).map(str::to_owned).collect();
                let expected: BTreeSet<String> = standing
                    .iter()
                    .filter(|(_, (number, is))| *is == state && self.app_of(*number) == app)
                    .filter(|(_, (number, _))| state == State::InReview || self.script.plans[*number].in_channel)
                    .map(|(id, _)| id.clone())
                    .collect();
                if shown != expected {
                    return Err(format!("{path} of app {app} shows {shown:?}, not {expected:?}"));
                }
            }
        }
        Ok(())
    }
}
