//! Programs drive a switch over gRPC, with a client that was generated from the same proto file.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use weft_grpc::v1::{self, switch_client::SwitchClient};
use weft_tests::Stage;
use weft_tests::sandbox::story;

const FILE: &str = "[bridges.br0.ports.p1]\ntag = 10\ninterface.type = 'dummy'\n";

async fn client(stage: &Stage) -> Result<SwitchClient<Channel>> {
    let uri = format!("unix://{}", stage.run.join("grpc.sock").display());
    Ok(SwitchClient::new(Endpoint::try_from(uri)?.connect().await?))
}

fn run(story: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        tokio::time::timeout(Duration::from_secs(120), story).await.context("the story takes too long")?
    })
}

fn start(name: &str) -> Result<(Stage, weft_tests::stage::Daemon)> {
    let stage = Stage::for_test(name)?;
    let address = format!("--grpc={}", stage.run.join("grpc.sock").display());
    let daemon = stage.start(&["--enable-dummy=override", &address, "--grpc=tcp:127.0.0.1:6690"])?;
    Ok((stage, daemon))
}

fn toml(text: &str) -> Option<v1::Document> {
    Some(v1::Document { text: Some(v1::document::Text::Toml(text.to_owned())) })
}

#[test]
fn a_desired_state_over_grpc() {
    story("a_desired_state_over_grpc", || {
        let (stage, _daemon) = start("grpc-apply")?;
        run(async {
            let mut switch = client(&stage).await?;
            let plan = switch.plan(v1::PlanRequest { document: toml(FILE) }).await?.into_inner();
            let kinds: Vec<&str> = plan.consequences.iter().map(|consequence| consequence.kind.as_str()).collect();
            ensure!(kinds == ["add-bridge", "add-port"] && !plan.interrupts, "{plan:?}");
            ensure!(stage.vsctl("list-br")?.is_empty(), "planning changes nothing");
            let comment = "from a program".to_owned();
            let apply = v1::ApplyRequest { document: toml(FILE), comment, wait: true, confirm_seconds: 0 };
            let applied = switch.apply(apply.clone()).await?.into_inner();
            ensure!(applied.consequences == plan.consequences && applied.pending.is_empty(), "{applied:?}");
            ensure!(stage.vsctl("get Interface p1 ofport")?.trim() == "1");
            // Confirming, with every outcome.
            let document = toml("[bridges.br0.ports.p1]\ntag = 20\n");
            let risky = v1::ApplyRequest { document, confirm_seconds: 600, wait: true, ..apply };
            let pending = switch.apply(risky.clone()).await?.into_inner().pending;
            let history = switch.history(v1::HistoryRequest::default()).await?.into_inner();
            ensure!(history.pending == pending && history.commits[0].id == pending, "{history:?}");
            let busy = switch.apply(v1::ApplyRequest { document: toml("[bridges.br1]\n"), ..risky.clone() }).await;
            ensure!(busy.as_ref().is_err_and(|status| status.code() == Code::FailedPrecondition), "{busy:?}");
            let back = v1::ConfirmRequest { rollback: true, commit: String::new() };
            ensure!(switch.confirm(back).await?.into_inner().rolled_back);
            ensure!(stage.vsctl("get Port p1 tag")?.trim() == "10");
            switch.apply(risky).await?;
            switch.confirm(v1::ConfirmRequest::default()).await?;
            let nothing = switch.confirm(v1::ConfirmRequest::default()).await;
            ensure!(nothing.is_err_and(|status| status.code() == Code::FailedPrecondition));
            // The commit is found and undone.
            let history = switch.history(v1::HistoryRequest { limit: 1, ..Default::default() }).await?.into_inner();
            let commit = &history.commits[0];
            ensure!(commit.comment == "from a program", "{history:?}");
            let revert = v1::RevertRequest { commit: commit.id.clone(), comment: "undo".to_owned() };
            switch.revert(revert.clone()).await?;
            ensure!(stage.vsctl("get Port p1 tag")?.trim() == "10");
            let again = switch.revert(revert).await;
            ensure!(again.is_err_and(|status| status.code() == Code::FailedPrecondition));
            let wrong = switch.plan(v1::PlanRequest { document: toml("bridges = 3") }).await;
            ensure!(wrong.is_err_and(|status| status.code() == Code::InvalidArgument));
            Ok(())
        })
    });
}

