#!/usr/bin/env bash
# Fetches a published data set into datasets/, laid out as datasets/README.md says.
#
#   bash data_download.sh caltech|voc|coco|market|tiny|all
#
# Run the same command again after any interruption: what has arrived is kept, and what is
# whole is left alone. datasets/README.md lists the variables that change addresses, sizes,
# checksums and folders, and the exit codes. Needs curl, tar and Python 3.

set -euo pipefail

readonly USAGE="usage: bash data_download.sh caltech|voc|coco|market|tiny|all"
# What the exit codes mean; 2, 4 and 7 are the same as the application's.
readonly NO_TOOL=1 BAD_ARGUMENT=2 NO_ANSWER=3 NOT_AS_PUBLISHED=4 NO_ROOM=7 BUSY=8

home=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
datasets=${RIS_DATASETS_DIR:-${RIS_HOME:-$home}/datasets}
python=${PYTHON:-python3}

main() {
    local name names todo=""
    case ${1-} in
        caltech | caltech101) names="caltech" ;;
        voc | voc2012) names="voc" ;;
        coco) names="coco_annotations coco_images" ;;
        market | market1501) names="market" ;;
        tiny | tinyimagenet | tiny_imagenet) names="tiny" ;;
        all) names="caltech voc coco_annotations coco_images tiny market" ;;
        -h | --help) echo "$USAGE" && exit 0 ;;
        "") die $BAD_ARGUMENT "no data set named; $USAGE" ;;
        *) die $BAD_ARGUMENT "unknown data set \"$1\"; $USAGE" ;;
    esac
    [ $# -eq 1 ] || die $BAD_ARGUMENT "one data set at a time; $USAGE"
    readonly again="\"bash data_download.sh $1\""

    for name in $names; do
        if is_here "$name"; then
            say "nothing to do, all of it is in $found"
            remove_leftovers
        else
            todo="$todo $name"
        fi
    done
    [ -n "$todo" ] || return 0
    check_tools
    take_the_folder
    check_space "$todo"
    for name in $todo; do
        is_here "$name" || get "$name"
    done
}

# Sets what is known about one part: address, size in bytes (empty: not known, `about` is a
# guess), MD5 (empty: only the size is checked), the archive and the folder here, the number of
# images, and `growth`, the room that the unpacked files take, in percent of the archive; and
# `or_page`, where people get it whose download is refused.
describe() {
    part=$1 or_page=""
    case $part in
        caltech)
            url=${CALTECH_URL:-https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip}
            size=${CALTECH_SIZE:-137414764} md5=${CALTECH_MD5-3138e1922a9193bfa496528edbbc45d0}
            archive=$datasets/caltech-101.zip target=$datasets/caltech101
            images=${CALTECH_IMAGES:-9144} growth=250
            ;;
        voc)
            url=${VOC_URL:-http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar}
            size=${VOC_SIZE:-1999639040} md5=${VOC_MD5-6cd6e144f989b92b3379bac3b3de84fd}
            archive=$datasets/VOCtrainval_11-May-2012.tar target=$datasets/voc2012/VOCdevkit/VOC2012
            images=${VOC_IMAGES:-17125} growth=110
            ;;
        coco_images)
            url=${COCO_URL:-http://images.cocodataset.org/zips/val2014.zip}
            size=${COCO_SIZE:-6645013297} md5=${COCO_MD5-a3d79f5ed8d289b7a7554ce06a5782b3}
            archive=$datasets/val2014.zip target=$datasets/coco/val2014
            images=${COCO_IMAGES:-40504} growth=110
            ;;
        coco_annotations)
            url=${COCO_ANNOTATIONS_URL:-http://images.cocodataset.org/annotations/annotations_trainval2014.zip}
            size=${COCO_ANNOTATIONS_SIZE:-252872794}
            md5=${COCO_ANNOTATIONS_MD5-0a379cfc70b0e71301e0f377548639bd}
            archive=$datasets/annotations_trainval2014.zip target=$datasets/coco/annotations
            images=0 growth=400
            ;;
        market)
            url=https://drive.usercontent.google.com/download?id=0B8-rUzbwVRk0c054eEozWG9COHM
            url=${MARKET_URL:-$url&resourcekey=0-8nyl7K9_x37HlQm34MmrYQ&export=download&confirm=t}
            size=${MARKET_SIZE-} md5=${MARKET_MD5-65005ab7d12ec1c44de4eeafe813e68a}
            archive=$datasets/Market-1501-v15.09.15.zip
            target=$datasets/market1501/Market-1501-v15.09.15
            images=${MARKET_IMAGES:-23100} growth=250
            or_page=", or save what datasets/README.md links to as $archive and run it"
            ;;
        tiny)
            url=${TINY_URL:-http://cs231n.stanford.edu/tiny-imagenet-200.zip}
            size=${TINY_SIZE:-248100043} md5=${TINY_MD5-90528d7ca1a48142e341f4ef8d21d0de}
            archive=$datasets/tiny-imagenet-200.zip
            target=$datasets/tiny_imagenet/tiny-imagenet-200
            images=${TINY_IMAGES:-100000} growth=250
            ;;
    esac
    about=${size:-160000000}
    unpacking=$(dirname "$target")/.unpacking-$(basename "$target")
}

