//! What: the calls of the proto file, one function each.

use crate::database::{self, ask, refused, replica};
use crate::v1::{self, switch_server::Switch};
use crate::value;
use serde_json::{Value, json};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use weft_intent::{Format, Plan, consequences};
use weft_jsonrpc::address::Address;
use weft_jsonrpc::session::Session;
use weft_ovsdb::open_vswitch::OPEN_VSWITCH;
use weft_ovsdb::replica::{Changes, Event, Link, Outcome, Replica, Row, Select, Transaction};

/// Gives a report of counters, or `None` when the switch ends.
pub type CounterSource =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Option<v1::StatisticsReport>> + Send>> + Send + Sync>;

/// See the module's header.
#[derive(Clone)]
pub struct Service {
    database: Address,
    counters: Option<CounterSource>,
}

impl Service {
    /// A service over the database server at this address. Without a source it has no statistics.
    pub fn new(database: Address, counters: Option<CounterSource>) -> Service {
        Service { database, counters }
    }

    /// Commits what `change` puts into a transaction; tried again while others are faster.
    async fn apply_document(&self, request: &v1::ApplyRequest) -> Result<v1::ApplyReply, Status> {
        let document = document(request.document.as_ref())?;
        let mut link = replica(&self.database, OPEN_VSWITCH, Select::everything()).await?;
        for _ in 0..TRIES {
            let replica = link.replica().ok_or_else(|| Status::unavailable("no database contents"))?;
            let mut tx = Transaction::new(replica);
            document.write(&mut tx).map_err(|error| Status::invalid_argument(error.to_string()))?;
            let plan = consequences(&tx);
            let comment = if request.comment.is_empty() { "grpc: apply" } else { &request.comment };
            tx.comment(comment);
            let root = tx.rows(OPEN_VSWITCH).first().copied();
            if let Some(root) = root {
                tx.increment(OPEN_VSWITCH, root, "next_cfg");
            }
            let Some(sent) = tx.request() else {
                return Ok(v1::ApplyReply { consequences: consequences_of(&plan), pending: String::new() });
            };
            drop(tx);
            let database = json!(OPEN_VSWITCH);
            let (method, head) = match request.confirm_seconds {
                0 => ("transact", vec![database]),
                seconds => ("weft_transact", vec![database, json!({"confirm": seconds})]),
            };
            let params = [head, sent.operations.clone()].concat();
            let result = call(&mut link, method, params).await?;
            let results = result.get("results").unwrap_or(&result);
            match sent.outcome(Ok(results)) {
                Outcome::TryAgain => next_contents(&mut link).await?,
                Outcome::Error(text) => {
                    return Err(refused(&serde_json::from_str(&text).unwrap_or(Value::String(text))));
                }
                Outcome::Unchanged => {
                    return Ok(v1::ApplyReply { consequences: consequences_of(&plan), pending: String::new() });
                }
                Outcome::Success { increment, .. } => {
                    let pending = result["pending"]["commit"].as_str().unwrap_or_default().to_owned();
                    if let Some(next_cfg) = increment.filter(|_| request.wait) {
                        wait_for_switch(&mut link, next_cfg).await?;
                    }
                    return Ok(v1::ApplyReply { consequences: consequences_of(&plan), pending });
                }
            }
        }
        Err(Status::aborted("others changed the same rows each time"))
    }
}

#[tonic::async_trait]
impl Switch for Service {
    async fn transact(&self, request: Request<v1::TransactRequest>) -> Result<Response<v1::TransactReply>, Status> {
        let request = request.into_inner();
        let mut params = vec![json!(database::name(&request.database))];
        for operation in &request.operations {
            params.push(value::operation_to_json(operation).map_err(Status::invalid_argument)?);
        }
        let results = ask(&self.database, "transact", params).await?;
        let results = results.as_array().map(Vec::as_slice).unwrap_or_default();
        if let Some(error) = results.iter().find(|result| result.get("error").is_some()) {
            return Err(refused(error));
        }
        let results = results.iter().map(value::result_from_json).collect();
        Ok(Response::new(v1::TransactReply { results }))
    }

