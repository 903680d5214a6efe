# Runs a server for as long as its owner holds this script's standard input open.
# usage: sh -c "$(cat keeper.sh)" keeper SIGNAL COMMAND…
# Prints the server's process id; ends with the server's exit status. If the owner lets go first
# (it was killed, perhaps), the server gets SIGNAL.
signal=$1
shift
exec 3<&0
"$@" </dev/null 3<&- >&2 &
server=$!
echo "$server"
{
  cat
  kill -s "$signal" "$server"
  kill -s CONT "$server"
} <&3 >/dev/null 2>&1 &
watcher=$!
wait "$server"
status=$?
# From here on the number may belong to another process: nobody may signal it any more.
kill -s KILL "$watcher" 2>/dev/null
exit "$status"
