//! Until when a request is to be answered.
//!
//! Article 12(3): within one month of receipt, which may be extended by two further months, of which the person is told within the first one.
//! How months are counted is said by [Regulation 1182/71](https://eur-lex.europa.eu/eli/reg/1971/1182/oj), Article 3: a period in months ends
//! with the day of the same date as the one on which the request came; where the last month has no such day, with the last of that month
//! (2(c)); and when that is a holiday, a Saturday or a Sunday, with the next working day (4). The Guidelines 01/2022 of the European Data
//! Protection Board (section 5.3) count the same way.
//!
//! The extended period is three months from receipt. It is not counted from the end of the first month, which a weekend may have put off.

use jiff::{Span, civil::Date};

use crate::policy::RequestRule;

/// Months for an answer.
const MONTHS: i8 = 1;

/// Further months, when the person was told so.
const FURTHER_MONTHS: i8 = 2;

/// The last day for an answer to what came on a day.
#[must_use]
pub fn due(received: Date, is_extended: bool, calendar: &RequestRule) -> Date {
    let months = if is_extended { MONTHS + FURTHER_MONTHS } else { MONTHS };
    // Days end in the year 9999, and so do periods.
    let mut day = received.saturating_add(Span::new().months(months));
    while !calendar.is_working(day) {
        let Ok(next) = day.tomorrow() else { break };
        day = next;
    }
    day
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Holiday;
    use jiff::civil::date;
    use proptest::prelude::*;

    fn calendar(holidays: &[Holiday]) -> RequestRule {
        RequestRule { holidays: holidays.to_vec(), ..RequestRule::default() }
    }

    #[track_caller]
    fn check(received: &str, first: &str, extended: &str) {
        let day = |text: &str| text.parse::<Date>().expect("a day");
        let none = calendar(&[]);
        assert_eq!((due(day(received), false, &none), due(day(received), true, &none)), (day(first), day(extended)));
    }

    #[test]
    fn a_month_ends_on_the_same_date() {
        check("2026-03-05", "2026-04-06", "2026-06-05"); // 5 April is a Sunday.
        check("2026-11-23", "2026-12-23", "2027-02-23");
        check("2026-12-15", "2027-01-15", "2027-03-15");
    }

    #[test]
    fn or_with_the_last_day_of_a_shorter_month() {
        check("2026-08-31", "2026-09-30", "2026-11-30");
        check("2026-01-31", "2026-03-02", "2026-04-30"); // 28 February is a Saturday.
        check("2028-01-31", "2028-02-29", "2028-05-01"); // 30 April is a Sunday.
        check("2027-11-30", "2027-12-30", "2028-02-29");
    }

    #[test]
    fn or_on_the_next_working_day() {
        let holidays = [Holiday::Yearly(12, 25), Holiday::Yearly(12, 26), Holiday::Once(date(2026, 12, 28))];
        // 25 December 2026 is a Friday, and the 28th a Monday.
        assert_eq!(due(date(2026, 11, 25), false, &calendar(&holidays)), date(2026, 12, 29));
        assert_eq!(due(date(2026, 11, 25), false, &calendar(&holidays[..2])), date(2026, 12, 28));
    }

    #[test]
    fn the_end_of_time_is_no_panic() {
        assert_eq!(due(Date::MAX, true, &calendar(&[])), Date::MAX);
    }

    proptest! {
        /// It is a working day, at most a month and the weekend later, and never before that of an earlier request.
        #[test]
        fn days_are_due_in_order(days in 0i32..40_000, later in 0i32..40, is_extended: bool) {
            let none = calendar(&[]);
            let received = date(1990, 1, 1).saturating_add(Span::new().days(days));
            let end = due(received, is_extended, &none);
            prop_assert!(none.is_working(end));
            let length = (end - received).get_days();
            let most = if is_extended { 92 } else { 31 } + 2;
            prop_assert!((if is_extended { 89 } else { 28 }..=most).contains(&length), "{length}");
            prop_assert!(due(received.saturating_add(Span::new().days(later)), is_extended, &none) >= end);
        }
    }
}
