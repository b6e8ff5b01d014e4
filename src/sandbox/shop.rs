//! The shop's month: about 500 people, what they did and who they are. The same day gives the same data.

use jiff::civil::Weekday;
use serde_json::json;

use super::catalogue::{
    DEVICES, FIRST_NAMES, HOURS, LAST_NAMES, PLACES, PRODUCTS, QUERIES, SAVED, SOURCES, TOPICS,
};
use super::event::Event;
use super::packed::{Stored, Symbol};
use super::random::Random;
use super::store::{Owner, Profile, Project};
use super::time::{self, DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

const DAYS: i64 = 31;
const PEOPLE: u64 = 560;
/// An arbitrary number that keeps the shop as it is.
const SEED: u64 = 0x5a4d_b0c5;

/// Fills the project with the days up to and including today; nothing lies after `now_ms`.
pub(super) fn furnish(project: &mut Project, now_ms: i64) {
    let today_ms = now_ms - now_ms.rem_euclid(DAY_MS);
    let mut shop = Shop {
        first_day_ms: today_ms - (DAYS - 1) * DAY_MS,
        now_ms,
        project,
        events: Vec::new(),
    };
    for number in 0..PEOPLE {
        shop.live(number);
    }
    let Shop { mut events, .. } = shop;
    events.sort_by_key(|event| event.time_ms);
    for event in events {
        // Given away by the house: it does not count against the room for imports.
        project.insert(event, 0);
    }
    project.saved = SAVED;
}

struct Shop<'p> {
    project: &'p mut Project,
    first_day_ms: i64,
    now_ms: i64,
    events: Vec<Event>,
}

struct Person {
    id: Symbol,
    random: Random,
    /// Properties of everything that they do.
    context: Vec<(Symbol, Stored)>,
    plan: &'static str,
    source: &'static str,
    spent: f64,
    orders: i64,
    last_seen_ms: i64,
}

