//! The Query API: reports, cohorts, profiles, JQL. From Mixpanel's `query` file.

use super::kind::Kind::{
    Boolean, Date, Encoded, Expression, Integer, List, Map, Nullable, Number, Object, OneOf, Range,
    Text, Words,
};
use super::kind::{FREE, Field, Kind, needs, takes};
use super::operation::Auth::{ProjectSecret, ServiceAccount};
use super::operation::{Api, FORM, JSON, Operation};

const PROJECT_ID: Field = needs("project_id", Integer);
const WORKSPACE_ID: Field = takes("workspace_id", Integer);
const FROM_DATE: Field = needs("from_date", Date);
const TO_DATE: Field = needs("to_date", Date);
const EVENT: Field = needs("event", Text);
const ON: Field = needs("on", Expression);
const ON_IF_ANY: Field = takes("on", Expression);
const WHERE: Field = takes("where", Expression);
const LIMIT: Field = takes("limit", Integer);
const INTERVAL: Field = takes("interval", Integer);
const COUNTED: Kind = Words(&["general", "unique", "average"]);
const TYPE: Field = needs("type", COUNTED);
const TYPE_IF_ANY: Field = takes("type", COUNTED);
const ANY_UNIT: Field = needs("unit", Words(&["minute", "hour", "day", "week", "month"]));
const LONG_UNIT: Kind = Words(&["day", "week", "month"]);
const HOUR_OR_DAY: Field = takes("unit", Words(&["hour", "day"]));
const FORMAT: Field = takes("format", Words(&["json", "csv"]));
/// E11: lists travel as one parameter with JSON in it.
const JSON_NAMES: Kind = Encoded(&List(&Text));
/// E14: required in the YAML; `check` wants either these or `interval`.
const FROM_DATE_IF_ANY: Field = takes("from_date", Date);
const TO_DATE_IF_ANY: Field = takes("to_date", Date);