    type WatchStream = ReceiverStream<Result<v1::WatchUpdate, Status>>;

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let request = request.into_inner();
        let select = match request.tables.is_empty() {
            true => Select::everything(),
            false => request.tables.iter().fold(Select::default(), |select, table| match table.columns.is_empty() {
                true => select.table(&table.table),
                false => {
                    let columns: Vec<&str> = table.columns.iter().map(String::as_str).collect();
                    select.columns(&table.table, &columns)
                }
            }),
        };
        let name = database::name(&request.database);
        let mut link = Link::new(Session::to(self.database.clone()), &name, select);
        let (updates, stream) = mpsc::channel(UPDATES);
        tokio::spawn(async move {
            loop {
                let event = tokio::select! {
                    event = link.next() => event,
                    // The client is gone; nobody else would notice while nothing changes.
                    () = updates.closed() => return,
                };
                let update = match event {
                    Event::Ready(changes) => match missing(&request.tables, link.replica()) {
                        Some(status) => Err(status),
                        None => Ok(update(true, &changes, link.replica())),
                    },
                    Event::Changed(changes) => Ok(update(false, &changes, link.replica())),
                    Event::Failed(reason) => Err(Status::invalid_argument(reason)),
                    _ => continue,
                };
                let last = update.is_err();
                if updates.send(update).await.is_err() || last {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn plan(&self, request: Request<v1::PlanRequest>) -> Result<Response<v1::PlanReply>, Status> {
        let document = document(request.into_inner().document.as_ref())?;
        let link = replica(&self.database, OPEN_VSWITCH, Select::everything()).await?;
        let replica = link.replica().ok_or_else(|| Status::unavailable("no database contents"))?;
        let mut tx = Transaction::new(replica);
        document.write(&mut tx).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let plan = consequences(&tx);
        Ok(Response::new(v1::PlanReply { consequences: consequences_of(&plan), interrupts: plan.interrupts() }))
    }

    async fn apply(&self, request: Request<v1::ApplyRequest>) -> Result<Response<v1::ApplyReply>, Status> {
        self.apply_document(&request.into_inner()).await.map(Response::new)
    }

    async fn confirm(&self, request: Request<v1::ConfirmRequest>) -> Result<Response<v1::ConfirmReply>, Status> {
        let request = request.into_inner();
        let options = json!({"commit": request.commit, "rollback": request.rollback});
        let result = ask(&self.database, "weft_confirm", vec![json!(OPEN_VSWITCH), options]).await?;
        let rolled_back = result["rolled_back"] == json!(true);
        Ok(Response::new(v1::ConfirmReply { commit: text(&result, "commit"), rolled_back }))
    }

    async fn history(&self, request: Request<v1::HistoryRequest>) -> Result<Response<v1::HistoryReply>, Status> {
        let request = request.into_inner();
        let mut options = json!({"all": request.all});
        if request.limit > 0 {
            options["limit"] = json!(request.limit);
        }
        if !request.commit.is_empty() {
            options["commit"] = json!(request.commit);
        }
        let result = ask(&self.database, "weft_history", vec![json!(OPEN_VSWITCH), options]).await?;
        let commits = result["commits"].as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(Response::new(v1::HistoryReply {
            commits: commits.iter().map(commit).collect(),
            pending: text(&result["pending"], "commit"),
            pending_left_ms: result["pending"]["left"].as_u64().unwrap_or_default(),
        }))
    }

    async fn revert(&self, request: Request<v1::RevertRequest>) -> Result<Response<v1::RevertReply>, Status> {
        let request = request.into_inner();
        let comment = if request.comment.is_empty() { "grpc" } else { &request.comment };
        let params = vec![json!(OPEN_VSWITCH), json!(request.commit), json!({"comment": comment})];
        let result = ask(&self.database, "weft_revert", params).await?;
        Ok(Response::new(v1::RevertReply { reverted: text(&result, "reverted"), commit: text(&result, "commit") }))
    }

    type StatisticsStream = ReceiverStream<Result<v1::StatisticsReport, Status>>;

    async fn statistics(
        &self,
        request: Request<v1::StatisticsRequest>,
    ) -> Result<Response<Self::StatisticsStream>, Status> {
        let request = request.into_inner();
        let Some(counters) = self.counters.clone() else {
            return Err(Status::unimplemented("there is no switch here"));
        };
        if (1..MIN_INTERVAL_MS).contains(&request.interval_ms) {
            return Err(Status::invalid_argument(format!("interval_ms must be 0 or at least {MIN_INTERVAL_MS}")));
        }
        let (reports, stream) = mpsc::channel(1);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(u64::from(request.interval_ms.max(1))));
            // A client that reads slowly gets fewer reports, not old ones.
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
                    () = reports.closed() => return,
                }
                let Some(mut report) = counters().await else { return };
                if !request.bridges.is_empty() {
                    report.ports.retain(|port| request.bridges.contains(&port.bridge));
                }
                if reports.send(Ok(report)).await.is_err() || request.interval_ms == 0 {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

fn document(document: Option<&v1::Document>) -> Result<weft_intent::Document, Status> {
    use v1::document::Text;
    let (text, format) = match document.and_then(|document| document.text.as_ref()) {
        Some(Text::Toml(text)) => (text, Format::Toml),
        Some(Text::Json(text)) => (text, Format::Json),
        None => return Err(Status::invalid_argument("no document")),
    };
    weft_intent::Document::parse(text, format).map_err(|error| Status::invalid_argument(error.to_string()))
}

fn consequences_of(plan: &Plan) -> Vec<v1::Consequence> {
    let consequence = |consequence: &weft_intent::Consequence| v1::Consequence {
        kind: consequence.kind.word().to_owned(),
        bridge: consequence.bridge.clone().unwrap_or_default(),
        name: consequence.name.clone(),
        details: consequence.details.clone(),
    };
    plan.consequences.iter().map(consequence).collect()
}

fn update(initial: bool, changes: &Changes, replica: Option<&Replica>) -> v1::WatchUpdate {
    let mut rows = Vec::new();
    for (table, changed) in &changes.tables {
        let Some(of) = replica.and_then(|replica| replica.table(table)) else { continue };
        let row = |row: &Row| v1::Row {
            columns: (of.schema().columns.iter().enumerate())
                .filter(|(at, _)| of.is_selected(*at))
                .map(|(at, column)| (column.name.clone(), value::value_from_json(&row.values()[at].to_json())))
                .collect(),
        };
        rows.extend(changed.iter().map(|(uuid, change)| v1::RowUpdate {
            table: table.clone(),
            uuid: uuid.to_string(),
            old: change.old.as_ref().map(row),
            new: change.new.as_ref().map(row),
        }));
    }
    v1::WatchUpdate { initial, rows }
}

/// A table or column that was asked for and is not there: the replica leaves it out silently, a client should know.
fn missing(tables: &[v1::Selection], replica: Option<&Replica>) -> Option<Status> {
    let schema = replica?.schema();
    tables.iter().find_map(|wanted| match schema.table(&wanted.table) {
        None => Some(Status::invalid_argument(format!("there is no table {}", wanted.table))),
        Some(table) => {
            let column = wanted.columns.iter().find(|column| table.column_index(column).is_none())?;
            Some(Status::invalid_argument(format!("table {} has no column {column}", wanted.table)))
        }
    })
}

fn commit(json: &Value) -> v1::Commit {
    let row = |json: &Value| {
        let side = |side: &str| json[side].as_object().map(value::row_from_json);
        v1::RowUpdate { table: text(json, "table"), uuid: text(json, "uuid"), old: side("old"), new: side("new") }
    };
    let rows = json["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    v1::Commit {
        id: text(json, "id"),
        date_ms: json["date"].as_i64().unwrap_or_default(),
        comment: text(json, "comment"),
        rows: rows.iter().map(row).collect(),
    }
}

fn text(json: &Value, name: &str) -> String {
    json.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

async fn call(link: &mut Link, method: &str, params: Vec<Value>) -> Result<Value, Status> {
    let token = link.client().call(method, params);
    loop {
        match link.next().await {
            Event::Answered(of, Ok(result)) if of == token => return Ok(result),
            Event::Answered(of, Err(error)) if of == token => return Err(refused(&error)),
            Event::Disconnected(reason) => return Err(Status::unavailable(reason)),
            _ => {}
        }
    }
}

async fn next_contents(link: &mut Link) -> Result<(), Status> {
    loop {
        match link.next().await {
            Event::Ready(_) | Event::Changed(_) => return Ok(()),
            Event::Disconnected(reason) | Event::Failed(reason) => return Err(Status::unavailable(reason)),
            _ => {}
        }
    }
}

async fn wait_for_switch(link: &mut Link, next_cfg: i64) -> Result<(), Status> {
    loop {
        let current = link.replica().and_then(|replica| replica.rows(OPEN_VSWITCH).next()?.int("cur_cfg"));
        if current.is_some_and(|current| current >= next_cfg) {
            return Ok(());
        }
        next_contents(link).await?;
    }
}

/// Updates that may wait for a client; beyond that the database's own back-pressure takes over.
const UPDATES: usize = 16;
/// How often a change is tried while others change the same rows.
const TRIES: usize = 10;
const MIN_INTERVAL_MS: u32 = 100;
