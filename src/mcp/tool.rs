//! One row of a tool table, and the one way to call it.

use serde_json::{Map, Value};

use super::call::Call;
use super::consent::{CONFIRM, Consent, Loss, consent};
use super::data::Data;
use super::jsonrpc::written;
use super::object::Object;
use super::result::{Outcome, ToolResult};
use super::room;
use super::shape::{Field, Shape, Unknown, object_faults, write_object_schema};

/// Room for the summary's name, and for what is escaped in it.
const SUMMARY_BYTES: usize = 64;

/// What a call of a tool works with, and what the calls of all tools on it share: arguments and members of answers
/// that no tool has to declare, read or write itself.
pub trait Context: Sized + 'static {
    /// The call that it is for.
    fn call(&self) -> &Call;

    /// What a tool takes beside its own arguments. None of it may be required.
    fn params(_: &Tool<Self>) -> &'static [Field] {
        &[]
    }

    /// What its answers may have beside its own members. None of it may be required.
    fn output(_: &Tool<Self>) -> Vec<Field> {
        Vec::new()
    }

    /// The shared member that marks an answer without the tool's own members, if its calls can be answered so.
    fn stand_in(_: &Tool<Self>) -> Option<&'static str> {
        None
    }

    /// Whether this call changes nothing, whatever its tool does otherwise: then nobody is asked for consent.
    fn is_rehearsal(&self) -> bool {
        false
    }

    /// Reads the shared arguments, before the tool runs.
    fn begin(&self, _: &Tool<Self>, _: &Value) {}

    /// Adds the shared members, after it has run.
    fn end(&self, _: &Tool<Self>, _: &mut Result<Answer, Failure>) {}
}

/// A tool: a row of data and a function. `C` is what a call works with.
pub struct Tool<C: 'static> {
    /// `mixpanel_<verb>_<noun>`, `[a-z0-9_]`, at most 40 characters.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// For the model: what it answers, when to use it, what it costs.
    pub about: &'static str,
    /// What a call leaves behind.
    pub effect: Effect<C>,
    /// What it takes.
    pub params: &'static [Field],
    /// What it gives, beside the `summary` that every answer begins with.
    pub output: &'static [Field],
    /// What it does. Sees only arguments that fit `params`.
    pub run: fn(&C, &Value) -> Result<Answer, Failure>,
}

/// What a call leaves behind. There is no default: each tool says it.
#[derive(Clone, Copy)]
pub enum Effect<C: 'static> {
    /// Nothing.
    Reads,
    /// Something new; a second equal call adds again.
    Adds,
    /// Something new or the same again; a second equal call changes nothing more.
    Sets,
    /// Something may be lost. The function says what a call with these arguments would destroy, so that it can be asked
    /// about first; nothing, where it only adds or sets.
    Destroys(fn(&C, &Value) -> Result<Option<Loss>, Failure>),
}

impl<C> Effect<C> {
    /// Whether it leaves nothing behind.
    pub fn reads(&self) -> bool {
        matches!(self, Effect::Reads)
    }

    /// Whether something may be lost.
    pub fn destroys(&self) -> bool {
        matches!(self, Effect::Destroys(_))
    }
}

/// What a tool found.
#[derive(Debug)]
pub struct Answer {
    /// One line: what was asked, of which project and days, and the main figure.
    pub summary: String,
    /// The figures, as the tool's `output` says.
    pub data: Data,
}

/// Why a call gave no answer, told so that the model can mend it.
#[derive(Debug)]
pub struct Failure {
    /// What happened, whose fault it is, what to do next.
    pub text: String,
    /// The same as facts: `kind` and more.
    pub facts: Map<String, Value>,
}

impl Failure {
    /// A failure of this kind (one `snake_case` word) in a sentence.
    pub fn new(kind: &str, text: impl Into<String>) -> Failure {
        Failure {
            text: text.into(),
            facts: Map::from_iter([("kind".into(), kind.into())]),
        }
    }

    /// The same with one more fact.
    pub fn with(mut self, name: &str, fact: impl Into<Value>) -> Failure {
        self.facts.insert(name.into(), fact.into());
        self
    }
}

impl<C: Context> Tool<C> {
    /// Writes the entry of this tool in `tools/list`. Hints that only say the protocol's default, or nothing beside
    /// another one, are left out: a model's context is small. Members stand in the order of their names.
    pub fn write_definition(&self, text: &mut Vec<u8>) {
        let mut definition = Object::begin(text);
        let mut annotations = Object::begin(definition.member("annotations"));
        if !self.effect.reads() {
            annotations.put("destructiveHint", &self.effect.destroys());
            annotations.put("idempotentHint", &matches!(self.effect, Effect::Sets));
        }
        annotations.put("readOnlyHint", &self.effect.reads());
        annotations.end();
        definition.put("description", self.about);
        let text = definition.member("inputSchema");
        write_object_schema(&self.fields_in().concat(), "", Unknown::Refused, text);
        definition.put("name", self.name);
        // Open, so what all answers share need not be said in each.
        let text = definition.member("outputSchema");
        write_object_schema(&self.fields_own(), "", Unknown::Open, text);
        definition.put("title", self.title);
        definition.end();
    }

