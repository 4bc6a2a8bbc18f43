//! A real `OpenFGA` that holds what the store file holds.

use serde_json::json;

use crate::support::openfga::OpenFga;

/// It runs on whichever core is free: its own time is not told.
#[derive(Debug)]
pub(crate) struct Remote {
    server: OpenFga,
    store: String,
    model: String,
}

pub(crate) async fn start() -> Remote {
    let server = OpenFga::start().await;
    let store = server.store().await;
    let of = |types: serde_json::Value| json!({ "directly_related_user_types": types });
    let model = json!({
        "schema_version": "1.1",
        "type_definitions": [
            { "type": "user" },
            {
                "type": "group",
                "relations": { "member": { "this": {} } },
                "metadata": { "relations": { "member": of(json!([{ "type": "user" }])) } },
            },
            {
                "type": "document",
                "relations": {
                    "owner": { "this": {} },
                    "viewer": { "union": { "child": [
                        { "this": {} }, { "computedUserset": { "relation": "owner" } },
                    ] } },
                },
                "metadata": { "relations": {
                    "owner": of(json!([{ "type": "user" }])),
                    "viewer": of(json!([{ "type": "user" }, { "type": "group", "relation": "member" }])),
                } },
            },
        ],
    });
    let model = server.model(&store, &model).await;
    let tuples = [
        json!({ "user": "user:alice", "relation": "member", "object": "group:staff" }),
        json!({ "user": "group:staff#member", "relation": "viewer", "object": "document:roadmap" }),
    ];
    server.write(&store, &model, &tuples).await;
    Remote {
        server,
        store,
        model,
    }
}

impl Remote {
    /// Its address, its store and its model.
    pub(crate) fn place(&self) -> (String, &str, &str) {
        let url = format!("http://{}", self.server.http);
        (url, &self.store, &self.model)
    }

    /// The section that asks it, with so much memory for its answers.
    pub(crate) fn permission(&self, memory: &str) -> String {
        let (url, store, model) = self.place();
        format!(
            "{{ openfga: {{ url: '{url}', store_id: {store}, model_id: {model}, timeout: 2s, cache: {{ memory: {memory} }} }} }}"
        )
    }
}
