#!/bin/sh
# Prints where real Spin does: its address on stdout, what the guest prints on stderr. With the embedded runtime it is the
# other way round, so that its two streams change places.
exec "$HTTPSERVER_BIN" "$@" 3>&1 1>&2 2>&3 3>&-
