//! How many rows the web shop has.

use super::rng::Rng;

/// Rows of each table that is made row by row; the others follow from these.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) customers: u64,
    pub(crate) addresses: u64,
    pub(crate) products: u64,
    pub(crate) orders: u64,
    pub(crate) reviews: u64,
    pub(crate) carts: u64,
    pub(crate) inventory_movements: u64,
    pub(crate) sessions: u64,
    pub(crate) events: u64,
}

impl Sizes {
    /// The sizes at a scale; 1 makes about 460,000 rows in all.
    pub(crate) fn at(scale: u32) -> Self {
        let scale = u64::from(scale);
        Self {
            customers: 10_000 * scale,
            addresses: 22_000 * scale,
            products: 6_000 * scale,
            orders: 40_000 * scale,
            reviews: 12_000 * scale,
            carts: 12_000 * scale,
            inventory_movements: 50_000 * scale,
            sessions: 24_000 * scale,
            events: 70_000 * scale,
        }
    }

    /// The text of data.sql with these numbers in it.
    pub(crate) fn fill_in(&self, template: &str) -> String {
        let numbers = [
            ("{customers}", self.customers),
            ("{addresses}", self.addresses),
            ("{products}", self.products),
            ("{orders}", self.orders),
            ("{reviews}", self.reviews),
            ("{carts}", self.carts),
            ("{inventory_movements}", self.inventory_movements),
            ("{sessions}", self.sessions),
            ("{events}", self.events),
        ];
        numbers.iter().fold(template.to_owned(), |text, (name, number)| text.replace(name, &number.to_string()))
    }
}

/// Draws values that occur in the data, with the data's own skew.
#[derive(Debug)]
pub(crate) struct Draw {
    pub(crate) rng: Rng,
    pub(crate) sizes: Sizes,
}

impl Draw {
    pub(crate) fn customer(&mut self) -> u64 {
        self.rng.skewed(self.sizes.customers, 1.7)
    }

    pub(crate) fn product(&mut self) -> u64 {
        self.rng.skewed(self.sizes.products, 2.0)
    }

    /// An order; the young ones are looked at more often.
    pub(crate) fn order(&mut self) -> u64 {
        1 + self.sizes.orders - self.rng.skewed(self.sizes.orders, 1.6)
    }

    /// The address that data.sql gave to this customer.
    pub(crate) fn email(&mut self, customer: u64) -> String {
        let first = ["Anna", "Ben", "Carla", "David", "Elif", "Femke", "Georg", "Hanna", "Ivan", "Julia"];
        let last = ["Baker", "Costa", "Dubois", "Ekberg", "Fischer", "Garcia", "Hansen"];
        let domain = ["com", "org", "net"][(customer % 3) as usize];
        let name = format!("{}.{}", first[(customer % 10) as usize], last[(customer % 7) as usize]);
        let name = if customer.is_multiple_of(5) { name } else { name.to_lowercase() };
        format!("{name}{customer}@example.{domain}")
    }

    pub(crate) fn payment_reference(&mut self) -> String {
        let order = self.order();
        format!("ref_{}{}", code(order, 90), code(order, 91))
    }

    pub(crate) fn tracking_number(&mut self) -> String {
        format!("TRK{}", code(self.order(), 100).to_uppercase())
    }

    pub(crate) fn cart_token(&mut self) -> String {
        let cart = 1 + self.rng.below(self.sizes.carts);
        uuid(cart, 120)
    }

    pub(crate) fn session_id(&mut self) -> String {
        let session = 1 + self.rng.below(self.sizes.sessions);
        uuid(session, 150)
    }

    /// A date of the last `days` days of the data, which ends with June 2025.
    pub(crate) fn date(&mut self, days: u64) -> jiff::civil::Date {
        let back = self.rng.below(days) as i64;
        jiff::civil::date(2025, 6, 30).saturating_sub(jiff::Span::new().days(back))
    }

    /// A moment of the last `days` days, as a timestamp literal in UTC.
    pub(crate) fn moment(&mut self, days: u64) -> String {
        let (date, second) = (self.date(days), self.rng.below(86_400));
        format!("{date} {:02}:{:02}:{:02}+00", second / 3600, second / 60 % 60, second % 60)
    }
}

/// `gen.code` of data.sql.
fn code(i: u64, salt: u64) -> String {
    format!("{:08x}", ((i + salt) * 2_654_435_761) & 0xffff_ffff)
}

/// `gen.uuid` of data.sql.
fn uuid(i: u64, salt: u64) -> String {
    format!("{}-7a3c-4e5b-8d21-0000{}", code(i, salt), code(i, salt + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_that_the_data_has() {
        let mut draw = Draw { rng: Rng::new(1), sizes: Sizes::at(1) };
        // As read from a database that data.sql filled.
        assert_eq!(uuid(1, 120), "c83884a9-7a3c-4e5b-8d21-0000666ffe5a");
        assert_eq!(draw.email(5), "Femke.Garcia5@example.net");
        assert_eq!(draw.email(6), "georg.hansen6@example.com");
    }

    #[test]
    fn all_placeholders_are_filled_in() {
        let text = Sizes::at(3).fill_in(include_str!("../../../examples/shop/data.sql"));
        assert!(text.contains("generate_series(1, 30000)"));
        assert!(!text.contains("generate_series(1, {"), "{text}");
    }
}
