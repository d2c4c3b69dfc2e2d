// A step in which kernels wait for each other in every way: for all of a kernel, for the columns of
// a tile, and for a place in the arena. What is derived for it is checked, and every way of breaking
// it is found.

// RUN: llmopt-opt %s --llm-synchronize -o %t
// RUN: FileCheck %s --input-file %t
// RUN: llmopt-opt %t --llm-verify-launch --llm-verify-phase -o /dev/null

// CHECK: module attributes {{.*}}llm.launch = "persistent"
// CHECK: llm.kernel "embed"
// CHECK-SAME: sync = [{chunks = array<i64: 1, 0>, max_rows = 4 : i64, per_row, period = 1 : i64, wait_of = array<i64: 1, 0>, waits = [array<i64>]}]
// CHECK: llm.kernel "linear"
// CHECK-SAME: sync = [{chunks = array<i64: 1, 0, 1, 1>, max_rows = 4 : i64, period = 2 : i64, wait_of = array<i64: 2, 0>, waits = [array<i64: 0, 0>]}]
// Each tile adds columns of its own to what the kernel before made; its input is done before.
// CHECK: llm.kernel "linear_add"
// CHECK-SAME: sync = [{chunks = array<i64: 2, 0>, max_rows = 4 : i64, period = 2 : i64, wait_of = array<i64: 1, 0, 1, 1>, waits = [array<i64: 1, 0>, array<i64: 1, 1>]}]
// It reads nothing that is made here, but takes the place of what `linear_add` reads.
// CHECK: llm.kernel "embed_mul"
// CHECK-SAME: waits = [array<i64: 2, 0>]
// CHECK: llm.kernel "gather_rows_add_linear"
// CHECK-SAME: sync = [{chunks = array<i64: 1, 0>, max_rows = 4 : i64, period = 1 : i64, wait_of = array<i64: 1, 0>, waits = [array<i64: 3, 0>]}]

// A wait that is missing.
// RUN: sed '/"linear_add"/s/array<i64: 1, 1>\]/array<i64: 1, 0>]/' %t | not llmopt-opt --llm-verify-launch 2>&1 | FileCheck %s --check-prefix=DROPPED
// DROPPED: error: {{.*}}in steps of up to 4 rows, tile 1 of 'linear_add' (kernel 2) may read columns 16 to 31 of result 0 of 'linear' (kernel 1), before tile 1 of 'linear' (kernel 1) is done with it

// A place that is taken too early.
// RUN: sed '/"embed_mul"/s/waits = .array<i64: 2, 0>/waits = [array<i64: 1, 0, 1, 1>/' %t | not llmopt-opt --llm-verify-launch 2>&1 | FileCheck %s --check-prefix=PLACE
// PLACE: error: {{.*}}tile 0 of 'embed_mul' (kernel 3) may write result 0 of 'linear' (kernel 1), which shares bytes with result 0 of 'embed_mul' (kernel 3), before tiles 0 to 1 of 'linear_add' (kernel 2) are done with it

// A tile that counts for another chunk.
// RUN: sed '/"linear"/s/array<i64: 1, 0, 1, 1>/array<i64: 1, 1, 1, 0>/' %t | not llmopt-opt --llm-verify-launch 2>&1 | FileCheck %s --check-prefix=CHUNK
// CHUNK: error: {{.*}}tile 0 of 'linear_add' (kernel 2) may read columns 0 to 15 of result 0 of 'linear' (kernel 1), before tile 0 of 'linear' (kernel 1) is done with it

// Deadlocks: a wait for a later kernel, for the kernel itself, for a chunk that is not there.
// RUN: sed '/"linear_add"/s/array<i64: 1, 1>\]/array<i64: 1, 1, 4, 0>]/' %t | not llmopt-opt --llm-verify-launch 2>&1 | FileCheck %s --check-prefix=LATER
// LATER: error: {{.*}}'linear_add' (kernel 2) waits for kernel 4, which is none before it: the step would not end
// RUN: sed '/"linear_add"/s/array<i64: 1, 1>\]/array<i64: 1, 1, 2, 0>]/' %t | not llmopt-opt --llm-verify-launch 2>&1 | FileCheck %s --check-prefix=ITSELF
// ITSELF: error: {{.*}}'linear_add' (kernel 2) waits for kernel 2, which is none before it: the step would not end
// RUN: sed '/"linear_add"/s/array<i64: 1, 1>\]/array<i64: 1, 1, 1, 2>]/' %t | not llmopt-opt --llm-verify-launch 2>&1 | FileCheck %s --check-prefix=NONE
// NONE: error: {{.*}}'linear_add' (kernel 2) waits for chunk 2 of 'linear' (kernel 1), which has 2: the step would not end
// RUN: sed '/"linear_add"/s/chunks = array<i64: 2, 0>/chunks = array<i64: 2, 1>/' %t | not llmopt-opt --llm-verify-launch 2>&1 | FileCheck %s --check-prefix=EMPTY
// EMPTY: error: {{.*}}'linear_add' (kernel 2) has no tile of its chunk 0

