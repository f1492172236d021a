//! What: `ovs-vswitchd`, and `vswitchd`, which has its database inside.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, RwLock};

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc};
use weft_base::SystemClock;
use weft_engine::Engine;
use weft_jsonrpc::address::{Address, OVSDB_PORT};
use weft_jsonrpc::connection::Connection;
use weft_jsonrpc::message::Message;
use weft_jsonrpc::rundir;
use weft_jsonrpc::session::Session;
use weft_jsonrpc::stream::Listener;
use weft_jsonrpc::unixctl::Server;
use weft_netdev::{Monitor, RouteMonitor};
use weft_pipeline::Pipeline;
use weft_server::database::Database;
use weft_server::serve::{Handle, OvsdbServer, OvsdbServerConfig};

use weft_server::storage::FileStorage;

use super::start::Base;
use crate::event::Event;
use crate::options::{Dummy, Options, Program};
use crate::owner::{Owner, Parts, Toggled};
use crate::serve::Sockets;
use crate::switch::{Devices, Switch, port_counters, set_admin};

/// Runs until told to end.
pub fn run(base: Base, program: Program, options: &Options) -> Result<ExitCode> {
    let Base { daemon, mut commands } = base;
    if options.mlockall
        && let Err(error) = rustix::mm::mlockall(rustix::mm::MlockAllFlags::all())
    {
        tracing::error!(target: "vswitchd", "mlockall failed: {error}");
    }
    // The whole switch's database writes to disk; on a thread of its own it delays nobody's packets or commands.
    let storage = (program == Program::Whole).then(Sockets::start).transpose()?;
    let sockets = Sockets::start()?;
    let (events, inbox) = mpsc::channel(EVENTS);
    let session = match &storage {
        Some(storage) => storage.handle().block_on(embedded(options, &mut commands))?,
        None => Session::to(database(options)?),
    };
    let (to_database, outgoing) = mpsc::unbounded_channel();
    sockets.handle().spawn(drive(session, outgoing, events.clone()));

    let wake = Arc::new(Notify::new());
    let clock = Arc::new(SystemClock::new());
    let devices: Devices = Arc::new(RwLock::new(BTreeMap::new()));
    let (bell, counted, administered) = (wake.clone(), devices.clone(), devices.clone());
    let administered_by_controllers: Toggled = Arc::default();
    let toggled = administered_by_controllers.clone();
    let hooks = weft_pipeline::Hooks {
        wake: Box::new(move || bell.notify_one()),
        port_counters: Box::new(move |name| port_counters(&counted, name)),
        set_admin: Box::new(move |name, up| {
            set_admin(&administered, name, up);
            toggled.lock().unwrap_or_else(|e| e.into_inner()).push(name.to_owned());
        }),
        ..weft_pipeline::Hooks::default()
    };
    let pipeline = Pipeline::new(hooks);
    let mut workers = weft_engine::Config::default();
    if let Some(count) = options.workers {
        workers.workers = count;
    }
    let engine = Engine::start(&workers, pipeline.clone(), clock.clone()).context("packet workers")?;
    let engine = Arc::new(engine);
    pipeline.attach(engine.clone());

    crate::commands::register(&mut commands, &events, options.dummy != Dummy::Off);
    {
        let _inside = sockets.handle().enter();
        if let Some(control) = Server::bind(program.name(), options.unixctl.as_deref()).context("control socket")? {
            sockets.handle().spawn(control.run(Arc::new(commands)));
        }
        for address in &options.grpc {
            serve_grpc(address, program, options, &events, &sockets)?;
        }
        let (monitor, listener) = (Monitor::open().context("netlink")?, events.clone());
        std::thread::Builder::new().spawn(move || follow_links(monitor, &listener))?;
        if !options.disable_system_route {
            let (monitor, listener) = (RouteMonitor::open().context("netlink")?, events.clone());
            std::thread::Builder::new().spawn(move || follow_routes(monitor, &listener))?;
        }
        let signals = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
        for kind in signals {
            let (mut signal, events) = (signal(kind)?, events.clone());
            sockets.handle().spawn(async move {
                signal.recv().await;
                let _ = events.send(Event::Terminate).await;
            });
        }
    }
    let topology = crate::pmd::topology(options.dummy_numa.as_deref());
    for line in crate::pmd::discovered(&topology) {
        tracing::info!(target: "ovs_numa", "{line}");
    }
    let switch = Switch::new(pipeline, engine, clock, devices, options.dummy, topology);
    let toggled = administered_by_controllers;
    Owner::new(Parts { switch, to_database, sockets, inbox, events, wake, toggled, daemon }).run();
    drop(storage);
    Ok(ExitCode::SUCCESS)
}

