//! Reads the routes of a service.

use dbopt_policy::{Fault, FromValue, Shape, Table, Value};

use super::database::unknown;
use crate::{Asks, InvalidRoute, Matrix, Route, Routes};

/// Reads `[[route]]`; none when there are none.
pub(super) fn routes(table: &Table<'_>, matrix: Option<&Matrix>) -> Option<Routes> {
    let about = "A route of the service, and what it asks for; a service that is given these refuses all others.";
    let mut routes = Routes::default();
    let listed = table.sections("route", about, |table| {
        let fault = match routes.add(&route(table, matrix)?) {
            Ok(()) => return Some(()),
            Err(fault @ InvalidRoute::Same { .. }) => Fault::new("same-route", fault.to_string()),
            Err(fault) => Fault::new("bad-route", fault.to_string())
                .help("Begin it with `/`; `{name}` is one segment, `{*name}` at the end all that follow."),
        };
        table.reject("path", fault);
        None
    });
    (!listed.is_empty()).then_some(routes)
}

fn route(table: &Table<'_>, matrix: Option<&Matrix>) -> Option<Route> {
    let methods: Option<Vec<Method>> = table.required("methods", "Its methods; HEAD is GET unless it is listed.");
    let path: Option<String> =
        table.required("path", "Its path; `{name}` is any segment, `{*name}` at the end any that follow.");
    let permission: Option<String> = table.optional("permission", "The permission that it asks for.");
    let authenticated = table.or("authenticated", "Whether any token that is right is enough.", false);
    let public = table.or("public", "Whether it is for everybody, without a token.", false);
    if methods.as_ref().is_some_and(Vec::is_empty) {
        table.reject("methods", Fault::new("bad-value", "the route has no method"));
    }
    let asks = match (permission, authenticated, public) {
        (Some(permission), false, false) => {
            if let Some(matrix) = matrix
                && matrix.permission(&permission).is_none()
            {
                table.reject(
                    "permission",
                    unknown("unknown-permission", "permission", &permission, matrix.permissions()),
                );
            }
            Asks::Permission(permission)
        }
        (None, true, false) => Asks::Token,
        (None, false, true) => Asks::Nothing,
        (None, false, false) => {
            // One that cannot be read has its own fault.
            if !table.contains("permission") {
                let fault = Fault::new("unprotected-route", "nothing protects this route");
                table.reject(
                    "",
                    fault.help("Write its `permission`, `authenticated = true`, or `public = true` if everybody may."),
                );
            }
            return None;
        }
        _ => {
            let fault = Fault::new("contradiction", "the route asks for more than one thing");
            table.reject("", fault.help("Write `permission`, or `authenticated = true`, or `public = true`."));
            return None;
        }
    };
    let path = path?;
    if asks == Asks::Nothing && path.contains("{*") {
        let fault = Fault::new("public-rest", "everything below this path is for everybody, what is added later, too");
        table.warn("path", fault.help("List the routes one by one, or keep nothing but files there."));
    }
    Some(Route { methods: methods?.into_iter().map(|Method(method)| method.to_owned()).collect(), path, asks })
}

/// A method of HTTP.
struct Method(&'static str);

const METHODS: [(&str, &str); 7] = [
    ("GET", "GET"),
    ("HEAD", "HEAD"),
    ("POST", "POST"),
    ("PUT", "PUT"),
    ("PATCH", "PATCH"),
    ("DELETE", "DELETE"),
    ("OPTIONS", "OPTIONS"),
];

impl FromValue for Method {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        value.choice(&METHODS).map(Self)
    }

    fn shape() -> Shape {
        Shape::OneOf(METHODS.iter().map(|(name, _)| *name).collect())
    }
}