# Whether a part is whole in one of the places where the application looks; sets `found`.
is_here() {
    describe "$1"
    local places=("$target")
    case $part in
        caltech) places+=("$target/101_ObjectCategories" "$target/caltech-101/101_ObjectCategories") ;;
        voc) places+=("$datasets/voc2012") ;;
        market) places+=("$datasets/market1501") ;;
        tiny) places+=("$datasets/tiny_imagenet") ;;
    esac
    for found in "${places[@]}"; do
        if is_whole "$found"; then return 0; fi
    done
    return 1
}

# Whether a folder holds as many files as were published. Folders get their names only once
# they are whole, so this also tells a copy made by hand that lacks something.
is_whole() {
    case $part in
        caltech) [ "$(count "$1" 2 'image_*.jpg')" -ge "$images" ] ;;
        voc)
            [ "$(count "$1/JPEGImages" 1 '*.jpg')" -ge "$images" ] &&
                [ "$(count "$1/Annotations" 1 '*.xml')" -ge "$images" ]
            ;;
        coco_images) [ "$(count "$1" 1 '*.jpg')" -ge "$images" ] ;;
        coco_annotations) [ -s "$1/instances_val2014.json" ] ;;
        market)
            [ "$(($(count "$1/bounding_box_test" 1 '*.jpg') + $(count "$1/query" 1 '*.jpg')))" \
                -ge "$images" ]
            ;;
        tiny) [ -s "$1/words.txt" ] && [ "$(count "$1/train" 3 '*.JPEG')" -ge "$images" ] ;;
    esac
}

# The number of files of that name, so many folders deep.
count() {
    { find -L "$1" -mindepth "$2" -maxdepth "$2" -type f -name "$3" 2>/dev/null || true; } |
        wc -l | tr -d ' '
}

check_tools() {
    local tool
    for tool in curl tar "$python"; do
        command -v "$tool" >/dev/null || die $NO_TOOL "$tool is needed: install it, then run $again"
    done
}

# Makes the folder, and keeps a second run out of it until this one and its children end.
take_the_folder() {
    local lock=$datasets/.download.lock
    { mkdir -p "$datasets" && (: >>"$lock"); } 2>/dev/null ||
        die $NO_ROOM "cannot write to $datasets: change its permissions, or set RIS_DATASETS_DIR"
    exec 9>>"$lock"
    "$python" -I -c '
import sys
try:
    import fcntl
    fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    sys.exit(1)
except (ImportError, OSError):
    pass  # no such locks on this system or disk
' || die $BUSY "another download into $datasets is at work: wait for it to end"
}

# Every part is one archive at a time beside all that is unpacked so far.
check_space() {
    local name peak=0 needed=0 unpacked=0 free
    for name in $1; do
        describe "$name"
        rm -rf "$unpacking"
        unpacked=$((unpacked + about * growth / 100))
        peak=$((unpacked + about - $(bytes "$archive") - $(bytes "$archive.part")))
        if [ "$peak" -gt "$needed" ]; then needed=$peak; fi
    done
    free=$(df -Pk "$datasets" | awk 'NR == 2 { print $4 }')
    [ "$((needed / 1024))" -le "$free" ] ||
        die $NO_ROOM "$(megabytes "$needed") are needed and $(megabytes $((free * 1024))) are free" \
            "in $datasets: make room, or set RIS_DATASETS_DIR to a folder on a larger disk"
}

get() {
    describe "$1"
    if [ ! -f "$archive" ]; then download; fi
    check_archive
    unpack
    remove_leftovers
    say "whole, in $target"
}

