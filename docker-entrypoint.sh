#!/bin/sh
# Puts the gallery that came with the program into a volume without it, then runs the command.
#
# What a volume already holds stays as it is: a gallery built anew under that name, for instance.

set -eu

included=caltech101-efficientnet_lite0
program=$(cd "$(dirname "$0")" && pwd)
features=$RIS_HOME/features/$included
index=$RIS_HOME/indexes/$included

die() {
    echo "The volume at $RIS_HOME cannot be written by user $(id -u): run \"chown $(id -u) DIR\" on the folder that is mounted there." >&2
    exit 7
}

if [ ! -e "$index" ]; then
    # The index comes last and in one step, as what decides that the gallery exists; whatever is
    # cut off before that is done again at the next start.
    mkdir -p "$features" "$RIS_HOME/indexes" && new=$(mktemp -d "$RIS_HOME/.included.XXXXXX") || die
    cp -R "$program/features/$included/." "$features/"
    cp -R "$program/indexes/$included" "$new/"
    mv "$new/$included" "$index"
    rmdir "$new"
fi

exec "$@"
