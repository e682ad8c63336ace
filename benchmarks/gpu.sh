#!/usr/bin/env bash
# What a GPU does with seqgra, in parts of stated length, at most 12 minutes in all:
#   benchmarks/gpu.sh [cuda|cpu] [PART...]      all parts, or those named; results go to standard output
# A part that fails or runs over its time is named at the end; the others still run.
set -uo pipefail
cd "$(dirname "$0")/.."
device=${1:-cuda}
shift || true
declare -A seconds=([doctor]=30 [everything]=200 [throughput]=240 [together]=120 [resume]=60 [plan]=70)
bad=()
for part in ${*:-doctor everything throughput together resume plan}; do
  printf '\n## %s (at most %s s)\n\n' "$part" "${seconds[$part]}"
  if [ "$part" = doctor ]; then
    command=(seqgra doctor --device "$device")
  else
    command=(python benchmarks/gpu.py "$part" --device "$device")
  fi
  timeout "${seconds[$part]}" "${command[@]}" || bad+=("$part")
done
[ ${#bad[@]} -eq 0 ] || { echo "failed or ran over their time: ${bad[*]}"; exit 1; }
