//! The methods of RFC 7047 section 4.1 and ovsdb-server(7), one function each.

use super::*;
use weft_ovsdb::error::compact_sorted;
use weft_ovsdb::json::{as_id, is_id};
use weft_ovsdb::{DatabaseSchema, Error, Result};

impl Server {
    pub(super) fn on_request(&mut self, session: SessionId, method: &str, params: Vec<Value>, id: Value) {
        let result = match method {
            "transact" => match self.begin_transact(session, params, &id) {
                // The reply comes when the transaction is over.
                Ok(()) => return,
                Err(error) => Err(error),
            },
            "echo" => Ok(Value::Array(params).to_string()),
            "monitor" => self.monitor(session, &params, Version::Update),
            "monitor_cond" | "monitor_cond_since" | "monitor_cond_change" if !self.conditions => {
                return self.reply_error(session, &id, &"unknown method".into());
            }
            "monitor_cond" => self.monitor(session, &params, Version::Update2),
            "monitor_cond_since" => self.monitor(session, &params, Version::Update3),
            "monitor_cond_change" => self.monitor_cond_change(session, params),
            "monitor_cancel" if params.len() != 1 => {
                return self.reply_error(session, &id, &"invalid parameters".into());
            }
            "monitor_cancel" => match self.monitor_cancel(session, &params) {
                true => Ok("{}".into()),
                false => return self.reply_error(session, &id, &"unknown monitor".into()),
            },
            "lock" | "steal" | "unlock" if self.read_only || self.sessions[&session].read_only => {
                let text = "lock and unlock methods not allowed, DB server is read only.";
                return self.reply_error(session, &id, &text.into());
            }
            "lock" => self.lock(session, params, "lock"),
            "steal" => self.lock(session, params, "steal"),
            "unlock" => self.lock(session, params, "unlock"),
            "list_dbs" => Ok(serde_json::to_string(&self.databases.keys().collect::<Vec<_>>()).unwrap_or_default()),
            "get_schema" => {
                self.database_of("get_schema", &params).map(|name| self.databases[&name].db.schema_text().to_string())
            }
            "get_server_id" => Ok(format!("\"{}\"", self.id)),
            "set_db_change_aware" => self.set_change_aware(session, params),
            "weft_history" => self.database_of(method, &params).and_then(|db| self.weft_history(&db, &params)),
            "weft_revert" | "weft_transact" | "weft_confirm" if self.is_restricted(session) => {
                let text = format!("{method} not allowed for clients that may only read or have a role");
                Err(Error::new("not allowed", text))
            }
            "weft_revert" => self.database_of(method, &params).and_then(|db| self.weft_revert(&db, &params)),
            "weft_confirm" => self.database_of(method, &params).and_then(|db| self.weft_confirm(&db, &params)),
            "weft_transact" => {
                let began = self.database_of(method, &params);
                match began.and_then(|db| self.weft_transact(session, &db, params, &id)) {
                    // It has replied by itself.
                    Ok(()) => return,
                    Err(error) => Err(error),
                }
            }
            "convert" => self.convert(session, params),
            _ => return self.reply_error(session, &id, &"unknown method".into()),
        };
        match result {
            Ok(text) => self.reply_text(session, &id, &text),
            Err(error) => self.reply_error(session, &id, &error.to_json()),
        }
    }

    fn begin_transact(&mut self, session: SessionId, mut params: Vec<Value>, id: &Value) -> Result<()> {
        let db = self.database_of("transact", &params)?;
        let waits = &self.databases[&db].waits;
        if waits.iter().any(|w| w.request.session == session && w.request.id == *id) {
            return Err(Error::syntax(Some(&Value::Array(params)), "transact: duplicate request ID"));
        }
        params.remove(0);
        if self.is_forwarded(&db, &params) {
            return self.forward(db, session, id, params);
        }
        if !self.narrated.is_empty() {
            self.tell(&db, session, &params);
        }
        let since = self.clock.now();
        self.transact(&db, Request { session, id: id.clone(), operations: params, since });
        Ok(())
    }

    /// Writes the operations on tables that people asked about to the log.
    fn tell(&self, db: &str, session: SessionId, operations: &[Value]) {
        for operation in operations {
            let table = operation["table"].as_str().unwrap_or_default();
            if self.narrated.contains(&(db.to_owned(), table.to_owned())) {
                let client = session.0;
                tracing::info!(target: "transaction", limit = 60u64, "{db}:{table} client {client}: {operation}");
            }
        }
    }

