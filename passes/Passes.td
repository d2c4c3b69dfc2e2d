//===- Passes.td - The passes of the compiler -------------------------------------------------===//
//
// In the order of the default pipelines. A module is in a named phase, which every pass requires and
// leaves: graph -> kernels -> scheduled -> placed.
//
//===------------------------------------------------------------------------------------------===//

include "mlir/Pass/PassBase.td"

def FuseProjections : Pass<"llm-fuse-projections", "::mlir::ModuleOp"> {
  let summary = "Merge linears of one input into one linear";
  let description = [{
    Linears that read the same value (queries, keys and values; gate and up; in a parallel block all of
    them) become one linear whose weight recipe concatenates theirs, and slices of its result: fewer,
    longer streams of weights, and the input is prepared once.

    ```mlir
    %q = llm.linear %x, %wq                     %y = llm.linear %x, %wqkv
    %k = llm.linear %x, %wk         ==>         %q = llm.slice %y [0, 2048]
    %v = llm.linear %x, %wv                     %k = llm.slice %y [2048, 256]
                                                %v = llm.slice %y [2304, 256]
    ```

    Requires the phase `graph` and leaves it. A weight that has other users (a tied head) stays as it is.
    Where only some of the linears have a bias, the others get zeros. Changes no value.
  }];
}

def Quantize : Pass<"llm-quantize", "::mlir::ModuleOp"> {
  let summary = "Store the weights of linears as codes of few bits and scales";
  let description = [{
    Each weight that linears alone multiply by gets an `llm.quantize` at the end of its recipe and a
    `!llm.quantized` element type: rounding to nearest.

    ```mlir
    %y = llm.linear %x, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
      ==> (int4)
    %y = llm.linear %x, %w
        : (tensor<?x64xf32>, tensor<64x64x!llm.quantized<i4, group = 32, scale = f16>>) -> tensor<?x64xf32>
    ```

    `scheme` is `SCHEME[;PATTERN=SCHEME]...`, for example `int4:group=64;*.mlp.down_proj=int8;lm_head=int8`.
    A scheme is

    | scheme | codes | group | scale |
    |---|---|---|---|
    | `int8` | `i8`, with `asymmetric` `u8` | a row | f32 |
    | `int4` | `i4`, with `asymmetric` `u4` | 32 | f16 |
    | `nf4`, `fp4` | of these names | 64 | f16 |
    | `none` | as it was | | |

    with options behind a colon: `group=N`, a multiple of 32 or 0 for a row, `scale=f32|f16|bf16`,
    `asymmetric`. In a pattern, a weight's whole name, `*` stands for any characters; the last one that fits
    counts. The head, what is multiplied by behind `llm.gather_rows`, stays as it was unless a pattern names it.

    Requires the phase `graph` and leaves it; to come before projections are fused, so that patterns see the
    checkpoint's names. Refuses an unknown scheme or option, a pattern that fits no linear's weight, a group
    that does not divide a row, a table that the embedding shares, and a weight that is quantized already.
  }];
  let options = [Option<"scheme", "scheme", "std::string", "\"int8\"", "SCHEME[;PATTERN=SCHEME]...">];
}

def LowerPrecision : Pass<"llm-lower-precision", "::mlir::ModuleOp"> {
  let summary = "Store or compute in 16 bits";
  let description = [{
    - `32-true`: nothing changes.
    - `16-true`, `bf16-true`: weights, activations and the cache are stored in the type and products are
      of the type. Sums, norm statistics, softmax, rotary tables and logits stay float32.
    - `16-mixed`, `bf16-mixed`: weights, activations and the cache stay float32; each linear casts its
      input and weight to the type, and its sums are not rounded.

    ```mlir
    %y = llm.linear %x, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
      ==> (bf16-true)
    %y = llm.linear %x, %w : (tensor<?x64xbf16>, tensor<64x64xbf16>) -> tensor<?x64xbf16>
      ==> (bf16-mixed)
    %a = llm.cast %x : (tensor<?x64xf32>) -> tensor<?x64xbf16>
    %b = llm.cast %w : (tensor<64x64xf32>) -> tensor<64x64xbf16>
    %y = llm.linear %a, %b : (tensor<?x64xbf16>, tensor<64x64xbf16>) -> tensor<?x64xf32>
    ```

    Requires the phase `graph` with float32 values and leaves it. Refuses a module that is lowered already
    and an unknown precision. Recipes get a cast; casts that cancel fold away.
  }];
  let options = [Option<"precision", "precision", "std::string", "\"32-true\"",
                        "32-true, 16-true, bf16-true, 16-mixed or bf16-mixed">];
}

