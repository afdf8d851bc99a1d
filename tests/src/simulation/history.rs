//! What happens in one history: a script that depends on its seed and on nothing else.

use greenlight_local::simulator::{REVIEW_SOUND, REVIEW_WORDS, RISKY_SOUND, RISKY_WORDS};

use super::wechat::{self, Mood};
use crate::pictures::{GREEN, RED, YELLOW, picture, sound};

/// How many apps there are.
pub(super) const APPS: usize = 2;

/// Dice that fall the same way for the same seed, on every machine: splitmix64.
pub(super) struct Dice(u64);

impl Dice {
    /// The dice of a seed.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    /// A number from `from` to `to`, both included.
    pub(super) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from + 1)
    }

    /// An index below `length`.
    pub(super) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.between(0, length as u64 - 1)).expect("an index")
    }

    /// True so many times in a hundred.
    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    /// One of them.
    pub(super) fn one_of<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.index(from.len())].clone()
    }
}

/// How content looks to the simulated WeChat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Light {
    /// It passes.
    Clean,
    /// It is for review.
    Doubtful,
    /// It is risky.
    Risky,
}

/// A file to upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum File {
    /// A picture of that light; the number makes its bytes its own.
    Picture(Light, u8),
    /// A sound.
    Sound(Light, u8),
}

impl File {
    /// Its bytes.
    pub(super) fn bytes(self) -> Vec<u8> {
        match self {
            Self::Picture(Light::Clean, number) => picture(GREEN, number),
            Self::Picture(Light::Doubtful, number) => picture(YELLOW, number),
            Self::Picture(Light::Risky, number) => picture(RED, number),
            Self::Sound(Light::Clean, number) => sound(&format!("hello {number}")),
            Self::Sound(Light::Doubtful, number) => sound(&format!("{REVIEW_SOUND} {number}")),
            Self::Sound(Light::Risky, number) => sound(&format!("{RISKY_SOUND} {number}")),
        }
    }
}

/// An author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    /// Of which app.
    pub(super) app: usize,
    /// By which name WeChat knows the user.
    pub(super) name: String,
}

/// What an author is going to submit.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// Which author.
    pub(super) author: usize,
    /// The scene's number.
    pub(super) scene: i64,
    /// The title.
    pub(super) title: Option<String>,
    /// The text; each of its windows bears the plan's name.
    pub(super) text: Option<String>,
    /// The nickname.
    pub(super) nickname: Option<String>,
    /// Pictures and sounds.
    pub(super) files: Vec<File>,
    /// Sent with an idempotency key, so that it can be sent again.
    pub(super) keyed: bool,
    /// In the channel.
    pub(super) in_channel: bool,
    /// An edit of an earlier plan of the same author, if that is stored by then.
    pub(super) edits: Option<usize>,
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text: Option<(usize, bool, bool)> = self.text.as_ref().map(|text| {
            let has = |words: [&str; 2]| words.into_iter().any(|word| text.contains(word));
            (text.chars().count(), has(REVIEW_WORDS), has(RISKY_WORDS))
        });
        formatter
            .debug_struct("Plan")
            .field("author", &self.author)
            .field("title", &self.title)
            .field("text (chars, doubtful, risky)", &text)
            .field("nickname", &self.nickname)
            .field("files", &self.files)
            .field("keyed", &self.keyed)
            .field("edits", &self.edits)
            .finish_non_exhaustive()
    }
}

impl Plan {
    /// The one text that has to be judged: written down here once more, so that it is not production's word alone.
    pub(super) fn judged(&self) -> Option<String> {
        let fields: Vec<&str> =
            [&self.title, &self.text, &self.nickname].into_iter().flatten().map(String::as_str).collect();
        (!fields.is_empty()).then(|| fields.join("\n"))
    }
}

/// After so many polls the future of a handler is dropped; with nothing it lives as long as it likes.
pub(super) type Dies = Option<usize>;

/// What the table does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TableFault {
    /// It applies a call and does not answer.
    LoseAnswer,
    /// It never sees a call.
    CutBefore,
    /// It refuses so many calls.
    Throttle(usize),
}

