//! The manual: pages for every command, which the program writes itself.

mod support;

use std::process::Command;

use support::Home;

#[tokio::test]
async fn there_is_a_page_for_every_command() {
    let home = Home::new();
    let page = home.run(&["man"]).await.ok().stdout;
    assert!(page.contains(".TH postroom 1") && page.contains(".SH SYNOPSIS"), "{page}");
    home.run(&["man", "pages"]).await.ok();
    let help = home.run(&["help"]).await.ok().stdout;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let mut count = 0;
    for line in commands.take_while(|line| !line.is_empty()) {
        let Some(name) = line.split_whitespace().next().filter(|name| *name != "help") else {
            continue;
        };
        let page = std::fs::read_to_string(home.path(&format!("pages/postroom-{name}.1")));
        assert!(page.unwrap_or_default().contains(".SH OPTIONS"), "{name}");
        count += 1;
    }
    assert!(count > 12, "{help}");
    // Where there is a reader of such pages, it has nothing to complain of.
    let lint = Command::new("groff")
        .args(["-man", "-ww", "-z"])
        .arg(home.path("pages/postroom.1"))
        .output();
    if let Ok(lint) = lint {
        assert!(lint.status.success(), "{lint:?}");
    }
}
