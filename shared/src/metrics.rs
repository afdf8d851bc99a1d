//! Metrics: what operators see of a deployment from outside, as lines that CloudWatch makes metrics of.
//!
//! Each line is one JSON object in CloudWatch's embedded metric format, on standard output among the log's; it costs no
//! call and no waiting. (AWS: "Specification: CloudWatch embedded metric format".) One machine has no stack and prints none.

use std::io::Write;

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;

use crate::domain::clock::Clock;
use crate::domain::submission::{Part, PartName, PartState, State, Submission};
use crate::domain::verdict::Suggest;

/// The namespace of all of them.
pub const NAMESPACE: &str = "Greenlight";
/// Their one dimension: the name of the stack. What differs by app, author or code stands in the log: each value of a
/// dimension is a metric of its own, and each costs.
pub const DIMENSION: &str = "Stack";
/// Where lines for CloudWatch come from, so that no other log takes them.
pub const TARGET: &str = "metrics";

macro_rules! metrics {
    ($($(#[doc = $doc:literal])+ $name:ident: $unit:ident,)+) => {
        /// One metric. CloudWatch bills each of them by the month in which it has a value.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Metric {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Metric {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Its name in CloudWatch.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }

            /// Its unit, in CloudWatch's words.
            pub fn unit(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($unit),)+
                }
            }
        }
    };
}

metrics! {
    /// Submissions that were stored.
    Submissions: Count,
    /// Media that WeChat took to check, and has to push a verdict for.
    MediaChecks: Count,
    /// Verdicts that let a part pass.
    VerdictsPass: Count,
    /// One sample for each pass of a medium: 1 where WeChat had not read it to its end, 0 where it had.
    PassesUnproven: Count,
    /// Verdicts that are doubtful.
    VerdictsReview: Count,
    /// Verdicts that are risky.
    VerdictsRisky: Count,
    /// Submissions that WeChat's verdicts decided.
    DecidedByWeChat: Count,
    /// Submissions that a moderator decided.
    DecidedByModerator: Count,
    /// Submissions that their author, or the owner, withdrew.
    Withdrawn: Count,
    /// Submissions that began to wait for a person.
    LeftToPeople: Count,
    /// Apps in which a case has waited longer for people than it may; one sample a run of the sweep while there is one.
    QueuesLate: Count,
    /// Decisions that the owner's backend did not take for a day.
    DecisionsUntold: Count,
    /// From WeChat making a push to our having taken it; one sample for each push that was taken.
    PushLatency: Milliseconds,
    /// Pushes that had come before.
    PushesTwice: Count,
    /// Pushes of traces that nothing links to yet.
    PushesOrphaned: Count,
    /// Media checks that no push has come about in time: WeChat does not reach us, or not with what we can open.
    PushesLost: Count,
    /// Pushes that were refused: wrong signature, plaintext mode, another app's.
    PushesRefused: Count,
    /// How long the oldest entry of the due queue has been due; one sample for each run of the sweep.
    OverdueAge: Seconds,
    /// Parts that WeChat is asked about once more.
    AskedAgain: Count,
    /// What is left of the token that ends first, at each run of the refresh.
    TokenLifetime: Seconds,
    /// Calls that WeChat did not answer, or not as it should.
    WeChatBusy: Count,
    /// Calls that WeChat refused because a quota is used up.
    WeChatQuota: Count,
    /// Calls that WeChat refuses until somebody mends the app's configuration.
    WeChatConfiguration: Count,
    /// Calls that WeChat refuses for good: this content, this user, this request.
    WeChatPermanent: Count,
    /// Pauses of an API that began.
    Pauses: Count,
    /// Processes that were started.
    ColdStarts: Count,
}

/// Records what was measured at one moment, in one line.
pub fn record(values: &[(Metric, f64)]) {
    if values.is_empty() {
        return;
    }
    let values = Map::from_iter(values.iter().map(|(metric, value)| (metric.name().to_owned(), json!(value))));
    let values = Value::Object(values);
    tracing::info!(target: TARGET, values = %values);
}

/// Records that something happened once.
pub fn count(metric: Metric) {
    record(&[(metric, 1.0)]);
}

/// How many checks of a part WeChat has taken and will push about.
fn traces(part: &Part) -> usize {
    part.attempts.iter().filter(|attempt| attempt.trace_id.is_some()).count()
}

