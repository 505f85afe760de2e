//! The values of the variables, as the server itself takes them.

use test_support::{App, artifacts};

use crate::objects::Objects;

/// A server with the environment that the ConfigMap makes is ready, and serves the version in it.
pub fn check(rendered: &str) -> Result<(), String> {
    let objects = Objects::parse(rendered)?;
    let variables = objects.environments()?.into_iter().filter_map(|map| map.data).flatten();
    let mut app = App::httpserver(&artifacts::component());
    let mut version = String::new();
    for (name, value) in variables {
        if name == "SPIN_VARIABLE_VERSION" {
            version.clone_from(&value);
        }
        app = app.env(&name, value);
    }
    let answer = app.start().get("/readyz");
    if answer.status != 200 {
        return Err(format!("/readyz answers {}: {}", answer.status, answer.text()));
    }
    if answer.header("version") != Some(&version) {
        return Err(format!("expected the header `version: {version}`, got {:?}", answer.header("version")));
    }
    Ok(())
}
