#!/bin/sh
# A tour of the gateway with curl: plain, streamed, Anthropic's API, the list of models, an error.
# Usage: ./tour.sh [QUESTION]      Variables: TOLLGATE_URL, TOLLGATE_KEY, MODELS (see ../README.md)
set -eu

url=${TOLLGATE_URL:-http://127.0.0.1:8080}
key=${TOLLGATE_KEY:-unused}
models=${MODELS:-anthropic:claude-3.5-sonnet openrouter:anthropic/claude-3.5-sonnet}
question=${1:-Say hello.}

# Texts go into JSON: escape what would end them.
escape() { printf '%s' "$1" | tr '\n\t' '  ' | sed 's/[\\"]/\\&/g'; }

list=$(for model in $models; do printf '"%s",' "$(escape "$model")"; done)
list="[${list%,}]"
messages="[{\"role\": \"user\", \"content\": \"$(escape "$question")\"}]"

# The key travels in a file descriptor, not in the process list.
call() {
    path=$1
    shift
    printf 'header = "Authorization: Bearer %s"\n' "$key" |
        curl --config - --silent --show-error --no-buffer --max-time 400 "$@" "$url$path"
    echo
}

echo '--- chat: the headers show who answered'
call /v1/chat/completions --include --json "{\"models\": $list, \"messages\": $messages}"

echo '--- chat, streamed'
call /v1/chat/completions --json "{\"models\": $list, \"messages\": $messages, \"stream\": true}"

echo '--- messages, streamed: the Anthropic API'
call /v1/messages --header 'anthropic-version: 2023-06-01' \
    --json "{\"models\": $list, \"max_tokens\": 200, \"messages\": $messages, \"stream\": true}"

echo '--- the models you may name'
call /v1/models

echo '--- a name without its provider: 422, ERR_NGROK_3804'
call /v1/chat/completions --include --json "{\"model\": \"anthropic/claude-3.5-sonnet\", \"messages\": $messages}"