#[rustfmt::skip] // A row reads best as a row.
pub(super) const OPERATIONS: &[Operation] = &[
    get("/insights", "insights-query", &[PROJECT_ID, WORKSPACE_ID, needs("bookmark_id", Integer)])
        .gives(200, &[(JSON, Object(&[
            needs("computed_at", Text), needs("date_range", Object(&[needs("from_date", Text), needs("to_date", Text)])),
            needs("headers", List(&Text)), needs("series", Map(&FREE)),
        ]))]),
    get("/funnels", "funnels-query", &[
        PROJECT_ID, WORKSPACE_ID, needs("funnel_id", Integer), FROM_DATE, TO_DATE,
        takes("length", Integer), takes("length_unit", Words(&["day", "hour", "minute", "second"])),
        INTERVAL, takes("unit", LONG_UNIT), ON_IF_ANY, WHERE, LIMIT,
    ])
        .gives(200, &[(JSON, Object(&[
            needs("meta", Object(&[needs("dates", List(&Text))])),
            needs("data", Map(&Object(&[
                needs("steps", List(&STEP)),
                needs("analysis", Object(&[
                    needs("completion", Integer), needs("starting_amount", Integer), needs("steps", Integer),
                    needs("worst", Integer),
                ])),
            ]))),
        ]))])
        .gives_with("on", &[(JSON, Object(&[
            needs("meta", Object(&[needs("dates", List(&Text))])), needs("data", Map(&Map(&List(&STEP)))),
        ]))]),
    get("/funnels/list", "funnels-list-saved", &[PROJECT_ID, WORKSPACE_ID])
        .gives(200, &[(JSON, List(&Object(&[needs("funnel_id", Integer), needs("name", Text)])))]),
    get("/retention", "retention-query", &[
        PROJECT_ID, WORKSPACE_ID, FROM_DATE, TO_DATE,
        takes("retention_type", Words(&["birth", "compounded"])),
        takes("born_event", Text), takes("event", Text), takes("born_where", Expression), WHERE,
        INTERVAL, takes("interval_count", Integer), takes("unit", LONG_UNIT),
        takes("unbounded_retention", Boolean), ON_IF_ANY, LIMIT,
    ])
        .gives(200, &[(JSON, Map(&RETAINED))])
        .gives_with("on", &[(JSON, Map(&Map(&RETAINED)))]),
    get("/retention/addiction", "retention-frequency-query", &[
        PROJECT_ID, WORKSPACE_ID, FROM_DATE, TO_DATE, needs("unit", LONG_UNIT),
        needs("addiction_unit", Words(&["hour", "day"])), takes("event", Text), WHERE, ON_IF_ANY, LIMIT,
    ])
        .gives(200, &[(JSON, Object(&[needs("data", Map(&List(&Integer)))]))])
        .gives_with("on", &[(JSON, Object(&[needs("data", Map(&Map(&List(&Integer))))]))]),
    get("/segmentation", "segmentation-query", &[
        PROJECT_ID, WORKSPACE_ID, EVENT, FROM_DATE, TO_DATE, ON_IF_ANY,
        takes("unit", Words(&["minute", "hour", "day", "month"])), INTERVAL, WHERE, LIMIT, TYPE_IF_ANY,
        takes("format", Words(&["csv"])),
    ])
        .gives(200, &[(JSON, COUNTS)]),
    get("/segmentation/numeric", "segmentation-numeric-query", &[
        PROJECT_ID, WORKSPACE_ID, EVENT, FROM_DATE, TO_DATE, ON, HOUR_OR_DAY, WHERE, TYPE_IF_ANY,
    ])
        .gives(200, &[(JSON, Object(&[
            needs("data", Object(&[needs("series", List(&Text)), needs("values", Map(&Map(&Integer)))])),
            needs("legend_size", Integer),
        ]))]),
    get("/segmentation/sum", "segmentation-sum-query", &[
        PROJECT_ID, WORKSPACE_ID, EVENT, FROM_DATE, TO_DATE, ON, HOUR_OR_DAY, WHERE,
    ])
        .gives(200, &[(JSON, Object(&[
            // E15: integers in the YAML.
            needs("status", Text), needs("computed_at", Text), needs("results", Map(&Number)),
        ]))]),
    get("/segmentation/average", "segmentation-query-average", &[
        PROJECT_ID, WORKSPACE_ID, EVENT, FROM_DATE, TO_DATE, ON, HOUR_OR_DAY, WHERE,
    ])
        .gives(200, &[(JSON, Object(&[needs("status", Text), needs("results", Map(&Number))]))]),
    get("/stream/query", "activity-stream-query", &[
        PROJECT_ID, WORKSPACE_ID, needs("distinct_ids", JSON_NAMES), FROM_DATE, TO_DATE,
    ])
        .gives(200, &[(JSON, Object(&[
            needs("status", Text),
            needs("results", Object(&[
                needs("events", List(&Object(&[needs("event", Text), needs("properties", FREE)]))),
            ])),
        ]))]),
    post("/cohorts/list", "cohorts-list")
        .gives(200, &[(JSON, List(&Object(&[
            needs("id", Integer), needs("name", Text), needs("description", Text), needs("count", Integer),
            needs("is_visible", Range(0, 1)), needs("created", Text), needs("project_id", Integer),
        ])))]),
    post("/engage", "engage-query").optional_body(&[(FORM, Object(&[
        takes("distinct_id", Text), takes("distinct_ids", JSON_NAMES), takes("data_group_id", Text), WHERE,
        // E12: an array in the YAML, an integer there for `behaviors`.
        takes("output_properties", JSON_NAMES), takes("session_id", Text), takes("page", Integer),
        takes("behaviors", Encoded(&List(&FREE))), takes("as_of_timestamp", Integer),
        takes("filter_by_cohort", Encoded(&Object(&[needs("id", Integer)]))),
        takes("include_all_users", Boolean),
    ]))])
        .gives(200, &[(JSON, Object(&[
            // E13: the id is an integer in the YAML, and the session always a string.
            needs("page", Integer), needs("page_size", Integer), needs("session_id", Nullable(&Text)),
            needs("status", Text), takes("total", Integer),
            needs("results", List(&Object(&[
                needs("$distinct_id", OneOf(&[Text, Integer])), needs("$properties", FREE),
            ]))),
        ]))]),
    get("/events", "list-recent-events", &[
        PROJECT_ID, WORKSPACE_ID, needs("event", JSON_NAMES), TYPE, ANY_UNIT, INTERVAL,
        FROM_DATE_IF_ANY, TO_DATE_IF_ANY, FORMAT,
    ])
        .gives(200, &[(JSON, COUNTS)]),
    get("/events/top", "query-top-events", &[PROJECT_ID, WORKSPACE_ID, TYPE, LIMIT])
        .gives(200, &[(JSON, Object(&[
            needs("events", List(&Object(&[
                needs("amount", Integer), needs("event", Text), needs("percent_change", Number),
            ]))),
            needs("type", COUNTED),
        ]))]),
    get("/events/names", "query-months-top-event-names", &[PROJECT_ID, WORKSPACE_ID, TYPE, LIMIT])
        .gives(200, &[(JSON, List(&Text))]),
    get("/events/properties", "query-event-properties", &[
        PROJECT_ID, WORKSPACE_ID, EVENT, needs("name", Text), takes("values", JSON_NAMES), TYPE, ANY_UNIT,
        INTERVAL, FROM_DATE_IF_ANY, TO_DATE_IF_ANY, FORMAT, LIMIT,
    ])
        .gives(200, &[(JSON, COUNTS)]),
    get("/events/properties/top", "query-events-top-properties", &[PROJECT_ID, WORKSPACE_ID, EVENT, LIMIT])
        .gives(200, &[(JSON, Map(&Object(&[needs("count", Integer)])))]),
    get("/events/properties/values", "query-events-top-property-values", &[
        PROJECT_ID, WORKSPACE_ID, EVENT, needs("name", Text), LIMIT,
    ])
        .gives(200, &[(JSON, List(&Text))]),
    post("/jql", "query-jql")
        .optional_body(&[(FORM, Object(&[needs("script", Text), takes("params", Encoded(&FREE))]))])
        .gives(200, &[(JSON, List(&FREE))]),
];

const fn get(path: &'static str, id: &'static str, query: &'static [Field]) -> Operation {
    Operation::new(
        "GET",
        path,
        id,
        Api::Query,
        &[ServiceAccount, ProjectSecret],
    )
    .query(query)
}

const fn post(path: &'static str, id: &'static str) -> Operation {
    Operation::new(
        "POST",
        path,
        id,
        Api::Query,
        &[ServiceAccount, ProjectSecret],
    )
    .query(&[PROJECT_ID, WORKSPACE_ID])
}

/// By name, and by date.
const COUNTS: Kind = Object(&[
    needs(
        "data",
        Object(&[
            needs("series", List(&Text)),
            needs("values", Map(&Map(&Number))),
        ]),
    ),
    needs("legend_size", Integer),
]);

const RETAINED: Kind = Object(&[needs("counts", List(&Integer)), needs("first", Integer)]);

const STEP: Kind = Object(&[
    needs("count", Integer),
    needs("goal", Text),
    needs("event", Text),
    needs("step_conv_ratio", Number),
    needs("overall_conv_ratio", Number),
    // E15: integers in the YAML, and never null.
    needs("avg_time", Nullable(&Number)),
    needs("avg_time_from_start", Number),
    takes("step_label", Text),
    takes("custom_event", Boolean),
    takes("custom_event_id", Integer),
]);
