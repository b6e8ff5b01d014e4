//! Four clients of Mixpanel over one `http.rs`.
//!
//! **Invariant:** only `http.rs` opens connections, retries, or reads a status code; nothing here knows MCP.
//! Several people with different accounts are served by one process: credentials belong to a request,
//! are never shared and never mixed.
//!
//! # Where to begin
//!
//! - [`Mixpanel`] is made once; [`Mixpanel::caller`] reads who asks, [`Mixpanel::for_caller`] gives that
//!   caller's [`Clients`].
//! - `query.rs`, `export.rs`, `app.rs` and `ingestion.rs` have one method an operation; so have the files of the areas
//!   that these four doors lead to: `annotations`, `distribution`, `experiments`, `flags`, `identity`, `lexicon`,
//!   `lookup_tables`, `pipelines`, `privacy`, `service_accounts`, `warehouse`.
//! - [`expression`] builds filters from values without letting a value change what is asked.
//! - [`Error`] tells apart what a caller can do something about.
//! - [`Stop`] breaks a caller's running requests off.

mod almanac;
mod annotations;
mod api;
mod app;
mod body;
mod buffers;
mod cache;
mod clients;
mod connector;
mod credentials;
mod distribution;
mod error;
mod experiments;
mod export;
pub mod expression;
mod fault;
mod flags;
mod http;
mod identity;
mod ingestion;
mod lexicon;
mod lines;
mod lookup_tables;
mod noted;
mod notes;
mod outgoing;
mod pipelines;
mod privacy;
mod query;
mod question;
mod quota;
mod refusal;
mod region;
mod rehearsal;
mod report;
mod request;
mod resolver;
mod retry;
mod sentence;
mod service_accounts;
mod stop;
#[cfg(test)]
mod tests;
mod tls;
mod told;
mod warehouse;
mod whereabouts;
mod words;
mod zones;

pub use annotations::{Annotation, AnnotationChange, AnnotationTag};
pub use api::{Api, BaseUrls, RegionUrls, Timeouts};
pub use app::{Me, MeOrganization, MeProject, MixpanelAppApiClient, ProjectDetails, Workspace};
pub use clients::{Clients, Config, Mixpanel};
pub use credentials::{Caller, ProjectId, Secret, ServiceAccount};
pub use distribution::{NumericQuery, PropertyQuery};
pub(crate) use error::instant;
pub use error::{Barrier, Error, Limit, Phase};
pub use experiments::ExperimentDecision;
pub use export::{ExportLines, ExportQuery, MixpanelExportClient};
pub use ingestion::{FailedRecord, ImportOutcome, MixpanelIngestionClient};
pub use lexicon::{SchemaEntry, SchemaScope, SchemaUpload};
pub use lookup_tables::LookupTable;
pub use pipelines::{PipelineForm, PipelineStep};
pub use privacy::{DataDeletionStatus, DataRetrieval, DataRetrievalStatus};
pub use query::MixpanelQueryClient;
pub use question::{
    Aggregation, Buckets, CountType, DateRange, FrequencyQuery, FrequencyUnit, FunnelQuery,
    LengthUnit, ProfileQuery, RetentionQuery, RetentionType, Segmentation, Unit,
};
pub use quota::Quota;
pub use region::Region;
pub use rehearsal::Unsent;
pub use report::{
    ActivityEvent, Cohort, Frequency, Funnel, FunnelDay, FunnelMeta, FunnelStep, Insights, Profile,
    ProfilePage, PropertyCount, Retention, SavedCohort, SavedFunnel, Series, TopEvent,
};
pub use service_accounts::{
    CreatedServiceAccount, NewServiceAccount, ProjectRole, ServiceAccountDetails,
};
pub use stop::Stop;
pub use warehouse::WarehouseImportKind;