// The tiles of another schedule; buckets that are not those of the others.
// RUN: sed '/"linear"/s/columns = 16/columns = 8/' %t | not llmopt-opt --llm-verify-launch 2>&1 | FileCheck %s --check-prefix=PERIOD
// PERIOD: error: {{.*}}'linear' (kernel 1) has a period of 4 tiles, its sync of 2 tiles
// RUN: sed '/"embed"/s/per_row, //' %t | not llmopt-opt --llm-verify-launch 2>&1 | FileCheck %s --check-prefix=ROWS
// ROWS: error: {{.*}}'embed' (kernel 0) has a period of 1 tiles for each row, its sync of 1 tiles
// RUN: sed '/"linear_add"/s/sync = .{\(.*\)max_rows = 4/sync = [{\1max_rows = 2/' %t | not llmopt-opt --llm-verify-launch 2>&1 | FileCheck %s --check-prefix=BUCKET
// BUCKET: error: {{.*}}'linear_add' has a sync for other numbers of rows than the first kernel

// Buffers of one kernel that overlap: nothing orders its tiles.
// RUN: sed '/"linear_add"/s/offset = 256/offset = 96/' %t | not llmopt-opt --llm-verify-launch 2>&1 | FileCheck %s --check-prefix=OVERLAP
// OVERLAP: error: {{.*}}'linear_add' (kernel 2) writes result 0 of 'linear_add' (kernel 2), which shares bytes with result 0 of 'embed' (kernel 0) that it also touches

// Places that are smaller than what is written there, or none.
// RUN: sed '/"linear_add"/s/offset = 256 : i64, row_bytes = 128/offset = 320 : i64, row_bytes = 64/' %t | not llmopt-opt --llm-verify-launch 2>&1 | FileCheck %s --check-prefix=SMALL
// SMALL: error: {{.*}}'linear_add' has result 0 placed at 320 with 64 bytes a row; a row of it has 128
// RUN: sed '/"linear_add"/s/offset = 256 : i64, row_bytes = 128/offset = 320 : i64, row_bytes = 64/' %t | not llmopt-opt --llm-verify-phase 2>&1 | FileCheck %s --check-prefix=SMALLROW
// SMALLROW: error: {{.*}}its placement has 64 bytes a row, and one of {{.*}} has 128
// RUN: sed '/"linear_add"/s/offset = 256 /offset = 9223372036854775807 /' %t | not llmopt-opt --llm-verify-launch 2>&1 | FileCheck %s --check-prefix=FAR
// FAR: error: {{.*}}'linear_add' has result 0 placed at 9223372036854775807

// Attributes that are none.
// RUN: sed '/"linear_add"/s/sync = /was = /' %t | not llmopt-opt --llm-verify-launch 2>&1 | FileCheck %s --check-prefix=MISSING
// MISSING: error: {{.*}}'linear_add' has no sync
// RUN: sed '/"linear_add"/s/chunks = array<i64: 2, 0>/chunks = array<i64: 3, 0>/' %t | not llmopt-opt --llm-verify-launch 2>&1 | FileCheck %s --check-prefix=RUNS
// RUNS: error: {{.*}}'linear_add' has a malformed sync: its chunks are not runs of the period's tiles
// RUN: sed '/"linear_add"/s/wait_of = array<i64: 1, 0, 1, 1>/wait_of = array<i64: 1, 0, 1, 2>/' %t | not llmopt-opt --llm-verify-launch 2>&1 | FileCheck %s --check-prefix=SETS
// SETS: error: {{.*}}'linear_add' has a malformed sync: its wait_of is not runs of the period's tiles and of its wait sets