def FuseKernels : Pass<"llm-fuse-kernels", "::mlir::ModuleOp"> {
  let summary = "Group the ops of the step into kernels";
  let description = [{
    Every op but `llm.get_weight` ends up in an `llm.kernel`:

    - each linear with, before it, the ops that only make its input (row gather, norm, casts, pointwise),
      and, after it, what follows from its columns (slices, rope, activation, products, residual sums,
      cache append, casts);
    - each attention alone;
    - what is left, row by row: embeddings, the last with their sum, norms with several users, rotary tables.

    Inside a kernel values are float32 and are rounded where they leave it, and where they enter a
    product: with 16-bit types a fused kernel rounds less often than the graph did.

    ```mlir
    %n = llm.norm rms %x, %g         ==>   %y = llm.kernel "norm_linear"(%x, %g, %w) { ... }
    %y = llm.linear %n, %w
    ```

    Requires the phase `graph`, leaves `kernels`. With `enabled=false` every op gets a kernel of its own,
    which shows what fusion gains.
  }];
  let options = [Option<"enabled", "enabled", "bool", "true", "Fuse; false: one kernel for each op">];
}

def Schedule : Pass<"llm-schedule", "::mlir::ModuleOp"> {
  let summary = "Choose tiles and weight layouts for a target";
  let description = [{
    Gives every kernel the attribute `schedule`, a dictionary that the target's emitter reads, and every
    weight the layout that its kernel reads: the type gets an `#llm.packed` encoding, the recipe an
    `llm.pack`. An embedding that shares its table with a head reads the head's layout.

    `cpu`: panels of 16 outputs, two columns interleaved where products are bfloat16;
    `tile`: columns of a task, per segment of the output, whole heads where they are rotated.
    `cuda`: for ranges of row counts the tiles of the matvec or matrix product, for attention the parts that
    keys are split into (`passes/CudaSchedule.h`). Weights are row-major, rows padded to 16 bytes; those of
    16-bit products on sm_90a lie in panels of 8 rows and 8 columns, the tensor cores' core matrices.

    With `batch-invariant` all variants of a kernel add up a row's products in one order, and attention adds up
    parts of the keys with fixed bounds (`part_keys`): a row's result is the same, bit for bit, whatever rows
    are beside it and however its sequence was cut into steps. The kernels of `cpu` are so always.

    What a schedule of `cuda` starts from is in `passes/schedules/ARCH.json`; `tuning` names a file of llmopt-tune,
    whose parameters the linears that it has get instead.

    Requires the phase `kernels`, leaves `scheduled`. Refuses an unknown target or architecture, a weight
    that two kernels want in different layouts, and a tuning file that is for another architecture or has what a
    linear cannot be. Changes no value.
  }];
  let options = [
    Option<"target", "target", "std::string", "\"cpu\"", "cpu or cuda">,
    Option<"arch", "arch", "std::string", "\"sm_90a\"",
           "of cuda: sm_80, sm_86, sm_89, sm_90 or sm_90a">,
    Option<"batchInvariant", "batch-invariant", "bool", "false",
           "Kernels of cuda whose results for a row do not depend on the rows beside it">,
    Option<"tuning", "tuning", "std::string", "\"\"", "of cuda: a file that llmopt-tune has written">
  ];
}

