//! `/api/report`: the report as JSON.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::MemoryConsumer;
use engine::active::Question;
use engine::{Error, Result};
use futures::TryStreamExt;
use tokio_util::sync::CancellationToken;

use super::responses::ErrorResponse;
use super::user::User;
use crate::output::{json, unsupported_type};
use crate::question::set;
use crate::server::{Protocol, ServerContext, StatementExecution, StatementInfo};

/// Answers the question of the parameters. A disconnected client cancels it.
pub(super) async fn report(
    State(server): State<Arc<ServerContext>>,
    Extension(User(user)): Extension<User>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ErrorResponse> {
    let question = question(&uri)?;
    let info = StatementInfo { protocol: Protocol::Http, user, text: uri.to_string() };
    let session = server.session()?;
    let plan = server.report_plan(&session, question)?;
    let execution = StatementExecution::new(&server, info, CancellationToken::new());
    // The ETag hashes the whole body, so it is buffered within the statement's memory limit.
    let pool = execution.memory_pool();
    let memory = MemoryConsumer::new("the JSON of the report").register(&pool);
    let mut rows = execution.execute(&session, plan).await?;
    let mut json = json::array(Vec::new());
    while let Some(batch) = rows.try_next().await? {
        json = tokio::task::spawn_blocking(move || json.write(&batch).map(|()| json))
            .await
            .map_err(|cause| Error::internal(cause.to_string()))?
            .map_err(unsupported_type)?;
        memory.try_resize(json.get_ref().capacity()).map_err(too_large)?;
    }
    json.finish().map_err(unsupported_type)?;
    let body = json.into_inner();
    let tag = tag(&body);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let tags = [(header::ETAG, tag.clone())];
    if known.is_some_and(|known| known.split(',').any(|known| known.trim() == tag)) {
        return Ok((StatusCode::NOT_MODIFIED, tags).into_response());
    }
    Ok((tags, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}

fn too_large(cause: DataFusionError) -> Error {
    let cause = cause.strip_backtrace();
    let first = cause.lines().next().unwrap_or_default();
    Error::limit(format!("the report needs more memory than one statement may use: {first}")).with(
        "help",
        "query fewer periods (`from`, `to`, a longer `window`), levels or dimensions, or only the \
         largest values (`top`); or raise `--statement-memory` of the server",
    )
}

/// Parses the parameters; a repeated parameter is a list.
fn question(uri: &Uri) -> Result<Question> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|cause| Error::input(format!("invalid parameters: {cause}")))?;
    let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in pairs {
        parameters.entry(name).or_default().push(value);
    }
    let mut question = Question::default();
    for (name, values) in &parameters {
        set(&mut question, name, values).map_err(|error| error.with("parameter", name))?;
    }
    Ok(question)
}

/// The ETag of a body: a hash of its bytes.
fn tag(body: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(body);
    format!("\"{:016x}\"", hasher.finish())
}
