#!/usr/bin/env bash
# Talks to the running example at the address given: follows the document, changes it, and resumes.
set -euo pipefail
url=$1
seen=$(mktemp)
trap 'rm -f "$seen"' EXIT

# A stream never ends by itself: curl stops listening after its time, which is no failure.
listen() { curl --silent --no-buffer --max-time 2 "$@" "$url" || [ $? -eq 28 ]; }

listen >"$seen" &
sleep 0.5
curl --silent --fail --data '[{"op":"replace","path":"/greeting","value":"goodbye"}]' "$url"
wait
grep --quiet '"snapshot":.*"greeting":"hello"' "$seen"
grep --quiet '"patch":\[{"op":"replace","path":"/greeting","value":"goodbye"}\]' "$seen"

# Back with the first event's id, it gets what came after that, and not the whole again.
first=$(sed -n 's/^id: *//p' "$seen" | head -n 1)
listen --header "Last-Event-ID: $first" >"$seen"
grep --quiet '"patch":' "$seen"
if grep --quiet '"snapshot":' "$seen"; then
  echo "a snapshot, where a patch would do" >&2
  exit 1
fi

status=$(curl --silent --output "$seen" --write-out '%{http_code}' --data '[{"op":"remove","path":"/nothing"}]' "$url")
[ "$status" = 409 ]
echo "followed, changed, resumed, refused"
