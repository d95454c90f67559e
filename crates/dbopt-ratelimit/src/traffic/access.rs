//! Access logs in the common and the combined format, as Apache and nginx write them
//! (<https://httpd.apache.org/docs/current/logs.html#accesslog>, <https://nginx.org/en/docs/http/ngx_http_log_module.html>).

use std::net::IpAddr;

use jiff::{Timestamp, civil};

use crate::{Request, Trusted, client_address};

/// A line of an access log: `host ident user [time] "request" status bytes "referer" "agent"`. Where a third quoted field follows,
/// it is `X-Forwarded-For`, as in nginx's `main` format, and is believed as far as the policy trusts proxies.
pub(super) fn line(line: &str, client: &Trusted) -> Result<(Timestamp, Request<'static>), &'static str> {
    let (host, rest) = line.split_once(' ').ok_or("no line of an access log")?;
    let (_, rest) = rest.split_once(' ').ok_or("no line of an access log")?;
    // A user name may hold spaces, and the time is the first bracket after it.
    let (user, rest) = rest.split_once(" [").ok_or("no time in brackets")?;
    let (time, rest) = rest.split_once("] ").ok_or("no time in brackets")?;
    let at = parse_time(time).ok_or("no time of an access log")?;
    let (line, rest) = quoted(rest).ok_or("no request in quotes")?;
    let status = rest.trim_start().split(' ').next().unwrap_or_default();
    if !(status == "-" || status.len() == 3 && status.bytes().all(|digit| digit.is_ascii_digit())) {
        return Err("no status");
    }
    let forwarded = fields(rest).nth(2).filter(|forwarded| *forwarded != "-");
    let host: IpAddr = host.parse().map_err(|_| "no address at its beginning; a name cannot be counted")?;
    let headers = forwarded.map(|forwarded| ("x-forwarded-for", forwarded.as_bytes()));
    let mut request = Request::new();
    if let Some(address) = client_address(Some(host), headers, client) {
        request = request.address(address);
    }
    if !matches!(user, "-" | "") {
        request = request.user(user.to_owned());
    }
    // What is no request line was still a request, of no route.
    let mut words = line.split(' ');
    if let (Some(method), Some(target)) = (words.next(), words.next())
        && !method.is_empty()
        && method.bytes().all(|byte| byte.is_ascii_alphabetic())
    {
        let path = target.split(['?', '#']).next().unwrap_or_default();
        request = request.method(method.to_owned()).route(path.to_owned());
    }
    Ok((at, request))
}

/// `10/Oct/2000:13:55:36 -0700`
fn parse_time(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (time, zone) = text.split_once(' ')?;
    let number = |text: Option<&str>| -> Option<i8> {
        let text = text.filter(|text| text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_digit()))?;
        text.parse().ok()
    };
    let (date, clock) = time.split_once(':')?;
    let mut date = date.split('/');
    let day = number(date.next())?;
    let month = date.next()?;
    let month = MONTHS.iter().position(|name| *name == month)?;
    let year = date.next()?.parse().ok()?;
    let mut clock = clock.split(':');
    let (hour, minute, second) = (number(clock.next())?, number(clock.next())?, number(clock.next())?);
    // A leap second is the second before it.
    let time = civil::DateTime::new(year, i8::try_from(month).ok()? + 1, day, hour, minute, second.min(59), 0).ok()?;
    let sign = match zone.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, minutes) = (number(zone.get(1..3))?, number(zone.get(3..))?);
    let offset = jiff::tz::Offset::from_seconds(sign * (i32::from(hours) * 3600 + i32::from(minutes) * 60)).ok()?;
    offset.to_timestamp(time).ok()
}

/// The text in quotes at the beginning, and what follows it. A backslash keeps a quote from ending it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix('"')?;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some((&text[..at], &text[at + 1..])),
            _ => {}
        }
    }
    None
}

/// The quoted fields of a text, in order.
fn fields(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let (field, rest) = quoted(&text[text.find('"')?..])?;
        text = rest;
        Some(field)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Facts as _, Part, Proxies};

    fn check(text: &str, expected: &str) {
        let trusted = Trusted { proxies: Proxies::Count(1), ..Trusted::default() };
        let found = match line(text, &trusted) {
            Ok((at, request)) => {
                let fact = |part| request.fact(&part).map_or("none".to_owned(), |value| value.into_owned());
                let parts = [Part::Address, Part::User, Part::Method, Part::Route].map(fact);
                format!("{at} {}", parts.join(" "))
            }
            Err(why) => why.to_owned(),
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn both_formats_are_read() {
        check(
            r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif?x=/y HTTP/1.0" 200 2326"#,
            "2000-10-10T20:55:36Z 127.0.0.1 frank GET /apache_pb.gif",
        );
        check(
            r#"2001:db8::1 - - [01/Jan/2026:00:00:00 +0000] "POST / HTTP/2.0" 429 0 "-" "a \"b\" c""#,
            "2026-01-01T00:00:00Z 2001:db8::1 none POST /",
        );
        check(
            r#"10.0.0.1 - - [01/Jan/2026:00:00:00 +0000] "GET /a HTTP/1.1" 200 1 "-" "-" "6.6.6.6, 192.0.2.7""#,
            "2026-01-01T00:00:00Z 192.0.2.7 none GET /a",
        );
        check(
            r#"192.0.2.1 - - [01/Jan/2026:00:00:00 +0000] "\x16\x03\x01" 400 0"#,
            "2026-01-01T00:00:00Z 192.0.2.1 none none none",
        );
    }

    #[test]
    fn what_is_none_says_why() {
        check("", "no line of an access log");
        check("a b c d", "no time in brackets");
        check("a b c [x] \"\" 200", "no time of an access log");
        check("a b c [31/Feb/2026:00:00:00 +0000] \"\" 200", "no time of an access log");
        check("a b c [01/Jan/2026:00:00:00 é000] \"\" 200", "no time of an access log");
        check("a b c [01/Jan/2026:00:00:00 +0000] GET", "no request in quotes");
        check("a b c [01/Jan/2026:00:00:00 +0000] \"GET", "no request in quotes");
        check("a b c [01/Jan/2026:00:00:00 +0000] \"GET / x\" OK", "no status");
        check(
            "example.org b c [01/Jan/2026:00:00:00 +0000] \"GET / x\" 200",
            "no address at its beginning; a name cannot be counted",
        );
    }
}
