//! Models in the form in which a server takes them.

use serde_json::{Map, Value, json};

use crate::permission::{
    json,
    model::{Model, ParameterType, RestrictionKind, Rewrite},
};

/// `model` as the API has it.
pub(super) fn written(model: &Model) -> Value {
    let types = model.types.iter().map(|of| {
        let relations = of.relations.iter();
        let rewrites = relations.map(|one| (one.name.clone(), rewrite(&one.rewrite)));
        let rewrites: Map<String, Value> = rewrites.collect();
        let metadata = of.relations.iter().map(|relation| {
            let to = relation.restrictions.iter().map(|to| {
                let mut told = json!({ "type": to.type_name });
                match &to.kind {
                    RestrictionKind::Object => {}
                    RestrictionKind::Userset(of) => told["relation"] = json!(of),
                    RestrictionKind::Wildcard => told["wildcard"] = json!({}),
                }
                if let Some(condition) = &to.condition {
                    told["condition"] = json!(condition);
                }
                told
            });
            let to: Vec<Value> = to.collect();
            let told = json!({ "directly_related_user_types": to });
            (relation.name.clone(), told)
        });
        let metadata: Map<String, Value> = metadata.collect();
        json!({ "type": of.name, "relations": rewrites, "metadata": { "relations": metadata } })
    });
    let types: Vec<Value> = types.collect();
    let conditions = model.conditions.iter().map(|condition| {
        let parameters = condition.parameters.iter();
        let parameters = parameters.map(|one| (one.name.clone(), parameter(&one.kind)));
        let parameters: Map<String, Value> = parameters.collect();
        let told = json!({
            "name": condition.name,
            "expression": condition.expression,
            "parameters": parameters,
        });
        (condition.name.clone(), told)
    });
    let conditions: Map<String, Value> = conditions.collect();
    json!({
        "schema_version": model.schema,
        "type_definitions": types,
        "conditions": conditions,
    })
}

fn rewrite(rewritten: &Rewrite) -> Value {
    let children = |parts: &[Rewrite]| -> Vec<Value> { parts.iter().map(rewrite).collect() };
    match rewritten {
        Rewrite::Computed { relation, .. } => {
            json!({ "computedUserset": { "relation": relation } })
        }
        Rewrite::Difference(base, subtract) => json!({
            "difference": { "base": rewrite(base), "subtract": rewrite(subtract) }
        }),
        Rewrite::FromTupleset {
            relation, tupleset, ..
        } => json!({ "tupleToUserset": {
            "tupleset": { "relation": tupleset },
            "computedUserset": { "relation": relation },
        } }),
        Rewrite::Intersection(parts) => json!({ "intersection": { "child": children(parts) } }),
        Rewrite::This => json!({ "this": {} }),
        Rewrite::Union(parts) => json!({ "union": { "child": children(parts) } }),
    }
}

fn parameter(kind: &ParameterType) -> Value {
    let name = match kind {
        ParameterType::List(inner) => return generic("LIST", inner),
        ParameterType::Map(inner) => return generic("MAP", inner),
        plain => plain.to_string().to_uppercase(),
    };
    json!({ "type_name": format!("TYPE_NAME_{name}") })
}

fn generic(name: &str, inner: &ParameterType) -> Value {
    json!({ "type_name": format!("TYPE_NAME_{name}"), "generic_types": [parameter(inner)] })
}

#[test]
fn a_model_reads_back_as_it_was_written() {
    let text = "model
  schema 1.1
type user
type group
  relations
    define member: [user, user:*, group#member, user with on]
type doc
  relations
    define parent: [doc]
    define a: [user] or (member from team and b)
    define b: a but not a from parent
    define team: [group]
condition on(x: list<int>, at: timestamp) {
  x.size() > 1
}
";
    let model = crate::permission::dsl::parse(text).expect("well formed");
    let back = json::parse(&written(&model).to_string()).expect("reads");
    assert_eq!(written(&back), written(&model));
    assert_eq!(back.types.len(), 3);
}