/// One thing that happens.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// An author sends a plan, or sends it again with the same key.
    Submit { plan: usize, dies: Dies },
    /// An author takes it back.
    Withdraw { plan: usize, dies: Dies },
    /// A moderator reads it and decides.
    Decide { plan: usize, approve: bool, dies: Dies },
    /// An author is banned, or free again.
    Ban { author: usize, minutes: Option<u64> },
    /// An author opens a session.
    LogIn { author: usize, dies: Dies },
    /// An author has not been there of late.
    Leave { author: usize },
    /// WeChat is in another mood towards an app.
    Mood { app: usize, mood: Box<Mood> },
    /// All access tokens of an app end: they expire, or somebody else renews them.
    EndTokens { app: usize, overwritten: bool },
    /// Pushes that were held come, in some order.
    Release { app: usize, shuffled: u64 },
    /// A verdict is pushed once more.
    PushAgain { plan: usize, which: u64 },
    /// WeChat thinks again about a check.
    PushVerdict { plan: usize, which: u64, risky: bool },
    /// The next push handler dies.
    KillPush { polls: usize },
    /// The table fails the next call, or the one after so many, about keys of this kind.
    Table { fault: TableFault, key: &'static str, after: usize },
    /// Index queries are answered as of now from now on, or as they are again.
    Past(bool),
    /// Sweeps, all at once.
    Sweep { dies: Vec<Dies> },
    /// Token schedules, all at once.
    Refresh { dies: Vec<Dies> },
    /// All functions are new processes.
    Restart,
    /// Time passes.
    Pass { seconds: u64 },
    /// A stranger looks at a submission; what is shown must be what has passed.
    Look { plan: usize },
    /// All of these at once.
    Together(Vec<Step>),
}

/// A history.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Script {
    /// The authors.
    pub(super) people: Vec<Person>,
    /// What they are going to submit.
    pub(super) plans: Vec<Plan>,
    /// What happens.
    pub(super) steps: Vec<Step>,
}

fn light(dice: &mut Dice) -> Light {
    match dice.between(0, 9) {
        0..=5 => Light::Clean,
        6..=7 => Light::Doubtful,
        _ => Light::Risky,
    }
}

/// A word that makes a text look so.
fn word(light: Light, dice: &mut Dice) -> &'static str {
    match light {
        Light::Clean => "真好",
        Light::Doubtful => dice.one_of(&REVIEW_WORDS),
        Light::Risky => dice.one_of(&RISKY_WORDS),
    }
}

fn text(number: usize, dice: &mut Dice) -> String {
    let word = {
        let light = light(dice);
        word(light, dice)
    };
    if dice.chance(80) {
        return format!("第{number}篇：今天天气{word}。");
    }
    // A sentence has some 25 characters, and WeChat takes 2,500 at once: two or three windows.
    let sentences = dice.index(130) + 110;
    let marked = dice.index(sentences);
    (0..sentences)
        .map(|sentence| {
            let word = if sentence == marked { word } else { "真好" };
            format!("第{number}篇第{sentence}句：今天天气{word}，我们去公园散步吧。")
        })
        .collect()
}

fn plan(number: usize, people: usize, files: &mut u8, dice: &mut Dice) -> Plan {
    let shape = dice.between(0, 9);
    let (some_text, some_files) = match shape {
        0..=3 => (true, 0),
        4..=6 => (false, dice.between(1, 3)),
        _ => (true, dice.between(1, 2)),
    };
    let text = some_text.then(|| text(number, dice));
    Plan {
        author: dice.index(people),
        scene: dice.one_of(&[2, 3]),
        title: (some_text && dice.chance(30)).then(|| format!("第{number}篇的题目")),
        nickname: (some_text && dice.chance(20)).then(|| format!("写第{number}篇的人")),
        text,
        files: (0..some_files)
            .map(|_| {
                *files += 1;
                let light = light(dice);
                if dice.chance(75) { File::Picture(light, *files) } else { File::Sound(light, *files) }
            })
            .collect(),
        keyed: dice.chance(50),
        in_channel: dice.chance(50),
        edits: None,
    }
}

