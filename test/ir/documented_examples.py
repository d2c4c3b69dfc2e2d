"""Wraps every MLIR example of the descriptions in ir/*.td into a module that can be parsed: operands
that an example does not define become arguments of a function, or, for the ops of recipes, loads."""

import pathlib
import re
import sys

RECIPE_OPS = "load random rows concat transpose fill quantize pack".split()


def split_types(text):
    """The parts of "a, b<c, d>" between commas that are not inside brackets."""
    parts, depth = [""], 0
    for char in text:
        depth += char in "<([{"
        depth -= char in ">)]}"
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts if part.strip()]


def functional_types(statement):
    """Operand types and result type of `... : (types) -> type`."""
    head, result = re.split(r"-> ?(?=tensor|!)", statement.split("{\n")[0], maxsplit=1)
    return split_types(head[head.rindex(" : (") + 4 :].strip().removesuffix(")")), result.strip()


def wrap(example):
    """The example with what it needs around it."""
    if example.startswith(("llm.weight", "func.func")):
        return example
    if "llm.get_weight" in example:
        type = example.split(" : ")[1]
        return f'llm.weight @lm_head : {type} {{\n  %0 = llm.load "w" : {type}\n  llm.yield %0 : {type}\n}}\n' + function(example, {})
    statements = [example] if "llm.kernel" in example else re.split(r"\n(?=%)", example)
    needed, defined = {}, set()
    for statement in statements:
        result, _, body = statement.partition(" = ")
        if "->" in body:
            types, result_type = functional_types(statement)
            names = re.findall(r"%\w+", body.split("{\n")[0])
            needed.update((n, t) for n, t in zip(names, types) if n not in defined)
        else:
            result_type = body.rsplit(" : ", 1)[1]
        defined.add(result)
    if re.search(r"= llm\.(\w+)", example)[1] in RECIPE_OPS:
        loads = "".join(f'  {n} = llm.load "{n[1:]}" : {t}\n' for n, t in needed.items())
        return f"llm.weight @example : {result_type} {{\n{loads}{example}\nllm.yield {result} : {result_type}\n}}\n"
    return function(example, needed)


def function(example, needed):
    arguments = ", ".join(f"{name}: {type}" for name, type in needed.items())
    return f"func.func @example({arguments}) {{\n{example}\nreturn\n}}\n"


def examples(folder):
    for path in sorted(pathlib.Path(folder).glob("*.td")):
        for block in re.findall(r"```mlir\n(.*?)```", path.read_text(), re.DOTALL):
            lines = block.rstrip().split("\n")
            indent = len(lines[0]) - len(lines[0].lstrip())
            text = "\n".join(line[indent:] for line in lines)
            # The signature of a step shows types with dots in them.
            if "..." not in text:
                yield path.name, text


for name, example in examples(sys.argv[1]):
    print(f"// {name}\n{wrap(example)}\n// -----\n")
