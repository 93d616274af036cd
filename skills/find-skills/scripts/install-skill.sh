#!/usr/bin/env bash
# Copies one skill into a project's .skills directory, after checking it. Runs nothing of what it copies.
set -euo pipefail

usage() {
  cat <<'HELP'
usage: install-skill.sh SOURCE [--path DIR] [--ref REF] [--into DIR] [--dry-run]

  SOURCE       a local directory, or the URL of a git repository (https://, ssh://, git@host:, file://)
  --path DIR   the skill's directory inside SOURCE, relative; default: SOURCE itself
  --ref REF    tag, branch or full commit of the repository; default: its main branch
  --into DIR   the skills directory; default: the nearest .skills, here or above
  --dry-run    check only, copy nothing

Exit codes: 0 installed (or would be), 1 refused or failed, 2 wrong arguments.
HELP
}

fail() {
  printf 'install-skill: %s\n' "$1" >&2
  exit "${2:-1}"
}

source='' path='' ref='' into='' dry_run=''
while (($#)); do
  case $1 in
    -h | --help)
      usage
      exit 0
      ;;
    --path | --ref | --into)
      (($# >= 2)) || fail "$1 needs a value" 2
      [[ -n $2 ]] || fail "$1 needs a value" 2
      case $1 in
        --path) path=$2 ;;
        --ref) ref=$2 ;;
        --into) into=$2 ;;
      esac
      shift 2
      ;;
    --dry-run)
      dry_run=yes
      shift
      ;;
    -*) fail "unknown option $1; --help tells" 2 ;;
    *)
      [[ -z $source ]] || fail "one source only; --help tells" 2
      source=$1
      shift
      ;;
  esac
done
[[ -n $source ]] || {
  usage >&2
  exit 2
}

# Where to.
if [[ -z $into ]]; then
  dir=$PWD
  while [[ ! -d $dir/.skills ]]; do
    [[ $dir != / && -n $dir ]] || fail 'no .skills directory here or above; name one with --into'
    dir=$(dirname -- "$dir")
  done
  into=$dir/.skills
fi
[[ -d $into ]] || fail "$into is not a directory"
into=$(cd -- "$into" && pwd -P)

# Where from.
case /$path/ in
  //*/) [[ -z $path ]] || fail "--path must be relative: $path" 2 ;;
  */../*) fail "--path must not lead upwards: $path" 2 ;;
esac
work=''
staged=''
cleanup() {
  [[ -z $work ]] || rm -rf -- "$work"
  [[ -z $staged ]] || rm -rf -- "$staged"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

case $source in
  https://* | ssh://* | git@*:* | file://*)
    command -v git >/dev/null || fail 'git is not installed'
    case $ref in -*) fail "not a ref: $ref" 2 ;; esac
    work=$(mktemp -d)
    unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY
    # Nothing of the repository runs: no hooks, no submodules, no filters of its own, no questions.
    export GIT_TERMINAL_PROMPT=0 GIT_LFS_SKIP_SMUDGE=1
    export GIT_SSH_COMMAND=${GIT_SSH_COMMAND:-ssh -oBatchMode=yes}
    git=(git -C "$work" -c core.hooksPath=/dev/null -c protocol.ext.allow=never -c core.symlinks=true)
    "${git[@]}" init -q . || fail "cannot prepare $work"
    "${git[@]}" fetch -q --depth 1 --no-tags --no-recurse-submodules -- "$source" "${ref:-HEAD}" ||
      fail "cannot fetch ${ref:-HEAD} of $source"
    "${git[@]}" checkout -q --detach FETCH_HEAD || fail "cannot check out ${ref:-HEAD}"
    printf 'commit %s\n' "$("${git[@]}" rev-parse HEAD)"
    rm -rf -- "$work/.git"
    top=$work
    ;;
  *://* | *::*) fail "not a source that is understood: $source" 2 ;;
  *)
    [[ -z $ref ]] || fail '--ref is for repositories only' 2
    [[ -d $source ]] || fail "no such directory: $source"
    top=$source
    ;;
esac
top=$(cd -- "$top" && pwd -P)
[[ -d $top/$path ]] || fail "no directory $path in $source"
from=$(cd -- "$top/$path" && pwd -P)
# A link on the way may have led out.
[[ $from == "$top" || $from == "$top"/* ]] || fail "$path leads out of $source"
[[ -f $from/SKILL.md && ! -L $from/SKILL.md ]] || fail "no SKILL.md in ${path:-$source}; --path names the skill's directory"

# What it is.
bom=$'\xef\xbb\xbf'
matter=$(tr -d '\r' <"$from/SKILL.md" | sed "1s/^$bom//" | awk '
  NR == 1 { if ($0 !~ /^---[ \t]*$/) exit; inside = 1; next }
  inside && /^(---|\.\.\.)[ \t]*$/ { closed = 1; exit }
  inside { print }
  END { exit !closed }
') || fail 'SKILL.md has no front matter between --- lines'
name=$(awk '/^name:/ { sub(/^name:[ \t]*/, ""); sub(/[ \t]*$/, ""); print; exit }' <<<"$matter")
case $name in
  \"*\" | \'*\') name=${name:1:${#name}-2} ;;
esac
[[ -n $name ]] || fail 'SKILL.md has no name'
[[ $name =~ ^[a-z0-9]+(-[a-z0-9]+)*$ && ${#name} -le 64 ]] ||
  fail 'the name must be a-z, 0-9 and single hyphens, at most 64 characters'
# A description may go on in indented lines.
description=$(awk '
  /^description:/ { inside = 1; sub(/^description:[ \t]*/, ""); sub(/^[>|][-+0-9]*[ \t]*$/, ""); print; next }
  inside && /^[ \t]/ { print; next }
  inside { exit }
' <<<"$matter" | tr '\n' ' ' | sed 's/^[[:blank:]]*//; s/[[:blank:]]*$//')
[[ -n $description ]] || fail 'SKILL.md has no description'
[[ ${#description} -le 1100 ]] || fail 'the description is longer than 1024 characters'

# What it brings.
odd=$(find "$from" ! -type f ! -type d -print | head -n 1)
[[ -z $odd ]] || fail "neither a file nor a directory: ${odd#"$from"/}"
nested=$(find "$from" -mindepth 2 -name .git -print | head -n 1)
[[ -z $nested ]] || fail "holds a git repository: ${nested#"$from"/}"
kilobytes=$(du -sk -- "$from" | cut -f 1)
((kilobytes <= 10240)) || fail "larger than 10 MB ($kilobytes KB); --path names the skill's directory"

target=$into/$name
[[ ! -e $target && ! -L $target ]] || fail "$target exists; remove it first if it is to be replaced"
if [[ -n $dry_run ]]; then
  printf 'would install %s -> %s\n' "$name" "$target"
  exit 0
fi

# Copied aside, then moved in one step: nobody sees half a skill.
staged=$(mktemp -d "$into/.install-XXXXXX")
cp -R -- "$from/." "$staged/$name"
rm -rf -- "$staged/$name/.git"
[[ ! -e $target && ! -L $target ]] || fail "$target exists; remove it first if it is to be replaced"
mv -- "$staged/$name" "$target"
printf 'installed %s -> %s\n' "$name" "$target"
scripts=$(find "$target" -type f -perm -u+x -print)
[[ -z $scripts ]] || printf 'read before use:\n%s\n' "$scripts"