download() {
    local have reason status code=0 host=${url#*//}
    host=${host%%/*}
    have=$(bytes "$archive.part")
    if [ -n "$size" ] && [ "$have" -gt "$size" ]; then have=0 && rm "$archive.part"; fi
    if [ -z "$size" ] || [ "$have" -lt "$size" ]; then
        say "fetching from $host ($(megabytes "$have") of $(whole) are here)"
        status=$(fetch) || code=$?
        if [ "$code" -eq 33 ]; then
            say "$host cannot resume, starting again"
            have=0 && rm "$archive.part"
            status=$(fetch) && code=0 || code=$?
        fi
        # Nothing is left to fetch of a file whose size was not known: its MD5 is looked at next.
        if [ -z "$size" ] && [ "$have" -gt 0 ] && [ "${status:-}" = 416 ]; then code=0; fi
        reason="curl error $code"
        if [ "$code" -eq 22 ]; then reason="HTTP $status"; fi
        if [ "$code" -eq 23 ]; then
            die $NO_ROOM "cannot write $archive.part: make room, then run $again"
        elif [ "$code" -ne 0 ] && [ "$(bytes "$archive.part")" -gt "$have" ]; then
            die $NO_ANSWER "the connection to $host broke ($reason) after" \
                "$(megabytes "$(bytes "$archive.part")") of $(whole):" \
                "run $again, it goes on from there"
        elif [ "$code" -ne 0 ]; then
            die $NO_ANSWER "cannot fetch from $host ($reason): check the network and run $again," \
                "or get $url by other means, save it as $archive and run $again"
        fi
    fi
    mv "$archive.part" "$archive"
}

# Appends the rest of the archive to what is here; prints the HTTP status.
fetch() {
    local progress=--silent
    if [ -t 2 ]; then progress=--progress-bar; fi
    curl "$progress" --fail --location --proto '=http,https' --proto-redir '=http,https' \
        --connect-timeout 30 --speed-limit 1000 --speed-time 60 --write-out '%{http_code}' \
        --continue-at - --output "$archive.part" "$url"
}

check_archive() {
    local is
    is=$(bytes "$archive")
    if [ "$is" -ne "${size:-$is}" ]; then
        rm "$archive"
        die $NOT_AS_PUBLISHED "$archive had $is bytes instead of $size and was removed: run $again"
    fi
    if [ -z "$md5" ]; then return 0; fi
    say "checking"
    is=$(md5_of "$archive")
    if [ "$is" != "$md5" ]; then
        rm "$archive"
        die $NOT_AS_PUBLISHED "$archive had the MD5 $is instead of $md5 and was removed:" \
            "run $again$or_page"
    fi
}

# Unpacks beside the target; the folder gets its name in one step, when it is whole.
unpack() {
    local made reason
    say "unpacking"
    { mkdir -p "$(dirname "$target")" && rm -rf "$unpacking" && mkdir "$unpacking"; } 2>/dev/null ||
        die $NO_ROOM "cannot write to $(dirname "$target"): change its permissions, then run $again"
    reason=$(unpack_files 2>&1) || {
        rm -rf "$unpacking"
        die $NO_ROOM "cannot unpack $archive (${reason##*$'\n'}): make room in $datasets and run" \
            "$again; if that does not help, remove the archive"
    }
    case $part in
        caltech) made=$unpacking/101_ObjectCategories ;;
        voc) made=$unpacking/VOCdevkit/VOC2012 ;;
        coco_images) made=$unpacking/val2014 ;;
        coco_annotations) made=$unpacking/annotations ;;
        market | tiny) made=$unpacking/$(basename "$target") ;;
    esac
    is_whole "$made" || {
        rm -rf "$unpacking"
        die $NOT_AS_PUBLISHED "$archive lacks files that were published: remove it and run $again"
    }
    put_aside "$target"
    mv "$made" "$target"
}

unpack_files() {
    case $part in
        voc) untar <"$archive" ;;
        caltech) unzip_archive && untar -z <"$unpacking/caltech-101/101_ObjectCategories.tar.gz" ;;
        *) unzip_archive ;;
    esac
}

unzip_archive() {
    "$python" -I -m zipfile -e "$archive" "$unpacking"
}

untar() {
    tar "$@" --no-same-owner --no-same-permissions -xf - -C "$unpacking"
}

# Moves a folder that is not whole out of the way; what is in it may be someone's own.
put_aside() {
    local number=1
    if [ ! -e "$1" ] && [ ! -L "$1" ]; then return 0; fi
    if rmdir "$1" 2>/dev/null; then return 0; fi
    while [ -e "$1.old-$number" ]; do number=$((number + 1)); done
    mv "$1" "$1.old-$number"
    say "what was in $1 was not whole; it is now in $1.old-$number"
}

# After a run that was cut off between naming the folder and this, the next run comes here.
remove_leftovers() {
    rm -rf "$unpacking" "$archive" "$archive.part" 2>/dev/null || true
}

md5_of() {
    if command -v md5sum >/dev/null; then md5sum <"$1" | cut -d ' ' -f 1; else md5 -q "$1"; fi
}

bytes() {
    if [ -f "$1" ]; then wc -c <"$1" | tr -d ' '; else echo 0; fi
}

# How much there is to fetch.
whole() {
    if [ -n "$size" ]; then megabytes "$size"; else echo "about $(megabytes "$about")"; fi
}

megabytes() {
    echo "$((($1 + 999999) / 1000000)) MB"
}

say() {
    echo "${part//_/ }: $*"
}

die() {
    local code=$1
    shift
    echo "data_download.sh: $*." >&2
    exit "$code"
}

main "$@"