/// Listens for gRPC clients. The service is a client of the database server, wherever that is.
fn serve_grpc(
    address: &str,
    program: Program,
    options: &Options,
    events: &mpsc::Sender<Event>,
    sockets: &Sockets,
) -> Result<()> {
    let database = match program {
        Program::Whole => Address::Unix(rundir::run_dir().join("db.sock")),
        Program::Switch | Program::Database => database(options)?,
    };
    let passive = weft_grpc::parse_listen(address).map_err(anyhow::Error::msg)?;
    let listener = Listener::bind(&passive).with_context(|| format!("--grpc {address}"))?;
    let service = weft_grpc::Service::new(database, Some(crate::owner::grpc::counter_source(events.clone())));
    tracing::info!(target: "grpc", "serving gRPC at {passive}");
    sockets.handle().spawn(async move {
        if let Err(error) = weft_grpc::serve(listener, service).await {
            tracing::error!(target: "grpc", "gRPC ended: {error}");
        }
    });
    Ok(())
}

/// Where the database server listens.
fn database(options: &Options) -> Result<Address> {
    match options.arguments.first() {
        Some(text) => Ok(Address::parse(text, OVSDB_PORT)?),
        None => Ok(Address::Unix(rundir::run_dir().join("db.sock"))),
    }
}

/// Starts the database inside this process and connects to it.
async fn embedded(options: &Options, commands: &mut weft_jsonrpc::unixctl::Commands) -> Result<Session> {
    let file = options.arguments.first().map_or_else(|| rundir::db_dir().join("conf.db"), PathBuf::from);
    if !file.exists() {
        create(&file)?;
    }
    let mut remotes = options.remotes.clone();
    remotes.push(format!("punix:{}", rundir::run_dir().join("db.sock").display()));
    remotes.push("db:Open_vSwitch,Open_vSwitch,manager_options".to_owned());
    let tls = options.tls_columns.clone();
    let config = OvsdbServerConfig { databases: vec![file], remotes, tls, ..OvsdbServerConfig::default() };
    let server = OvsdbServer::start(config).map_err(|error| anyhow::anyhow!("{error}"))?;
    let handle: Handle = server.handle();
    weft_server::serve::register_commands(commands, &handle);
    let stream = handle.connect("switch").await.map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(Session::over(Connection::new(stream)))
}

/// Makes an empty database with our schema.
fn create(file: &Path) -> Result<()> {
    if let Some(dir) = file.parent() {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    let log = Database::initial_log(&weft_ovsdb::open_vswitch::schema());
    FileStorage::create(file, &log).map_err(|error| anyhow::anyhow!("{error}"))?;
    tracing::info!(target: "ovsdb_server", "created database {}", file.display());
    Ok(())
}

/// Moves messages between the database's session and the owner.
async fn drive(mut session: Session, mut outgoing: mpsc::UnboundedReceiver<Message>, events: mpsc::Sender<Event>) {
    loop {
        tokio::select! {
            event = session.next() => {
                if events.send(Event::Database(event)).await.is_err() {
                    return;
                }
            }
            message = outgoing.recv() => match message {
                Some(message) => {
                    // What was meant for a connection that is gone is gone with it.
                    let _ = session.send(message);
                }
                None => return session.flush().await,
            }
        }
    }
}

/// Tells the owner what happens to the machine's links, from a thread that ends with the process.
fn follow_links(mut monitor: Monitor, events: &mpsc::Sender<Event>) {
    loop {
        match monitor.wait() {
            Ok(news) => {
                if events.blocking_send(Event::Links(news)).is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(target: "netlink_notifier", "{error}");
                std::thread::sleep(PAUSE);
            }
        }
    }
}

/// Tells the owner of the machine's routes, and again when they have changed.
fn follow_routes(mut monitor: RouteMonitor, events: &mpsc::Sender<Event>) {
    loop {
        let told = weft_netdev::route::snapshot().and_then(|routes| {
            if events.blocking_send(Event::Routes(Box::new(routes))).is_err() {
                return Ok(false);
            }
            monitor.wait().map(|()| true)
        });
        match told {
            Ok(false) => return,
            Ok(true) => {}
            Err(error) => tracing::warn!(target: "route_table", "{error}"),
        }
        // routes come in crowds
        std::thread::sleep(PAUSE);
    }
}

/// Events that may wait for the owner; more make their senders wait.
const EVENTS: usize = 1024;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);
