//! What the checks of texts and of media ask for alike: a version, a scene, an author.

use greenlight::domain::clock::Timestamp;
use greenlight::domain::ids::AppId;

use crate::simulator::vocabulary::api::Refusal;
use crate::simulator::world::World;

/// The version of a check: none is version 1, as it was before 2021-09-01; any but 2 is a wrong one.
pub(super) fn is_version_2(version: Option<i64>) -> Result<bool, Refusal> {
    match version {
        None => Ok(false),
        Some(2) => Ok(true),
        Some(_) => Err(Refusal::of(47001)),
    }
}

/// Whose content version 2 is to check: 40129 unless the scene is 1 to 4, 40003 for nobody.
pub(super) fn admit_author<'a>(
    world: &World,
    app_id: &AppId,
    scene: Option<i64>,
    openid: Option<&'a str>,
    now: Timestamp,
) -> Result<&'a str, Refusal> {
    if !scene.is_some_and(|scene| (1..=4).contains(&scene)) {
        return Err(Refusal::of(40129));
    }
    let openid = openid.filter(|openid| !openid.is_empty()).ok_or(Refusal::of(40003))?;
    world.admit(app_id, openid, now)?;
    Ok(openid)
}