impl Shop<'_> {
    fn text(&mut self, name: &str, text: &str) -> (Symbol, Stored) {
        (
            self.project.intern(name),
            Stored::Text(self.project.intern(text)),
        )
    }

    fn amount(&mut self, name: &str, amount: f64) -> (Symbol, Stored) {
        (
            self.project.intern(name),
            Stored::Real((amount * 100.0).round() / 100.0),
        )
    }

    fn live(&mut self, number: u64) {
        let mut random = Random::new(SEED ^ number.wrapping_mul(0x1_0000_01b3));
        let id = format!("user-{:08x}", random.next() >> 32);
        let (browser, system) = random.pick(DEVICES);
        let (city, country) = random.pick(PLACES);
        let plan = match random.below(100) {
            0..62 => "free",
            62..88 => "plus",
            _ => "pro",
        };
        let source = random.pick(SOURCES);
        let joined_day = if random.chance(0.35) {
            random.between(0, DAYS)
        } else {
            -random.between(1, 240)
        };
        let mut loyalty = 0.18 + 0.85 * random.fraction().powi(2);
        if plan == "pro" {
            loyalty += 0.15;
        }
        let context = vec![
            self.text("$browser", browser),
            self.text("$os", system),
            self.text("$city", city),
            self.text("mp_country_code", country),
            self.text("plan", plan),
        ];
        let mut person = Person {
            id: self.project.intern(&id),
            random,
            context,
            plan,
            source,
            spent: 0.0,
            orders: 0,
            last_seen_ms: 0,
        };

        for day in joined_day.max(0)..DAYS {
            let age = day - joined_day;
            let day_ms = self.first_day_ms + day * DAY_MS;
            // New people come often at first and stay away more and more.
            let fading = 0.45 + 0.55 * (-(age as f64) / 12.0).exp();
            if age == 0 {
                self.visit(&mut person, day_ms, true);
            } else if person.random.chance(loyalty * fading * busyness(day_ms)) {
                self.visit(&mut person, day_ms, false);
                if person.random.chance(0.2) {
                    self.visit(&mut person, day_ms, false);
                }
            }
        }
        self.introduce(person, &id, joined_day, city, country);
    }

    fn visit(&mut self, person: &mut Person, day_ms: i64, is_first: bool) {
        let total: u64 = HOURS.iter().sum();
        let mut drawn = person.random.below(total);
        let mut hour = 0;
        for weight in HOURS {
            if drawn < *weight {
                break;
            }
            drawn -= weight;
            hour += 1;
        }
        let mut at = day_ms + hour * HOUR_MS + person.random.between(0, HOUR_MS);
        let source = self.text("utm_source", person.source);
        let is_new = (
            self.project.intern("first_visit"),
            Stored::Boolean(is_first),
        );
        self.happens(person, "App Open", &mut at, vec![source, is_new]);
        if is_first {
            self.happens(person, "Sign Up", &mut at, vec![source]);
        }
        if person.random.chance(0.4) {
            let query = person.random.pick(QUERIES);
            let query = self.text("query", query);
            let results = (
                self.project.intern("results"),
                Stored::Integer(person.random.between(0, 40)),
            );
            self.happens(person, "Search", &mut at, vec![query, results]);
        }
        if person.random.chance(0.85) {
            self.shop_around(person, &mut at);
        }
        if person.random.chance(0.03) {
            let topic = person.random.pick(TOPICS);
            let topic = self.text("topic", topic);
            self.happens(person, "Support Ticket Opened", &mut at, vec![topic]);
        }
    }

    fn shop_around(&mut self, person: &mut Person, at: &mut i64) {
        let mut cart = Vec::new();
        for _ in 0..person.random.between(1, 5) {
            let (product, category, price) = person.random.pick(PRODUCTS);
            let properties = vec![
                self.text("product", product),
                self.text("category", category),
                self.amount("price", price),
            ];
            self.happens(person, "Product Viewed", at, properties.clone());
            if person.random.chance(0.22) {
                self.happens(person, "Add to Cart", at, properties);
                cart.push((product, category, price));
            }
        }
        if cart.is_empty() || !person.random.chance(0.62) {
            return;
        }
        let items = i64::try_from(cart.len()).unwrap_or(0);
        let sum: f64 = cart.iter().map(|(_, _, price)| price).sum();
        let items = (self.project.intern("items"), Stored::Integer(items));
        let has_coupon = person.random.chance(0.15);
        let amount = self.amount("amount", if has_coupon { sum * 0.9 } else { sum });
        let currency = self.text("currency", "EUR");
        self.happens(
            person,
            "Checkout Started",
            at,
            vec![items, amount, currency],
        );
        if has_coupon {
            let code = self.text("coupon", "SANDBOX10");
            self.happens(person, "Coupon Applied", at, vec![code]);
        }
        if !person.random.chance(0.68) {
            return;
        }
        let products: Vec<&str> = cart.iter().map(|(product, _, _)| *product).collect();
        let products = self.project.pack(&json!(products));
        let products = (self.project.intern("products"), products);
        let coupon_used = (
            self.project.intern("coupon_used"),
            Stored::Boolean(has_coupon),
        );
        let payment = person.random.pick(&["card", "card", "paypal", "invoice"]);
        let payment = self.text("payment_method", payment);
        let properties = vec![items, amount, currency, products, coupon_used, payment];
        if *at <= self.now_ms {
            person.spent += if has_coupon { sum * 0.9 } else { sum };
            person.orders += 1;
        }
        self.happens(person, "Purchase Completed", at, properties);
        if person.random.chance(0.12) {
            let rating = (
                self.project.intern("rating"),
                Stored::Integer(person.random.between(2, 6)),
            );
            self.happens(person, "Review Written", at, vec![rating]);
        }
    }

    /// Notes an event, unless it lies in the future, and lets some seconds pass.
    fn happens(
        &mut self,
        person: &mut Person,
        name: &str,
        at: &mut i64,
        properties: Vec<(Symbol, Stored)>,
    ) {
        // Drawn in any case, so that the past does not depend on the time of day.
        let insert_id = format!("{:016x}", person.random.next());
        let time_ms = *at - at.rem_euclid(SECOND_MS);
        *at += person.random.between(8 * SECOND_MS, 3 * MINUTE_MS);
        if time_ms > self.now_ms {
            return;
        }
        person.last_seen_ms = time_ms;
        let properties = person.context.iter().copied().chain(properties).collect();
        self.events.push(Event {
            name: self.project.intern(name),
            user: person.id,
            time_ms,
            received_ms: time_ms + 2 * SECOND_MS,
            insert_id: insert_id.into(),
            properties,
        });
    }

    /// Gives most people a profile.
    fn introduce(
        &mut self,
        mut person: Person,
        id: &str,
        joined_day: i64,
        city: &str,
        country: &str,
    ) {
        let first = person.random.pick(FIRST_NAMES);
        let last = person.random.pick(LAST_NAMES);
        let earlier = if joined_day < 0 {
            person.random.fraction() * 400.0
        } else {
            0.0
        };
        let created_ms = self.first_day_ms + joined_day * DAY_MS + person.random.between(0, DAY_MS);
        if created_ms > self.now_ms || !person.random.chance(0.88) {
            return;
        }
        let number = id.trim_start_matches("user-");
        let email = format!(
            "{}.{}.{number}@example.com",
            first.to_lowercase(),
            last.to_lowercase()
        );
        let tags = match person.orders {
            0 => json!([]),
            1 => json!(["customer"]),
            _ => json!(["customer", "returning"]),
        };
        let profile = json!({
            "$name": format!("{first} {last}"),
            "$email": email,
            "$created": time::moment(created_ms),
            "$last_seen": time::moment(person.last_seen_ms.max(created_ms)),
            "$city": city,
            "$country_code": country,
            "plan": person.plan,
            "acquisition": person.source,
            "orders": person.orders,
            "lifetime_value": ((earlier + person.spent) * 100.0).round() / 100.0,
            "newsletter": person.random.chance(0.4),
            "tags": tags,
        });
        let profile: Profile = profile.as_object().cloned().unwrap_or_default();
        // There is room: it is the first thing that comes in.
        let _ = self
            .project
            .change_profile(Owner::User(id.to_owned()), |_| Some(profile));
    }
}

