#!/bin/sh
# Makes users and keyspace, and may run again: then it sets the password of `tidegate` anew. Passwords come by the environment.
set -eu

ask() { cqlsh cassandra 9042 -u "$1" -p "$2" -e "$3"; }

# As a text of CQL.
text() { printf "'%s'" "$(printf %s "$1" | sed "s/'/''/g")"; }

# A new cluster lets this user in, and nobody else; the account of the administrator takes its place.
if ! ask tidegate_admin "$ADMIN_PASSWORD" 'SELECT now() FROM system.local'; then
    ask cassandra cassandra \
        "ALTER KEYSPACE system_auth WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 3};
         CREATE ROLE IF NOT EXISTS tidegate_admin
             WITH SUPERUSER = true AND LOGIN = true AND PASSWORD = $(text "$ADMIN_PASSWORD")"
fi
ask tidegate_admin "$ADMIN_PASSWORD" \
    "ALTER ROLE cassandra WITH SUPERUSER = false AND LOGIN = false;
     CREATE KEYSPACE IF NOT EXISTS tidegate WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 3};
     CREATE ROLE IF NOT EXISTS tidegate WITH LOGIN = true AND PASSWORD = $(text "$PASSWORD");
     ALTER ROLE tidegate WITH PASSWORD = $(text "$PASSWORD");
     GRANT CREATE ON KEYSPACE tidegate TO tidegate;
     GRANT ALTER ON KEYSPACE tidegate TO tidegate;
     GRANT SELECT ON KEYSPACE tidegate TO tidegate;
     GRANT MODIFY ON KEYSPACE tidegate TO tidegate"