fn dies(percent: u64, dice: &mut Dice) -> Dies {
    // Small numbers die before anything is done, large ones after all is.
    let polls = if dice.chance(50) { dice.between(1, 12) } else { dice.between(1, 60) };
    dice.chance(percent).then(|| usize::try_from(polls).expect("few"))
}

/// Anything but a submission; `sent` plans were sent by now.
fn event(people: &[Person], sent: usize, dice: &mut Dice) -> Step {
    let author = dice.index(people.len());
    let app = dice.index(APPS);
    let plan = dice.index(sent);
    match dice.between(0, 99) {
        0..=17 => Step::Mood { app, mood: Box::new(wechat::mood(dice)) },
        18..=30 => Step::Sweep { dies: (0..dice.between(1, 2)).map(|_| dies(35, dice)).collect() },
        31..=48 => Step::Pass {
            seconds: match dice.between(0, 3) {
                0 => dice.between(1, 59),
                1 | 2 => dice.between(60, 600),
                _ => dice.between(600, 2400),
            },
        },
        49..=56 => Step::Release { app, shuffled: dice.next() },
        57..=61 => Step::Submit { plan, dies: dies(20, dice) },
        62..=65 => Step::Withdraw { plan, dies: dies(30, dice) },
        66..=70 => Step::Decide { plan, approve: dice.chance(60), dies: dies(25, dice) },
        71 => Step::Ban { author, minutes: dice.chance(60).then(|| dice.between(1, 60)) },
        72..=75 => Step::LogIn { author, dies: dies(30, dice) },
        76..=78 => Step::Leave { author },
        79..=80 => Step::EndTokens { app, overwritten: dice.chance(50) },
        81..=82 => Step::PushAgain { plan, which: dice.next() },
        83..=85 => Step::PushVerdict { plan, which: dice.next(), risky: dice.chance(70) },
        86..=88 => Step::KillPush { polls: dice.index(12) + 1 },
        89..=92 => Step::Table {
            fault: match dice.between(0, 3) {
                0 => TableFault::CutBefore,
                1 => TableFault::Throttle(dice.index(4) + 1),
                _ => TableFault::LoseAnswer,
            },
            key: dice.one_of(&["", "S#", "S#", "A#", "T#", "K#"]),
            after: dice.index(4),
        },
        93 => Step::Past(dice.chance(50)),
        94 => Step::Refresh { dies: (0..dice.between(1, 2)).map(|_| dies(35, dice)).collect() },
        95..=96 => Step::Restart,
        _ => Step::Look { plan },
    }
}

/// What may happen at the same time as something else.
fn goes_together(step: &Step) -> bool {
    matches!(
        step,
        Step::Submit { .. }
            | Step::Withdraw { .. }
            | Step::Decide { .. }
            | Step::LogIn { .. }
            | Step::Release { .. }
            | Step::Sweep { .. }
            | Step::Refresh { .. }
            | Step::EndTokens { .. }
    )
}

/// The history of a seed.
pub(super) fn script(seed: u64) -> Script {
    let dice = &mut Dice::new(seed);
    let people: Vec<Person> =
        (0..dice.between(3, 6)).map(|number| Person { app: dice.index(APPS), name: format!("user{number}") }).collect();
    let mut files = 0;
    let mut plans: Vec<Plan> =
        (0..dice.index(16) + 10).map(|number| plan(number, people.len(), &mut files, dice)).collect();
    for number in 1..plans.len() {
        let earlier = dice.index(number);
        // An edit of an edit, two edits of the same: whatever comes.
        if dice.chance(40) {
            (plans[number].edits, plans[number].author) = (Some(earlier), plans[earlier].author);
        }
    }
    let mut steps = Vec::new();
    for number in 0..plans.len() {
        let mut first = Step::Submit { plan: number, dies: dies(12, dice) };
        for _ in 0..dice.between(0, 4) {
            let next = event(&people, number + 1, dice);
            if goes_together(&first) && goes_together(&next) && dice.chance(30) {
                first = Step::Together(vec![first, next]);
            } else {
                steps.push(std::mem::replace(&mut first, next));
            }
        }
        steps.push(first);
    }
    Script { people, plans, steps }
}
