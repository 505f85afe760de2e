
# `cargo xtask ARGUMENTS` is completed like `xtask ARGUMENTS`, next to cargo's own completions.
complete -c cargo -n "__fish_seen_subcommand_from xtask" -f -a "(complete -C (string replace -r '^.*?cargo\s+xtask' xtask -- (commandline -cp)))"
complete -c cargo -n "not __fish_seen_subcommand_from xtask" -a xtask -d "Builds, runs, tests and checks this repository"
