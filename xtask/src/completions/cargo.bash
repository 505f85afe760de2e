
# `cargo xtask` is completed by the function above; everything else by cargo's own completion, if that was loaded before.
if [[ $(complete -p cargo 2>/dev/null) =~ -F\ ([^ ]+) && ${BASH_REMATCH[1]} != _cargo_or_xtask ]]; then
    _cargo_before_xtask=${BASH_REMATCH[1]}
fi

_cargo_or_xtask() {
    if [[ $COMP_CWORD -gt 1 && ${COMP_WORDS[1]} == xtask ]]; then
        COMP_WORDS=("${COMP_WORDS[@]:1}")
        COMP_CWORD=$((COMP_CWORD - 1))
        _xtask xtask "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
    elif [[ -n $_cargo_before_xtask ]]; then
        "$_cargo_before_xtask" "$@"
    elif [[ $COMP_CWORD -eq 1 && xtask == "$2"* ]]; then
        COMPREPLY=(xtask)
    fi
}

complete -o bashdefault -o default -F _cargo_or_xtask cargo