    /// Checks the arguments, asks before it destroys, runs the tool and gives what the model reads.
    pub fn call(&self, context: &C, arguments: &Value) -> Outcome<ToolResult> {
        let faults = object_faults(&self.fields_in(), arguments);
        if !faults.is_empty() {
            let text = format!(
                "{} was not called, its arguments do not fit:\n{}",
                self.name,
                faults.join("\n")
            );
            let failure = Failure::new("bad_arguments", text).with("faults", faults);
            return self.ended(context, Err(failure));
        }
        context.begin(self, arguments);
        if let Effect::Destroys(loss) = self.effect
            && !context.is_rehearsal()
        {
            match loss(context, arguments) {
                Ok(None) => (),
                Ok(Some(loss)) => match consent(context.call(), self.name, arguments, &loss) {
                    Consent::Given => (),
                    Consent::Ask { requests, state } => {
                        return Outcome::InputRequired {
                            requests,
                            state: Some(state),
                        };
                    }
                    Consent::Withheld(failure) => return self.ended(context, Err(failure)),
                },
                Err(failure) => return self.ended(context, Err(failure)),
            }
        }
        self.ended(context, (self.run)(context, arguments))
    }

    fn ended(&self, context: &C, mut answer: Result<Answer, Failure>) -> Outcome<ToolResult> {
        context.end(self, &mut answer);
        Outcome::Complete(match answer {
            Ok(answer) => self.complete(answer),
            Err(failure) => ToolResult::failure(failure.text, failure.facts),
        })
    }

    fn complete(&self, answer: Answer) -> ToolResult {
        let Answer { summary, data } = answer;
        let mut text = room::of(summary.len() + data.bytes() + SUMMARY_BYTES).into_bytes();
        let mut object = Object::begin(&mut text);
        // The summary stands first, where a model and a person begin to read.
        object.put("summary", &summary);
        data.put_into(&mut object);
        object.end();
        let object = written(text);
        #[cfg(debug_assertions)]
        self.must_fit(&object);
        ToolResult::structured(object)
    }

    /// So every test that calls a tool also proves its output schema.
    #[cfg(debug_assertions)]
    fn must_fit(&self, object: &str) {
        let object: Map<String, Value> = serde_json::from_str(object).unwrap_or_default();
        let fields = self.fields_out();
        let stands_in = C::stand_in(self).is_some_and(|mark| object.contains_key(mark));
        let is_own = |name| {
            self.output
                .iter()
                .any(|own| own.name == name && own.required)
        };
        for field in &fields {
            let faults = object
                .get(field.name)
                .map(|value| field.shape.faults(value))
                .unwrap_or_default();
            debug_assert!(
                faults.is_empty(),
                "{}: {}: {faults:?}",
                self.name,
                field.name
            );
            debug_assert!(
                object.contains_key(field.name) || stands_in || !is_own(field.name),
                "{}: no {}",
                self.name,
                field.name
            );
        }
        let known = |name: &String| fields.iter().any(|field| field.name == name);
        let unknown: Vec<&String> = object.keys().filter(|name| !known(name)).collect();
        debug_assert!(
            unknown.is_empty(),
            "{}: {unknown:?} is not in its output",
            self.name
        );
    }

    fn fields_in(&self) -> [&'static [Field]; 3] {
        const NONE: &[Field] = &[];
        const CONFIRMED: &[Field] = &[CONFIRM];
        let confirm = if self.effect.destroys() {
            CONFIRMED
        } else {
            NONE
        };
        [self.params, C::params(self), confirm]
    }

    fn fields_own(&self) -> Vec<Field> {
        let is_optional = C::stand_in(self).is_some();
        let own = self.output.iter().map(|field| Field {
            required: field.required && !is_optional,
            ..*field
        });
        let mut fields = vec![Field::always("summary", Shape::Words)];
        fields.extend(own);
        fields
    }

