# flip-bytes.sh ARTIFACT COPY: runs a copy of the artifact with one byte of one file changed, file by file.
for file in manifest.json model.so plan.json weights.safetensors tokenizer.model; do
  rm -rf "$2"
  cp -r "$1" "$2"
  python3 - "$2/$file" <<'EOF'
import sys
path = sys.argv[1]
content = bytearray(open(path, "rb").read())
content[len(content) // 2] ^= 1
open(path, "wb").write(content)
EOF
  llmopt-run "$2" --prompt hi && echo "$file: not found"
done
exit 0
