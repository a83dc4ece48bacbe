//! The options of a namespace that a backend changes for one subscription.
//!
//! In: the `override` of a request. Out: an [`Override`], or the refusal of what there is not: a backend that asks for it must
//! not believe that it has it.

use serde_json::{Map, Value};
use tidegate_codec::{ErrorCode, Failure};

use crate::auth::Override;

/// A member that is null is as if it was not there.
pub(super) fn overrides(members: &Map<String, Value>) -> Result<Override, Failure> {
    let mut overrides = Override::default();
    for (name, member) in members.iter().filter(|(_, it)| !it.is_null()) {
        let option = match name.as_str() {
            "presence" => &mut overrides.presence,
            "join_leave" => &mut overrides.join_leave,
            "force_push_join_leave" => &mut overrides.force_push_join_leave,
            "force_positioning" => &mut overrides.force_positioning,
            "force_recovery" => &mut overrides.force_recovery,
            _ => return Err(refused(name)),
        };
        *option = Some(value(member)?);
    }
    Ok(overrides)
}

/// `{}` is false: encoders of Protobuf messages leave out a value that is false.
fn value(member: &Value) -> Result<bool, Failure> {
    let member = member.as_object().ok_or(ErrorCode::BadRequest)?;
    let value = member.get("value").unwrap_or(&Value::Bool(false));
    Ok(value.as_bool().ok_or(ErrorCode::BadRequest)?)
}

fn refused(name: &str) -> Failure {
    let failure = Failure::from(ErrorCode::NotAvailable);
    let message = format!("{}: override {name:?}", failure.message);
    Failure { message, ..failure }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(members: &Value) -> Result<Override, Failure> {
        overrides(members.as_object().unwrap())
    }

    #[test]
    fn each_option_is_read_by_its_name() {
        let value = json!({ "value": true });
        for (name, expected) in [
            ("presence", [true, false, false, false, false]),
            ("join_leave", [false, true, false, false, false]),
            ("force_push_join_leave", [false, false, true, false, false]),
            ("force_positioning", [false, false, false, true, false]),
            ("force_recovery", [false, false, false, false, true]),
        ] {
            let it = of(&json!({ name: value })).unwrap();
            let found = [
                it.presence,
                it.join_leave,
                it.force_push_join_leave,
                it.force_positioning,
                it.force_recovery,
            ];
            assert_eq!(found, expected.map(|is| is.then_some(true)), "{name}");
        }
        let off = of(&json!({ "presence": {}, "join_leave": null })).unwrap();
        assert_eq!((off.presence, off.join_leave), (Some(false), None));
    }

    #[test]
    fn what_there_is_not_is_refused_by_name() {
        let refused = of(&json!({ "presence": {}, "gzip": { "value": true } })).unwrap_err();
        assert_eq!(refused.code, 108);
        assert!(refused.message.contains("gzip"), "{refused:?}");
        for wrong in [
            json!({ "presence": true }),
            json!({ "presence": { "value": 1 } }),
        ] {
            assert_eq!(of(&wrong).unwrap_err().code, 107, "{wrong}");
        }
    }
}
