//! Tools that change the profiles of groups, such as companies. Mixpanel documents no `$add` and no `$append` for them.

use serde_json::{Map, Value};

use super::change::{Change, Operation, Owner, loss_of_all};
use super::profile::{NAMES, change_many, change_one};
use crate::mcp::args::{Arg as _, Id, List, Text, args, choice};
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Effect, Tool};
use crate::tools::ask::Ask;

pub(super) const SET_GROUP_PROFILE: Tool<Ask> = Tool {
    name: "mixpanel_set_group_profile",
    title: "Change a group's profile",
    about: "Changes the profile of one group, such as a company, or makes it. $set overwrites, $set_once does not; $union and $remove change lists; $unset drops properties and $delete the whole profile, for good. Costs no query quota.",
    effect: Effect::Destroys(|_, arguments| {
        let (change, _) = SetGroupProfile::read(arguments).change();
        Ok(loss_of_all(&[change]))
    }),
    params: SetGroupProfile::FIELDS,
    output: &[
        Field::always("group_id", Shape::Words),
        Field::always("operation", Shape::Words),
        NAMES,
    ],
    run: |ask, arguments| {
        let (change, project_id) = SetGroupProfile::read(arguments).change();
        change_one(ask, change, project_id.as_ref())
    },
};

pub(super) const UPDATE_GROUP_PROFILES: Tool<Ask> = Tool {
    name: "mixpanel_update_group_profiles",
    title: "Change many groups' profiles",
    about: "Changes the profiles of many groups of one key in one request, each as mixpanel_set_group_profile does; nothing is sent if one change cannot be used. Costs no query quota.",
    effect: Effect::Destroys(|_, arguments| {
        let changes = UpdateGroupProfiles::read(arguments).changes().0;
        Ok(loss_of_all(&changes))
    }),
    params: UpdateGroupProfiles::FIELDS,
    output: &[Field::always("accepted", Shape::Count)],
    run: |ask, arguments| {
        let (changes, project_id) = UpdateGroupProfiles::read(arguments).changes();
        change_many(ask, "group_changes", changes, project_id.as_ref())
    },
};

choice! {
    enum GroupOperation {
        Set = "$set",
        SetOnce = "$set_once",
        Union = "$union",
        Remove = "$remove",
        Unset = "$unset",
        Delete = "$delete",
    }
}

args! {
    struct SetGroupProfile {
        /// The property by which events name the group, such as company.
        group_key: Text<255>,
        /// Id of the group: the value of that property.
        group_id: Text<255>,
        /// Values by name. $union: lists. $unset: the names, with any value. Not for $delete.
        properties: Option<Map<String, Value>>,
        /// What to do with properties. Default $set.
        operation: Option<GroupOperation>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct UpdateGroupProfiles {
        /// The property by which events name the groups, such as company.
        group_key: Text<255>,
        /// The changes, done in this order.
        group_changes: List<GroupChange, 1, 2000>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct GroupChange {
        /// Id of the group: the value of the key's property.
        group_id: Text<255>,
        /// Values by name. $union: lists. $unset: the names, with any value. Not for $delete.
        properties: Option<Map<String, Value>>,
        /// What to do with properties. Default $set.
        operation: Option<GroupOperation>,
    }
}

impl GroupOperation {
    fn operation(self) -> Operation {
        match self {
            GroupOperation::Set => Operation::Set,
            GroupOperation::SetOnce => Operation::SetOnce,
            GroupOperation::Union => Operation::Union,
            GroupOperation::Remove => Operation::Remove,
            GroupOperation::Unset => Operation::Unset,
            GroupOperation::Delete => Operation::Delete,
        }
    }
}

impl SetGroupProfile {
    fn change(self) -> (Change, Option<Id>) {
        let owner = Owner::Group {
            key: self.group_key.0,
            id: self.group_id.0,
        };
        let operation = self.operation.map(GroupOperation::operation);
        (
            Change::new(owner, operation, self.properties),
            self.project_id,
        )
    }
}

impl UpdateGroupProfiles {
    fn changes(self) -> (Vec<Change>, Option<Id>) {
        let key = self.group_key.0;
        let changes = self.group_changes.0.into_iter().map(|change| {
            let owner = Owner::Group {
                key: key.clone(),
                id: change.group_id.0,
            };
            let operation = change.operation.map(GroupOperation::operation);
            Change::new(owner, operation, change.properties)
        });
        (changes.collect(), self.project_id)
    }
}