def PlanMemory : Pass<"llm-plan-memory", "::mlir::ModuleOp"> {
  let summary = "Place every intermediate in the arena";
  let description = [{
    Buffers have one row per token or per wanted row of logits, and live from the kernel that writes them to
    the last one that reads them; buffers that live together do not overlap. Each kernel gets
    `placement`, for each tensor result `{space, offset, row_bytes}` (`unit` for a cache), and `workspace`
    likewise if its schedule asks for one. With R rows in a buffer's space it begins `offset * R` bytes into
    the arena of that space. The module gets `llm.arena = {token_row_bytes, logit_row_bytes}`: the bytes of the
    arena for each token and each row of logits.

    Requires the phase `scheduled`, leaves `placed`. Changes no value.
  }];
}

def Synchronize : Pass<"llm-synchronize", "::mlir::ModuleOp"> {
  let summary = "Derive what the tiles of a persistent step wait for";
  let description = [{
    A persistent step is one kernel: its blocks run the tiles of the step's kernels, numbered kernel after
    kernel, each block its own in rising order. Each tile adds one to the counter of its chunk when it is done,
    and before it touches anything but weights waits for the chunks that it needs.

    Gives every kernel `sync`, an array with an entry for each bucket of rows that can run so, by rising
    `max_rows`. The buckets are the `max_rows` of the linears' variants up to attention's `decode_rows` for which
    every linear is a matvec. For the tiles of a `period` (all of a kernel; with `per_row` those of each row; with
    `splits` each tile stands for as many as attention's keys have parts) an entry has

    - `chunks`: the chunk of each tile, as runs (count, chunk);
    - `waits`: sets of chunks of earlier kernels, as (kernel, chunk), kernels numbered through the step;
    - `wait_of`: the set that each tile waits for, as runs (count, set).

    ```mlir
    %n = llm.kernel "norm_linear_rope_append"(...)  // 6 tiles: queries of two groups, then keys and values
      attributes {sync = [{max_rows = 4, period = 6, chunks = array<i64: 2, 0, 2, 1, 1, 0, 1, 1>,
                           waits = [array<i64: 0, 0>], wait_of = array<i64: 6, 0>} ], ...}
    ```

    Tiles that are waited for by the same tiles are a chunk (of more than 32, neighbours are joined), and a
    wait that follows from others is left out. Ordered are all tiles that touch the same bytes, one of them to
    write: what a kernel reads of another, and buffers that take each other's places in the arena.

    Requires the phase `placed` with a schedule for `cuda` and leaves it; the module gets `llm.launch`. Refuses a
    step in which a linear is no matvec for any number of rows. Changes no value.
  }];
  let options = [Option<"launch", "launch", "std::string", "\"persistent\"",
                        "persistent; graph leaves the kernels as they are">];
}

def VerifyLaunch : Pass<"llm-verify-launch", "::mlir::ModuleOp"> {
  let summary = "Check that a persistent step can neither deadlock nor race";
  let description = [{
    From `sync` and the tiles of each kernel alone, without what derived it, for every bucket of rows:

    - No deadlock: every wait is for a chunk with tiles of an earlier kernel, and every tile is of one chunk.
      Blocks take their tiles in rising order, so the unfinished tile with the lowest number is always the next
      of its block, and all that it waits for has lower numbers and is done: it can run, whatever the others do.
    - No race: of two tiles that touch the same bytes, one of them to write, the one of the later kernel begins
      after the end of the other, since it waits for the other's chunk or for a chunk with a tile that does. No
      two tiles of one kernel do so. Steps are ordered by their launches.

    `--llm-verify-phase` runs it on a module that is persistent.
  }];
}

def VerifyPhase : Pass<"llm-verify-phase", "::mlir::ModuleOp"> {
  let summary = "Check that a module is what its phase says";
  let description = [{
    - `graph`: the step holds `llm` ops and no `llm.kernel`;
    - `kernels`: it holds `llm.get_weight` and `llm.kernel` only, each kernel of a known anatomy;
    - `scheduled`: and every kernel has a `schedule`;
    - `placed`: and every kernel has a `placement`, and a `workspace` if its schedule asks for one, inside
      the arena, and no two live buffers overlap; if the step is persistent (`llm.launch`), what
      `--llm-verify-launch` checks.

    The pipelines run it after every pass.
  }];
}
