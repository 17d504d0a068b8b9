# Shared by the scripts: messages, steps with their time, settings. To be sourced by bash.
# shellcheck shell=bash

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export source_dir
umask 022

say()
{
    printf '%s\n' "$*"
}

# fail MESSAGE [HINT...]: ends the script.
fail()
{
    printf 'error: %s\n' "$1" >&2
    shift
    local hint
    for hint in "$@"; do
        printf '  %s\n' "$hint" >&2
    done
    exit 1
}

need_root()
{
    [ "$(id -u)" = 0 ] || fail "this needs root" "run: sudo $0 $*"
}

milliseconds()
{
    local now=$EPOCHREALTIME
    printf '%s' "$((${now%[.,]*} * 1000 + 10#${now#*[.,]} / 1000))"
}

# duration MILLISECONDS: "850 ms" or "12.3 s"
duration()
{
    if [ "$1" -lt 1000 ]; then
        printf '%d ms' "$1"
    else
        printf '%d.%d s' "$(($1 / 1000))" "$(($1 % 1000 / 100))"
    fi
}

# step TITLE COMMAND...: runs the command with its output in a log. While it runs, a terminal shows the
# log's last line. On failure the log's end is shown, with $step_hint when it is set.
step()
{
    local title=$1 log started pid status=0
    shift
    log=$(mktemp "${TMPDIR:-/tmp}/atoll-step.XXXXXX")
    started=$(milliseconds)
    printf '%-46s' "$title"
    "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    if [ -t 1 ]; then
        show_progress "$pid" "$title" "$log"
    fi
    wait "$pid" || status=$?
    if [ "$status" != 0 ]; then
        printf 'failed (exit code %d)\n' "$status"
        tail -n 25 "$log" | sed 's/^/    /' >&2
        fail "step failed: $title" ${step_hint:+"$step_hint"} "full log: $log"
    fi
    printf '%s\n' "$(duration $(($(milliseconds) - started)))"
    rm -f "$log"
}

show_progress()
{
    local width=$((${COLUMNS:-80} - 46)) line
    while kill -0 "$1" 2>/dev/null; do
        line=$(tail -n 1 "$3" | tr -cd '[:print:]' | cut -c "1-$((width > 20 ? width : 20))")
        printf '\r%-46s%s\033[K' "$2" "$line"
        sleep 0.3
    done
    printf '\r%-46s\033[K' "$2"
}

# --- instances ---

build_dir=${ATOLL_BUILD:-$source_dir/build}
# as the Debian package lays them out
[ "$source_dir" != /usr/share/atoll ] || build_dir=/usr/lib/atoll

# built NAME: path of a built program.
built()
{
    local path
    for path in "$build_dir"/src/*/"$1" "$build_dir/$1"; do
        [ -x "$path" ] && { printf '%s' "$path"; return; }
    done
    fail "$1 is not built in $build_dir" "run: $source_dir/scripts/build"
}

# load_settings FLAGS...: exports the settings in force (configuration file, variables, flags).
load_settings()
{
    local program values
    program=$(built atoll-settings)
    values=$("$program" "$@") || fail "the settings cannot be used" "see: $program --help"
    set -a
    eval "$values"
    set +a
    [ -n "$ATOLL_IMAGES" ] || export ATOLL_IMAGES=$ATOLL_STATE/images
    [ -n "$ATOLL_CATALOGUE" ] || export ATOLL_CATALOGUE=$ATOLL_STATE/templates
}

# alive NAME: prints the pid of the instance's daemon NAME when it runs. A pid that the system has given to
# another program since is told apart by its start time.
alive()
{
    local pid start
    { read -r pid start <"$ATOLL_STATE/run/$1.pid"; } 2>/dev/null || return 1
    [ "$(start_time "$pid")" = "$start" ] || return 1
    printf '%s' "$pid"
}

start_time()
{
    local stat
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
    stat=${stat##*) }
    set -- $stat
    # a zombie does not count
    [ "$1" = Z ] || printf '%s' "${20}"
}

# wait_until SECONDS COMMAND...
wait_until()
{
    local deadline=$(($(milliseconds) + $1 * 1000))
    shift
    until "$@"; do
        [ "$(milliseconds)" -lt "$deadline" ] || return 1
        sleep 0.02
    done
}

# The URL of this machine's own clients.
service_url()
{
    local host=${ATOLL_LISTEN%:*} port=${ATOLL_LISTEN##*:}
    case $host in
    "" | 0.0.0.0 | "*") host=127.0.0.1 ;;
    "[::]") host="[::1]" ;;
    esac
    printf 'http://%s:%s' "$host" "$port"
}
