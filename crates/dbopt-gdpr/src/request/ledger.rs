//! Requests in the audit record: records of the action `gdpr.request`.

use std::collections::BTreeMap;

use dbopt_audit::append_in;
use dbopt_crypto::Pseudonym;
use jiff::{Timestamp, civil::Date};
use serde_json::{Value, json};
use tokio_postgres::{Client, GenericClient, Row, Transaction, types::Type};

use super::{Answer, Closed, Done, Outcome, Request, Right, due};
use crate::{
    erase::{ACTION as ERASE, actor, durable, entry},
    policy::RequestRule,
    walk::{Error, failed},
};

/// The action of the records.
pub const REQUEST_ACTION: &str = "gdpr.request";

/// The action of the records of exports.
const EXPORT: &str = "gdpr.export";

/// Longest reason, in bytes.
const MOST_REASON: usize = 1000;

/// What a person asks for.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// Who.
    pub subject: &'a Pseudonym,
    /// As what, by the rule's name.
    pub rule: &'a str,
    /// What for.
    pub right: Right,
    /// The day on which it came; that of now when nothing is said.
    pub received: Option<Date>,
}

/// Why a request could not be recorded. Nothing is then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The audit record could not be asked.
    #[error(transparent)]
    Query(#[from] Error),
    /// The audit record could not be written.
    #[error(transparent)]
    Ledger(#[from] dbopt_audit::Error),
    /// A request cannot have come on a day that is yet to come.
    #[error("`{0}` is yet to come")]
    Future(Date),
    /// The reason is empty, too long, or has control characters.
    #[error("the reason is empty, longer than {MOST_REASON} bytes, or has control characters")]
    Reason,
    /// No request has this number.
    #[error("there is no request {0}")]
    Unknown(u64),
    /// It was closed before.
    #[error("request {0} is closed")]
    Closed(u64),
    /// It was extended before.
    #[error("request {0} was extended before, which can be done once")]
    Extended(u64),
    /// The month in which the person is to be told is over.
    #[error("the first month of request {id} ended on {end}, and the person had to be told until then")]
    Late {
        /// The request.
        id: u64,
        /// The last day.
        end: Date,
    },
}

/// Records that a request came; the request. The session is in no transaction, and has the audit record (migration 2).
///
/// # Errors
/// When the day is yet to come at `now`, or the record cannot be written.
pub async fn open(
    client: &mut Client,
    calendar: &RequestRule,
    asked: &Asked<'_>,
    now: Timestamp,
) -> Result<Request, RequestError> {
    let today = today(calendar, now);
    let received = asked.received.unwrap_or(today);
    if received > today {
        return Err(RequestError::Future(received));
    }
    let details = json!({
        "stage": "opened", "right": asked.right.name(), "rule": asked.rule, "received": received.to_string(),
    });
    let entry = entry(&actor(client).await?, REQUEST_ACTION, details)?.about(asked.subject);
    let transaction = begin(client).await?;
    let record = append_in(&transaction, &entry).await?;
    transaction.commit().await.map_err(dbopt_audit::Error::Statement)?;
    Ok(Request {
        id: record.sequence,
        subject: asked.subject.to_string(),
        rule: asked.rule.to_owned(),
        right: asked.right,
        received,
        extended: None,
        closed: None,
        answers: Vec::new(),
    })
}

/// Records that the person was told that the answer takes up to two months more, and why; the request as it is then.
///
/// # Errors
/// When there is no such request, it is closed or was extended, or the month in which the person is to be told is over at `now`.
pub async fn extend(
    client: &mut Client,
    calendar: &RequestRule,
    id: u64,
    reason: &str,
    now: Timestamp,
) -> Result<Request, RequestError> {
    let details = json!({ "stage": "extended", "request": id, "reason": checked(reason)? });
    follow(client, id, details, |before| {
        let end = due(before.received, false, calendar);
        match before {
            Request { extended: Some(_), .. } => Err(RequestError::Extended(id)),
            _ if today(calendar, now) > end => Err(RequestError::Late { id, end }),
            _ => Ok(()),
        }
    })
    .await
}

/// Records how a request ended; the request as it is then, with what was done for the person since it came.
///
/// # Errors
/// When there is no such request, or it is closed.
pub async fn close(
    client: &mut Client,
    calendar: &RequestRule,
    id: u64,
    outcome: Outcome,
    reason: Option<&str>,
) -> Result<Request, RequestError> {
    let reason = reason.map(checked).transpose()?;
    let details = json!({ "stage": "closed", "request": id, "outcome": outcome.name(), "reason": reason });
    let closed = follow(client, id, details, |_| Ok(())).await?;
    let mut closed = [closed];
    answer(client, calendar, &mut closed).await?;
    let [closed] = closed;
    Ok(closed)
}

/// Requests by their numbers, each with what was done for the person since it came: those that are open, or all. The second value is the
/// numbers of records of the action that say nothing that can be understood, such as those of a later version.
///
/// The transaction best is `REPEATABLE READ`, so that both are of one moment.
///
/// # Errors
/// When the server refuses a query.
pub async fn requests(
    transaction: &Transaction<'_>,
    calendar: &RequestRule,
    with_closed: bool,
) -> Result<(Vec<Request>, Vec<u64>), Error> {
    let sql = format!("{SELECT} WHERE action = $1 AND subject IS NOT NULL ORDER BY sequence");
    let rows = transaction.query_typed(&sql, &[(&REQUEST_ACTION, Type::TEXT)]).await;
    let mut told = Told::default();
    rows.map_err(|error| failed(RECORD, &error))?.iter().for_each(|row| told.take(row));
    let keep = |request: &Request| with_closed || request.closed.is_none();
    let mut requests: Vec<Request> = told.requests.into_values().filter(keep).collect();
    answer(transaction, calendar, &mut requests).await?;
    Ok((requests, told.strange))
}

/// The columns that are looked at.
const SELECT: &str = "SELECT sequence, CASE WHEN pg_catalog.isfinite(time) THEN (extract(epoch FROM time) * 1000000)::bigint END, \
    action, subject, details FROM dbopt.audit_record";

/// What is asked for, in the text of an error.
const RECORD: &str = "the audit record";

/// What the records tell, in their order.
#[derive(Default)]
struct Told {
    requests: BTreeMap<u64, Request>,
    strange: Vec<u64>,
}

impl Told {
    fn take(&mut self, row: &Row) {
        let record = row.get::<_, i64>(0).unsigned_abs();
        if self.tell(record, row).is_none() {
            self.strange.push(record);
        }
    }

    fn tell(&mut self, record: u64, row: &Row) -> Option<()> {
        let at = time(row)?;
        let details: Value = serde_json::from_str(row.get(4)).ok()?;
        let text = |key: &str| details[key].as_str().map(str::to_owned);
        let stage = details["stage"].as_str()?;
        if stage == "opened" {
            let request = Request {
                id: record,
                subject: row.get(3),
                rule: text("rule")?,
                right: Right::of(&text("right")?)?,
                received: text("received")?.parse().ok()?,
                extended: None,
                closed: None,
                answers: Vec::new(),
            };
            self.requests.insert(record, request);
            return Some(());
        }
        let request = self.requests.get_mut(&details["request"].as_u64()?)?;
        // What follows an end is not from here, and changes nothing.
        if request.closed.is_some() || request.subject != row.get::<_, &str>(3) {
            return None;
        }
        match stage {
            "extended" if request.extended.is_none() => request.extended = Some((at, text("reason")?)),
            "closed" => {
                let outcome = Outcome::of(&text("outcome")?)?;
                request.closed = Some(Closed { at, outcome, reason: text("reason") });
            }
            _ => return None,
        }
        Some(())
    }
}

/// Records what becomes of a request, when it may. Nobody else can append between looking and the end of the transaction.
async fn follow(
    client: &mut Client,
    id: u64,
    details: Value,
    may: impl Fn(&Request) -> Result<(), RequestError>,
) -> Result<Request, RequestError> {
    let actor = actor(client).await?;
    let transaction = begin(client).await?;
    let sequence = i64::try_from(id).map_err(|_| RequestError::Unknown(id))?;
    let sql = "SELECT subject FROM dbopt.audit_record WHERE sequence = $1 AND action = $2";
    let row = transaction.query_typed(sql, &[(&sequence, Type::INT8), (&REQUEST_ACTION, Type::TEXT)]).await;
    let row = row.map_err(|error| failed(RECORD, &error))?;
    let subject: Option<String> = row.first().and_then(|row| row.get(0));
    let subject = subject.and_then(|text| text.parse::<Pseudonym>().ok()).ok_or(RequestError::Unknown(id))?;
    let entry = entry(&actor, REQUEST_ACTION, details)?.about(&subject);
    let appended = append_in(&transaction, &entry).await?.sequence;
    let sql = format!("{SELECT} WHERE action = $1 AND subject = $2 ORDER BY sequence");
    let subject = subject.to_string();
    let rows = transaction.query_typed(&sql, &[(&REQUEST_ACTION, Type::TEXT), (&subject, Type::TEXT)]).await;
    let rows = rows.map_err(|error| failed(RECORD, &error))?;
    let mut told = Told::default();
    for row in &rows {
        if row.get::<_, i64>(0).unsigned_abs() == appended {
            let before = told.requests.get(&id).ok_or(RequestError::Unknown(id))?;
            if before.closed.is_some() {
                return Err(RequestError::Closed(id));
            }
            may(before)?;
        }
        told.take(row);
    }
    let after = told.requests.remove(&id).ok_or(RequestError::Unknown(id))?;
    transaction.commit().await.map_err(dbopt_audit::Error::Statement)?;
    Ok(after)
}

/// Says of each request what was done for the person since the day on which it came.
async fn answer(client: &impl GenericClient, calendar: &RequestRule, requests: &mut [Request]) -> Result<(), Error> {
    if requests.is_empty() {
        return Ok(());
    }
    let sql = format!("{SELECT} WHERE subject = ANY ($1) AND action = ANY ($2) ORDER BY sequence");
    let mut subjects: Vec<&str> = requests.iter().map(|request| &*request.subject).collect();
    subjects.sort_unstable();
    subjects.dedup();
    let actions = [EXPORT, ERASE].as_slice();
    let rows = client.query_typed(&sql, &[(&subjects, Type::TEXT_ARRAY), (&actions, Type::TEXT_ARRAY)]).await;
    let mut answers: BTreeMap<String, Vec<Answer>> = BTreeMap::new();
    for row in rows.map_err(|error| failed(RECORD, &error))? {
        let (Some(at), Some(done)) = (time(&row), done(&row)) else { continue };
        let record = row.get::<_, i64>(0).unsigned_abs();
        answers.entry(row.get(3)).or_default().push(Answer { record, at, done });
    }
    for request in requests {
        let since = request.received.to_zoned(calendar.zone.get().clone()).map(|day| day.timestamp());
        let since = since.unwrap_or(Timestamp::MIN);
        let all = answers.get(&request.subject).into_iter().flatten();
        request.answers = all.filter(|answer| answer.at >= since).cloned().collect();
    }
    Ok(())
}

/// What a record says to have been done; none when it only began, or failed.
fn done(row: &Row) -> Option<Done> {
    let details: Value = serde_json::from_str(row.get(4)).ok()?;
    match row.get(2) {
        EXPORT => Some(Done::Export { article: details["article"].as_u64()? }),
        ERASE if details["outcome"] == "done" => Some(Done::Erasure),
        _ => None,
    }
}

/// The time of a record; that of a damaged one may be infinite.
fn time(row: &Row) -> Option<Timestamp> {
    Timestamp::from_microsecond(row.get::<_, Option<i64>>(1)?).ok()
}

/// The day of a time.
#[must_use]
pub fn today(calendar: &RequestRule, now: Timestamp) -> Date {
    now.to_zoned(calendar.zone.get().clone()).date()
}

fn checked(reason: &str) -> Result<&str, RequestError> {
    let reason = reason.trim();
    let is_good = !reason.is_empty() && reason.len() <= MOST_REASON && !reason.chars().any(char::is_control);
    if is_good { Ok(reason) } else { Err(RequestError::Reason) }
}

async fn begin(client: &mut Client) -> Result<Transaction<'_>, RequestError> {
    let transaction = client.transaction().await.map_err(dbopt_audit::Error::Statement)?;
    durable(&transaction).await?;
    Ok(transaction)
}
