//! What the shop sells, who comes from where, and what its people have saved.

use super::parameters::Measure;
use super::saved::{Cohort, Funnel, Report, Saved};

pub(super) const SAVED: Saved = Saved {
    funnels: &[
        Funnel {
            id: 7509,
            name: "Purchase funnel",
            steps: &[
                "Product Viewed",
                "Add to Cart",
                "Checkout Started",
                "Purchase Completed",
            ],
            length_days: 7,
        },
        Funnel {
            id: 7510,
            name: "First purchase",
            steps: &["Sign Up", "Product Viewed", "Purchase Completed"],
            length_days: 14,
        },
        Funnel {
            id: 7511,
            name: "Search to cart",
            steps: &["Search", "Product Viewed", "Add to Cart"],
            length_days: 1,
        },
    ],
    reports: &[
        Report {
            bookmark_id: 8801,
            events: &["App Open", "Purchase Completed"],
            measure: Measure::General,
            days: 30,
            breakdown: None,
        },
        Report {
            bookmark_id: 8802,
            events: &["Purchase Completed"],
            measure: Measure::Unique,
            days: 30,
            breakdown: Some("plan"),
        },
    ],
    cohorts: &[
        Cohort {
            id: 1000,
            name: "Pro customers",
            description: "Everybody on the pro plan.",
            created: "2026-01-19 09:12:51",
            is_visible: true,
            condition: r#"user["plan"] == "pro""#,
        },
        Cohort {
            id: 2000,
            name: "Big spenders",
            description: "Customers who spent more than 500 in total.",
            created: "2026-02-02 16:40:07",
            is_visible: true,
            condition: r#"user["lifetime_value"] > 500"#,
        },
    ],
};

pub(super) const DEVICES: &[(&str, &str)] = &[
    ("Chrome", "Windows"),
    ("Chrome", "Mac OS X"),
    ("Chrome", "Android"),
    ("Mobile Safari", "iOS"),
    ("Mobile Safari", "iOS"),
    ("Safari", "Mac OS X"),
    ("Firefox", "Linux"),
    ("Edge", "Windows"),
];
pub(super) const PLACES: &[(&str, &str)] = &[
    ("Berlin", "DE"),
    ("Hamburg", "DE"),
    ("London", "GB"),
    ("Manchester", "GB"),
    ("Paris", "FR"),
    ("Madrid", "ES"),
    ("New York", "US"),
    ("Austin", "US"),
    ("San Francisco", "US"),
    ("Toronto", "CA"),
    ("Mumbai", "IN"),
    ("Sydney", "AU"),
];
pub(super) const SOURCES: &[&str] = &[
    "google",
    "google",
    "newsletter",
    "instagram",
    "partner",
    "direct",
    "direct",
];
pub(super) const PRODUCTS: &[(&str, &str, f64)] = &[
    ("Espresso Machine", "kitchen", 249.0),
    ("Pour-over Set", "kitchen", 39.5),
    ("Chef Knife", "kitchen", 89.0),
    ("Linen Sheets", "home", 119.0),
    ("Desk Lamp", "home", 54.9),
    ("Wool Blanket", "home", 75.0),
    ("Running Shoes", "sports", 129.0),
    ("Yoga Mat", "sports", 34.0),
    ("Water Bottle", "sports", 19.9),
    ("Rain Jacket", "clothing", 149.0),
    ("Merino Sweater", "clothing", 99.0),
    ("Canvas Tote", "clothing", 24.0),
];
pub(super) const QUERIES: &[&str] = &[
    "coffee", "lamp", "shoes", "gift", "jacket", "blanket", "knife", "sale",
];
pub(super) const TOPICS: &[&str] = &["delivery", "refund", "payment", "product"];
pub(super) const FIRST_NAMES: &[&str] = &[
    "Ada", "Ben", "Chloe", "Dev", "Elena", "Felix", "Grace", "Hugo", "Ines", "Jonas", "Kira",
    "Liam", "Mia", "Noor",
];
pub(super) const LAST_NAMES: &[&str] = &[
    "Adler", "Brown", "Costa", "Dubois", "Evans", "Fischer", "Garcia", "Hansen", "Iyer", "Jones",
    "Klein", "Lopez",
];
/// How busy each hour of the day is.
pub(super) const HOURS: &[u64] = &[
    1, 1, 1, 1, 1, 2, 3, 5, 7, 8, 8, 8, 9, 8, 8, 8, 8, 9, 11, 13, 13, 10, 6, 3,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mixpanel::expression::Expression;

    #[test]
    fn saved_cohorts_can_be_read() {
        for cohort in SAVED.cohorts {
            Expression::parse(cohort.condition).unwrap();
        }
    }
}
