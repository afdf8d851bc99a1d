//! What the pages say, in both languages.

use greenlight::api::language::Language;
use greenlight::domain::moderator::Role;
use greenlight::domain::submission::{Cause, GivenUp, PartName, Scene, State};

macro_rules! words {
    ($($name:ident: $zh:literal, $en:literal;)+) => {
        /// The texts of one language.
        #[derive(Debug)]
        pub(crate) struct Words {
            pub(crate) language: Language,
            $(pub(crate) $name: &'static str,)+
        }

        static CHINESE: Words = Words { language: Language::Chinese, $($name: $zh,)+ };
        static ENGLISH: Words = Words { language: Language::English, $($name: $en,)+ };
    };
}

words! {
    console: "审核台", "Console";
    queue: "待审队列", "Queue";
    start: "首页", "Start";
    people: "审核员", "People";
    reasons: "规则", "Rules";
    record: "记录", "Record";
    figures: "数据", "Figures";
    figures_hint: "数据从记录里数出来，每个数字都链接到它数的那些记录。微信的部分晚几秒进入记录，最近几秒可能还不全。", "Counted from the record; each number leads to what it counts there. What WeChat did comes into it some seconds late, so the newest may be missing.";
    span: "范围", "Span";
    one_day: "这一天", "this day";
    one_week: "到这一天为止的 7 天", "the 7 days until this day";
    submitted: "提交", "Submitted";
    chart_of_hours: "每小时提交的数量（北京时间）", "Submitted in each hour (in Beijing)";
    chart_of_days: "每天提交的数量（北京时间）", "Submitted on each day (in Beijing)";
    as_table: "以表格显示", "As a table";
    hour: "小时（北京时间）", "Hour (in Beijing)";
    number: "数量", "Number";
    states_reached: "进入各状态的次数", "How often each state was reached";
    wechat_said: "微信的结果", "What WeChat said";
    wechat_said_hint: "每次由微信决定或转人工时，各部分中最严重的结果。", "The worst of all parts, each time that WeChat decided or left it to people.";
    label: "标签", "Label";
    no_label: "没有标签", "no label";
    decisions_by: "由谁决定", "Decisions, by whom";
    moderators_together: "审核员合计", "moderators together";
    most_deciders: "只列出决定最多的 20 位审核员。", "Named are the 20 moderators who decided most.";
    no_decisions: "没有决定的", "What is no decision";
    times: "用时", "How long it took";
    times_from_to: "从提交算起", "Since it was submitted";
    times_hint: "误差在 10% 以内；只算此前没有决定过的。", "Within 10 %; of what had not been decided before.";
    half: "一半不超过（p50）", "half within (p50)";
    nine_in_ten: "九成不超过（p90）", "nine in ten within (p90)";
    to_public: "到公开", "until it was public";
    to_decision: "到决定", "until it was decided";
    in_queue: "在队列里等待人工的时间", "in the queue, until people decided";
    people_queue: "人工队列", "The queue for people";
    waits_now: "现在待审", "Waiting now";
    came_to_people: "转到人工", "came to people";
    worked_off: "人工已决定", "decided by people";
    all_deeds: "记录里的全部", "All that is in the record";
    sum: "合计", "Sum";
    milliseconds: "毫秒", "ms";
    seconds: "秒", "s";
    clock: "超时", "the clock";
    decision: "决定", "decided by";
    verdict: "结果", "Verdict";
    did_hold: "已修改保全。", "The hold is changed.";
    evidence: "证据", "Evidence";
    under_seal: "封存内容", "Under seal";
    sealed_until: "内容已删除，封存至（北京时间）", "What was erased is under seal until (Beijing time)";
    open_seal: "查看封存内容", "Open the seal";
    open_seal_hint: "只有组长可以查看；查看会被记录。", "Only leads may; that you look is recorded.";
    seal_opened: "本次查看已记录；打开每个媒体也会记录。", "That you look is recorded, and so is each medium that you open.";
    held_until: "保全至（北京时间）", "On hold until (Beijing time)";
    hold: "保全", "Hold";
    release: "解除保全", "Take the hold away";
    hold_hint: "保全期间什么都不会删除，即使作者撤回。", "While it holds nothing of it is erased, even if its author withdraws it.";
    document: "文书编号", "Number of the document";
    last_day: "最后一天", "Last day";
    evidence_file: "第几个文件（文件名里有总数）", "Which file (the file's name says of how many)";
    take_away: "导出全部材料", "Take all of it away";
    take_away_hint: "内容、媒体、结果、决定、openid、IP，及所有文件的 SHA-256。导出会被记录。", "Content, media, verdicts, decisions, openid, IP, and the SHA-256 of each file. That you take it is recorded.";
    back_to_it: "返回这条内容", "Back to the submission";
    any: "全部", "all";
    moderators: "审核员", "moderators";
    no_filter: "不筛选", "Without a filter";
    until_day: "到（最多 7 天）", "Until (7 days at most)";
    day: "日期（北京时间）", "Day (in Beijing)";
    file: "第几个文件（每个最多一万条）", "Which file (ten thousand deeds each)";
    deed: "做了什么", "What";
    find_openid: "按 openid 查找作者", "Find an author by openid";
    find_openid_hint: "查找本身会被记录，openid 不会。", "That you look is recorded; the openid is not.";
    go_on_with: "下一页", "Next page";
    leave: "退出", "Leave";
    other_language: "English", "中文";
    other_tag: "en", "zh";
    moderator: "审核员", "moderator";
    lead: "组长", "lead";
    enter_as: "您将以下面的身份进入审核台：", "You are about to enter the console as:";
    enter: "进入", "Enter";
    app: "小程序", "Mini program";
    name: "名字", "Name";
    role: "身份", "Role";
    link_once: "链接只能用一次，请不要转发。", "The link works once. Do not pass it on.";
    entered: "您已进入审核台。", "You are in.";
    session_until: "本次登录有效至（北京时间）", "This session ends at (Beijing time)";
    go_on: "开始工作", "Start working";
    went: "您已退出。", "You have left.";
    today: "今天", "Today";
    approved_today: "通过", "approved";
    rejected_today: "驳回", "rejected";
    backlog: "待审", "Waiting";
    oldest: "最早的一条已等待", "the oldest has waited";
    nothing_waits: "没有待审的内容。", "Nothing waits.";
    to_queue: "开始审核", "Work off the queue";
    handover: "交班留言", "Note for the next shift";
    handover_none: "还没有留言。", "There is none.";
    handover_hint: "写给下一班的同事；作者看不到。", "For whoever works next; authors never see it.";
    save: "保存", "Save";
    find: "查找", "Find";
    find_hint: "内容或作者的编号（26 个字符），或 external_id", "A submission's or an author's id (26 characters), or an external_id";
    found_cut: "最多列出五十条。", "No more than fifty are listed.";
    open: "打开", "Open";
    filter: "筛选", "Filter";
    all: "全部", "all";
    channel: "频道", "Channel";
    scene: "场景", "Scene";
    cause: "原因", "Cause";
    apply: "应用", "Apply";
    show_skipped: "重新显示跳过的", "Show what I skipped";
    in_hand: "手上的", "In hand:";
    empty: "队列里没有分给您的内容。", "Nothing in the queue is for you.";
    empty_hint: "新内容到来时请刷新。被同事领走的，五分钟不处理会回到队列。", "Load the page again later. What others have in hand comes back after five idle minutes.";
    same_group: "条来自同一作者或内容相同", "by the same author, or with the same content";
    approve_all: "全部通过", "Approve all";
    reject_all: "全部驳回", "Reject all";
    waiting: "已等待", "waiting";
    author: "作者", "Author";
    details: "详情", "Details";
    in_hand_of: "正在处理：", "in the hand of";
    escalated: "已转交组长", "for a lead";
    approve: "通过", "Approve";
    reject: "驳回", "Reject";
    reject_with: "选择驳回理由", "Reject for";
    own_reason: "或自己写理由（作者会看到）", "or in your own words (the author sees them)";
    approve_reason: "已人工审核", "looked at by a person";
    lift: "允许再次出现", "Allow it again";
    lift_hint: "同样的内容以后只由微信判断", "from now on WeChat alone judges the same content";
    did_lift: "已允许再次出现。", "It may come again.";
    earlier: "以前的决定", "the earlier decision";
    around: "出现的位置", "Where it stands";
    answers: "回复的内容", "What it answers";
    skip: "跳过", "Skip";
    escalate: "转交组长", "Escalate";
    note: "备注", "Note";
    notes: "备注（作者看不到）", "Notes (authors never see them)";
    add_note: "添加备注", "Add note";
    ban: "禁言作者", "Ban author";
    ban_days: "天数", "Days";
    ban_reason: "禁言理由", "Reason";
    ban_until: "禁言至（北京时间）", "banned until (Beijing time)";
    ban_none: "未被禁言", "not banned";
    lift_ban: "解除禁言", "Lift the ban";
    undo: "撤销", "Undo";
    did_approve: "已通过", "approved:";
    did_reject: "已驳回", "rejected:";
    did_skip: "已跳过。", "Skipped.";
    did_escalate: "已转交组长。", "Left to a lead.";
    did_note: "已添加备注。", "Noted.";
    did_ban: "已更新禁言。", "The ban is changed.";
    did_undo: "已撤销，内容回到队列原处：", "back in the queue:";
    not_saved: "条暂时没能保存，请重试", "could not be saved just now: try again";
    had_changed: "条在此期间已变化，未作处理", "had changed meanwhile and were left alone";
    keys: "快捷键", "Keys";
    keys_list: "j 下一条 · k 上一条 · a 通过 · r 驳回，再按数字选理由 · v 查看图片 · s 跳过 · e 转交组长 · n 备注 · b 禁言 · u 撤销",
        "j next · k previous · a approve · r reject, then a digit for the reason · v look at pictures · s skip · e escalate · n note · b ban · u undo";
    look: "查看图片", "Look at the picture";
    look_hint: "点一下看清，再点一下遮住", "Tap to look, tap again to cover";
    full_size: "原图", "full size";
    picture: "图片", "Picture";
    sound: "声音", "Sound";
    erased: "内容已删除。", "The content is erased.";
    title: "标题", "Title";
    text: "正文", "Text";
    nickname: "昵称", "Nickname";
    signature: "签名", "Signature";
    unseen: "看不见的字符", "invisible character";
    hit_window: "微信在这一段发现问题", "WeChat found something in this piece";
    keyword_hit: "命中的关键词", "a keyword that was met";
    replaces: "修改自", "An edit of";
    made: "提交时间（北京时间）", "Submitted at (Beijing time)";
    state: "状态", "State";
    checks: "微信的检查", "WeChat's checks";
    trace: "trace_id", "trace_id";
    timeline: "经过", "What happened";
    was_made: "提交", "submitted";
    taken_back: "撤销决定", "decision taken back";
    from_to: "状态变化", "From, to";
    by: "由", "By";
    at: "时间（北京时间）", "At (Beijing time)";
    why: "理由", "Why";
    none: "没有", "None";
    submissions: "提交的内容", "Submissions";
    back: "返回队列", "Back to the queue";
    let_in: "让一位审核员进入", "Let a moderator in";
    make_link: "生成链接", "Make a link";
    link_made: "链接（十分钟内有效，只能用一次）", "The link (good once, for ten minutes)";
    lock_out: "停用一位审核员", "Lock a moderator out";
    lock_out_hint: "其登录、未用的链接和手上的内容立即失效。", "Ends sessions, unused links and what is in hand at once.";
    locked_out: "已停用：", "Locked out:";
    reasons_hint: "每行一条，最多九条：代码 | 中文 | English。代码用小写字母、数字和下划线。", "One a line, nine at most: code | 中文 | English. A code is made of a-z, 0-9 and _.";
    reasons_wrong: "没有保存：每行须有代码、中文和英文，最多九行；分钟须是 1 到 43200。", "Not saved: each line needs a code, Chinese and English, and there are nine at most; minutes are 1 to 43,200.";
    late_after: "等待超过多少分钟算积压（会告警并通知运营方）", "After how many minutes a case has waited too long (an alarm is raised, and the owner is told)";
    saved: "已保存。", "Saved.";
    trouble: "没有成功", "That did not work";
    minutes: "分钟", "min";
    hours: "小时", "h";
    days: "天", "d";
    wechat: "微信", "WeChat";
    owner: "运营方", "the owner";
    not_found_hint: "也可能是链接写错了。", "The address may be wrong.";
    skip_to_content: "跳到内容", "Skip to content";
}

impl Words {
    pub(crate) fn of(language: Language) -> &'static Self {
        match language {
            Language::Chinese => &CHINESE,
            Language::English => &ENGLISH,
        }
    }

    pub(crate) fn tag(&self) -> &'static str {
        self.language.tag()
    }

    pub(crate) fn role_name(&self, role: Role) -> &'static str {
        if role.is_lead() { self.lead } else { self.moderator }
    }

    pub(crate) fn state_name(&self, state: State) -> &'static str {
        let (zh, en) = match state {
            State::Pending => ("等待微信结果", "pending"),
            State::InReview => ("人工审核中", "in review"),
            State::Approved => ("已公开", "approved"),
            State::Rejected => ("已驳回", "rejected"),
            State::Withdrawn => ("已撤回", "withdrawn"),
        };
        self.language.choose(zh, en)
    }

    pub(crate) fn state_named(&self, state: &str) -> &'static str {
        let all = [State::Pending, State::InReview, State::Approved, State::Rejected, State::Withdrawn];
        all.into_iter().find(|one| one.as_str() == state).map_or("", |state| self.state_name(state))
    }

    pub(crate) fn scene_name(&self, scene: Scene) -> &'static str {
        let (zh, en) = match scene {
            Scene::Profile => ("资料", "profile"),
            Scene::Comment => ("评论", "comment"),
            Scene::Forum => ("论坛", "forum"),
            Scene::SocialLog => ("社交日志", "social log"),
        };
        self.language.choose(zh, en)
    }

    pub(crate) fn part_name(&self, part: PartName) -> String {
        match part {
            PartName::Text => self.language.choose("文字", "text").to_owned(),
            PartName::Medium(index) => format!("{} {}", self.language.choose("媒体", "medium"), usize::from(index) + 1),
        }
    }

    pub(crate) fn kind_name(&self, kind: &str) -> &'static str {
        let (zh, en) = match kind {
            "given_up" => ("微信没有给出结果", "no verdict"),
            "came_back" => ("再次出现的被驳回内容", "rejected before"),
            "not_read" => ("微信没有读取文件", "not read"),
            _ => ("微信存疑", "doubtful"),
        };
        self.language.choose(zh, en)
    }

    pub(crate) fn cause_name(&self, cause: Cause) -> &'static str {
        let (zh, en) = match cause {
            Cause::CameBack => ("同样的内容以前被人工驳回过", "a person has rejected the same before"),
            Cause::CameBackAlike => ("有人拒绝过相似的图片", "a person has rejected a picture like this before"),
            Cause::Doubtful => ("微信存疑", "WeChat doubts it"),
            Cause::NotRead => ("微信没有读取文件就给出通过", "WeChat passed it without having read it"),
            Cause::GivenUp(GivenUp::Attempts) => ("检查四次都没有结果", "four checks came to nothing"),
            Cause::GivenUp(GivenUp::Time) => ("等待超过一天没有结果", "there was no verdict in a day"),
            Cause::GivenUp(GivenUp::Refused) => ("微信拒绝检查", "WeChat refused to check it"),
        };
        self.language.choose(zh, en)
    }

    /// How long something has waited, in words.
    pub(crate) fn duration(&self, waited: std::time::Duration) -> String {
        let minutes = waited.as_secs() / 60;
        match minutes {
            0..=119 => format!("{minutes} {}", self.minutes),
            120..=2879 => format!("{} {}", minutes / 60, self.hours),
            _ => format!("{} {}", minutes / 1440, self.days),
        }
    }
}