// The check is part of the phase of a persistent module, and of no other.
// RUN: sed '/"linear"/s/array<i64: 1, 0, 1, 1>/array<i64: 1, 1, 1, 0>/' %t | not llmopt-opt --llm-verify-phase 2>&1 | FileCheck %s --check-prefix=CHUNK
// RUN: sed 's/llm.launch = "persistent"/llm.launch = "once"/' %t | not llmopt-opt --llm-verify-phase 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// UNKNOWN: error: unknown launch "once"
// RUN: not llmopt-opt %s --llm-verify-launch 2>&1 | FileCheck %s --check-prefix=GRAPH
// GRAPH: error: the module's step is not persistent

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 16, page = 16, type = f32>
module attributes {llm.phase = "placed", llm.arena = {token_row_bytes = 384 : i64, logit_row_bytes = 64 : i64}} {
  llm.weight @table : tensor<24x16xf32> {
    %0 = llm.load "table" : tensor<24x16xf32>
    llm.yield %0 : tensor<24x16xf32>
  }
  llm.weight @wide : tensor<24x32xf32> {
    %0 = llm.load "wide" : tensor<24x32xf32>
    llm.yield %0 : tensor<24x32xf32>
  }
  llm.weight @up : tensor<32x16xf32> {
    %0 = llm.load "up" : tensor<32x16xf32>
    llm.yield %0 : tensor<32x16xf32>
  }
  llm.weight @head : tensor<16x32xf32> {
    %0 = llm.load "head" : tensor<16x32xf32>
    llm.yield %0 : tensor<16x32xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x16xf32>, !cache) {
    %table = llm.get_weight @table : tensor<24x16xf32>
    %wide = llm.get_weight @wide : tensor<24x32xf32>
    %up = llm.get_weight @up : tensor<32x16xf32>
    %head = llm.get_weight @head : tensor<16x32xf32>
    %a = llm.kernel "embed"(%tokens, %table) attributes {placement = [{space = "token", offset = 128 : i64, row_bytes = 64 : i64}], schedule = {target = "cuda"}} : (tensor<?xi32>, tensor<24x16xf32>) -> tensor<?x16xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x16xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x16xf32>) -> tensor<?x16xf32>
      llm.yield %0 : tensor<?x16xf32>
    }
    %b = llm.kernel "linear"(%a, %up) attributes {placement = [{space = "token", offset = 0 : i64, row_bytes = 128 : i64}], schedule = {target = "cuda", variants = [{kind = "matvec", max_rows = 4 : i64, rows = 4 : i64, columns = 16 : i64}]}} : (tensor<?x16xf32>, tensor<32x16xf32>) -> tensor<?x32xf32> {
    ^bb0(%a0: tensor<?x16xf32>, %a1: tensor<32x16xf32>):
      %0 = llm.linear %a0, %a1 : (tensor<?x16xf32>, tensor<32x16xf32>) -> tensor<?x32xf32>
      llm.yield %0 : tensor<?x32xf32>
    }
    %c = llm.kernel "linear_add"(%a, %up, %b) attributes {placement = [{space = "token", offset = 256 : i64, row_bytes = 128 : i64}], schedule = {target = "cuda", variants = [{kind = "matvec", max_rows = 4 : i64, rows = 4 : i64, columns = 16 : i64}]}} : (tensor<?x16xf32>, tensor<32x16xf32>, tensor<?x32xf32>) -> tensor<?x32xf32> {
    ^bb0(%a0: tensor<?x16xf32>, %a1: tensor<32x16xf32>, %a2: tensor<?x32xf32>):
      %0 = llm.linear %a0, %a1 : (tensor<?x16xf32>, tensor<32x16xf32>) -> tensor<?x32xf32>
      %1 = llm.add %0, %a2 : (tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x32xf32>
      llm.yield %1 : tensor<?x32xf32>
    }
    %d = llm.kernel "embed_mul"(%positions, %wide) attributes {placement = [{space = "token", offset = 0 : i64, row_bytes = 128 : i64}], schedule = {target = "cuda"}} : (tensor<?xi32>, tensor<24x32xf32>) -> tensor<?x32xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x32xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x32xf32>) -> tensor<?x32xf32>
      %1 = llm.mul %0, %0 : (tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x32xf32>
      llm.yield %1 : tensor<?x32xf32>
    }
    %l = llm.kernel "gather_rows_add_linear"(%c, %d, %rows, %head) attributes {placement = [{space = "logit", offset = 0 : i64, row_bytes = 64 : i64}], schedule = {target = "cuda", variants = [{kind = "matvec", max_rows = 4 : i64, rows = 4 : i64, columns = 16 : i64}]}} : (tensor<?x32xf32>, tensor<?x32xf32>, tensor<?xi32>, tensor<16x32xf32>) -> tensor<?x16xf32> {
    ^bb0(%a0: tensor<?x32xf32>, %a1: tensor<?x32xf32>, %a2: tensor<?xi32>, %a3: tensor<16x32xf32>):
      %0 = llm.gather_rows %a0, %a2 : (tensor<?x32xf32>, tensor<?xi32>) -> tensor<?x32xf32>
      %1 = llm.gather_rows %a1, %a2 : (tensor<?x32xf32>, tensor<?xi32>) -> tensor<?x32xf32>
      %2 = llm.add %0, %1 : (tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x32xf32>
      %3 = llm.linear %2, %a3 : (tensor<?x32xf32>, tensor<16x32xf32>) -> tensor<?x16xf32>
      llm.yield %3 : tensor<?x16xf32>
    }
    return %l, %cache : tensor<?x16xf32>, !cache
  }
}
