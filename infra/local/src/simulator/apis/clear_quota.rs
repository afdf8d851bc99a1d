//! `clear_quota`: an app starts counting its calls anew, with a token or with its secret.

use std::time::Duration;

use greenlight::domain::clock::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::simulator::shared::Shared;
use crate::simulator::vocabulary::api::{Api, Refusal};
use crate::simulator::vocabulary::call::Call;

#[derive(Deserialize)]
struct ClearQuotaBody {
    appid: Option<String>,
    appsecret: Option<String>,
}

/// An app's counters may be cleared so often a month (openApi管理); the two forms share the number.
const CLEARINGS_A_MONTH: usize = 10;
const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);

/// `POST /cgi-bin/clear_quota` and `/cgi-bin/clear_quota/v2`.
pub(crate) fn clear_quota(shared: &Shared, call: &Call) -> Result<Value, Refusal> {
    let now = shared.clock.now();
    let mut world = shared.world();
    let body: ClearQuotaBody;
    let app_id = if call.api == Api::ClearQuota {
        let app_id = world.admit_token(call.parameter("access_token"), now)?;
        body = call.json()?;
        if body.appid.as_deref() != Some(app_id.as_str()) {
            return Err(Refusal::of(40013));
        }
        app_id
    } else {
        body = call.json()?;
        world.admit_secret(body.appid.as_deref(), body.appsecret.as_deref())?
    };
    let app = world.apps.get_mut(&app_id).ok_or(Refusal::of(40013))?;
    let since: Timestamp = now.minus(MONTH);
    app.quota_clearings.retain(|at| *at > since);
    if app.quota_clearings.len() >= CLEARINGS_A_MONTH {
        return Err(Refusal::of(48006));
    }
    app.quota_clearings.push_back(now);
    app.usage.clear();
    Ok(json!({ "errcode": 0, "errmsg": "ok" }))
}