    pub(super) fn cancel(&mut self, session: SessionId, params: &[Value]) {
        let Some(id) = params.first() else { return };
        if let Some(serial) = self.forwarded.iter().find(|(_, f)| f.session == session && f.id == *id).map(|(s, _)| *s)
        {
            self.forwarded.remove(&serial);
            return self.reply_error(session, id, &"canceled".into());
        }
        for hosted in self.databases.values_mut() {
            let found = hosted.waits.iter().position(|w| w.request.session == session && w.request.id == *id);
            if let Some(i) = found {
                hosted.waits.remove(i);
                return self.reply_error(session, id, &"canceled".into());
            }
        }
    }

    fn monitor(&mut self, session: SessionId, params: &[Value], version: Version) -> Result<String> {
        let method = match version {
            Version::Update => "monitor",
            Version::Update2 => "monitor_cond",
            Version::Update3 => "monitor_cond_since",
        };
        let db = self.database_of(method, params)?;
        let (id, requests, last) = match (params, version) {
            ([_, id, requests], Version::Update | Version::Update2) => (id, requests, None),
            ([_, id, requests, last], Version::Update3) => {
                let Some(text) = last.as_str() else {
                    return Err(Error::syntax(Some(last), "last-txn-id must be string"));
                };
                let Some(uuid) = weft_ovsdb::atom::parse_uuid(text) else {
                    return Err(Error::syntax(Some(last), "last-txn-id must be UUID format."));
                };
                (id, requests, Some(uuid))
            }
            _ => return Err(Error::syntax(Some(&Value::Array(params.to_vec())), "invalid parameters")),
        };
        if !requests.is_object() {
            return Err(Error::syntax(Some(requests), "monitor-requests must be object"));
        }
        let id_text = compact_sorted(id);
        if self.sessions[&session].monitors.contains_key(&id_text) {
            return Err(Error::syntax(Some(id), "duplicate monitor ID"));
        }
        // The initial rows must be committed ones, and no later update may repeat them.
        self.flush();
        let hosted = self.databases.get_mut(&db).expect("found above");
        let spec = Spec::from_json(requests, version, hosted.db.schema())?;
        let since = hosted.relay.as_ref().and_then(|relay| relay.since(last?));
        let found = since.is_some();
        let initial = match since {
            None => spec.initial(hosted.db.tables()),
            Some(changes) => spec.changes(hosted.db.tables(), &changes).unwrap_or_else(|| "{}".into()),
        };
        let last = hosted.relay.as_ref().map_or(Uuid::nil(), |relay| relay.last);
        let head = head(version, &id_text, Uuid::nil());
        let spec = hosted.monitors.subscribe(spec, session, id_text.as_str().into(), head);
        if let Some(session) = self.sessions.get_mut(&session) {
            session.monitors.insert(id_text, Monitor { db, spec });
        }
        Ok(match version {
            Version::Update3 => format!("[{found},\"{last}\",{initial}]"),
            _ => initial,
        })
    }

    fn monitor_cond_change(&mut self, session: SessionId, params: Vec<Value>) -> Result<String> {
        let [old_id, new_id, requests] = params.as_slice() else {
            return Err(Error::syntax(Some(&Value::Array(params)), "invalid parameters"));
        };
        let (old_text, new_text) = (compact_sorted(old_id), compact_sorted(new_id));
        self.flush();
        let monitors = &self.sessions[&session].monitors;
        let Some(monitor) = monitors.get(&old_text) else {
            return Err(Error::syntax(Some(old_id), "unknown monitor session"));
        };
        if old_text != new_text && monitors.contains_key(&new_text) {
            return Err(Error::syntax(Some(new_id), "duplicate monitor ID"));
        }
        let (db, before) = (monitor.db.clone(), monitor.spec.clone());
        let hosted = self.databases.get_mut(&db).expect("a monitor's database is there");
        let after = before.with_conditions(requests, hosted.db.schema())?;
        let difference = before.difference(&after, hosted.db.tables());
        hosted.monitors.unsubscribe(&before, session, &old_text);
        let version = after.version;
        let head = head(version, &new_text, Uuid::nil());
        let after = hosted.monitors.subscribe(after, session, new_text.as_str().into(), head);
        if let Some(body) = difference {
            let txn = self.databases[&db].relay.as_ref().map_or(Uuid::nil(), |relay| relay.last);
            self.out.push_back(Output::Send(session, update(version, &new_text, txn, body.into())));
        }
        if let Some(session) = self.sessions.get_mut(&session) {
            session.monitors.remove(&old_text);
            session.monitors.insert(new_text, Monitor { db, spec: after });
        }
        Ok("{}".into())
    }

