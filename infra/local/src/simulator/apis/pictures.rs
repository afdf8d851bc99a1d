//! `img_sec_check`: a picture in the call itself, judged at once.

use std::io::Cursor;

use bytes::Bytes;
use image::{ImageFormat, ImageReader};
use serde_json::{Value, json};

use super::media_judge::{picture_format, traffic_light};
use crate::simulator::shared::Shared;
use crate::simulator::vocabulary::api::{Api, Refusal};
use crate::simulator::vocabulary::call::Call;
use crate::simulator::vocabulary::ids::digest_of_bytes;
use crate::simulator::vocabulary::records::CheckRecord;
use crate::simulator::vocabulary::verdict::Verdict;

/// The limits of `img_sec_check` (framework/security.imgSecCheck).
const LARGEST_BYTES: usize = 1 << 20;
const LARGEST_WIDTH: u32 = 750;
const LARGEST_HEIGHT: u32 = 1334;

/// `POST /wxa/img_sec_check`: version 1, multipart field `media`; risky is errcode 87014.
pub(crate) async fn img_sec_check(shared: &Shared, call: &Call) -> Result<Value, Refusal> {
    let now = shared.clock.now();
    let app_id = {
        let mut world = shared.world();
        let app_id = world.admit_token(call.parameter("access_token"), now)?;
        world.spend(&app_id, Api::ImgSecCheck, now)?;
        app_id
    };
    let mut record = CheckRecord::new(now, app_id, Api::ImgSecCheck);
    let outcome = match read_form(call).await {
        Err(refusal) => Err(refusal),
        Ok(picture) => {
            record.media_sha256 = Some(digest_of_bytes(&picture));
            record.media_bytes = Some(picture.len());
            judge_directly(picture).await
        }
    };
    record.errcode = outcome.as_ref().err().map_or(0, |refusal| refusal.errcode);
    record.verdict = outcome.as_ref().ok().cloned();
    let risky = record.verdict.as_ref().is_some_and(|verdict| verdict.suggest == "risky");
    if risky {
        record.errcode = 87014;
    }
    shared.world().remember_check(record);
    match outcome {
        Ok(_) if risky => Err(Refusal::of(87014)),
        Ok(_) => Ok(json!({ "errcode": 0, "errmsg": "ok" })),
        Err(refusal) => Err(refusal),
    }
}

/// The field `media`; WeChat wants it as a file, with a name and a type.
async fn read_form(call: &Call) -> Result<Bytes, Refusal> {
    if call.body.is_empty() {
        return Err(Refusal::of(44002));
    }
    let missing = || Refusal::of(41005);
    let boundary = call.content_type.as_deref().and_then(|value| multer::parse_boundary(value).ok());
    let boundary = boundary.ok_or_else(missing)?;
    let body = call.body.clone();
    let stream = futures_util::stream::once(async move { Ok::<_, std::convert::Infallible>(body) });
    let mut form = multer::Multipart::new(stream, boundary);
    while let Some(field) = form.next_field().await.map_err(|_| missing())? {
        if field.name() == Some("media") && field.file_name().is_some() && field.content_type().is_some() {
            let bytes = field.bytes().await.map_err(|_| missing())?;
            return if bytes.is_empty() { Err(missing()) } else { Ok(bytes) };
        }
    }
    Err(missing())
}

async fn judge_directly(picture: Bytes) -> Result<Verdict, Refusal> {
    if picture.len() > LARGEST_BYTES {
        return Err(Refusal::of(40006));
    }
    // PNG, JPEG and GIF; there is no BMP in the list of version 1.
    let format = picture_format(&picture).filter(|format| *format != ImageFormat::Bmp).ok_or(Refusal::of(40137))?;
    let size = ImageReader::with_format(Cursor::new(&picture), format).into_dimensions();
    let (width, height) = size.map_err(|_| Refusal::of(40137))?;
    if width > LARGEST_WIDTH || height > LARGEST_HEIGHT {
        return Err(Refusal::of(40006));
    }
    let judged = tokio::task::spawn_blocking(move || traffic_light(&picture)).await;
    judged.ok().flatten().ok_or(Refusal::of(40137))
}
