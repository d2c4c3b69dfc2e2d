# gpu-report.sh: the rows that gpu.sh measures, and how they are told: a table, JSON and Markdown. Sourced by
# gpu.sh; needs no program but the usual ones, as python3 may be missing where it runs.
#
# A row is a line of JSON: {"stage", "name", "what", "status": "ok", "skipped" or "error", "note", "result": what
# the measuring program said as JSON}.

article_note="beside 1.18 s, 42.47 tokens/s and 14.50 GB of the article on an A100-40GB, which reads 1,555 GB/s on paper"

# json_text TEXT: a JSON string
json_text() {
  printf '"%s"' "$(printf %s "$1" | tr -d '\r\n' | tr '\t' ' ' | sed 's/\\/\\\\/g; s/"/\\"/g')"
}

# add_row STAGE NAME WHAT STATUS NOTE [RESULT]
add_row() {
  printf '{"stage":"%s","name":"%s","what":"%s","status":"%s","note":%s,"result":%s}\n' \
    "$1" "$2" "$3" "$4" "$(json_text "$5")" "${6:-null}" >>"$rows"
}

# text_of KEY JSON: the first string of that name
text_of() {
  sed -n "s/.*\"$1\": \{0,1\}\"\([^\"]*\)\".*/\1/p" <<<"$2" | head -n 1
}