    fn monitor_cancel(&mut self, session: SessionId, params: &[Value]) -> bool {
        let Some(id) = params.first() else { return false };
        self.flush();
        let id = compact_sorted(id);
        let Some(monitor) = self.sessions.get_mut(&session).and_then(|s| s.monitors.remove(&id)) else { return false };
        if let Some(hosted) = self.databases.get_mut(&monitor.db) {
            hosted.monitors.unsubscribe(&monitor.spec, session, &id);
        }
        true
    }

    fn lock(&mut self, session: SessionId, params: Vec<Value>, method: &str) -> Result<String> {
        let params = Value::Array(params);
        let name = match params.as_array().map(Vec::as_slice) {
            Some([name]) => as_id(name),
            _ => None,
        };
        let Some(name) = name else {
            return Err(Error::syntax(Some(&params), format!("{method} request params must be <id>")));
        };
        // Replies to what came before must not be overtaken by notifications about locks.
        self.flush();
        let involved = self.locks.involves(name, session);
        if method == "unlock" {
            if !involved {
                return Err(Error::syntax(Some(&params), "unlock: \"unlock\" without \"lock\" or \"steal\""));
            }
            self.unlock(name, session);
            return Ok("{}".into());
        }
        if involved {
            let text = format!("must issue \"unlock\" before new \"{method}\"");
            return Err(Error::syntax(Some(&params), text));
        }
        if method == "steal" {
            if let Some(victim) = self.locks.steal(name, session) {
                self.notification(victim, "stolen", name);
            }
            return Ok("{\"locked\":true}".into());
        }
        let locked = self.locks.lock(name, session);
        Ok(format!("{{\"locked\":{locked}}}"))
    }

    fn set_change_aware(&mut self, session: SessionId, params: Vec<Value>) -> Result<String> {
        let [Value::Bool(aware)] = params.as_slice() else {
            let text = "set_db_change_aware: true or false parameter expected";
            return Err(Error::syntax(Some(&Value::Array(params)), text));
        };
        if let Some(session) = self.sessions.get_mut(&session) {
            session.change_aware = *aware;
        }
        Ok("{}".into())
    }

    fn is_restricted(&self, session: SessionId) -> bool {
        let client = &self.sessions[&session];
        self.read_only || client.read_only || client.role.is_some()
    }

    fn convert(&mut self, session: SessionId, params: Vec<Value>) -> Result<String> {
        let name = self.database_of("convert", &params)?;
        let client = &self.sessions[&session];
        if self.read_only || client.read_only {
            let text = "convert operation not allowed when database server is in read only mode";
            return Err(Error::new("not allowed", text));
        }
        if let Some(role) = client.role.as_deref() {
            Client { role, id: client.identity.as_deref() }.may_convert(&name)?;
        }
        let [_, schema] = params.as_slice() else {
            return Err(Error::syntax(Some(&Value::Array(params)), "array expected"));
        };
        let schema = DatabaseSchema::from_json(schema)?;
        if schema.name != name {
            let text = format!("request to convert {name} has a schema of {}", schema.name);
            return Err(Error::syntax(Some(&params[1]), text));
        }
        self.convert_database(&name, schema)?;
        Ok("{}".into())
    }

    /// The database that a request's first parameter names.
    fn database_of(&self, method: &str, params: &[Value]) -> Result<String> {
        let whole = || Value::Array(params.to_vec());
        match params.first().and_then(Value::as_str).filter(|name| is_id(name)) {
            None => Err(Error::syntax(Some(&whole()), format!("{method} request params must begin with <db-name>"))),
            Some(name) if self.is_available(name) => Ok(name.to_owned()),
            Some(name) if self.databases.contains_key(name) => {
                let text = format!(
                    "{method} request specifies database {name} which is not yet available because it has not \
                     completed joining its cluster"
                );
                Err(Error::new("database not available", text))
            }
            Some(name) => {
                let text = format!("{method} request specifies unknown database {name}");
                Err(Error::new("unknown database", text).with_syntax(Some(&whole())))
            }
        }
    }
}
