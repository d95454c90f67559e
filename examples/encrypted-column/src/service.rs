//! What the service does for its clients.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use dbopt_crypto::{Encrypted, Field, FieldCipher, SealedField};
use tokio_postgres::{Client, Row};

/// What all requests share.
#[derive(Clone)]
struct Shop {
    database: Arc<Client>,
    cipher: Arc<FieldCipher>,
}

pub(crate) fn router(database: Client, cipher: FieldCipher) -> Router {
    let shop = Shop { database: Arc::new(database), cipher: Arc::new(cipher) };
    Router::new()
        .route("/customers", post(create))
        .route("/customers/{id}", get(read))
        .route("/customers/{id}/email", put(change))
        .route("/find/{email}", get(find))
        .with_state(shop)
}

/// The address as it comes from the database: sealed, and not to be printed.
type Email = Encrypted<String>;

impl Shop {
    fn email(&self) -> Result<&Field, Failure> {
        self.cipher.field("public", "customer", "email").ok_or(Failure("the policy does not name the column".into()))
    }

    /// What is written for an address: the sealed value, and the term that it is found by.
    fn seal(&self, id: i64, address: &str) -> Result<(Email, Vec<u8>), Failure> {
        let SealedField { value, terms } = self.email()?.seal(&[&id.to_string()], address.as_bytes())?;
        let term = terms.into_iter().find_map(|(column, term)| (column == "email_term").then_some(term)).flatten();
        Ok((Email::from_sealed(value), term.ok_or(Failure("the policy does not name the index".into()))?))
    }

    fn open(&self, row: &Row) -> Result<(i64, String), Failure> {
        let (id, email): (i64, Email) = (row.try_get("id")?, row.try_get("email")?);
        let address = self.email()?.open(&[&id.to_string()], email.sealed())?;
        Ok((id, String::from_utf8_lossy(&address).into_owned()))
    }
}

async fn create(State(shop): State<Shop>, address: String) -> Result<Response, Failure> {
    let id: i64 = shop.database.query_one("SELECT nextval('public.customer_id')", &[]).await?.try_get(0)?;
    let (email, term) = shop.seal(id, address.trim())?;
    let insert = "INSERT INTO public.customer (id, email, email_term) VALUES ($1, $2, $3)";
    shop.database.execute(insert, &[&id, &email, &term]).await?;
    Ok((StatusCode::CREATED, format!("{id}\n")).into_response())
}

async fn read(State(shop): State<Shop>, Path(id): Path<i64>) -> Result<Response, Failure> {
    match shop.database.query_opt("SELECT id, email FROM public.customer WHERE id = $1", &[&id]).await? {
        Some(row) => Ok(format!("{}\n", shop.open(&row)?.1).into_response()),
        None => Ok(StatusCode::NOT_FOUND.into_response()),
    }
}

async fn change(State(shop): State<Shop>, Path(id): Path<i64>, address: String) -> Result<Response, Failure> {
    let (email, term) = shop.seal(id, address.trim())?;
    let update = "UPDATE public.customer SET email = $2, email_term = $3 WHERE id = $1";
    Ok(match shop.database.execute(update, &[&id, &email, &term]).await? {
        0 => StatusCode::NOT_FOUND.into_response(),
        _ => StatusCode::NO_CONTENT.into_response(),
    })
}

/// Rows are found by their terms, of any version that the policy names. Different addresses may share one, so they are opened and
/// compared.
async fn find(State(shop): State<Shop>, Path(address): Path<String>) -> Result<Response, Failure> {
    let terms = shop.email()?.search("email_term", &address).ok_or(Failure("the policy has no such index".into()))?;
    let select = "SELECT id, email FROM public.customer WHERE email_term = ANY($1) ORDER BY id";
    let mut found = String::new();
    for row in shop.database.query(select, &[&terms]).await? {
        let (id, email) = shop.open(&row)?;
        if email.to_lowercase() == address.trim().to_lowercase() {
            found += &format!("{id}\n");
        }
    }
    Ok(found.into_response())
}

/// Whatever went wrong is told to the log. A client is told nothing of it.
struct Failure(Box<dyn std::error::Error + Send + Sync>);

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        crate::say(self.0);
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}