/// Weekends are quiet, Thursdays and Fridays busy.
fn busyness(day_ms: i64) -> f64 {
    match time::day_of(day_ms).weekday() {
        Weekday::Thursday => 1.1,
        Weekday::Friday => 1.2,
        Weekday::Saturday => 0.75,
        Weekday::Sunday => 0.65,
        Weekday::Monday | Weekday::Tuesday | Weekday::Wednesday => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const NOON: i64 = 20_000 * DAY_MS + 12 * HOUR_MS;

    fn furnished(now_ms: i64) -> Project {
        let mut project = Project::default();
        furnish(&mut project, now_ms);
        project
    }

    fn lines(project: &Project, until_ms: i64) -> Vec<String> {
        project
            .events()
            .filter(|event| event.time_ms <= until_ms)
            .map(|event| serde_json::to_string(&project.exported(event, true)).unwrap())
            .collect()
    }

    #[test]
    fn the_same_day_gives_the_same_data_up_to_now() {
        let (noon, evening) = (furnished(NOON), furnished(NOON + 8 * HOUR_MS));
        assert_eq!(lines(&noon, NOON), lines(&evening, NOON));
        assert!(noon.events().all(|event| event.time_ms <= NOON));
        assert!(evening.received() > noon.received());
    }

    #[test]
    fn the_month_is_of_a_believable_size_and_shape() {
        let project = furnished(NOON);
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for event in project.events() {
            *counts.entry(project.text(event.name)).or_default() += 1;
        }
        let count = |name: &str| counts.get(name).copied().unwrap_or(0);
        assert!(
            (15_000..25_000).contains(&project.received()),
            "{}",
            project.received()
        );
        assert!((8..=12).contains(&counts.len()), "{counts:?}");
        assert!(
            (400..600).contains(&project.profiles().len()),
            "{}",
            project.profiles().len()
        );
        assert!(
            count("Product Viewed") > 2 * count("Add to Cart"),
            "{counts:?}"
        );
        assert!(
            count("Add to Cart") > count("Checkout Started"),
            "{counts:?}"
        );
        assert!(
            count("Checkout Started") > count("Purchase Completed"),
            "{counts:?}"
        );
        assert!(count("Purchase Completed") > 200, "{counts:?}");
    }
}
