//! Commands whose work is done by a program of its own: xtask knows their flags, and passes them on.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Command};

/// What was typed after the name of the subcommand `command`, without the flags that belong to every subcommand.
pub fn words(command: &Command, matches: &ArgMatches) -> Vec<OsString> {
    let mut words = Vec::new();
    for argument in command.get_arguments() {
        let id = argument.get_id().as_str();
        if argument.is_global_set() || matches.value_source(id) != Some(ValueSource::CommandLine) {
            continue;
        }
        let flag = argument.get_long().map(|long| OsString::from(format!("--{long}")));
        if let ArgAction::SetTrue = argument.get_action() {
            words.extend(flag);
            continue;
        }
        if argument.is_last_set() {
            words.push("--".into());
        }
        for value in matches.get_raw(id).into_iter().flatten() {
            // In one word, since a value may begin with a hyphen.
            let mut word = flag.clone().unwrap_or_default();
            word.push(if word.is_empty() { "" } else { "=" });
            word.push(value);
            words.push(word);
        }
    }
    if let Some((name, matches)) = matches.subcommand() {
        words.push(name.into());
        let command = command.find_subcommand(name).expect("it was parsed by this definition");
        words.extend(self::words(command, matches));
    }
    words
}

#[cfg(test)]
mod tests {
    use clap::{Args, Parser, Subcommand};

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(subcommand)]
        _action: Action,
        #[arg(short = 'g', long, global = true)]
        _verbose: bool,
    }

    #[derive(Subcommand)]
    enum Action {
        Plain(Plain),
        Nested {
            #[command(subcommand)]
            _inner: Inner,
        },
    }

    #[derive(Args)]
    struct Plain {
        #[arg(long)]
        flag: bool,
        #[arg(short, long, default_value = "default")]
        _value: String,
        _positional: Option<String>,
        #[arg(last = true)]
        _last: Vec<OsString>,
    }

    #[derive(Subcommand)]
    enum Inner {
        Kubectl {
            #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
            _arguments: Vec<OsString>,
        },
    }

    #[track_caller]
    fn check(typed: &[&str], expected: &[&str]) {
        use clap::CommandFactory;
        let mut command = Cli::command();
        let matches = command.try_get_matches_from_mut([&["program"], typed].concat()).unwrap();
        let (name, matches) = matches.subcommand().unwrap();
        assert_eq!(words(command.find_subcommand(name).unwrap(), matches), expected);
    }

    #[test]
    fn the_words_of_a_subcommand_are_passed_on() {
        check(&["plain"], &[]);
        check(&["plain", "--flag", "-g"], &["--flag"]);
        check(&["-g", "plain", "--value=-1", "a", "--", "-b"], &["--value=-1", "a", "--", "-b"]);
        check(&["nested", "kubectl", "get", "-A"], &["kubectl", "get", "-A"]);
    }
}
