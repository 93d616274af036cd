#!/usr/bin/env bash
# Checks the form of one skill: front matter, name, description, size, links. Changes nothing.
set -euo pipefail

case ${1:-} in
  -h | --help | '')
    echo 'usage: check-skill.sh SKILL_DIRECTORY'
    echo 'Prints one line for each problem. Exit codes: 0 none, 1 some, 2 wrong arguments.'
    [[ -n ${1:-} ]] && exit 0
    exit 2
    ;;
esac
dir=${1%/}
file=$dir/SKILL.md
[[ -f $file ]] || {
  echo "no SKILL.md in $dir" >&2
  exit 2
}
directory=$(basename -- "$(cd -- "$dir" && pwd -P)")

problems=0
problem() {
  printf '%s\n' "$1"
  problems=$((problems + 1))
}

bom=$'\xef\xbb\xbf'
text=$(tr -d '\r' <"$file" | sed "1s/^$bom//")
end=$(awk 'NR > 1 && /^(---|\.\.\.)[ \t]*$/ { print NR; exit }' <<<"$text")
if [[ ! $(head -n 1 <<<"$text") =~ ^---[[:blank:]]*$ || -z $end ]]; then
  problem 'front matter: the file must begin with a block between --- lines'
  exit 1
fi
matter=$(sed -n "2,$((end - 1))p" <<<"$text")
body=$(tail -n "+$((end + 1))" <<<"$text")

# The text of a top-level key, with what goes on in indented lines, without quotes.
value() {
  awk -v key="$1" '
    index($0, key ":") == 1 { inside = 1; sub(/^[^:]*:[ \t]*/, ""); sub(/^[>|][-+0-9]*[ \t]*$/, ""); print; next }
    inside && (/^[ \t]/ || /^$/) { print; next }
    inside { exit }
  ' <<<"$matter" | tr '\n\t' '  ' | tr -s ' ' | sed 's/^ //; s/ $//; s/^"\(.*\)"$/\1/; s/^'\''\(.*\)'\''$/\1/'
}

name=$(value name)
if [[ -z $name ]]; then
  problem 'name: missing'
else
  [[ $name == "$directory" ]] || problem "name: '$name' is not the directory's name '$directory'"
  [[ $name =~ ^[a-z0-9]+(-[a-z0-9]+)*$ ]] || problem 'name: a-z, 0-9 and single hyphens between them only'
  ((${#name} <= 64)) || problem "name: ${#name} characters, at most 64"
fi

description=$(value description)
if [[ -z $description ]]; then
  problem 'description: missing'
else
  ((${#description} <= 1024)) || problem "description: ${#description} characters, at most 1024"
  ((${#description} >= 40)) || problem 'description: too short to say what it does and when to use it'
  grep -qiE '(use|when)' <<<"$description" || problem 'description: does not say when to use the skill'
  [[ $description != *[\<\>]* ]] || problem 'description: holds < or >, which some agents refuse'
fi
compatibility=$(value compatibility)
((${#compatibility} <= 500)) || problem "compatibility: ${#compatibility} characters, at most 500"

while IFS= read -r key; do
  case $key in
    name | description | license | compatibility | metadata | allowed-tools) ;;
    *) problem "front matter: '$key' is not a key that every agent knows; put it under metadata" ;;
  esac
done < <(sed -n 's/^\([A-Za-z_][A-Za-z0-9_-]*\):.*/\1/p' <<<"$matter")

lines=$(wc -l <<<"$body")
((lines <= 500)) || problem "body: $lines lines, at most 500; move parts to references/"
[[ -n ${body//[[:space:]]/} ]] || problem 'body: empty'

# Links of the body lead to files; references lead nowhere deeper.
while IFS= read -r target; do
  case $target in
    *://* | '#'* | mailto:* | /*) ;;
    *) [[ -e $dir/${target%%#*} ]] || problem "body: links to $target, which is not there" ;;
  esac
done < <(grep -o '](\([^)]*\))' <<<"$body" | sed 's/^](//; s/)$//; s/ .*//' || true)
if [[ -d $dir/references ]]; then
  while IFS= read -r deeper; do
    problem "references: ${deeper#"$dir"/} is more than one level deep"
  done < <(find "$dir/references" -mindepth 2 -type f)
  while IFS= read -r reference; do
    grep -qF -- "references/$(basename -- "$reference")" "$file" ||
      problem "references: SKILL.md does not tell when to read $(basename -- "$reference")"
  done < <(find "$dir/references" -mindepth 1 -maxdepth 1 -type f)
fi
if [[ -d $dir/scripts ]]; then
  while IFS= read -r script; do
    [[ -x $script ]] || problem "scripts: $(basename -- "$script") is not executable"
  done < <(find "$dir/scripts" -type f \( -name '*.sh' -o -name '*.py' \))
fi
while IFS= read -r stray; do
  problem "stray file: ${stray#"$dir"/}"
done < <(find "$dir" \( -name '__pycache__' -o -name '*.pyc' -o -name '.DS_Store' -o -name '*~' \) -print)

((problems == 0)) || exit 1
echo "$directory: good"