#[test]
fn rows_and_counters_are_streamed() {
    story("rows_and_counters_are_streamed", || {
        let (stage, _daemon) = start("grpc-watch")?;
        run(async {
            // Over TCP this time.
            let mut switch = SwitchClient::new(Endpoint::from_static("http://127.0.0.1:6690").connect().await?);
            let selection =
                v1::Selection { table: "Port".to_owned(), columns: vec!["name".to_owned(), "tag".to_owned()] };
            let watch = v1::WatchRequest { database: String::new(), tables: vec![selection.clone()] };
            let mut updates = switch.watch(watch).await?.into_inner();
            let first = updates.message().await?.context("an update")?;
            ensure!(first.initial && first.rows.is_empty(), "{first:?}");
            stage.vsctl("add-br br0 -- add-port br0 p1 tag=5 -- set Interface p1 type=dummy")?;
            let update = updates.message().await?.context("an update")?;
            let tags = |update: &v1::WatchUpdate| -> Vec<String> {
                let rows = update.rows.iter().filter_map(|row| row.new.as_ref());
                rows.map(|row| format!("{:?}", row.columns.get("tag"))).collect()
            };
            ensure!(update.rows.len() == 2 && tags(&update).concat().contains("Integer(5)"), "{update:?}");
            let missing = v1::Selection { table: "Nonsense".to_owned(), columns: vec![] };
            let mut wrong =
                switch.watch(v1::WatchRequest { database: String::new(), tables: vec![missing] }).await?.into_inner();
            ensure!(wrong.message().await.is_err_and(|status| status.code() == Code::InvalidArgument));
            // Counters go up with frames.
            stage.appctl(&[
                "netdev-dummy/receive",
                "p1",
                "in_port(1),eth(src=00:00:00:00:00:01,dst=00:00:00:00:00:02),eth_type(0x1234)",
            ])?;
            let request = v1::StatisticsRequest { interval_ms: 100, bridges: vec!["br0".to_owned()] };
            let mut reports = switch.statistics(request).await?.into_inner();
            let mut last = 0;
            for _ in 0..2 {
                let report = reports.message().await?.context("a report")?;
                let port = report.ports.iter().find(|port| port.port == "p1").context("p1 is counted")?;
                ensure!(port.rx_packets == 1 && port.ofport == 1 && report.time_ms > last, "{report:?}");
                ensure!(report.misses >= 1, "{report:?}");
                last = report.time_ms;
            }
            let once = v1::StatisticsRequest { interval_ms: 0, bridges: vec!["none".to_owned()] };
            let mut once = switch.statistics(once).await?.into_inner();
            ensure!(once.message().await?.is_some_and(|report| report.ports.is_empty()));
            ensure!(once.message().await?.is_none(), "one report, then the end");
            Ok(())
        })
    });
}

/// What `vsctl --print-grpc` prints, understood by the rules of protobuf's JSON and sent.
#[test]
fn a_printed_call_does_what_vsctl_would_have_done() {
    story("a_printed_call_does_what_vsctl_would_have_done", || {
        let (stage, _daemon) = start("grpc-print")?;
        stage.vsctl("add-br br0")?;
        run(async {
            let mut switch = client(&stage).await?;
            let pool = DescriptorPool::decode(weft_grpc::DESCRIPTORS)?;
            let descriptor = pool.get_message_by_name("weft.v1.TransactRequest").context("is in the proto file")?;
            for (line, check, expected) in [
                ("--no-wait add-port br0 p1 tag=5 -- set Interface p1 type=dummy", "get Port p1 tag", "5"),
                ("--no-wait set Bridge br0 other_config:it's='1'", "get Bridge br0 other_config", "{\"it's\"=\"'1'\"}"),
                ("--no-wait add Port p1 trunks 1 2 -- set-fail-mode br0 secure", "get Port p1 trunks", "[1, 2]"),
                (
                    "--no-wait remove Port p1 trunks 1 -- set-controller br0 tcp:127.0.0.1:1",
                    "get Port p1 trunks",
                    "[2]",
                ),
                ("--no-wait del-port p1", "list-ports br0", ""),
            ] {
                let printed = stage.vsctl(&format!("--print-grpc {line}"))?;
                let (_, rest) = printed.split_once("-d '").context("a request")?;
                let (request, address) = rest.rsplit_once("' ").context("an address")?;
                ensure!(address.contains("weft.v1.Switch/Transact"), "{printed}");
                let request = request.replace(r"'\''", "'");
                let mut json = serde_json::Deserializer::from_str(&request);
                let message = DynamicMessage::deserialize(descriptor.clone(), &mut json)?;
                let request = v1::TransactRequest::decode(message.encode_to_vec().as_slice())?;
                let results = switch.transact(request).await?.into_inner().results;
                ensure!(!results.is_empty());
                ensure!(stage.vsctl(check)?.trim() == expected, "{line}: {}", stage.vsctl(check)?);
            }
            // A transaction that the database refuses says why.
            let delete = v1::Delete { table: "Nonsense".to_owned(), r#where: vec![] };
            let operation = v1::Operation { kind: Some(v1::operation::Kind::Delete(delete)) };
            let refused =
                switch.transact(v1::TransactRequest { database: String::new(), operations: vec![operation] }).await;
            ensure!(refused.is_err_and(|s| s.code() == Code::InvalidArgument && s.message().contains("Nonsense")));
            Ok(())
        })
    });
}
