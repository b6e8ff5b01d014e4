//! Tools that change the profiles of users.

use serde_json::{Map, Value};

use super::change::{Change, Operation, Owner, loss_of_all};
use super::profile::{NAMES, change_many, change_one};
use crate::mcp::args::{Arg as _, Id, List, Text, args};
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Effect, Tool};
use crate::tools::ask::Ask;

pub(super) const SET_USER_PROFILE: Tool<Ask> = Tool {
    name: "mixpanel_set_user_profile",
    title: "Change a user's profile",
    about: "Changes the profile of one user, or makes it. $set overwrites, $set_once does not; $add adds numbers; $append, $union and $remove change lists; $unset drops properties and $delete the whole profile, for good. Mixpanel's own properties begin with $, as $name and $email. Costs no query quota.",
    effect: Effect::Destroys(|_, arguments| {
        let (change, _) = SetUserProfile::read(arguments).change();
        Ok(loss_of_all(&[change]))
    }),
    params: SetUserProfile::FIELDS,
    output: &[
        Field::always("distinct_id", Shape::Words),
        Field::always("operation", Shape::Words),
        NAMES,
    ],
    run: |ask, arguments| {
        let (change, project_id) = SetUserProfile::read(arguments).change();
        change_one(ask, change, project_id.as_ref())
    },
};

pub(super) const UPDATE_USER_PROFILES: Tool<Ask> = Tool {
    name: "mixpanel_update_user_profiles",
    title: "Change many users' profiles",
    about: "Changes the profiles of many users in one request, each as mixpanel_set_user_profile does; nothing is sent if one change cannot be used. Costs no query quota.",
    effect: Effect::Destroys(|_, arguments| {
        let changes = UpdateUserProfiles::read(arguments).changes().0;
        Ok(loss_of_all(&changes))
    }),
    params: UpdateUserProfiles::FIELDS,
    output: &[Field::always("accepted", Shape::Count)],
    run: |ask, arguments| {
        let (changes, project_id) = UpdateUserProfiles::read(arguments).changes();
        change_many(ask, "user_changes", changes, project_id.as_ref())
    },
};

args! {
    struct SetUserProfile {
        /// Id of the user.
        distinct_id: Text<255>,
        /// Values by name. $add: numbers. $union: lists. $unset: the names, with any value. Not for $delete.
        properties: Option<Map<String, Value>>,
        /// What to do with properties. Default $set.
        operation: Option<Operation>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct UpdateUserProfiles {
        /// The changes, done in this order.
        user_changes: List<UserChange, 1, 2000>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct UserChange {
        /// Id of the user.
        distinct_id: Text<255>,
        /// Values by name. $add: numbers. $union: lists. $unset: the names, with any value. Not for $delete.
        properties: Option<Map<String, Value>>,
        /// What to do with properties. Default $set.
        operation: Option<Operation>,
    }
}

impl SetUserProfile {
    fn change(self) -> (Change, Option<Id>) {
        let owner = Owner::User(self.distinct_id.0);
        let change = Change::new(owner, self.operation, self.properties);
        (change, self.project_id)
    }
}

impl UpdateUserProfiles {
    fn changes(self) -> (Vec<Change>, Option<Id>) {
        let changes = self.user_changes.0.into_iter().map(|change| {
            let owner = Owner::User(change.distinct_id.0);
            Change::new(owner, change.operation, change.properties)
        });
        (changes.collect(), self.project_id)
    }
}
