//! `backup`: a copy made beside a run, and a run started with it.

use serde_json::json;

use crate::run::{Answer, GREEN, Process, Run, picture};

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_made_while_the_run_goes_on_is_the_run_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (data, copy) = (path("data"), path("copy"));
    let run = Run::start(&["--data", &data, "--keep-sealed-days", "0"]);
    let alice = run.log_in("alice-1").await;
    let approved = |answer: &Answer| answer.json["state"] == "approved";
    let public = run.submit_picture(&alice, "forum", &picture(GREEN, 3)).await;
    run.until(&format!("/v1/submissions/{public}"), "", approved).await;
    let withdrawn = run.submit_picture(&alice, "forum", &picture(GREEN, 4)).await;
    run.delete(&format!("/v1/submissions/{withdrawn}"), &alice).await.expect(204);
    let text = json!({"scene": "comment", "text": "今天天气真好"});
    let before = run.post("/v1/submissions", &alice, &text).await.expect(201).text("id");

    let backed_up = Process::start(&["backup", "--data", &data, &copy]).ended();
    assert!(backed_up.status.success() && backed_up.errors.is_empty(), "{}", backed_up.errors);
    assert!(backed_up.output.starts_with(&format!("copied to {copy}: 3 uploads and media, ")), "{}", backed_up.output);
    let since = run.post("/v1/submissions", &alice, &text).await.expect(201).text("id");
    run.delete(&format!("/v1/submissions/{public}"), &alice).await.expect(204);

    let restored = Run::start(&["--data", &copy]);
    assert_eq!(restored.fact("server key"), run.fact("server key"));
    assert_eq!(restored.submission(&before, "").await.expect(200).text("state"), "approved");
    assert_eq!(restored.get(&format!("/media/{public}/0.png"), "").await.expect(200).bytes, picture(GREEN, 3));
    restored.submission(&withdrawn, &alice).await.expect(404);
    restored.submission(&since, &alice).await.expect(404);
    assert_eq!(restored.post("/v1/submissions", &alice, &text).await.expect(201).text("state"), "approved");
    run.submission(&since, "").await.expect(200);
}

#[test]
fn a_backup_that_cannot_be_made_says_why_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let is_told = |arguments: &[&str], says: &str| {
        let ended = Process::start(arguments).ended();
        assert_eq!((ended.status.success(), ended.output.as_str()), (false, ""));
        assert!(ended.errors.contains(says) && ended.errors.matches('\n').count() == 1, "{}", ended.errors);
    };
    is_told(&["backup", &path("copy")], "--data is needed: the folder to copy");
    is_told(&["backup"], "<NEW_FOLDER>");
    is_told(&["backup", "--data", &path("data"), &path("copy")], "no run has kept anything here");
    drop(Run::start(&["--data", &path("data")]));
    is_told(&["backup", "--data", &path("data"), &path("data")], "it is there already: name a folder that is not");
    is_told(&["backup", "--data", &path("data"), &path("no/copy")], "No such file or directory");
}

/// One that was broken off lacks the file that is written last, and is not taken for whole.
#[test]
fn an_unfinished_backup_is_not_started_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    drop(Run::start(&["--data", &path("data")]));
    let backed_up = Process::start(&["backup", "--data", &path("data"), &path("copy")]).ended();
    assert!(backed_up.status.success(), "{}", backed_up.errors);
    std::fs::remove_file(path("copy/format.json")).unwrap();
    let ended = Process::start(&["--data", &path("copy")]).ended();
    assert!(!ended.status.success() && ended.errors.contains("it is an unfinished backup"), "{}", ended.errors);
}