# The table as lines of fields separated by tabs, made of rows on standard input; check rows are told apart.
# Keys are looked for from the row's begin on: of an artifact beside a baseline the first is its own. A peer's share
# of the read bandwidth follows from this program's of the same model, batch and context, and so does the note.
fields() {
  awk '
    function value(key,   at, rest) {
      at = match($0, "\"" key "\": ?[-0-9.e+]+")
      if (!at) return ""
      rest = substr($0, at, RLENGTH)
      sub(/^[^:]*: ?/, "", rest)
      return rest + 0
    }
    function text(key,   at, rest) {
      at = match($0, "\"" key "\":\"([^\"\\\\]|\\\\.)*\"")
      if (!at) return ""
      rest = substr($0, at + length(key) + 4, RLENGTH - length(key) - 5)
      gsub(/\\"/, "\"", rest)
      return rest
    }
    function shown(number, format) { return number == "" ? "" : sprintf(format, number) }
    function times(number, factor) { return number == "" ? "" : number * factor }
    BEGIN { OFS = "\t" }
    !/^{"stage":"check"/ {
      note = text("note")
      status = text("status")
      if (status != "ok") { print text("stage"), text("name"), text("what"), "", "", "", "", "", "", "", "", "", "", (status == "error" ? "FAILED: " : "") note; next }
      decode = value("decode_tokens_per_second")
      ratio = value("decode_ratio")
      if (ratio != "") note = sprintf("%.3f of its decode rate, %.3f of its prefill rate", ratio, value("prefill_ratio"))
      share = times(value("read_bandwidth_share"), 100)
      same = text("name") SUBSEP value("batch") SUBSEP value("context")
      if (text("what") == "graph" && !(same in rate)) { rate[same] = decode; shares[same] = share }
      if (text("what") ~ /^transformers/ && rate[same] > 0) {
        note = sprintf("graph decodes %.2f times as fast", rate[same] / decode)
        if (shares[same] != "") share = shares[same] * decode / rate[same]
      }
      total = value("total_seconds")
      if (text("stage") == "article" && total != "") {
        note = sprintf("%.2f s, %.2f tokens/s; %s", total, new / total, note)
      }
      print text("stage"), text("name"), text("what"), value("batch"), value("context"), value("prompt_length"), value("new_tokens"),
        shown(value("prefill_tokens_per_second"), "%.0f"), shown(times(value("arithmetic_share"), 100), "%.1f %%"),
        shown(decode, "%.1f"), shown(times(value("decode_bytes_per_second"), 1e-9), "%.0f"),
        shown(share, "%.1f %%"),
        shown(times(value("peak_memory_bytes"), 1e-9), "%.2f"), note
    }' new="$article_new" "$rows"
}

headings=$'stage\tmodel\twhat\tbatch\tcontext\tprompt\tnew\tprefill tok/s\tof GEMM\tdecode tok/s\tGB/s\tof read\tGB\tnote'

# Lines of tabs as columns.
columns() {
  awk -F'\t' '
    { for (i = 1; i <= NF; ++i) { cell[NR, i] = $i; if (i < NF && length($i) > width[i]) width[i] = length($i) } if (NF > most) most = NF }
    END {
      for (row = 1; row <= NR; ++row) {
        line = ""
        for (i = 1; i <= most; ++i) line = line sprintf(i > 3 && i < most ? "%*s  " : "%-*s  ", width[i], cell[row, i])
        sub(/ +$/, "", line)
        print line
      }
    }'
}

as_markdown() {
  awk -F'\t' '
    { printf "|"; for (i = 1; i <= NF; ++i) printf " %s |", $i; print "" }
    NR == 1 { printf "|"; for (i = 1; i <= NF; ++i) printf "---|"; print "" }'
}

# profile_table JSON: of each kind of step its kernels, the longest first, as llmopt-bench --profile names them
profile_table() {
  awk '
    function value(from, key,   rest) {
      if (!match(from, "\"" key "\":[-0-9.e+]+")) return 0
      rest = substr(from, RSTART + length(key) + 3, RLENGTH - length(key) - 3)
      return rest + 0
    }
    {
      match($0, /"model":"[^"]*"/)
      printf "%s, %s, read bandwidth %.0f GB/s\n", substr($0, RSTART + 9, RLENGTH - 10), "batch " value($0, "batch"), value($0, "read_bandwidth_bytes_per_second") / 1e9
      parts = split($0, step, /"(prefill|decode)":\{/)
      for (s = 2; s <= parts; ++s) {
        printf "\n%d rows: %.3f ms a step, %.3f ms of it between launches; %.3f ms when it is not measured\n", value(step[s], "rows"), value(step[s], "seconds") * 1e3, value(step[s], "between_launches_seconds") * 1e3, value(step[s], "seconds_as_usual") * 1e3
        printf "%-44s%9s%10s%8s%9s%9s%9s\n", "kernel", "launches", "us each", "gap us", "GB/s", "of read", "of peak"
        kernels = split(step[s], kernel, /"function":"/)
        for (k = 2; k <= kernels; ++k) {
          name = kernel[k]
          sub(/".*/, "", name)
          count = value(kernel[k], "launches")
          time = value(kernel[k], "seconds")
          printf "%-44s%9d%10.1f%8.1f%9.0f%8.1f%%%8.1f%%\n", name, count, time / count * 1e6, value(kernel[k], "gap_before_seconds") * 1e6, value(kernel[k], "bytes") / time / 1e9, 100 * value(kernel[k], "read_bandwidth_share"), 100 * value(kernel[k], "arithmetic_share")
        }
      }
      print ""
    }' <<<"$1"
}

# Everything that there is to tell, from $rows, $card, $device, $arch and $check_heading into $out.
finish_report() {
  local date limits
  date=$(date -u +%Y-%m-%d)
  limits=$(awk '
    match($0, /"read_bandwidth_bytes_per_second":[0-9.e+]+/) { read = substr($0, RSTART + 34, RLENGTH - 34) + 0 }
    match($0, /"arithmetic_peak_flops":[0-9.e+]+/) { peak = substr($0, RSTART + 24, RLENGTH - 24) + 0 }
    END { if (read) printf "; measured beside: read bandwidth %.0f GB/s, products %.0f TFLOP/s", read / 1e9, peak / 1e12 }' "$rows")
  {
    printf '{"date":"%s","device":"%s","card":%s,"arch":"%s","seconds":%d,"rows":[\n' "$date" "$device" "$(json_text "$card")" "$arch" "$SECONDS"
    sed '$!s/$/,/' "$rows"
    echo ']}'
  } >"$out/results.json"
  {
    echo "$date, $device: $card; $arch; $SECONDS s$limits"
    if grep -q '^{"stage":"check"' "$rows"; then
      printf '\n%s\n' "${check_heading:-}"
      sed -n 's/^{"stage":"check","name":"\([^"]*\)".*"status":"\([a-z]*\)","note":"\(.*\)","result":null}$/\2 \1 \3/p' "$rows" |
        sed 's/\\"/"/g; s/^ok [^ ]* //; s/^error [^ ]* \(.* FAILED\)/\1/; s/^error \([^ ]*\) /\1 FAILED: /; s/^skipped //'
    fi
    if grep -qv '^{"stage":"check"' "$rows"; then
      echo
      { echo "$headings"; fields; } | columns
    fi
    echo
  } | tee "$out/table.txt"
  {
    echo "$date, $card; $arch$limits."
    echo
    { echo "$headings"; fields; } | as_markdown
  } >"$out/results.md"
}
