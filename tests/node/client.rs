//! The mini program's client, on a stand-in for the phone.

use greenlight_tests::pictures::{GREEN, picture};
use greenlight_tests::world::World;
use tempfile::TempDir;

use crate::script::ran;

const CLIENT: &str = include_str!("../../functions/submit-content/client/greenlight.js");

#[test]
fn the_client_is_one_small_file_without_dependencies() {
    assert!(CLIENT.lines().count() <= 120);
    let imports = CLIENT.lines().filter(|line| line.starts_with("import") || line.contains("require("));
    assert_eq!(imports.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_does_all_that_a_mini_program_needs() {
    let world = World::start().await;
    let folder = TempDir::new().unwrap();
    for (name, text) in [
        ("greenlight.mjs", CLIENT),
        ("phone.mjs", include_str!("phone.mjs")),
        ("client.test.mjs", include_str!("client.mjs")),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let file = folder.path().join("picture.png");
    std::fs::write(&file, picture(GREEN, 1)).unwrap();
    let environment = [
        ("GREENLIGHT_URL", world.url.as_str()),
        ("GREENLIGHT_SIMULATOR", &world.simulator.url()),
        ("GREENLIGHT_PICTURE", file.to_str().unwrap()),
    ];
    let output = ran(folder.path(), &["--test", "client.test.mjs"], &environment).await;
    assert!(output.contains("pass 12\n") && output.contains("fail 0\n"), "{output}");
}
