//! The program as its user meets it: the demo, and bad input.

use std::fs;
use std::io::{BufRead, Read};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Server, hello, mail, next_json, program, run};

#[test]
fn the_demo_explains_itself() {
    let mut server = Server::start(Command::new(program()).args(["127.0.0.1:0", "--demo"]));
    let mut said = String::new();
    while !said.contains(" deliver ") {
        assert!(server.stdout.read_line(&mut said).unwrap() > 0, "{said}");
    }
    assert!(said.contains("OPEN: "), "{said}");
    assert!(said.contains(&format!("http://{}/?mailbox=alice\n", server.address)), "{said}");
    let mut ws = server.watch("alice");
    assert_eq!(next_json(&mut ws), hello("alice", 0, 0));
    let command = said.lines().last().unwrap().trim();
    let delivered = Command::new("sh").args(["-c", command]).output().unwrap();
    assert!(delivered.status.success(), "{delivered:?}");
    let notice = mail("alice", 1, 1, "Bob <bob@example.org>", "Dinner at seven?");
    assert_eq!(next_json(&mut ws), notice);
    let file = String::from_utf8(delivered.stdout).unwrap();
    let root =
        Path::new(file.trim().strip_prefix("delivered ").unwrap()).ancestors().nth(3).unwrap();
    assert!(root.file_name().unwrap().to_str().unwrap().starts_with("mail_notifier-"), "{root:?}");
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn a_demo_that_does_not_start_leaves_nothing() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let (temporary, key) = (tempfile::tempdir().unwrap(), tempfile::NamedTempFile::new().unwrap());
    fs::write(key.path(), "short\n").unwrap();
    let (free, key) = ("127.0.0.1:0", key.path().to_str().unwrap());
    // Nobody reads what is written to the one end.
    let closed = || Stdio::from(OwnedFd::from(UnixStream::pair().unwrap().0));
    for (arguments, stdout, named) in [
        (&[taken.as_str(), "--demo"][..], Stdio::null(), taken.as_str()),
        (&[free, "--demo", "--internal", &taken], Stdio::null(), &taken),
        (&[free, "--demo", "--internal", free, "--publish-key", key], Stdio::null(), "5 bytes"),
        (&[free, "--demo"], closed(), "cannot print"),
    ] {
        let mut command = Command::new(program());
        command.args(arguments).env("TMPDIR", temporary.path()).stdout(stdout);
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(named), "{arguments:?}: {said}");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "{arguments:?}");
    }
}

#[test]
fn a_key_is_a_regular_file() {
    let folder = tempfile::tempdir().unwrap();
    let (key, pipe) = (folder.path().join("key"), folder.path().join("pipe"));
    fs::write(&key, [b'k'; 32]).unwrap();
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let (key, pipe) = (key.to_str().unwrap(), pipe.to_str().unwrap());
    for file in [pipe, "/dev/null", folder.path().to_str().unwrap()] {
        let internal = ["127.0.0.1:0", "--internal", "127.0.0.1:0"];
        for arguments in [
            &["token", "alice", "--token-key", file][..],
            &[&internal[..], &["--token-key", file, "--publish-key", key]].concat(),
            &[&internal[..], &["--token-key", key, "--publish-key", file]].concat(),
        ] {
            let output = run(arguments);
            let said = String::from_utf8(output.stderr).unwrap();
            let expected =
                format!("mail_notifier: cannot use the key in {file}: it is no regular file\n");
            assert_eq!((output.status.code(), said), (Some(1), expected), "{arguments:?}");
        }
    }
}

#[test]
fn who_asks_for_more_connections_than_there_are_descriptors_is_warned() {
    let root = tempfile::tempdir().unwrap();
    let log = |more: &[&str]| {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n 200; exec \"$@\"", "sh"]).arg(program());
        command.args(["127.0.0.1:0", "--demo", "--mail"]).arg(root.path()).args(more);
        let mut server = Server::start(command.stderr(Stdio::piped()));
        let mut log = server.process.stderr.take().unwrap();
        // What there is to warn of is said before the server looks for a signal.
        server.signal("TERM");
        let mut said = String::new();
        log.read_to_string(&mut said).unwrap();
        assert!(said.contains(" info ended "), "{said}");
        said
    };
    for quiet in [&[][..], &["--max-connections", "200"]] {
        let said = log(quiet);
        assert!(!said.contains(" warn "), "{quiet:?}: {said}");
    }
    let said = log(&["--max-connections", "201"]);
    let expected = " warn few_descriptors limit=200 max_connections=201 hint=\"ulimit -n\"\n";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn bad_input_is_one_line_and_a_status() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    let (root, file) = (root.path().to_str().unwrap(), file.to_str().unwrap());
    let cases: [(&[&str], i32, &str); 20] = [
        (&["--port", "1"], 2, "--port"),
        (&["localhost"], 2, "localhost"),
        (&["127.0.0.1:0", "--mail"], 2, "--mail"),
        (&["deliver", root], 2, "USER"),
        (&["deliver", root, "../alice"], 2, "../alice"),
        (&["deliver", root, "alice", "--subject", "a\nb"], 2, "--subject"),
        (&["127.0.0.1:0", "--mail", root], 2, "--token-key"),
        (&["--demo", "--token-key", file], 2, "--demo"),
        (&["--demo", "--publish-key", file], 2, "--internal"),
        (&["--demo", "--max-connections", "0"], 2, "--max-connections"),
        (&["--demo", "--ping", "soon"], 2, "--ping"),
        (&["--demo", "--drain", "1s", "--drain", "2s"], 2, "--drain"),
        (&["token", "alice"], 2, "--token-key"),
        (&["token", "alice", "--token-key", file], 1, file),
        (&["token", "../alice", "--token-key", file], 2, "../alice"),
        (&["--demo", &address, "--mail", root], 1, &address),
        (&["--demo", "127.0.0.1:0", "--mail", "/nowhere/at/all"], 1, "/nowhere/at/all"),
        (&["--demo", "127.0.0.1:0", "--mail", file], 1, file),
        (&["deliver", "/nowhere/at/all", "alice"], 1, "/nowhere/at/all"),
        (&["deliver", root, "file"], 1, file),
    ];
    for (arguments, status, named) in cases {
        let output = run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
        assert!(said.contains(named), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    let help = run(&["--help"]);
    assert!(help.status.success() && help.stdout.starts_with(b"Tells browsers about new mail"));
}
