//! Stories of a tool and a daemon.

use super::*;
use std::sync::Arc;

fn ask(commands: &Commands, command: &str, args: &[&str]) -> Result<String, String> {
    let (reply, mut answer) = Reply::channel();
    let args = args.iter().map(|arg| arg.to_string()).collect();
    commands.dispatch(Call { command: command.to_string(), args, reply });
    answer.try_recv().unwrap()
}

fn commands() -> Commands {
    let mut commands = Commands::new("weft-test 1");
    commands.immediate("cat/say", "[MESSAGE]...", 1, 2, |args| Ok(args.join(" ")));
    commands.immediate("cat/fail", "", 0, 0, |_| Err("no cat".to_string()));
    commands
}

#[test]
fn arguments_are_counted_before_the_handler_runs() {
    let commands = commands();
    assert_eq!(ask(&commands, "cat/say", &["a", "b"]), Ok("a b".to_string()));
    assert_eq!(ask(&commands, "cat/say", &[]), Err("\"cat/say\" command requires at least 1 arguments".to_string()));
    assert_eq!(ask(&commands, "version", &["1"]), Err("\"version\" command takes at most 0 arguments".to_string()));
    assert_eq!(
        ask(&commands, "nothing", &[]),
        Err("\"nothing\" is not a valid command (use \"list-commands\" to see a list of valid commands)".to_string())
    );
}

#[test]
fn commands_list_themselves() {
    let listing = ask(&commands(), "list-commands", &[]).unwrap();
    assert_eq!(
        listing,
        "The available commands are:\n  cat/fail                \n  cat/say                 [MESSAGE]...\n  \
         list-commands           \n  version                 \n"
    );
}

#[tokio::test]
async fn a_client_asks_over_the_socket_and_the_owner_answers_later() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d.ctl");
    let mut commands = commands();
    let (to_owner, mut owner) = mpsc::channel(4);
    commands.forward("owner/ask", "", 0, 9, to_owner, |call| call);
    let server = Server::bind("d", path.to_str()).unwrap().unwrap();
    let serving = tokio::spawn(server.run(Arc::new(commands)));
    let owning = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Some(call) = owner.recv().await {
            let call: Call = call;
            if call.args == ["drop"] {
                continue;
            }
            held.push(call.args.join("+"));
            call.reply.ok(held.join(","));
        }
    });
    let answers = tokio::task::spawn_blocking(move || {
        let mut client = Client::connect(&Target { socket: path }).unwrap();
        let mut ask = |command: &str, args: &[&str]| {
            client.call(command, &args.iter().map(|arg| arg.to_string()).collect::<Vec<_>>()).unwrap()
        };
        [
            ask("owner/ask", &["a", "b"]),
            ask("owner/ask", &["c"]),
            ask("owner/ask", &["drop"]),
            ask("cat/fail", &[]),
            ask("version", &[]),
        ]
    })
    .await
    .unwrap();
    serving.abort();
    owning.abort();
    assert_eq!(answers[0], Ok("a+b\n".to_string()));
    assert_eq!(answers[1], Ok("a+b,c\n".to_string()));
    assert_eq!(answers[2], Err("\"owner/ask\" was abandoned by the daemon\n".to_string()));
    assert_eq!(answers[3], Err("no cat\n".to_string()));
    assert_eq!(answers[4], Ok("weft-test 1\n".to_string()));
}

#[test]
fn a_missing_target_is_explained() {
    assert_eq!(Target::find("/x/y.ctl").unwrap().socket, std::path::Path::new("/x/y.ctl"));
    let error = Client::connect(&Target { socket: "/nonexistent/y.ctl".into() }).unwrap_err();
    assert_eq!(error.to_string(), "cannot connect to \"/nonexistent/y.ctl\" (No such file or directory)");
}
