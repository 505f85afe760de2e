
# Cargo's own completion calls this function for `cargo xtask`.
_cargo-xtask() {
    _xtask "$@"
}

# Without cargo's own completion.
if (( ! $+_comps[cargo] )); then
    _cargo_only_xtask() {
        if (( CURRENT > 2 )) && [[ $words[2] == xtask ]]; then
            shift words
            (( CURRENT-- ))
            _xtask
        else
            compadd xtask
        fi
    }
    compdef _cargo_only_xtask cargo
fi
