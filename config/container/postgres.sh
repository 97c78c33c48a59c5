#!/bin/sh
# The ledger of the set: made at the first start; its network has the node and nobody else, hence no password.
set -eu
bin=$(echo /usr/lib/postgresql/*/bin)
data=/var/lib/postgresql/data
PATH="$bin:$PATH"
if [ ! -s "$data/PG_VERSION" ]; then
  rm -rf "$data.new"
  initdb --pgdata="$data.new" --auth-local=trust --auth-host=reject --encoding=UTF8 --locale=C.UTF-8 >/dev/null
  echo "host ra_node ra_node samenet trust" >>"$data.new/pg_hba.conf"
  pg_ctl --pgdata="$data.new" --silent --wait -o "-c listen_addresses='' -c unix_socket_directories=/tmp" start
  createuser --host=/tmp ra_node
  createdb --host=/tmp --owner=ra_node ra_node
  pg_ctl --pgdata="$data.new" --silent --wait --mode=fast stop
  mv "$data.new" "$data"
fi
exec postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories=/tmp
