#!/bin/sh
# Prints on the streams where real Spin prints: its address on stdout, what the guest prints on stderr. The runtime has it the
# other way round, so the two streams change places. Cargo names the runtime for its tests.
exec "$CARGO_BIN_EXE_httpserver" "$@" 3>&1 1>&2 2>&3 3>&-
