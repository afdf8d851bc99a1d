//! Two moderators, an author who withdraws, a late push and an undo, in every order: whoever comes first, at each moment it stands
//! where its state says, nobody's word is lost, and nobody is told what is not so.

use greenlight_local::simulator::{ForcedVerdict, Verdict};
use greenlight_tests::console::Visitor;
use greenlight_tests::pictures::{YELLOW, picture};
use greenlight_tests::world::{Plan, World, app_id, server_key};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Approve,
    Reject,
    Undo,
    LatePush,
    Withdraw,
}

/// All orders of these.
fn orders(steps: &[Step]) -> Vec<Vec<Step>> {
    if steps.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (index, first) in steps.iter().enumerate() {
        let rest: Vec<Step> =
            steps.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, step)| *step).collect();
        all.extend(orders(&rest).into_iter().map(|order| [vec![*first], order].concat()));
    }
    all
}

/// It stands in the feed if it is approved, in the queue if it waits for people, and nowhere else.
async fn stands_where_its_state_says(world: &World, id: &str, order: &[Step]) -> &'static str {
    let state = world.state(id).await;
    let in_feed = world.feed("").await.contains(&id.to_owned());
    let in_queue = world.listed("/v1/reviews", &server_key(0)).await.contains(&id.to_owned());
    assert_eq!((in_feed, in_queue), (state == "approved", state == "in_review"), "{order:?}: {state}");
    state
}

async fn in_this_order(world: &World, order: &[Step], seed: u8) {
    let alice = world.log_in("alice").await;
    let id = world.submit_media(&alice, &[picture(YELLOW, seed)]).await;
    world.simulator.idle().await;
    let (li, wang) =
        (Visitor::enter(world, 0, "li", "moderator").await, Visitor::enter(world, 0, "wang", "lead").await);
    let seen = world.stored(&id).await;
    let case = format!("{id}:{}", seen.version);
    let trace = seen.parts[0].attempts[0].trace_id.clone().unwrap().to_string();
    // Who spoke last, and holds; and whether WeChat has refused it since the last who did not.
    let (mut decided, mut refused, mut approved_in) = (None, false, None);
    for step in order {
        let before = world.state(&id).await;
        match step {
            Step::Approve | Step::Reject => {
                let (visitor, deed) = if *step == Step::Approve { (&li, "approve") } else { (&wang, "reject") };
                let status = visitor.decide(&case, deed).await.status.as_u16();
                let undone = order.iter().take_while(|other| *other != step).any(|other| *other == Step::Undo);
                let untouched = before == "in_review" && !(undone && approved_in.is_some());
                assert_eq!(status, if untouched { 303 } else { 409 }, "{order:?}: {step:?} on {before}");
                if status == 303 {
                    decided = Some(*step);
                    if *step == Step::Approve {
                        approved_in = Some(world.stored(&id).await.version);
                    }
                }
            }
            Step::Undo => {
                let version = approved_in.unwrap_or(seen.version);
                let status = li.post("/undo", &[("case", &format!("{id}:{version}"))]).await.status.as_u16();
                let may = decided == Some(Step::Approve) && before == "approved" && !refused;
                assert_eq!(status, if may { 303 } else { 409 }, "{order:?}: undo on {before}");
                if may {
                    decided = None;
                }
            }
            Step::LatePush => {
                let risky = ForcedVerdict::Verdict(Verdict::new("risky", 20002));
                world.simulator.push_verdict(&app_id(0), &trace, &risky).await;
                refused = true;
            }
            Step::Withdraw => {
                world.delete(&format!("/v1/submissions/{id}"), &alice).await.expect(204);
            }
        }
        let state = stands_where_its_state_says(world, &id, order).await;
        let withdrawn = order.iter().take_while(|other| *other != step).any(|other| *other == Step::Withdraw);
        let expected = match decided {
            _ if withdrawn || *step == Step::Withdraw => "withdrawn",
            Some(Step::Approve) => "approved",
            Some(_) => "rejected",
            None if refused => "rejected",
            None => "in_review",
        };
        assert_eq!(state, expected, "{order:?} after {step:?}");
    }
    // What was rejected by a person comes before people again: the next begins as if it had not been.
    wang.post("/lifts", &[("case", &case)]).await;
    world.delete(&format!("/v1/submissions/{id}"), &alice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moderators_an_author_a_push_and_an_undo_in_every_order() {
    let world = World::start_with(Plan { small: true, ..Plan::default() }).await;
    let mut seed = 0_u8;
    for steps in [
        vec![Step::Approve, Step::Reject, Step::Undo, Step::LatePush],
        vec![Step::Approve, Step::Undo, Step::LatePush, Step::Withdraw],
        vec![Step::Approve, Step::Reject, Step::Undo, Step::Withdraw],
    ] {
        for order in orders(&steps) {
            in_this_order(&world, &order, seed).await;
            seed += 1;
            // So many logins and uploads are made in no time.
            world.pass(601);
        }
    }
}