    #[cfg(debug_assertions)]
    fn fields_out(&self) -> Vec<Field> {
        [self.fields_own(), C::output(self)].concat()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::super::call::{CallParts, Cancellation, ClientSide, Outlet};
    use super::super::headers::Headers;
    use super::super::revision::Revision;
    use super::*;
    use crate::mcp::result::Content;

    /// A call that nobody made, of a client of this revision with these capabilities.
    fn call(revision: Revision, capabilities: Value, client: ClientSide) -> Call {
        struct Nowhere;
        impl Outlet for Nowhere {
            fn send(&self, _: &str) {}

            fn aside(&self, _: &mut dyn FnMut()) {}
        }
        let capabilities = capabilities.as_object().cloned().unwrap_or_default();
        let parts = CallParts {
            revision,
            headers: Headers::default(),
            cancellation: Cancellation::default(),
            progress_token: None,
            log_level: None,
            client: ClientSide {
                capabilities,
                ..client
            },
            asker: None,
            answer_bytes_max: None,
        };
        Call::new(parts, Arc::new(Nowhere))
    }

    fn plain() -> Call {
        call(Revision::V2025_11_25, json!({}), ClientSide::default())
    }

    fn definition<C: Context>(tool: &Tool<C>) -> Value {
        let mut text = Vec::new();
        tool.write_definition(&mut text);
        serde_json::from_slice(&text).unwrap()
    }

    #[track_caller]
    fn complete(outcome: Outcome<ToolResult>) -> ToolResult {
        let Outcome::Complete(result) = outcome else {
            panic!("it is complete")
        };
        result
    }

    /// Multiplies.
    struct Factor(i64, Call);

    impl Context for Factor {
        fn call(&self) -> &Call {
            &self.1
        }
    }

    const DOUBLE: Tool<Factor> = Tool {
        name: "test_double",
        title: "Double",
        about: "Doubles a number.",
        effect: Effect::Reads,
        params: &[Field {
            name: "of",
            about: "What.",
            shape: Shape::Int { min: 0, max: 9 },
            required: true,
        }],
        output: &[Field::always("double", Shape::Count)],
        run: |factor, arguments| {
            let of = arguments["of"].as_i64().unwrap_or_default();
            Ok(Answer {
                summary: format!("twice {of}"),
                data: Data::of([("double", (of * factor.0).into())]),
            })
        },
    };

    /// The data, or the facts of the failure.
    fn told(result: ToolResult) -> Value {
        match result.told() {
            Ok(data) => serde_json::from_str(&data).unwrap(),
            Err(facts) => facts,
        }
    }

    #[test]
    fn a_result_begins_with_its_summary_and_its_text_is_the_same_json() {
        let result = complete(DOUBLE.call(&Factor(2, plain()), &json!({"of": 4})));
        assert_eq!(
            result.structured.as_deref(),
            Some(r#"{"summary":"twice 4","double":8}"#)
        );
        assert!(matches!(result.content.as_slice(), [Content::Structured]));
        let mut json = Vec::new();
        result.write_onto(&mut json, Revision::V2025_11_25);
        assert_eq!(
            String::from_utf8(json).unwrap(),
            r#""content":[{"type":"text","text":"{\"summary\":\"twice 4\",\"double\":8}"}],"structuredContent":{"summary":"twice 4","double":8}"#
        );
        assert!(!result.is_error);
    }

    #[test]
    fn a_bad_call_is_not_run_and_told_with_all_its_faults() {
        let result = complete(DOUBLE.call(&Factor(2, plain()), &json!({"of": 10, "fo": 1})));
        assert!(result.is_error);
        let facts = told(result);
        assert_eq!(facts["kind"], "bad_arguments");
        assert_eq!(
            facts["faults"],
            json!([
                "of: must be an integer from 0 to 9, got 10",
                "fo: unknown, known are of"
            ])
        );
    }

    /// Counts in steps of what the call says.
    struct Counting(std::cell::Cell<i64>, Call);

    impl Context for Counting {
        fn call(&self) -> &Call {
            &self.1
        }

        fn params(tool: &Tool<Counting>) -> &'static [Field] {
            const STEP: &[Field] = &[Field::sometimes("step", Shape::Int { min: 1, max: 9 })];
            match tool.effect {
                Effect::Reads => STEP,
                _ => &[],
            }
        }

        fn output(_: &Tool<Counting>) -> Vec<Field> {
            vec![Field::sometimes("step_taken", Shape::Count)]
        }

        fn begin(&self, _: &Tool<Counting>, arguments: &Value) {
            self.0.set(arguments["step"].as_i64().unwrap_or(1));
        }

        fn end(&self, _: &Tool<Counting>, answer: &mut Result<Answer, Failure>) {
            if let Ok(answer) = answer {
                answer.data.insert("step_taken", self.0.get());
            }
        }
    }

    #[test]
    fn what_all_tools_share_is_published_checked_and_answered_without_the_tool() {
        const NEXT: Tool<Counting> = Tool {
            name: "test_next",
            title: "Next",
            about: "The number after 0.",
            effect: Effect::Reads,
            params: &[],
            output: &[Field::always("next", Shape::Count)],
            run: |counting, _| {
                Ok(Answer {
                    summary: "next".into(),
                    data: Data::of([("next", counting.0.get().into())]),
                })
            },
        };
        let definition = definition(&NEXT);
        assert_eq!(
            definition["inputSchema"]["properties"]["step"]["maximum"],
            9
        );
        let counting = Counting(0.into(), plain());
        let result = complete(NEXT.call(&counting, &json!({"step": 3})));
        assert_eq!(
            result.structured.as_deref(),
            Some(r#"{"summary":"next","next":3,"step_taken":3}"#)
        );
        assert!(complete(NEXT.call(&counting, &json!({"step": 10}))).is_error);
    }

    const DROP: Tool<Factor> = Tool {
        name: "test_drop",
        title: "Drop",
        about: "Drops a thing.",
        effect: Effect::Destroys(|_, arguments| {
            let name = arguments["thing"].as_str().unwrap_or_default();
            let what = format!("drop {name} for good");
            Ok((name != "dust").then(|| Loss {
                name: name.to_owned(),
                what,
            }))
        }),
        params: &[Field::always("thing", Shape::Text { max: 9 })],
        output: &[Field::always("dropped", Shape::Words)],
        run: |_, arguments| {
            Ok(Answer {
                summary: "dropped".into(),
                data: Data::of([("dropped", arguments["thing"].clone().into())]),
            })
        },
    };

    #[track_caller]
    fn check_dropped(call: Call, arguments: Value, kind: Option<&str>) {
        let result = complete(DROP.call(&Factor(0, call), &arguments));
        let facts = told(result);
        assert_eq!(facts.get("kind").and_then(Value::as_str), kind, "{facts}");
        assert_eq!(facts.get("dropped").is_some(), kind.is_none(), "{facts}");
    }

    #[test]
    fn what_destroys_wants_the_name_of_what_is_lost_from_a_client_that_cannot_ask() {
        check_dropped(plain(), json!({"thing": "vase"}), Some("not_confirmed"));
        check_dropped(
            plain(),
            json!({"thing": "vase", "confirm": "cup"}),
            Some("not_confirmed"),
        );
        check_dropped(plain(), json!({"thing": "vase", "confirm": "vase"}), None);
        check_dropped(plain(), json!({"thing": "dust"}), None);
    }

    #[test]
    fn a_client_that_can_ask_is_asked_and_its_answer_counts_for_the_same_call_only() {
        let asking = json!({"elicitation": {"form": {}}});
        let modern = |client| call(Revision::V2026_07_28, asking.clone(), client);
        let arguments = json!({"thing": "vase"});
        let asked = DROP.call(&Factor(0, modern(ClientSide::default())), &arguments);
        let Outcome::InputRequired { requests, state } = asked else {
            panic!("it asks")
        };
        assert_eq!(requests["confirm"]["method"], "elicitation/create");
        let message = requests["confirm"]["params"]["message"].as_str().unwrap();
        assert_eq!(message, "This will drop vase for good. Go on?");

        let answered = |answer: Value, state: &Option<String>| {
            modern(ClientSide {
                input_responses: Map::from_iter([("confirm".into(), answer)]),
                request_state: state.clone(),
                ..ClientSide::default()
            })
        };
        let yes = json!({"action": "accept", "content": {"confirm": true}});
        check_dropped(answered(yes.clone(), &state), arguments.clone(), None);
        for no in [
            json!({"action": "decline"}),
            json!({"action": "cancel"}),
            json!({"action": "accept", "content": {"confirm": false}}),
            json!({"action": "accept"}),
        ] {
            check_dropped(answered(no, &state), arguments.clone(), Some("declined"));
        }
        for (arguments, state) in [
            (json!({"thing": "cup"}), state.clone()),
            (arguments.clone(), Some("made up".into())),
            (arguments, None),
        ] {
            let again = DROP.call(&Factor(0, answered(yes.clone(), &state)), &arguments);
            assert!(
                matches!(again, Outcome::InputRequired { .. }),
                "{arguments} {state:?}"
            );
        }
    }

    #[test]
    fn a_definition_publishes_what_is_checked() {
        let definition = definition(&DOUBLE);
        assert_eq!(
            definition["inputSchema"],
            json!({
                "type": "object",
                "properties": {"of": {"type": "integer", "minimum": 0, "maximum": 9, "description": "What."}},
                "required": ["of"],
                "additionalProperties": false,
            })
        );
        assert_eq!(
            definition["outputSchema"]["required"],
            json!(["summary", "double"])
        );
        assert_eq!(definition["annotations"], json!({"readOnlyHint": true}));
    }
}
