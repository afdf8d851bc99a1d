//! Reads the one file of a form, as wx.uploadFile sends it.

use bytes::Bytes;
use greenlight::api::problem::{Fault, Problem};
use http::StatusCode;
use multer::{Constraints, Multipart, SizeLimit};

/// Whoever makes more faults is told of these; of four megabytes of empty fields no answer could tell.
const MOST_FAULTS: usize = 16;

/// The parts of a form that are read.
#[derive(Clone, Debug)]
pub struct UploadedForm {
    /// The file.
    pub file: Bytes,
    /// Whose it is, where a server key calls.
    pub openid: Option<String>,
}

fn invalid(faults: Vec<Fault>) -> Problem {
    let (zh, en) = ("上传的表单有误，见 faults。", "The form has faults; see `faults`.");
    Problem::new(StatusCode::BAD_REQUEST, "invalid_upload", zh, en).with_faults(faults)
}

/// Reads a form of `content_type`: the field `file` of at most `limit` bytes and, where a server key calls, `openid`.
///
/// # Errors
/// When it is no whole form, is too large, or has other fields.
pub async fn read(content_type: &str, body: Bytes, limit: u64) -> Result<UploadedForm, Problem> {
    let not_a_form =
        || invalid(vec![Fault::new("file", "不是完整的 multipart/form-data。", "It is no whole multipart/form-data.")]);
    let boundary = multer::parse_boundary(content_type).map_err(|_| not_a_form())?;
    let limits = SizeLimit::new().per_field(limit).for_field("openid", 256);
    let stream = futures_util::stream::iter([Ok::<_, std::convert::Infallible>(body)]);
    let mut form = Multipart::with_constraints(stream, boundary, Constraints::new().size_limit(limits));
    let (mut file, mut openid, mut faults) = (None, None, Vec::new());
    let not_one = || Fault::new("openid", "openid 格式不对。", "It is not an openid.");
    let failed = |error: multer::Error| match error {
        multer::Error::FieldSizeExceeded { field_name: Some(name), .. } if name == "openid" => invalid(vec![not_one()]),
        multer::Error::FieldSizeExceeded { .. } | multer::Error::StreamSizeExceeded { .. } => Problem::too_large(limit),
        _ => not_a_form(),
    };
    while let Some(field) = form.next_field().await.map_err(failed)? {
        let name: String = field.name().unwrap_or_default().chars().take(64).collect();
        let value = field.bytes().await.map_err(failed)?;
        match name.as_str() {
            "file" if file.is_none() => file = Some(value),
            "file" => faults.push(Fault::new("file", "一次只能传一个文件。", "One file at a time.")),
            "openid" if openid.is_none() => match String::from_utf8(value.into()) {
                Ok(value) => openid = Some(value),
                Err(_) => faults.push(not_one()),
            },
            "openid" => faults.push(Fault::new("openid", "只能传一个。", "One is enough.")),
            _ => faults.push(Fault::new(name, "没有这个字段。", "There is no such field.")),
        }
        if faults.len() == MOST_FAULTS {
            return Err(invalid(faults));
        }
    }
    match file {
        Some(file) if faults.is_empty() => Ok(UploadedForm { file, openid }),
        Some(_) => Err(invalid(faults)),
        None => {
            faults.push(Fault::new("file", "必填：要上传的文件。", "It is required: the file to upload."));
            Err(invalid(faults))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn of_many_fields_that_there_are_not_the_first_are_told() {
        let form = |fields: usize| {
            let field = "--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n";
            let file = field.replace("\"a\"", "\"file\"");
            Bytes::from(format!("{}{file}--X--\r\n", field.repeat(fields)))
        };
        for (fields, told) in [(1, 1), (15, 15), (80_000, 16)] {
            let problem = read("multipart/form-data; boundary=X", form(fields), 1024).await.unwrap_err();
            assert_eq!((problem.code, problem.faults.len()), ("invalid_upload", told));
        }
        assert_eq!(read("multipart/form-data; boundary=X", form(0), 1024).await.unwrap().file, Bytes::new());
    }
}
