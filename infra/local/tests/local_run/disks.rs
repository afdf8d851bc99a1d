//! Disks that are full, read-only or damaged: nothing that was accepted is lost, and one line says what to do.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::run::{Answer, BINARY, GREEN, Process, Run, picture};

/// Starts the binary in a name space of its own, in which `mount` (a shell command that knows `$DISK`) was run before.
fn start_with_disk(disk: &Path, mount: &str, arguments: &[&str]) -> Process {
    let mut command = Command::new("unshare");
    command.env("DISK", disk).args(["--map-root-user", "--mount", "bash", "-ec"]);
    command.args([&format!("{mount}; exec \"$0\" \"$@\""), BINARY]);
    Process::of(command, arguments)
}

/// A path as that process sees it.
fn seen_by(process: &Process, path: &Path) -> PathBuf {
    Path::new(&format!("/proc/{}/root", process.pid())).join(path.strip_prefix("/").unwrap())
}

fn fill(file: &Path) {
    let mut filler = std::fs::File::create(file).unwrap();
    for chunk in [vec![0; 1 << 20], vec![0; 1 << 12]] {
        while filler.write_all(&chunk).is_ok() {}
    }
    assert_eq!(filler.write_all(&[0; 1 << 12]).unwrap_err().kind(), ErrorKind::StorageFull);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_and_loses_nothing() {
    let disk = tempfile::tempdir().unwrap();
    let data = disk.path().join("data").to_str().unwrap().to_owned();
    let mount = "mount -t tmpfs -o size=32m none \"$DISK\"";
    let run = Run::of(start_with_disk(disk.path(), mount, &["--data", &data]));
    let alice = run.log_in("alice-1").await;
    let approved = |answer: &Answer| answer.json["state"] == "approved";
    let text = json!({"scene": "comment", "text": "今天天气真好"});
    let before = run.post("/v1/submissions", &alice, &text).await.expect(201).text("id");
    let public = run.submit_picture(&alice, "forum", &picture(GREEN, 3)).await;
    run.until(&format!("/v1/submissions/{public}"), "", approved).await;

    let filler = seen_by(&run.process, &disk.path().join("filler"));
    fill(&filler);
    // What still fits into the log that SQLite has already is taken; then there is no room.
    let mut taken = Vec::new();
    let long = json!({"scene": "comment", "text": "好".repeat(5_000)});
    let refused = loop {
        let answer = run.post("/v1/submissions", &alice, &long).await;
        if answer.status != 201 {
            break answer;
        }
        taken.push(answer.text("id"));
    };
    assert_eq!(refused.expect(503).text("code"), "unavailable");
    run.try_upload(&alice, &picture(GREEN, 4)).await.expect(503);
    assert_eq!(run.submission(&before, "").await.expect(200).text("state"), "approved");
    assert_eq!(run.get(&format!("/media/{public}/0.png"), "").await.expect(200).bytes, picture(GREEN, 3));

    std::fs::remove_file(filler).unwrap();
    let after = run.post("/v1/submissions", &alice, &text).await.expect(201).text("id");
    for id in taken.iter().chain([&before, &after]) {
        run.until(&format!("/v1/submissions/{id}"), "", approved).await;
    }
    run.process.signal("TERM");
    let ended = run.process.ended();
    let said = ended.errors.lines().find(|line| line.contains(r#"alarm="disk""#)).unwrap_or_default();
    assert!(said.contains("MB are left on the disk of") && said.contains("free some space"), "{}", ended.errors);
}

#[test]
fn a_folder_that_is_read_only_is_one_clear_line() {
    let disk = tempfile::tempdir().unwrap();
    let data = disk.path().join("data").to_str().unwrap().to_owned();
    drop(Run::start(&["--data", &data]));
    let mount = "mount --bind \"$DISK\" \"$DISK\"; mount -o remount,bind,ro \"$DISK\"";
    for data in [data, disk.path().join("new").to_str().unwrap().to_owned()] {
        let ended = start_with_disk(disk.path(), mount, &["--data", &data]).ended();
        assert!(!ended.status.success() && ended.errors.matches('\n').count() == 1, "{}", ended.errors);
        assert!(ended.errors.contains("mount it writable, or name another folder"), "{}", ended.errors);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_damaged_is_not_served() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").to_str().unwrap().to_owned();
    let run = Run::start(&["--data", &data]);
    let alice = run.log_in("alice-1").await;
    let text = json!({"scene": "comment", "text": "好".repeat(5_000)});
    run.post("/v1/submissions", &alice, &text).await.expect(201);
    run.process.signal("TERM");
    run.process.ended();
    let file = Path::new(&data).join("table.sqlite");
    let whole = std::fs::read(&file).unwrap();
    let mut torn = whole.clone();
    torn[whole.len() / 2..].fill(0x5a);
    let header = [b"not a database, whatever it says".as_slice(), &whole[32..]].concat();
    for damaged in [&whole[..whole.len() / 2], &torn, &header] {
        std::fs::write(&file, damaged).unwrap();
        let ended = Process::start(&["--data", &data]).ended();
        assert!(!ended.status.success() && ended.errors.matches('\n').count() == 1, "{}", ended.errors);
        assert!(ended.errors.contains("table.sqlite, is damaged"), "{}", ended.errors);
        assert!(ended.errors.contains("restore a backup"), "{}", ended.errors);
        assert_eq!(std::fs::read(&file).unwrap(), *damaged, "it is left as it is");
    }
    std::fs::write(&file, whole).unwrap();
    drop(Run::start(&["--data", &data]));
}
