//! An example service: passwords prove who somebody is, tokens say so from then on, roles say what they may do, and limits how
//! often.
//!
//! A request goes through three gates: [`AuthLayer`] asks who it is, the limits count it by tenant and user, and
//! [`Require`] in the handler's signature asks for the permission. A login has only a limit, by the account that it is for.

mod users;

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, anyhow};
use axum::{
    Router,
    extract::{Path as Segment, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use dbopt_auth::{
    AccessPolicy, Grant, Identity, MemorySessions, Pair, PasswordError, PasswordPolicy, Passwords, Sessions, Verdict,
    axum::Require, tower::AuthLayer,
};
use dbopt_policy::Policy;
use dbopt_ratelimit::{
    Keyer, LimitPolicy, Limiter, MemoryConfig, MemoryStore,
    axum::{Check, layer},
    tower::RateLimitLayer,
};

pub use users::Users;

dbopt_auth::permission!(ReadOrders = "orders:read");
dbopt_auth::permission!(ManageUsers = "users:manage");

/// Most sessions at once.
const MOST_SESSIONS: usize = 100_000;

type Limits = RateLimitLayer<MemoryStore>;

/// What handlers use.
#[derive(Clone)]
struct App {
    users: Arc<Users>,
    passwords: Arc<Passwords>,
    sessions: Arc<Sessions<MemorySessions>>,
    limits: Limits,
}

impl axum::extract::FromRef<App> for Limits {
    fn from_ref(app: &App) -> Self {
        app.limits.clone()
    }
}

/// The service, by the policies in a folder.
///
/// # Errors
/// When a policy cannot be used, or one of its secrets is not there.
pub fn service(folder: &Path) -> anyhow::Result<Router> {
    let fault = |fault: dbopt_policy::Fault| anyhow!("{fault}");
    let passwords = load::<PasswordPolicy>(folder)?.passwords().map_err(fault)?;
    let access = load::<AccessPolicy>(folder)?;
    let sessions = Arc::new(access.sessions(MemorySessions::new(MOST_SESSIONS)).map_err(fault)?);
    let limits = load::<LimitPolicy>(folder)?;
    let limiter = Limiter::new(MemoryStore::new(MemoryConfig::default()), limits.rules, Keyer::random()?);
    // Whoever is counted has been verified: a name that a client merely claims would be a new count each time.
    let limits = layer(limiter).trusted(limits.client).who(|parts, request| match parts.extensions.get::<Identity>() {
        Some(identity) => {
            let request = request.user(identity.subject());
            match identity.tenant() {
                Some(tenant) => request.tenant(tenant),
                None => request,
            }
        }
        None => request,
    });
    let auth = AuthLayer::new(Arc::clone(&sessions), access.matrix);
    let users = Arc::new(Users::shipped(&passwords)?);
    let app = App { users, passwords: Arc::new(passwords), sessions, limits: limits.clone() };
    let guarded = Router::new()
        .route("/orders/{tenant}", get(orders))
        .route("/users/{name}/revoke", post(revoke))
        // The last layer is the first gate.
        .layer(limits)
        .layer(auth);
    let open =
        Router::new().route("/login", post(login)).route("/refresh", post(refresh)).route("/logout", post(logout));
    Ok(guarded.merge(open).with_state(app))
}

/// The policy `KIND.toml` of a folder.
fn load<P: Policy>(folder: &Path) -> anyhow::Result<P> {
    let path = folder.join(format!("{}.toml", P::KIND));
    Ok(dbopt_policy::load::<P>(&path).with_context(|| format!("`{}` cannot be used", path.display()))?.policy)
}

/// The body is the name, a line end and the password.
async fn login(State(app): State<App>, check: Check<MemoryStore>, body: String) -> Response {
    let (name, password) = body.split_once('\n').unwrap_or((&body, ""));
    let name = name.trim().to_lowercase();
    let admitted = match check.with(|request| request.user(name.clone())).await {
        Ok(admitted) => admitted,
        Err(refused) => return refused.into_response(),
    };
    let password = password.trim_end_matches(['\r', '\n']).to_owned();
    let (passwords, stored) = (Arc::clone(&app.passwords), app.users.stored(&name));
    // A hash keeps a thread busy.
    let verdict = tokio::task::spawn_blocking(move || passwords.verify(password.as_bytes(), stored.as_deref())).await;
    let grant = match verdict {
        Ok(Ok(Verdict::Right { replacement })) => {
            if let Some(new) = replacement {
                app.users.replace(&name, new);
            }
            app.users.grant(&name)
        }
        // That a stored hash cannot be used is for the log alone: it says that there is such a user.
        Ok(Ok(Verdict::Wrong) | Err(PasswordError::Stored(_))) => None,
        // Too many at once, which is not the client's fault: it may come again.
        Ok(Err(_)) | Err(_) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
    };
    match grant {
        Some(grant) => match app.sessions.begin(&grant).await {
            Ok(pair) => (admitted, given(&pair)).into_response(),
            Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        },
        None => (StatusCode::UNAUTHORIZED, admitted, "wrong name or password\n").into_response(),
    }
}

/// The body is the refresh token.
async fn refresh(State(app): State<App>, body: String) -> Response {
    match app.sessions.refresh(body.trim()).await {
        Ok(pair) => given(&pair).into_response(),
        Err(refused) => (StatusCode::UNAUTHORIZED, format!("{refused}\n")).into_response(),
    }
}

/// The body is the refresh token.
async fn logout(State(app): State<App>, body: String) -> StatusCode {
    match app.sessions.end(body.trim()).await {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::UNAUTHORIZED,
    }
}

/// A role is not enough: the orders have to be those of the own tenant.
async fn orders(Require { identity, .. }: Require<ReadOrders>, Segment(tenant): Segment<String>) -> Response {
    if !identity.allows_in("orders:read", &tenant) {
        // As for a tenant that there is not.
        return StatusCode::NOT_FOUND.into_response();
    }
    format!("no orders of {tenant} for {}\n", identity.subject()).into_response()
}

/// Puts somebody of the own tenant out: all of their tokens and sessions.
async fn revoke(
    State(app): State<App>,
    Require { identity, .. }: Require<ManageUsers>,
    Segment(name): Segment<String>,
) -> StatusCode {
    let of_tenant = |grant: &Grant| grant.tenant.as_deref().is_some_and(|of| identity.allows_in("users:manage", of));
    if !app.users.grant(&name).as_ref().is_some_and(of_tenant) {
        return StatusCode::NOT_FOUND;
    }
    match app.sessions.revoke_subject(&name).await {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// As RFC 6749, section 5.1, has it; no cache may keep it.
fn given(pair: &Pair) -> Response {
    let lifetime = pair.claims.expires.saturating_sub(pair.claims.issued);
    let body = serde_json::json!({
        "access_token": pair.access, "token_type": "Bearer", "expires_in": lifetime, "refresh_token": pair.refresh,
    });
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (headers, format!("{body}\n")).into_response()
}