/// Whether a part that WeChat had taken goes on without a word about it.
fn push_was_lost(old: &Part, new: &Part) -> bool {
    let untold =
        |part: &Part| part.attempts.get(old.attempts.len().wrapping_sub(1)).is_some_and(|one| one.ended.is_none());
    let waited = matches!(old.state, PartState::Checking { .. });
    let goes_on = new.attempts.len() > old.attempts.len() || matches!(new.state, PartState::GivenUp { .. });
    waited && goes_on && untold(new)
}

/// Records what a write of a submission has changed: what stood there before, and what stands there now.
pub(crate) fn record_change(before: Option<&Submission>, after: &Submission) {
    let mut values: Vec<(Metric, f64)> = Vec::new();
    let mut add = |metric| match values.iter_mut().find(|(own, _)| *own == metric) {
        Some((_, value)) => *value += 1.0,
        None => values.push((metric, 1.0)),
    };
    if before.is_none() {
        add(Metric::Submissions);
    }
    if before.is_none_or(|before| before.state != after.state) {
        let by_person = after.is_decided_by_moderator();
        match after.state {
            State::Pending => {}
            State::InReview => add(Metric::LeftToPeople),
            State::Withdrawn => add(Metric::Withdrawn),
            State::Approved | State::Rejected if by_person => add(Metric::DecidedByModerator),
            State::Approved | State::Rejected => add(Metric::DecidedByWeChat),
        }
    }
    for part in &after.parts {
        let old = before.and_then(|before| before.part(part.name));
        if let Some(verdict) = part.verdict().filter(|_| old.is_none_or(|old| old.verdict() != part.verdict())) {
            add(match verdict.suggest {
                Suggest::Pass => Metric::VerdictsPass,
                Suggest::Review => Metric::VerdictsReview,
                Suggest::Risky => Metric::VerdictsRisky,
            });
        }
        if part.name != PartName::Text && part.known.is_none() {
            let unproven = |part: &Part| part.attempts.iter().filter(|attempt| attempt.unproven).count();
            let passes = |part: &Part| part.verdict().is_some_and(|verdict| verdict.suggest == Suggest::Pass);
            if unproven(part) > old.map_or(0, unproven) {
                record(&[(Metric::PassesUnproven, 1.0)]);
            } else if passes(part) && !old.is_some_and(passes) {
                record(&[(Metric::PassesUnproven, 0.0)]);
            }
        }
        if traces(part) > old.map_or(0, traces) && part.name != PartName::Text {
            add(Metric::MediaChecks);
        }
        if old.is_some_and(|old| push_was_lost(old, part)) {
            add(Metric::PushesLost);
        }
        if old.is_some_and(|old| part.attempts_made() > old.attempts_made() && old.attempts_made() > 0) {
            add(Metric::AskedAgain);
        }
    }
    record(&values);
}

/// Prints what [`record`] records as CloudWatch reads it. A filter of its own: the log's level does not silence metrics.
#[derive(Debug)]
pub struct Embedded<W> {
    stack: String,
    clock: Clock,
    writer: W,
}

impl<W> Embedded<W> {
    /// Metrics of this stack, written there.
    pub fn new(stack: String, clock: Clock, writer: W) -> Self {
        Self { stack, clock, writer }
    }

    fn line(&self, values: Map<String, Value>) -> String {
        let units: Vec<Value> = Metric::ALL
            .iter()
            .filter(|metric| values.contains_key(metric.name()))
            .map(|metric| json!({"Name": metric.name(), "Unit": metric.unit()}))
            .collect();
        let mut line = values;
        line.insert(DIMENSION.to_owned(), json!(self.stack));
        let directive = json!({"Namespace": NAMESPACE, "Dimensions": [[DIMENSION]], "Metrics": units});
        line.insert("_aws".to_owned(), json!({"Timestamp": self.clock.now().0, "CloudWatchMetrics": [directive]}));
        Value::Object(line).to_string() + "\n"
    }
}

/// The values that an event of ours carries.
#[derive(Default)]
struct Values(Map<String, Value>);

impl Visit for Values {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "values" {
            self.0 = serde_json::from_str(&format!("{value:?}")).unwrap_or_default();
        }
    }
}

impl<S, W> Layer<S> for Embedded<W>
where
    S: Subscriber,
    W: for<'writer> MakeWriter<'writer> + 'static,
{
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != TARGET {
            return;
        }
        let mut values = Values::default();
        event.record(&mut values);
        // Standard output that is gone takes the log with it; there is nobody to tell.
        let _ = self.writer.make_writer().write_all(self.line(values.0).as_bytes());
    }
}
